#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/work/partition_format.h"

/* A shard's rows of one file, or what was carried over between files. */
struct head {
    struct partition *partition;        /* NULL: carried over */
    struct partition_section section;
    uint32_t next_entry;
    const uint8_t *chunk; uint32_t size, at;
    uint8_t *room;                      /* of a packed chunk's rows */
    uint32_t carried;                   /* the next to look at */
    int64_t order_ns;                   /* of packet; before the first row: of the section's first */
    struct shard_packet packet;
};
struct carried { int64_t order_ns; struct shard_packet packet; };
struct left_row { int64_t order_ns; struct partition *partition; uint64_t offset; uint32_t size; };
/* What a file's table says of one of our shards. */
struct first { struct partition_section section; int64_t order_ns; };

struct partition_set {
    struct partition *partitions; uint32_t count;
    char **paths;                       /* NULL: all stay mapped; else a file is mapped while its rows are read */
    struct first *firsts;               /* by file and shard of ours */
    uint32_t first_shard, shards, shard;
    uint64_t rows;
    struct carried *carried; uint32_t carried_count, carried_room;
    uint64_t carried_bytes, carried_tcp, carried_udp;
    struct head *heads; uint32_t heads_count, unopened; /* sorted by their first row */
    struct head **heap; uint32_t heap_count;
    struct head *given;                 /* whose packet is borrowed */
};

/* Until rest(), the file is mapped. -EBADMSG: another one has taken its place. */
static int wake(const struct partition_set *set, struct partition *partition)
{
    struct partition again;
    if (partition->map)
        return 0;
    int r = partition_open(set->paths[partition - set->partitions], &again);
    if (r < 0)
        return r;
    if (again.input != partition->input || again.node != partition->node) {
        partition_close(&again);
        return -EBADMSG;
    }
    *partition = again;
    return 0;
}

static void rest(const struct partition_set *set, struct partition *partition)
{
    struct partition open = *partition;
    if (!set->paths)
        return;
    partition_close(&open);
    partition->map = partition->table = NULL;
}

static bool is_ours(const struct partition_set *set, uint64_t hash)
{
    uint32_t shard = (uint32_t)(hash % SHARDS);
    return shard >= set->first_shard && shard - set->first_shard < set->shards;
}

static bool before(const struct head *a, const struct head *b)
{
    if (a->order_ns != b->order_ns)
        return a->order_ns < b->order_ns;
    if (a->packet.place.input != b->packet.place.input)
        return a->packet.place.input < b->packet.place.input;
    return a->packet.place.frame < b->packet.place.frame;
}

static void sift_down(struct partition_set *set)
{
    struct head *moving = set->heap[0];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < set->heap_count; i = child) {
        if (child + 1 < set->heap_count && before(set->heap[child + 1], set->heap[child]))
            child++;
        if (!before(set->heap[child], moving))
            break;
        set->heap[i] = set->heap[child];
    }
    set->heap[i] = moving;
}

static void push(struct partition_set *set, struct head *head)
{
    uint32_t i = set->heap_count++;
    for (; i > 0 && before(head, set->heap[(i - 1) / 2]); i = (i - 1) / 2)
        set->heap[i] = set->heap[(i - 1) / 2];
    set->heap[i] = head;
}

/* ---- What was carried over ------------------------------------------------------------------------------------------ */

static int compare_left(const void *one, const void *other)
{
    const struct left_row *a = one, *b = other;
    if (a->order_ns != b->order_ns)
        return a->order_ns < b->order_ns ? -1 : 1;
    if (a->partition != b->partition)
        return a->partition->input != b->partition->input ? (a->partition->input < b->partition->input ? -1 : 1) : (a->partition < b->partition ? -1 : 1);
    return a->offset < b->offset ? -1 : a->offset > b->offset; /* as they stand in the file */
}

struct left_rows { struct left_row *list; size_t count, room; };

