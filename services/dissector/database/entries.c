#include "services/dissector/database/entries.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/output/json_text.h"

#define SUMMARIES_LEAST (1024u * 1024)
#define PEER_NUMBERS_MAX UINT32_MAX

static struct text clean_copy(struct entries *e, const char *text, size_t size, int *failed)
{
    if (utf8_is_clean(text, size))
        return (struct text){ text, (uint32_t)size };
    if (scratch_reserve(&e->scratch, UTF8_CLEAN_ROOM(size)) < 0) {
        *failed = -ENOMEM;
        return (struct text){ "", 0 };
    }
    char *end = utf8_put_clean(e->scratch.data, text, size);
    return (struct text){ e->scratch.data, (uint32_t)(end - e->scratch.data) };
}

/* Nodes and segments come in runs, so the text is mostly the one before. */
static int name_add(struct entries *e, struct dictionary *names, const char *name, uint32_t *ret)
{
    int failed = 0;
    size_t length = strlen(name);
    struct text text = clean_copy(e, name, length, &failed);
    return failed ? failed : dictionary_add(names, text.data, text.size, ret);
}

static int peer_is_new(struct entries *e, uint64_t number, bool *ret)
{
    if (number == 0 || number > PEER_NUMBERS_MAX)
        return -EOVERFLOW;
    uint64_t word = number / 64, bit = UINT64_C(1) << number % 64;
    if (word >= e->peer_seen_words) {
        uint64_t words = (word + 1) * 2;
        uint64_t *seen = realloc(e->peer_seen, words * sizeof *seen);
        if (!seen)
            return -ENOMEM;
        memset(seen + e->peer_seen_words, 0, (words - e->peer_seen_words) * sizeof *seen);
        e->peer_seen = seen;
        e->peer_seen_words = words;
    }
    *ret = !(e->peer_seen[word] & bit);
    e->peer_seen[word] |= bit;
    return 0;
}

static int peer_text_add(struct entries *e, const char *name)
{
    int failed = 0;
    struct text text = clean_copy(e, name, strlen(name), &failed);
    if (failed)
        return failed;
    if (e->peer_texts_room - e->peer_texts_size < text.size + 1u) {
        uint64_t room = (e->peer_texts_size + text.size + 1024) * 2;
        char *texts = realloc(e->peer_texts, room);
        if (!texts)
            return -ENOMEM;
        e->peer_texts = texts;
        e->peer_texts_room = room;
    }
    memcpy(e->peer_texts + e->peer_texts_size, text.data, text.size);
    e->peer_texts[e->peer_texts_size + text.size] = '\0';
    e->peer_texts_size += text.size + 1u;
    return 0;
}

static int peer_add(struct entries *e, const struct peer *peer, uint32_t *ret)
{
    bool is_new = false;
    int r = peer_is_new(e, peer->number, &is_new);
    if (r < 0)
        return r;
    *ret = (uint32_t)peer->number;
    if (!is_new)
        return 0;
    if (e->peers_count == e->peers_room) {
        uint32_t room = e->peers_room ? e->peers_room * 2 : 1024;
        struct entries_peer *peers = realloc(e->peers, room * sizeof *peers);
        if (!peers)
            return -ENOMEM;
        e->peers = peers;
        e->peers_room = room;
    }
    struct entries_peer added = { .at = e->peer_texts_size, .number = (uint32_t)peer->number };
    const char *const texts[PEER_TEXTS] = { peer->ip, peer->name, peer->namespace, peer->pod_name, peer->pod_namespace, peer->service_name, peer->service_namespace, peer->dns, peer->process };
    for (unsigned i = 0; i < PEER_TEXTS; i++) {
        r = peer_text_add(e, texts[i]);
        if (r < 0)
            return r;
    }
    e->peers[e->peers_count++] = added;
    return 0;
}

static int summary_add(struct entries *e, struct entries_chunk *chunk, const struct record *record, struct entry_row *row)
{
    if (record->summary_size > MESSAGE_SUMMARY_MAX)
        return -EINVAL;
    int failed = 0;
    struct text text = clean_copy(e, record_summary(record), record->summary_size, &failed);
    if (failed || text.size == 0)
        return failed;
    if (chunk->summaries_room - chunk->summaries_size < text.size) {
        uint32_t room = chunk->summaries_room ? chunk->summaries_room * 2 : SUMMARIES_LEAST; /* at most 32,768 times 768 bytes */
        char *summaries = realloc(chunk->summaries, room);
        if (!summaries)
            return -ENOMEM;
        chunk->summaries = summaries;
        chunk->summaries_room = room;
    }
    memcpy(chunk->summaries + chunk->summaries_size, text.data, text.size);
    row->summary_at = chunk->summaries_size;
    row->summary_size = (uint16_t)text.size;
    chunk->summaries_size += text.size;
    return 0;
}

static int chunk_ready(struct entries *e, struct entries_chunk **ret)
{
    if (e->count == ENTRIES_MAX)
        return -ENOSPC;
    struct entries_chunk *chunk = &e->chunks[e->count / ENTRIES_CHUNK_ROWS];
    if (!chunk->rows)
        chunk->rows = malloc(ENTRIES_CHUNK_ROWS * sizeof *chunk->rows);
    if (!chunk->rows)
        return -ENOMEM;
    *ret = chunk;
    return 0;
}

