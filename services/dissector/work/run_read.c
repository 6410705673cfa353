#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "capfile/lz4frame.h"
#include "capfile/segment_index.h"
#include "mem/cleanup.h"
#include "services/dissector/work/run_internal.h"

#define AHEAD_RECORDS 4u                /* asked of the memory before they are read */
#define AHEAD_BYTES 512u                /* of each: the processor goes on by itself */

/* The chunk at `at`, checked. */
static int chunk_at(const struct run_reader *r, size_t at, struct run_chunk *ret)
{
    if (r->map_size - at < sizeof *ret)
        return -EBADMSG;
    memcpy(ret, r->map + at, sizeof *ret);
    if (ret->size > r->map_size - at - sizeof *ret || ret->size % 8 != 0 || ret->hash != (segment_block_hash(r->map + at + sizeof *ret, ret->size) ^ ret->content))
        return -EBADMSG;
    return 0;
}

/* Walks the heads of all chunks to the end, and takes the views. Records are checked when they are read. */
static int load_views(struct run_reader *r)
{
    size_t at = RUN_MAGIC_BYTES;
    for (;;) {
        struct run_chunk head;
        if (r->map_size - at < sizeof head)
            return -EBADMSG;
        memcpy(&head, r->map + at, sizeof head);
        if (head.size > r->map_size - at - sizeof head || head.zero != 0)
            return -EBADMSG;
        const uint8_t *data = r->map + at + sizeof head;
        if (head.kind == RUN_VIEWS) {
            int e = chunk_at(r, at, &head);
            if (e < 0 || head.content != head.size || head.size % sizeof *r->views != 0)
                return -EBADMSG;
            size_t count = head.size / sizeof *r->views;
            struct run_view *views = realloc(r->views, (r->views_count + count) * sizeof *views);
            if (!views)
                return -ENOMEM;
            memcpy(views + r->views_count, data, head.size);
            r->views = views;
            r->views_count += count;
        } else if (head.kind == RUN_END) {
            struct run_end end;
            if (chunk_at(r, at, &head) < 0 || head.size != sizeof end)
                return -EBADMSG;
            memcpy(&end, data, sizeof end);
            r->records = end.records;
            return end.views == r->views_count && at + sizeof head + head.size == r->map_size ? 0 : -EBADMSG;
        } else if (head.kind != RUN_RECORDS) {
            return -EBADMSG;
        }
        at += sizeof head + head.size;
    }
}

int run_open_fd(int fd, struct run_reader **ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size < (off_t)(RUN_MAGIC_BYTES + sizeof(struct run_chunk)))
        return -EBADMSG;
    struct run_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->map_size = (size_t)st.st_size;
    void *map = mmap(NULL, r->map_size, PROT_READ, MAP_SHARED, fd, 0);
    int e = map == MAP_FAILED ? -errno : 0;
    if (e == 0) {
        r->map = map;
        r->at = RUN_MAGIC_BYTES;
        e = memcmp(map, RUN_MAGIC, RUN_MAGIC_BYTES) == 0 ? load_views(r) : -EBADMSG;
    }
    if (e < 0) {
        run_close(r);
        return e;
    }
    *ret = r;
    return 0;
}

int run_open(const char *path, struct run_reader **ret)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : run_open_fd(fd, ret);
}

/* Its records, in the map or unpacked. */
static int open_records(struct run_reader *r, const struct run_chunk *head, const uint8_t *data)
{
    if (head->content == head->size) {
        r->chunk = data;
        r->chunk_end = data + head->size;
        return 0;
    }
    uint32_t packed;
    if (head->content > LZ4FRAME_CONTENT_BYTES_MAX || head->size < sizeof packed)
        return -EBADMSG;
    if (head->content > r->content_room) {
        uint8_t *content = realloc(r->content, head->content);
        if (!content)
            return -ENOMEM;
        r->content = content;
        r->content_room = head->content;
    }
    memcpy(&packed, data, sizeof packed);
    packed &= ~LZ4FRAME_STORED;
    if (packed > head->size - sizeof packed || lz4frame_get_block_into(data, sizeof packed + packed, r->content, head->content) != (int)head->content)
        return -EBADMSG;
    r->chunk = r->content;
    r->chunk_end = r->content + head->content;
    return 0;
}