static int note_left(struct left_rows *rows, const struct left_row *row)
{
    if (rows->count == rows->room) {
        size_t room = rows->room ? rows->room * 2 : 256;
        struct left_row *grown = reallocarray(rows->list, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        rows->list = grown;
        rows->room = room;
    }
    rows->list[rows->count++] = *row;
    return 0;
}

static int gather_left(struct partition *partition, struct left_rows *rows)
{
    struct partition_section section = partition_section_of(partition, PARTITION_LEFT);
    for (uint32_t i = 0; i < section.count; i++) {
        struct partition_entry entry = partition_entry_of(partition, section, i);
        const uint8_t *chunk = NULL;
        uint32_t size = 0;
        uint8_t *room = NULL;
        struct fragment fragment;
        int r = entry.content > 0 ? -EBADMSG : partition_chunk(partition, &entry, &room, &chunk, &size); /* never packed: rows are borrowed */
        for (uint32_t at = 0; r == 0;) {
            uint32_t from = at;
            r = partition_next_left(chunk, size, &at, &fragment);
            if (r <= 0)
                break;
            r = note_left(rows, &(struct left_row){ .order_ns = fragment.order_ns, .partition = partition, .offset = (uint64_t)(chunk + from - partition->map), .size = at - from });
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Beyond PARTITION_CARRIED_BYTES_MAX further ones are left out. */
static int carry(struct partition_set *set, const struct shard_packet *packet, int64_t order_ns)
{
    if (!is_ours(set, packet->hash) || set->carried_bytes + packet->captured > PARTITION_CARRIED_BYTES_MAX)
        return 0;
    if (set->carried_count == set->carried_room) {
        uint32_t room = set->carried_room ? set->carried_room * 2 : 16;
        struct carried *grown = reallocarray(set->carried, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        set->carried = grown;
        set->carried_room = room;
    }
    uint8_t *data = malloc(packet->captured ? packet->captured : 1);
    if (!data)
        return -ENOMEM;
    if (packet->captured)
        memcpy(data, packet->data, packet->captured);
    struct carried *carried = &set->carried[set->carried_count++];
    *carried = (struct carried){ .order_ns = order_ns, .packet = *packet };
    carried->packet.data = data;
    set->carried_bytes += packet->captured;
    ++*(packet->tuple.transport == 6 ? &set->carried_tcp : &set->carried_udp);
    return 0;
}

/* Neighbours are mostly of one file, which then stays mapped. */
static int join_left(struct partition_set *set, const struct left_rows *rows, struct decoder *decoder)
{
    struct partition *open = NULL;
    int r = 0;
    for (size_t i = 0; i < rows->count && r == 0; i++) {
        const struct left_row *row = &rows->list[i];
        struct fragment fragment;
        struct shard_packet packet;
        uint32_t at = 0;
        if (open && open != row->partition)
            rest(set, open);
        open = row->partition;
        r = wake(set, open);
        if (r < 0)
            break;
        if (row->offset > open->size || row->size > open->size - row->offset || partition_next_left(open->map + row->offset, row->size, &at, &fragment) <= 0) {
            r = -EBADMSG;
            break;
        }
        struct input_packet place = { .time_ns = fragment.time_ns, .order_ns = fragment.order_ns, .point = fragment.key.point, .frame = fragment.frame, .input = open->input, .node = open->node, .lane = fragment.key.lane };
        r = decode_fragment(decoder, &place, &fragment, &packet) ? carry(set, &packet, fragment.order_ns) : 0;
    }
    if (open)
        rest(set, open);
    return r;
}

static int carry_over(struct partition_set *set, const struct left_rows *rows)
{
    struct decoder *decoder = NULL;
    if (rows->count == 0)
        return 0;
    qsort(rows->list, rows->count, sizeof *rows->list, compare_left);
    int r = decoder_new(&decoder);
    if (r == 0)
        r = join_left(set, rows, decoder);
    decoder_free(decoder);
    return r;
}

/* ---- Opening and merging -------------------------------------------------------------------------------------------- */

/* What is needed of a file's table, and its rows of our shards. */
static void take_firsts(struct partition_set *set, const struct partition *partition)
{
    struct first *firsts = set->firsts + (size_t)(partition - set->partitions) * set->shards;
    for (uint32_t i = 0; i < set->shards; i++) {
        struct partition_section section = partition_section_of(partition, set->first_shard + i);
        firsts[i].section = section;
        for (uint32_t k = 0; k < section.count; k++) {
            struct partition_entry entry = partition_entry_of(partition, section, k);
            firsts[i].order_ns = k == 0 ? entry.order_ns : firsts[i].order_ns;
            set->rows += entry.rows;
        }
    }
}

static int open_all(struct partition_set *set, const char *const *paths, uint32_t count, struct left_rows *rows)
{
    for (; set->count < count; set->count++) {
        struct partition *partition = &set->partitions[set->count];
        int r = partition_open(paths[set->count], partition);
        if (r < 0)
            return r;
        take_firsts(set, partition);
        r = gather_left(partition, rows);
        if (r == 0 && set->paths && !(set->paths[set->count] = strdup(paths[set->count])))
            r = -ENOMEM;
        if (r < 0) {
            partition_close(partition);
            return r;
        }
        rest(set, partition);
    }
    return 0;
}

int partition_set_open(const char *const *paths, uint32_t paths_count, uint32_t first, uint32_t count, struct partition_set **ret, uint32_t *ret_bad)
{
    struct partition_set *set = calloc(1, sizeof *set);
    struct left_rows rows = { 0 };
    if (!set)
        return -ENOMEM;
    if (first > SHARDS || count > SHARDS - first) {
        free(set);
        return -EINVAL;
    }
    *set = (struct partition_set){ .first_shard = first, .shards = count, .partitions = calloc(paths_count + 1, sizeof *set->partitions), .heads = calloc(paths_count + 1, sizeof *set->heads),
                                   .heap = calloc(paths_count + 1, sizeof(struct head *)), .firsts = calloc((size_t)paths_count * count + 1, sizeof *set->firsts),
                                   .paths = paths_count > PARTITION_MAPPED_MAX ? calloc(paths_count, sizeof(char *)) : NULL };
    bool memory = set->partitions && set->heads && set->heap && set->firsts && (set->paths || paths_count <= PARTITION_MAPPED_MAX);
    int r = memory ? open_all(set, paths, paths_count, &rows) : -ENOMEM;
    if (r == 0)
        r = carry_over(set, &rows);
    free(rows.list);
    if (r < 0) {
        if (ret_bad)
            *ret_bad = set->count < paths_count ? set->count : 0;
        partition_set_free(set);
        return r;
    }
    set->rows += set->carried_count;
    *ret = set;
    return 0;
}

/* The next carried packet of the shard; false: there is none. */
static bool next_carried(const struct partition_set *set, struct head *head)
{
    while (head->carried < set->carried_count) {
        const struct carried *carried = &set->carried[head->carried++];
        if (carried->packet.hash % SHARDS != set->shard)
            continue;
        head->packet = carried->packet;
        head->order_ns = carried->order_ns;
        return true;
    }
    return false;
}

/* 1: head->packet is the next one; 0: none; -EBADMSG. */
static int advance(const struct partition_set *set, struct head *head)
{
    if (!head->partition)
        return next_carried(set, head);
    for (;;) {
        int64_t order_ns = 0;
        int r = head->chunk ? partition_next_row(head->partition, head->chunk, head->size, &head->at, &head->packet, &order_ns) : 0;
        if (r > 0) {
            if (order_ns < head->order_ns || head->packet.hash % SHARDS != set->shard)
                return -EBADMSG;
            head->order_ns = order_ns;
            return 1;
        }
        if (r < 0 || head->next_entry == head->section.count)
            return r;
        r = wake(set, head->partition);
        if (r < 0)
            return r;
        struct partition_entry entry = partition_entry_of(head->partition, head->section, head->next_entry++);
        r = partition_chunk(head->partition, &entry, &head->room, &head->chunk, &head->size);
        if (r < 0)
            return r;
        head->at = 0;
    }
}

static int compare_heads(const void *one, const void *other)
{
    const struct head *a = one, *b = other;
    return before(a, b) ? -1 : before(b, a);
}

static void forget_heads(struct partition_set *set)
{
    for (uint32_t i = 0; set->heads && i < set->heads_count; i++) {
        free(set->heads[i].room);
        if (set->heads[i].partition)
            rest(set, set->heads[i].partition);
    }
    set->heads_count = set->heap_count = set->unopened = 0;
    set->given = NULL;
}

int partition_set_begin(struct partition_set *set, uint32_t shard)
{
    forget_heads(set);
    set->shard = shard;
    for (uint32_t i = 0; i < set->count; i++) {
        struct partition *partition = &set->partitions[i];
        const struct first *first = &set->firsts[(size_t)i * set->shards + (shard - set->first_shard)];
        if (first->section.count > 0)
            set->heads[set->heads_count++] = (struct head){ .partition = partition, .section = first->section, .order_ns = first->order_ns, .packet.place.input = partition->input };
    }
    struct head carried = { .packet.place.input = UINT32_MAX };
    if (next_carried(set, &carried)) {
        carried.carried = 0; /* it is looked at again when its turn comes */
        set->heads[set->heads_count++] = carried;
    }
    if (set->heads_count > 0)
        qsort(set->heads, set->heads_count, sizeof *set->heads, compare_heads);
    return 0;
}

/* Every section whose first row may come before what is the least so far. */
static int open_due(struct partition_set *set)
{
    while (set->unopened < set->heads_count && (set->heap_count == 0 || set->heads[set->unopened].order_ns <= set->heap[0]->order_ns)) {
        struct head *head = &set->heads[set->unopened++];
        int r = advance(set, head);
        if (r < 0)
            return r;
        if (r > 0)
            push(set, head);
    }
    return 0;
}

static void close_first(struct partition_set *set)
{
    free(set->heap[0]->room);
    set->heap[0]->room = NULL;
    if (set->heap[0]->partition)
        rest(set, set->heap[0]->partition);
    set->heap[0] = set->heap[--set->heap_count];
}

int partition_set_next(struct partition_set *set, struct shard_packet *ret)
{
    if (set->given) {
        int r = advance(set, set->given);
        set->given = NULL;
        if (r < 0)
            return r;
        if (r == 0)
            close_first(set);
        if (set->heap_count > 0)
            sift_down(set);
    }
    int r = open_due(set);
    if (r < 0 || set->heap_count == 0)
        return r;
    set->given = set->heap[0];
    *ret = set->given->packet;
    return 1;
}

uint64_t partition_set_rows(const struct partition_set *set)
{
    return set->rows;
}

void partition_set_carried(const struct partition_set *set, uint64_t *ret_tcp, uint64_t *ret_udp)
{
    *ret_tcp = set->carried_tcp;
    *ret_udp = set->carried_udp;
}

void partition_set_free(struct partition_set *set)
{
    if (!set)
        return;
    forget_heads(set);
    for (uint32_t i = 0; i < set->count; i++)
        partition_close(&set->partitions[i]);
    for (uint32_t i = 0; i < set->carried_count; i++)
        free((void *)set->carried[i].packet.data);
    for (uint32_t i = 0; set->paths && i < set->count; i++)
        free(set->paths[i]);
    free(set->paths);
    free(set->firsts);
    free(set->carried);
    free(set->partitions);
    free(set->heads);
    free(set->heap);
    free(set);
}