int entries_add(struct entries *e, const struct schema *schema, const struct entry *entry, const struct text *path)
{
    const struct record *record = entry->record;
    if (record->protocol >= schema->protocols_count || (e->count && entry->id <= entries_row(e, e->count - 1)->id))
        return -EINVAL;
    struct entries_chunk *chunk;
    int r = chunk_ready(e, &chunk);
    if (r < 0)
        return r;
    struct entry_row row = {
        .timestamp = record->timestamp_ns, .elapsed = record->elapsed_ns / 1000, .duration = record->duration_ns / 1000, .id = entry->id, .connection = entry->connection,
        .request_frame = record->request_at.frame, .response_frame = record->response_at.frame, .status = record->status,
        .src_port = record->tuple.source_port, .dst_port = record->tuple.destination_port, .protocol = record->protocol, .incomplete = record->incomplete, .flags = record->flags,
    };
    if ((r = peer_add(e, entry->source, &row.src)) < 0 || (r = peer_add(e, entry->destination, &row.dst)) < 0 || (r = dictionary_add(&e->paths, path->data, path->size, &row.path)) < 0 ||
        (r = name_add(e, &e->nodes, entry->node, &row.node)) < 0 || (r = name_add(e, &e->segments, entry->request_segment, &row.request_segment)) < 0 ||
        (r = name_add(e, &e->segments, entry->response_segment, &row.response_segment)) < 0 || (r = summary_add(e, chunk, record, &row)) < 0)
        return r;
    chunk->rows[e->count++ % ENTRIES_CHUNK_ROWS] = row;
    e->protocol_counts[row.protocol]++;
    return 0;
}

/* By how many entries each has, then by name; those without any have no number. A few dozen at most. */
static void number_protocols(struct entries *e, const struct schema *schema)
{
    e->protocols_count = 0;
    for (size_t i = 0; i < schema->protocols_count; i++) {
        if (e->protocol_counts[i] == 0)
            continue;
        unsigned at = e->protocols_count++;
        for (; at > 0; at--) {
            size_t other = e->protocol_order[at - 1];
            if (e->protocol_counts[other] > e->protocol_counts[i] ||
                (e->protocol_counts[other] == e->protocol_counts[i] && strcmp(schema->protocols[other]->name, schema->protocols[i]->name) < 0))
                break;
            e->protocol_order[at] = e->protocol_order[at - 1];
        }
        e->protocol_order[at] = (uint8_t)i;
    }
    for (unsigned i = 0; i < e->protocols_count; i++)
        e->protocol_ids[e->protocol_order[i]] = (uint8_t)(i + 1);
}

static int compare_peers(const void *a, const void *b)
{
    uint32_t x = ((const struct entries_peer *)a)->number, y = ((const struct entries_peer *)b)->number;
    return x < y ? -1 : x > y;
}

int entries_number(struct entries *e, const struct schema *schema)
{
    uint32_t *order = realloc(e->path_order, (e->paths.count + 1) * sizeof *order);
    if (order)
        e->path_order = order;
    uint32_t *ranks = realloc(e->path_ranks, (e->paths.count + 1) * sizeof *ranks);
    if (ranks)
        e->path_ranks = ranks;
    if (!order || !ranks || dictionary_sort(&e->paths, order, ranks) < 0)
        return -ENOMEM;
    number_protocols(e, schema);
    if (e->peers_count)
        qsort(e->peers, e->peers_count, sizeof *e->peers, compare_peers);
    for (uint64_t i = 0; i < e->count; i++) {
        struct entry_row *row = entries_row(e, i);
        row->path = ranks[row->path];
        row->protocol = e->protocol_ids[row->protocol];
    }
    return 0;
}

void entries_columns(const struct entries *e, uint64_t at, struct column *columns)
{
    const struct entry_row *row = entries_row(e, at);
    const int64_t numbers[ENTRY_COLUMNS - 2] = {
        row->protocol, row->status, row->src, row->dst, row->path, row->timestamp, row->elapsed, row->duration, row->src_port, row->dst_port, (int64_t)row->connection, row->node, row->incomplete, row->flags,
        row->request_segment, row->request_frame, row->response_segment, row->response_frame,
    };
    columns[0] = ROW_ID();
    for (unsigned i = 0; i < ENTRY_COLUMNS - 2; i++)
        columns[i + 1] = ROW_NUMBER(numbers[i]);
    const char *summary = row->summary_size ? e->chunks[at / ENTRIES_CHUNK_ROWS].summaries + row->summary_at : "";
    columns[ENTRY_COLUMNS - 1] = ROW_TEXT(summary, row->summary_size);
}

void entries_peer_columns(const struct entries *e, uint32_t at, struct column *columns)
{
    const char *text = e->peer_texts + e->peers[at].at;
    columns[0] = ROW_ID();
    for (unsigned i = 0; i < PEER_TEXTS; i++) {
        size_t size = strlen(text);
        columns[i + 1] = ROW_TEXT(text, (uint32_t)size);
        text += size + 1;
    }
}

void entries_clear(struct entries *e)
{
    for (unsigned i = 0; i < ENTRIES_CHUNKS_MAX; i++)
        e->chunks[i].summaries_size = 0;
    e->count = 0;
    dictionary_clear(&e->paths);
    dictionary_clear(&e->nodes);
    dictionary_clear(&e->segments);
    memset(e->protocol_counts, 0, sizeof e->protocol_counts);
    for (uint32_t i = 0; i < e->peers_count; i++)
        e->peer_seen[e->peers[i].number / 64] = 0;
    e->peers_count = 0;
    e->peer_texts_size = 0;
}

void entries_close(struct entries *e)
{
    for (unsigned i = 0; i < ENTRIES_CHUNKS_MAX; i++) {
        free(e->chunks[i].rows);
        free(e->chunks[i].summaries);
    }
    dictionary_close(&e->paths);
    dictionary_close(&e->nodes);
    dictionary_close(&e->segments);
    free(e->path_order);
    free(e->path_ranks);
    free(e->peers);
    free(e->peer_texts);
    free(e->peer_seen);
    free(e->scratch.data);
    *e = (struct entries){ 0 };
}