int run_next(struct run_reader *r, const struct record **ret)
{
    if (r->merge)
        return run_merge_next(r->merge, ret);
    if (!r->map) {
        if (r->keys_at == r->keys_count)
            return 0;
        if (r->keys_at + AHEAD_RECORDS < r->keys_count) /* they were written down long ago, and lie in another order here and there */
            for (size_t line = 0; line < AHEAD_BYTES; line += 64)
                __builtin_prefetch((const char *)r->keys[r->keys_at + AHEAD_RECORDS].record + line);
        *ret = r->keys[r->keys_at++].record;
        return 1;
    }
    if (r->chunk == r->chunk_end) {
        struct run_chunk head;
        int e = chunk_at(r, r->at, &head);
        if (e < 0 || head.kind != RUN_RECORDS)
            return e;
        e = open_records(r, &head, r->map + r->at + sizeof head);
        if (e < 0)
            return e;
        r->at += sizeof head + head.size;
    }
    const struct record *record = (const struct record *)r->chunk;
    size_t left = (size_t)(r->chunk_end - r->chunk);
    if (left < sizeof *record || record->size < sizeof *record || record->size > left || record->size % 8 != 0)
        return -EBADMSG;
    r->chunk += record->size;
    *ret = record;
    return 1;
}

const struct run_view *run_views(const struct run_reader *r, size_t *ret_count)
{
    *ret_count = r->views_count;
    return r->views;
}

uint64_t run_records(const struct run_reader *r) { return r->records; }

void run_close(struct run_reader *r)
{
    if (!r)
        return;
    if (r->map)
        (void)munmap((void *)(uintptr_t)r->map, r->map_size);
    free(r->content);
    run_merge_free(r->merge);
    if (r->owner)
        run_writer_free(r->owner);
    else
        free(r->views);
    free(r);
}

/* A binary heap of readers by their next record. */
struct run_source { struct run_reader *reader; const struct record *record; };
struct run_merge { struct run_source *heap; size_t count; bool spent; };

static bool source_before(const struct run_source *a, const struct run_source *b) { return record_compare(a->record, b->record) < 0; }

static void sink_down(struct run_merge *m, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < m->count && source_before(&m->heap[left], &m->heap[least]))
            least = left;
        if (right < m->count && source_before(&m->heap[right], &m->heap[least]))
            least = right;
        if (least == i)
            return;
        struct run_source swap = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = swap;
        i = least;
    }
}

int run_merge_new(struct run_reader **readers, size_t count, struct run_merge **ret)
{
    struct run_merge *m = calloc(1, sizeof *m);
    int r = m && (m->heap = calloc(count ? count : 1, sizeof *m->heap)) ? 0 : -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct record *record;
        int e = r < 0 ? r : run_next(readers[i], &record);
        if (e == 1) {
            m->heap[m->count++] = (struct run_source){ readers[i], record };
        } else {
            run_close(readers[i]);
            r = e < 0 ? e : r;
        }
    }
    if (r < 0) {
        run_merge_free(m);
        return r;
    }
    for (size_t i = m->count / 2; i-- > 0;)
        sink_down(m, i);
    *ret = m;
    return 0;
}

int run_merge_next(struct run_merge *m, const struct record **ret)
{
    if (m->spent) {
        m->spent = false;
        int e = run_next(m->heap[0].reader, &m->heap[0].record);
        if (e < 0)
            return e;
        if (e == 0) {
            run_close(m->heap[0].reader);
            m->heap[0] = m->heap[--m->count];
        }
        sink_down(m, 0);
    }
    if (m->count == 0)
        return 0;
    *ret = m->heap[0].record;
    m->spent = true;
    return 1;
}

bool run_merge_from_memory(const struct run_merge *m)
{
    return m->spent && !m->heap[0].reader->map && !m->heap[0].reader->merge;
}

void run_merge_free(struct run_merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++)
        run_close(m->heap[i].reader);
    free(m->heap);
    free(m);
}
