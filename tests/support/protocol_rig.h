/* Feeds both sides of a connection to the real engine and keeps the entries that come out, for tests of protocols.
 *
 *   struct rig *rig = rig_new(80, REDACT_ON);          a TCP connection to port 80, with its handshake
 *   rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\n\r\n", -1);   one segment (-1: strlen)
 *   rig_say_cut(rig, SIDE_SERVER, data, size, 7);      segments of 7 bytes
 *   rig_lose(rig, SIDE_SERVER, 100);                   bytes that were sent and acknowledged, but not captured
 *   rig_finish(rig);                                   FIN of both sides, and the end
 *   rig_count(rig)                                     entries without the connection's own
 *   rig_text(rig, 0, "path")                           a field's value as text: lists "a, b", maps "k=v, k=v"; "" where it is missing
 *
 * Time goes on by one millisecond with each packet, from RIG_START_NS; frames count from 1. */
#ifndef TESTS_SUPPORT_PROTOCOL_RIG_H
#define TESTS_SUPPORT_PROTOCOL_RIG_H
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/shard.h"
#include "services/dissector/engine/conversation.h"
#include "services/dissector/protocols/protocol.h"

#define RIG_START_NS INT64_C(1767225600000000000) /* 2026-01-01 */
#define RIG_STEP_NS INT64_C(1000000)
#define RIG_ENTRIES_MAX 100000
#define RIG_TEXTS 16
#define RIG_UNUSED __attribute__((unused))

struct rig {
    struct shard *shard;
    struct tuple tuple;             /* client to server */
    uint32_t seq[2];                /* next of each side */
    uint32_t acked[2];              /* what each side has received of the other, as its next packet says */
    int64_t now_ns;
    bool watched;                   /* its packets' point */
    uint32_t frame;
    struct record *records[RIG_ENTRIES_MAX];
    size_t count;
    struct record *connections[64];
    size_t connections_count;
    char *texts[RIG_TEXTS]; unsigned texts_next;
};

static int rig_entry(void *context, const struct record *r)
{
    struct rig *rig = context;
    bool connection = protocols[r->protocol]->connection;
    if (connection ? rig->connections_count == 64 : rig->count == RIG_ENTRIES_MAX)
        return 0;
    struct record *copy = malloc(r->size);
    if (!copy)
        abort();
    memcpy(copy, r, r->size);
    if (connection)
        rig->connections[rig->connections_count++] = copy;
    else
        rig->records[rig->count++] = copy;
    return 0;
}

static int rig_view(void *context, uint32_t number, const struct view *view)
{
    (void)context;
    (void)number;
    (void)view;
    return 0;
}

/* A packet of one side; payload: what it carried, captured: how much of that the capture has. */
static RIG_UNUSED void rig_packet(struct rig *rig, enum side side, uint8_t flags, const void *data, uint32_t captured, uint32_t payload)
{
    uint8_t *copy = malloc(captured ? captured : 1); /* its end is the end of an allocation */
    if (!copy)
        abort();
    if (captured)
        memcpy(copy, data, captured);
    struct shard_packet p = { .tuple = rig->tuple, .point = 1, .time_ns = rig->now_ns, .place = { 0, ++rig->frame }, .seq = rig->seq[side], .ack = rig->acked[side], .window = 1000,
                              .flags = flags, .window_scale = 255, .watched = rig->watched, .captured = captured, .payload = payload, .data = copy };
    if (side == SIDE_SERVER) {
        memcpy(p.tuple.source, rig->tuple.destination, 16);
        memcpy(p.tuple.destination, rig->tuple.source, 16);
        p.tuple.source_port = rig->tuple.destination_port;
        p.tuple.destination_port = rig->tuple.source_port;
    }
    p.hash = shard_hash(&p.tuple);
    rig->now_ns += RIG_STEP_NS;
    if (shard_packet(rig->shard, &p) < 0)
        abort();
    free(copy);
    rig->seq[side] += payload + ((flags & 3) != 0);
    rig->acked[!side] = rig->seq[side]; /* the other side has it at once, unless the test says otherwise */
}

