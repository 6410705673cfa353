/* Bytes of one file, as they come: a mapped file whole, a pipe or an LZ4 frame piece by piece. Belongs to one thread.
 *
 * A mapped file must not be cut short by others while it is read (the kernel answers with SIGBUS): captures grow, and segments are unlinked, which does no harm. */
#ifndef DISSECTOR_INPUT_SOURCE_H
#define DISSECTOR_INPUT_SOURCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lz4_stream;
struct input_source {
    const uint8_t *at, *end;            /* what there is; the reader moves `at` */
    const char *problem;                /* static text; NULL: none so far */
    /* source.c's own */
    int fd;
    bool (*wait)(void *context, int fd); void *wait_context; /* NULL, or asked before a read of what is not mapped; false: the file holds no more */
    bool over;                          /* the file holds no more */
    uint8_t *map; size_t map_size, mapped_to; /* asked for up to there */
    uint8_t *buffer; size_t room;       /* of a pipe or a frame: at and end lie in it */
    struct lz4_stream *lz4;
    const uint8_t *packed, *packed_end; /* not decoded yet */
    uint8_t *packed_buffer;             /* of a pipe that carries a frame */
    uint64_t read;                      /* bytes of a pipe */
};
/* path "-": standard input, which stays open. *ret holds wait and its context already; it may be closed after a failure too. -errno, -ENOMEM. */
int input_source_open(const char *path, struct input_source *ret);
/* Makes more of it stand behind what is left, at least `needed` bytes together if there are so many (PCAPNG_BLOCK_BYTES_MAX at most). Moves at and end: whatever was borrowed is gone. 1: there are more bytes than
 * before; 0: there is no more (problem says where that is not the file's end); -ENOMEM, -errno of reading. */
int input_source_more(struct input_source *source, size_t needed);
/* Before reading on: asks the system for the next stretch of a mapped file at once. A page fault for each page of it would cost a fifth of the whole run (measured: a file of 490 MB in the page cache). */
void input_source_ahead(struct input_source *source);
/* Bytes of the file that have been used. */
uint64_t input_source_position(const struct input_source *source);
void input_source_close(struct input_source *source);
#endif
