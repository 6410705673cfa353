#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "capfile/lz4frame.h"
#include "capfile/segment_index.h"
#include "files/unnamed.h"
#include "mem/cleanup.h"
#include "services/dissector/work/run_internal.h"

#define ARENA_BYTES (8u * 1024 * 1024)  /* records are laid into pieces of this size ... */
#define ARENA_ALIGN (2u * 1024 * 1024)  /* ... in large pages where the system has them: 300 MiB of entries are 75,000 page faults otherwise, a sixth of the run's time */
#define KEYS_LEAST 4096u
#define VIEWS_LEAST 1024u

struct arena { struct arena *next; size_t used, size; uint8_t data[] __attribute__((aligned(8))); };
struct run_writer {
    char *folder;
    uint64_t memory, used;
    struct arena *arenas;
    struct run_key *keys, *sorting; size_t keys_count, keys_room;
    struct run_view *views; size_t views_count, views_room;
    struct run_reader *pieces[RUN_PIECES_MAX]; size_t pieces_count;
    uint64_t records;
};

int run_writer_new(const char *folder, uint64_t memory, struct run_writer **ret)
{
    struct run_writer *w = calloc(1, sizeof *w);
    if (!w || !(w->folder = strdup(folder))) {
        free(w);
        return -ENOMEM;
    }
    w->memory = memory;
    *ret = w;
    return 0;
}

static void free_arenas(struct run_writer *w)
{
    while (w->arenas) {
        struct arena *next = w->arenas->next;
        free(w->arenas);
        w->arenas = next;
    }
    w->used = 0;
    w->keys_count = 0;
}

void run_writer_free(struct run_writer *w)
{
    if (!w)
        return;
    free_arenas(w);
    for (size_t i = 0; i < w->pieces_count; i++)
        run_close(w->pieces[i]);
    free(w->keys);
    free(w->sorting);
    free(w->views);
    free(w->folder);
    free(w);
}

static bool before(const struct run_key *a, const struct run_key *b)
{
    return a->timestamp_ns != b->timestamp_ns ? a->timestamp_ns < b->timestamp_ns : record_compare(a->record, b->record) < 0;
}

/* Merge sort, bottom up, stable; runs of 16 by insertion. Entries come nearly in order, so most merges are copies. */
static int sort_keys(struct run_writer *w)
{
    enum { SHORT = 16 };
    size_t n = w->keys_count;
    free(w->sorting);
    w->sorting = malloc((n ? n : 1) * sizeof *w->sorting);
    if (!w->sorting)
        return -ENOMEM;
    struct run_key *from = w->keys, *to = w->sorting;
    for (size_t begin = 0; begin < n; begin += SHORT)
        for (size_t i = begin + 1; i < n && i < begin + SHORT; i++) {
            struct run_key key = from[i];
            size_t k = i;
            for (; k > begin && before(&key, &from[k - 1]); k--)
                from[k] = from[k - 1];
            from[k] = key;
        }
    for (size_t width = SHORT; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            size_t a = begin, middle = begin + width < n ? begin + width : n, b = middle, end = begin + 2 * width < n ? begin + 2 * width : n;
            if (middle == end || !before(&from[middle], &from[middle - 1])) {
                memcpy(to + begin, from + begin, (end - begin) * sizeof *to);
                continue;
            }
            for (size_t i = begin; i < end; i++)
                to[i] = b == end || (a < middle && !before(&from[b], &from[a])) ? from[a++] : from[b++];
        }
        struct run_key *swap = from;
        from = to;
        to = swap;
    }
    w->keys = from;
    w->sorting = to;
    w->keys_room = n ? n : 1;
    free(w->sorting);
    w->sorting = NULL;
    return 0;
}

struct chunk_writer { int fd; uint8_t *data, *packed; size_t used, room; uint64_t records; };

static int write_all(int fd, const void *data, size_t size)
{
    for (const uint8_t *p = data; size > 0;) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
    }
    return 0;
}

static int end_chunk(struct chunk_writer *c, enum run_chunk_kind kind)
{
    if (c->used == 0)
        return 0;
    struct run_chunk head = { .kind = kind, .size = (uint32_t)c->used, .content = (uint32_t)c->used };
    const uint8_t *data = c->data;
    if (kind == RUN_RECORDS && c->used <= LZ4FRAME_CONTENT_BYTES_MAX) {
        if (!c->packed && !(c->packed = malloc(LZ4FRAME_BLOCK_BYTES_MAX + 8)))
            return -ENOMEM;
        size_t size = lz4frame_put_block(c->packed, c->data, c->used), padded = (size + 7) & ~(size_t)7;
        if (padded < c->used) {
            memset(c->packed + size, 0, padded - size);
            head.size = (uint32_t)padded;
            data = c->packed;
        }
    }
    head.hash = segment_block_hash(data, head.size) ^ head.content;
    int r = write_all(c->fd, &head, sizeof head);
    if (r == 0)
        r = write_all(c->fd, data, head.size);
    c->used = 0;
    return r;
}

static int put(struct chunk_writer *c, enum run_chunk_kind kind, const void *data, size_t size)
{
    if (c->used >= RUN_CHUNK_BYTES) {
        int r = end_chunk(c, kind);
        if (r < 0)
            return r;
    }
    if (c->used + size > c->room) {
        size_t room = c->used + size + RUN_CHUNK_BYTES;
        uint8_t *grown = realloc(c->data, room);
        if (!grown)
            return -ENOMEM;
        c->data = grown;
        c->room = room;
    }
    memcpy(c->data + c->used, data, size);
    c->used += size;
    return 0;
}