static RIG_UNUSED struct rig *rig_new_without_handshake(uint16_t port, enum redact_level redact, uint8_t transport)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct shard_options options = { .redact = redact };
    struct shard_sink sink = { rig_entry, rig_view, rig };
    if (!rig || shard_new(0, &options, &sink, &rig->shard) < 0)
        abort();
    rig->tuple = (struct tuple){ .source = { 10, 0, 0, 1 }, .destination = { 10, 0, 0, 2 }, .source_port = 40000, .destination_port = port, .version = 4, .transport = transport };
    rig->now_ns = RIG_START_NS;
    rig->seq[0] = rig->acked[1] = 0xfffffff0u; /* the numbers wrap in every test */
    rig->seq[1] = rig->acked[0] = 1000;
    return rig;
}

static RIG_UNUSED void rig_shake_hands(struct rig *rig)
{
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig_packet(rig, SIDE_SERVER, 18, NULL, 0, 0);
    rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
}

static RIG_UNUSED struct rig *rig_new(uint16_t port, enum redact_level redact)
{
    struct rig *rig = rig_new_without_handshake(port, redact, 6);
    rig_shake_hands(rig);
    return rig;
}

static RIG_UNUSED struct rig *rig_new_udp(uint16_t port, enum redact_level redact) { return rig_new_without_handshake(port, redact, 17); }

/* One segment, or one datagram. */
static RIG_UNUSED void rig_say(struct rig *rig, enum side side, const void *data, ssize_t size)
{
    uint32_t n = size < 0 ? (uint32_t)strlen(data) : (uint32_t)size;
    rig_packet(rig, side, 24, data, n, n);
}

static RIG_UNUSED void rig_say_cut(struct rig *rig, enum side side, const void *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece)
        rig_say(rig, side, (const uint8_t *)data + at, (ssize_t)(size - at < piece ? size - at : piece));
}

/* Two segments, the first of `first` bytes. */
static RIG_UNUSED void rig_say_split(struct rig *rig, enum side side, const void *data, size_t size, size_t first)
{
    if (first)
        rig_say(rig, side, data, (ssize_t)first);
    if (first < size)
        rig_say(rig, side, (const uint8_t *)data + first, (ssize_t)(size - first));
}

static RIG_UNUSED void rig_lose(struct rig *rig, enum side side, uint32_t bytes)
{
    rig->seq[side] += bytes;
    rig->acked[!side] = rig->seq[side];
}

/* The capture ends here (ENDS_AFTER). */
static RIG_UNUSED void rig_stop(struct rig *rig)
{
    if (shard_finish(rig->shard) < 0)
        abort();
}

static RIG_UNUSED void rig_finish(struct rig *rig)
{
    if (rig->tuple.transport == 6) {
        rig_packet(rig, SIDE_CLIENT, 17, NULL, 0, 0);
        rig_packet(rig, SIDE_SERVER, 17, NULL, 0, 0);
        rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
    }
    rig_stop(rig);
}

static RIG_UNUSED size_t rig_count(const struct rig *rig) { return rig->count; }
static RIG_UNUSED const struct record *rig_record(const struct rig *rig, size_t i)
{
    if (i >= rig->count)
        abort();
    return rig->records[i];
}
static RIG_UNUSED const char *rig_protocol(const struct rig *rig, size_t i) { return protocols[rig_record(rig, i)->protocol]->name; }
static RIG_UNUSED const char *rig_incomplete(const struct rig *rig, size_t i) { return incomplete_names[rig_record(rig, i)->incomplete]; }

