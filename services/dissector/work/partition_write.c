#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capfile/lz4frame.h"
#include "capfile/segment_index.h"
#include "mem/cleanup.h"
#include "services/dissector/work/partition_format.h"

#define PACKED_ROOM (LZ4FRAME_BLOCK_WORD_BYTES + PARTITION_CHUNK_BYTES) /* a block that does not pack is stored */

struct buffer { uint8_t *data; uint32_t used, rows; int64_t order_ns; };
struct entries { struct partition_entry *list; uint32_t count, room; };

struct partition_writer {
    char *path, *hidden_path;
    int fd;
    uint64_t offset, rows, dropped;
    struct buffer buffers[PARTITION_SECTIONS];
    struct entries entries[PARTITION_SECTIONS];
    struct partition_left **left; uint32_t left_count, left_room; /* rows, whole, each on the heap */
    uint64_t left_bytes;
    uint8_t *packed;                    /* PACKED_ROOM; NULL: chunks stay as they are */
    bool finished;
};

static int write_all(struct partition_writer *w, const void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(w->fd, (const uint8_t *)data + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    w->offset += size;
    return 0;
}

int partition_writer_new(const char *path, const char *hidden_path, uint32_t input, uint32_t node, bool packed, struct partition_writer **ret)
{
    struct partition_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->path = strdup(path);
    w->hidden_path = strdup(hidden_path);
    w->packed = packed ? malloc(PACKED_ROOM) : NULL;
    bool memory = w->path && w->hidden_path && (w->packed || !packed);
    w->fd = memory ? open(hidden_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644) : -1;
    int r = !memory ? -ENOMEM : w->fd < 0 ? -errno : 0;
    struct partition_head head = { .magic = PARTITION_MAGIC, .input = input, .node = node };
    if (r == 0)
        r = write_all(w, &head, sizeof head);
    if (r < 0) {
        partition_writer_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

static int write_chunk(struct partition_writer *w, uint32_t section, const void *data, uint32_t size, uint32_t rows, int64_t order_ns)
{
    struct entries *entries = &w->entries[section];
    if (entries->count == entries->room) {
        uint32_t room = entries->room ? entries->room * 2 : 4;
        struct partition_entry *grown = reallocarray(entries->list, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        entries->list = grown;
        entries->room = room;
    }
    struct partition_entry entry = { .offset = w->offset, .size = size, .order_ns = order_ns, .rows = rows };
    if (w->packed && section != PARTITION_LEFT && size <= PARTITION_CHUNK_BYTES) {
        entry.content = size;
        entry.size = (uint32_t)lz4frame_put_block(w->packed, data, size);
        data = w->packed;
    }
    entry.hash = segment_block_hash(data, entry.size);
    entries->list[entries->count++] = entry;
    w->rows += section != PARTITION_LEFT ? rows : 0;
    return write_all(w, data, entry.size);
}

static int flush(struct partition_writer *w, uint32_t section)
{
    struct buffer *buffer = &w->buffers[section];
    uint32_t size = buffer->used, rows = buffer->rows;
    buffer->used = buffer->rows = 0;
    return rows ? write_chunk(w, section, buffer->data, size, rows, buffer->order_ns) : 0;
}

/* Room for a row in the section's buffer; a row that is longer than a chunk gets memory of its own in *ret_own. */
static int make_room(struct partition_writer *w, uint32_t section, uint32_t size, int64_t order_ns, uint8_t **ret, uint8_t **ret_own)
{
    struct buffer *buffer = &w->buffers[section];
    int r = size > PARTITION_CHUNK_BYTES - buffer->used ? flush(w, section) : 0;
    if (r < 0)
        return r;
    if (size > PARTITION_CHUNK_BYTES) {
        *ret = *ret_own = malloc(size);
        return *ret ? 0 : -ENOMEM;
    }
    if (!buffer->data && !(buffer->data = malloc(PARTITION_CHUNK_BYTES)))
        return -ENOMEM;
    buffer->order_ns = buffer->rows ? buffer->order_ns : order_ns;
    *ret = buffer->data + buffer->used;
    buffer->used += size;
    buffer->rows++;
    return 0;
}

static uint32_t aligned(uint32_t size)
{
    return (size + PARTITION_ALIGN - 1) & ~(PARTITION_ALIGN - 1);
}

int partition_write(struct partition_writer *w, const struct shard_packet *p, int64_t order_ns)
{
    const struct tuple *t = &p->tuple;
    uint32_t address = t->version == 4 ? 4 : 16, section = (uint32_t)(p->hash % SHARDS), raw = (uint32_t)sizeof(struct partition_row) + 2 * address + p->captured;
    if (p->captured > PARTITION_ROW_BYTES_MAX - sizeof(struct partition_row) - 2 * sizeof t->source - PARTITION_ALIGN)
        return -E2BIG;
    struct partition_row row = { .size = aligned(raw), .frame = p->place.frame, .time_ns = p->time_ns, .order_ns = order_ns, .point = p->point, .hash = p->hash, .seq = p->seq, .ack = p->ack,
                                 .captured = p->captured, .payload = p->payload, .vni = t->vni, .source_port = t->source_port, .destination_port = t->destination_port, .window = p->window,
                                 .version = t->version, .transport = t->transport, .flags = p->flags, .window_scale = p->window_scale, .watched = p->watched };
    uint8_t *at = NULL;
    mem_auto_free uint8_t *own = NULL;
    int r = make_room(w, section, row.size, order_ns, &at, &own);
    if (r < 0)
        return r;
    memcpy(at, &row, sizeof row);
    at += sizeof row;
    memcpy(at, t->source, address);
    memcpy(at + address, t->destination, address);
    at += 2 * address;
    if (p->captured)
        memcpy(at, p->data, p->captured);
    memset(at + p->captured, 0, row.size - raw);
    return own ? write_chunk(w, section, own, row.size, 1, order_ns) : 0;
}

int partition_write_left(struct partition_writer *w, const struct fragment *f)
{
    uint32_t raw = (uint32_t)sizeof(struct partition_left) + f->captured, size = aligned(raw);
    if (f->captured > FRAGMENTS_DATAGRAM_MAX || w->left_bytes + size > PARTITION_LEFT_BYTES_MAX) {
        w->dropped++;
        return 0;
    }
    if (w->left_count == w->left_room) {
        uint32_t room = w->left_room ? w->left_room * 2 : 16;
        struct partition_left **grown = reallocarray(w->left, room, sizeof(struct partition_left *));
        if (!grown)
            return -ENOMEM;
        w->left = grown;
        w->left_room = room;
    }
    struct partition_left *left = calloc(1, size);
    if (!left)
        return -ENOMEM;
    *left = (struct partition_left){ .size = size, .frame = f->frame, .time_ns = f->time_ns, .order_ns = f->order_ns, .key = f->key, .offset = f->offset, .length = f->length,
                                     .captured = f->captured, .protocol = f->protocol, .more = f->more };
    memcpy(left + 1, f->data, f->captured);
    w->left[w->left_count++] = left;
    w->left_bytes += size;
    return 0;
}

static int compare_left(const void *one, const void *other)
{
    const struct partition_left *a = *(const struct partition_left *const *)one, *b = *(const struct partition_left *const *)other;
    if (a->order_ns != b->order_ns)
        return a->order_ns < b->order_ns ? -1 : 1;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int write_left(struct partition_writer *w)
{
    if (w->left_count > 0)
        qsort(w->left, w->left_count, sizeof(struct partition_left *), compare_left);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < w->left_count; i++) {
        const struct partition_left *left = w->left[i];
        uint8_t *at = NULL;
        mem_auto_free uint8_t *own = NULL;
        r = make_room(w, PARTITION_LEFT, left->size, left->order_ns, &at, &own);
        if (r == 0)
            memcpy(at, left, left->size);
        if (r == 0 && own)
            r = write_chunk(w, PARTITION_LEFT, own, left->size, 1, left->order_ns);
    }
    return r;
}

static int write_table(struct partition_writer *w)
{
    struct partition_tail tail = { .table = w->offset, .rows = w->rows, .magic = PARTITION_END_MAGIC };
    struct partition_section sections[PARTITION_SECTIONS];
    for (uint32_t i = 0; i < PARTITION_SECTIONS; i++) {
        sections[i] = (struct partition_section){ .first = tail.entries, .count = w->entries[i].count };
        tail.entries += w->entries[i].count;
    }
    size_t size = sizeof sections + tail.entries * sizeof(struct partition_entry);
    mem_auto_free uint8_t *table = malloc(size);
    if (!table)
        return -ENOMEM;
    memcpy(table, sections, sizeof sections);
    for (uint32_t i = 0; i < PARTITION_SECTIONS; i++)
        if (sections[i].count > 0)
            memcpy(table + sizeof sections + sections[i].first * sizeof(struct partition_entry), w->entries[i].list, sections[i].count * sizeof(struct partition_entry));
    tail.hash = segment_block_hash(table, size);
    int r = write_all(w, table, size);
    return r < 0 ? r : write_all(w, &tail, sizeof tail);
}

int partition_writer_finish(struct partition_writer *w)
{
    int r = write_left(w);
    for (uint32_t i = 0; r == 0 && i < PARTITION_SECTIONS; i++)
        r = flush(w, i);
    if (r == 0)
        r = write_table(w);
    if (r == 0 && close(mem_take_fd(w->fd)) < 0)
        r = -errno;
    if (r == 0 && rename(w->hidden_path, w->path) < 0)
        r = -errno;
    w->finished = r == 0;
    return r;
}

uint64_t partition_writer_dropped(const struct partition_writer *w)
{
    return w->dropped;
}

void partition_writer_free(struct partition_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        (void)close(w->fd);
    if (!w->finished && w->hidden_path)
        (void)unlink(w->hidden_path);
    for (uint32_t i = 0; i < PARTITION_SECTIONS; i++) {
        free(w->buffers[i].data);
        free(w->entries[i].list);
    }
    for (uint32_t i = 0; i < w->left_count; i++)
        free(w->left[i]);
    free(w->left);
    free(w->packed);
    free(w->path);
    free(w->hidden_path);
    free(w);
}
