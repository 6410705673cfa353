#include "services/dissector/input/source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/lz4stream.h"

#define AHEAD_BYTES (4u * 1024 * 1024)
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; the C library's headers may be older */
#endif
#define BUFFER_BYTES_LEAST (1024u * 1024)   /* some thousand packets for each memmove of what is left */
#define PACKED_BYTES (256u * 1024)
#define MAGIC_BYTES 4u

static int read_some(struct input_source *s, uint8_t *dst, size_t size, size_t *ret)
{
    ssize_t n;
    if (s->wait && !s->wait(s->wait_context, s->fd)) {
        s->over = true;
        *ret = 0;
        return 0;
    }
    do
        n = read(s->fd, dst, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    s->over = n == 0;
    s->read += (uint64_t)n;
    *ret = (size_t)n;
    return 0;
}

/* Moves what is left to the front and makes room for `needed` bytes, and for one more piece. */
static int make_room(struct input_source *s, size_t needed)
{
    size_t left = (size_t)(s->end - s->at);
    if (needed > s->room || s->room - left < s->room / 4) {
        size_t room = s->room ? s->room : BUFFER_BYTES_LEAST;
        while (room < needed || room - left < room / 4)
            room *= 2;
        if (room != s->room) {
            uint8_t *grown = malloc(room);
            if (!grown)
                return -ENOMEM;
            if (left > 0)
                memcpy(grown, s->at, left);
            free(s->buffer);
            s->buffer = grown;
            s->room = room;
            s->at = grown;
            s->end = grown + left;
            return 0;
        }
    }
    if (left > 0 && s->at != s->buffer)
        memmove(s->buffer, s->at, left);
    s->at = s->buffer;
    s->end = s->buffer + left;
    return 0;
}

static int more_of_pipe(struct input_source *s)
{
    size_t n = 0;
    uint8_t *to = s->buffer + (s->end - s->buffer);
    int r = s->over ? 0 : read_some(s, to, s->room - (size_t)(s->end - s->buffer), &n);
    s->end += n;
    return r < 0 ? r : n > 0;
}

static int more_packed(struct input_source *s)
{
    size_t n = 0;
    if (s->map || s->over)
        return 0;
    int r = read_some(s, s->packed_buffer, PACKED_BYTES, &n);
    s->packed = s->packed_buffer;
    s->packed_end = s->packed + n;
    return r < 0 ? r : n > 0;
}

static int more_of_frame(struct input_source *s)
{
    for (;;) {
        size_t read = 0, written = 0;
        uint8_t *to = s->buffer + (s->end - s->buffer);
        if (lz4_stream_decode(s->lz4, s->packed, (size_t)(s->packed_end - s->packed), &read, to, s->room - (size_t)(s->end - s->buffer), &written) < 0) {
            s->problem = "the LZ4 frame is damaged";
            s->packed = s->packed_end;
            s->over = true;
            return 0;
        }
        s->packed += read;
        s->end += written;
        if (written > 0)
            return 1;
        if (read > 0 && s->packed < s->packed_end)
            continue;
        int r = s->packed < s->packed_end ? 0 : more_packed(s);
        if (r < 0)
            return r;
        if (r == 0) {
            if (!lz4_stream_at_end(s->lz4) && !s->problem)
                s->problem = "the LZ4 frame has no end";
            return 0;
        }
    }
}

int input_source_more(struct input_source *s, size_t needed)
{
    if (!s->buffer && s->map)
        return 0;
    if (s->over && s->problem)
        return 0;
    int r = make_room(s, needed);
    bool more = false;
    while (r == 0) {
        r = s->lz4 ? more_of_frame(s) : more_of_pipe(s);
        if (r <= 0)
            break;
        more = true;
        if ((size_t)(s->end - s->at) >= needed)
            break;
        r = 0;
    }
    return r < 0 ? r : more;
}

void input_source_ahead(struct input_source *s)
{
    if (!s->map)
        return;
    size_t used = (size_t)((s->packed ? s->packed : s->at) - s->map);
    if (used + AHEAD_BYTES / 2 < s->mapped_to || s->mapped_to >= s->map_size)
        return;
    size_t from = s->mapped_to > used ? s->mapped_to : used & ~(size_t)(AHEAD_BYTES - 1), size = s->map_size - from < AHEAD_BYTES ? s->map_size - from : AHEAD_BYTES;
    (void)madvise(s->map + from, size, MADV_POPULATE_READ); /* an old kernel (before 5.14) refuses: then the faults do it */
    s->mapped_to = from + size;
}

static int map_file(struct input_source *s, size_t size)
{
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, s->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    (void)madvise(map, size, MADV_SEQUENTIAL); /* a hint */
    s->map = map;
    s->map_size = size;
    s->at = s->map;
    s->end = s->map + size;
    (void)close(s->fd); /* the mapping stays */
    s->fd = -1;
    return 0;
}

/* The first bytes say that it is an LZ4 frame: what has been read is packed. */
static int begin_frame(struct input_source *s)
{
    int r = lz4_stream_new(&s->lz4);
    if (r < 0)
        return r;
    size_t left = (size_t)(s->end - s->at);
    s->packed = s->at;
    s->packed_end = s->end;
    if (!s->map) {
        s->packed_buffer = malloc(left > PACKED_BYTES ? left : PACKED_BYTES);
        if (!s->packed_buffer)
            return -ENOMEM;
        memcpy(s->packed_buffer, s->at, left);
        s->packed = s->packed_buffer;
        s->packed_end = s->packed + left;
    }
    s->at = s->end = s->buffer;
    return make_room(s, BUFFER_BYTES_LEAST);
}

int input_source_open(const char *path, struct input_source *ret)
{
    *ret = (struct input_source){ .fd = -1, .wait = ret->wait, .wait_context = ret->wait_context };
    bool standard_input = strcmp(path, "-") == 0;
    struct stat st;
    ret->fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    int r = 0;
    if (S_ISREG(st.st_mode) && st.st_size > 0 && !standard_input)
        r = map_file(ret, (size_t)st.st_size);
    else
        r = make_room(ret, BUFFER_BYTES_LEAST);
    while (r == 0 && !ret->map && (size_t)(ret->end - ret->at) < MAGIC_BYTES && !ret->over) {
        r = input_source_more(ret, MAGIC_BYTES);
        r = r > 0 ? 0 : r;
    }
    if (r == 0 && (size_t)(ret->end - ret->at) >= MAGIC_BYTES && lz4_stream_is_magic(ret->at))
        r = begin_frame(ret);
    return r;
}

uint64_t input_source_position(const struct input_source *s)
{
    if (s->lz4)
        return s->map ? (uint64_t)(s->packed - s->map) : s->read - (uint64_t)(s->packed_end - s->packed);
    return s->map ? (uint64_t)(s->at - s->map) : s->read - (uint64_t)(s->end - s->at);
}

void input_source_close(struct input_source *s)
{
    if (s->map)
        munmap(s->map, s->map_size);
    if (s->fd >= 0)
        (void)close(s->fd);
    lz4_stream_free(s->lz4);
    free(s->buffer);
    free(s->packed_buffer);
    *s = (struct input_source){ .fd = -1 };
}