static void rig_print_value(FILE *f, enum field_type type, const struct value *value)
{
    struct text name, text;
    const char *comma = "";
    uint32_t at = 0;
    switch (type) {
    case FIELD_INT: case FIELD_BOOL: fprintf(f, "%" PRId64, value->number); break;
    case FIELD_TEXT: fwrite(value->data, 1, value->size, f); break;
    case FIELD_LIST:
        for (; value_next_item(value, &at, &text); comma = ", ")
            fprintf(f, "%s%.*s", comma, (int)text.size, text.data);
        break;
    case FIELD_MAP:
        for (; value_next_pair(value, &at, &name, &text); comma = ", ")
            fprintf(f, "%s%.*s=%.*s", comma, (int)name.size, name.data, (int)text.size, text.data);
        break;
    }
}

/* Valid for the next RIG_TEXTS calls. Integers as decimal text, booleans as 1 or 0; a missing INT or BOOL gives its default. "summary", "status_code" and "incomplete" are known, too. */
static RIG_UNUSED const char *rig_record_text(struct rig *rig, const struct record *r, const char *field)
{
    const struct detail *detail = protocols[r->protocol]->detail;
    char **slot = &rig->texts[rig->texts_next++ % RIG_TEXTS];
    size_t size;
    free(*slot);
    FILE *f = open_memstream(slot, &size);
    struct values values;
    if (!f || record_read_values(r, detail, &values) < 0)
        abort();
    bool found = true;
    if (strcmp(field, "summary") == 0)
        fwrite(record_summary(r), 1, r->summary_size, f);
    else if (strcmp(field, "status_code") == 0)
        fprintf(f, "%d", r->status);
    else if (strcmp(field, "incomplete") == 0)
        fputs(incomplete_names[r->incomplete], f);
    else
        found = false;
    for (uint32_t i = 0; i < detail->count && !found; i++)
        if (strcmp(detail->fields[i].name, field) == 0) {
            found = true;
            if (values.present & UINT64_C(1) << i)
                rig_print_value(f, detail->fields[i].type, &values.at[i]);
            else if (detail->fields[i].type == FIELD_INT || detail->fields[i].type == FIELD_BOOL)
                fprintf(f, "%" PRId64, detail->fields[i].fallback);
        }
    fclose(f);
    if (!found) {
        fprintf(stderr, "no field %s in %s\n", field, protocols[r->protocol]->name);
        abort();
    }
    return *slot;
}
static RIG_UNUSED const char *rig_text(struct rig *rig, size_t i, const char *field) { return rig_record_text(rig, rig_record(rig, i), field); }
static RIG_UNUSED const char *rig_connection_text(struct rig *rig, size_t i, const char *field) { return i < rig->connections_count ? rig_record_text(rig, rig->connections[i], field) : "?"; }

/* All entries, a line each, for comparing one way of feeding with another. The caller's to free. Times and places are left out. */
static RIG_UNUSED char *rig_dump(struct rig *rig)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (size_t i = 0; f && i < rig->count; i++) {
        const struct record *r = rig->records[i];
        const struct detail *detail = protocols[r->protocol]->detail;
        fprintf(f, "%s flags=%u incomplete=%s status=%d summary=%.*s", protocols[r->protocol]->name, r->flags, incomplete_names[r->incomplete], r->status, (int)r->summary_size, record_summary(r));
        for (uint32_t k = 0; k < detail->count; k++)
            fprintf(f, " %s=%s", detail->fields[k].name, rig_record_text(rig, r, detail->fields[k].name));
        fputc('\n', f);
    }
    if (!f)
        abort();
    fclose(f);
    return text;
}

static RIG_UNUSED void rig_free(struct rig *rig)
{
    shard_free(rig->shard);
    for (size_t i = 0; i < rig->count; i++)
        free(rig->records[i]);
    for (size_t i = 0; i < rig->connections_count; i++)
        free(rig->connections[i]);
    for (size_t i = 0; i < RIG_TEXTS; i++)
        free(rig->texts[i]);
    free(rig);
}
#endif