static int write_records(struct run_writer *w, struct chunk_writer *c, struct run_merge *merge)
{
    int r = 0;
    if (!merge) {
        for (size_t i = 0; i < w->keys_count && r == 0; i++, c->records++)
            r = put(c, RUN_RECORDS, w->keys[i].record, w->keys[i].record->size);
    } else {
        const struct record *record;
        while (r == 0 && (r = run_merge_next(merge, &record)) == 1) {
            r = put(c, RUN_RECORDS, record, record->size);
            c->records++;
        }
    }
    return r < 0 ? r : end_chunk(c, RUN_RECORDS);
}

/* merge: instead of the sorted keys. */
static int write_run(struct run_writer *w, int fd, struct run_merge *merge, bool views)
{
    struct chunk_writer c = { .fd = fd };
    int r = write_all(fd, RUN_MAGIC, RUN_MAGIC_BYTES);
    if (r == 0)
        r = write_records(w, &c, merge);
    struct run_end end = { .records = c.records, .views = views ? w->views_count : 0 };
    for (size_t i = 0; i < end.views && r == 0; i++)
        r = put(&c, RUN_VIEWS, &w->views[i], sizeof w->views[i]);
    if (r == 0)
        r = end_chunk(&c, RUN_VIEWS);
    if (r == 0)
        r = put(&c, RUN_END, &end, sizeof end);
    if (r == 0)
        r = end_chunk(&c, RUN_END);
    free(c.data);
    free(c.packed);
    return r;
}

/* What is in memory becomes a sorted piece on the disk. */
static int spill(struct run_writer *w)
{
    if (w->pieces_count == RUN_PIECES_MAX)
        return -E2BIG;
    int r = sort_keys(w);
    if (r < 0)
        return r;
    mem_auto_close int fd = unnamed_open(w->folder);
    if (fd < 0)
        return fd;
    r = write_run(w, fd, NULL, false);
    if (r == 0)
        r = run_open_fd(fd, &w->pieces[w->pieces_count]);
    if (r < 0)
        return r;
    w->pieces_count++;
    free_arenas(w);
    return 0;
}

static int grow_keys(struct run_writer *w)
{
    size_t room = w->keys_count ? w->keys_count * 2 : KEYS_LEAST;
    struct run_key *keys = realloc(w->keys, room * sizeof *keys);
    if (!keys)
        return -ENOMEM;
    w->keys = keys;
    w->keys_room = room;
    return 0;
}

int run_writer_add(struct run_writer *w, const struct record *record)
{
    if (w->used + record->size > w->memory && w->keys_count > 0) {
        int r = spill(w);
        if (r < 0)
            return r;
    }
    struct arena *arena = w->arenas;
    if (!arena || arena->size - arena->used < record->size) {
        size_t size = ((record->size + sizeof *arena) / ARENA_BYTES + 1) * ARENA_BYTES;
        arena = aligned_alloc(ARENA_ALIGN, size);
        if (!arena)
            return -ENOMEM;
        (void)madvise(arena, size, MADV_HUGEPAGE);
        *arena = (struct arena){ .next = w->arenas, .size = size - sizeof *arena };
        w->arenas = arena;
    }
    if (w->keys_count >= w->keys_room) {
        int r = grow_keys(w);
        if (r < 0)
            return r;
    }
    struct record *copy = (struct record *)(arena->data + arena->used);
    memcpy(copy, record, record->size);
    arena->used += record->size;
    w->used += record->size + sizeof *w->keys;
    w->keys[w->keys_count++] = (struct run_key){ record->timestamp_ns, copy };
    w->records++;
    return 0;
}

int run_writer_view(struct run_writer *w, const struct run_view *view)
{
    if (w->views_count == w->views_room) {
        size_t room = w->views_room ? w->views_room * 2 : VIEWS_LEAST;
        struct run_view *views = realloc(w->views, room * sizeof *views);
        if (!views)
            return -ENOMEM;
        w->views = views;
        w->views_room = room;
    }
    w->views[w->views_count++] = *view;
    return 0;
}

int run_writer_save(struct run_writer *w, const char *path, const char *hidden_path)
{
    struct run_merge *merge = NULL;
    int r = 0;
    if (w->pieces_count > 0) {
        if (w->keys_count > 0)
            r = spill(w);
        if (r == 0) {
            r = run_merge_new(w->pieces, w->pieces_count, &merge);
            w->pieces_count = 0; /* the merge has them, also where it failed */
        }
    } else {
        r = sort_keys(w);
    }
    if (r < 0)
        return r;
    mem_auto_close int fd = open(hidden_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    r = fd < 0 ? -errno : write_run(w, fd, merge, true);
    run_merge_free(merge);
    if (r == 0 && rename(hidden_path, path) < 0)
        r = -errno;
    if (r < 0 && fd >= 0)
        (void)unlink(hidden_path);
    return r;
}

int run_writer_read(struct run_writer *w, struct run_reader **ret)
{
    struct run_reader *reader = calloc(1, sizeof *reader);
    int r = reader ? 0 : -ENOMEM;
    if (r == 0 && w->pieces_count > 0) {
        if (w->keys_count > 0)
            r = spill(w);
        if (r == 0) {
            r = run_merge_new(w->pieces, w->pieces_count, &reader->merge);
            w->pieces_count = 0;
        }
    } else if (r == 0) {
        r = sort_keys(w);
    }
    if (r < 0) {
        free(reader);
        run_writer_free(w);
        return r;
    }
    reader->keys = w->keys;
    reader->keys_count = w->keys_count;
    reader->views = w->views;
    reader->views_count = w->views_count;
    reader->records = w->records;
    reader->owner = w;
    *ret = reader;
    return 0;
}
