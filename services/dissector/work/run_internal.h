/* The run file's form, for writing (run_write.c) and reading (run_read.c), and a sorted piece in memory. */
#ifndef DISSECTOR_WORK_RUN_INTERNAL_H
#define DISSECTOR_WORK_RUN_INTERNAL_H
#include <stddef.h>
#include "services/dissector/work/run.h"

#define RUN_MAGIC "TLRUN2\0"
#define RUN_MAGIC_BYTES 8u
#define RUN_CHUNK_BYTES (256u * 1024)   /* a chunk ends behind the record that passes this; each reader of a merge holds one */
enum run_chunk_kind { RUN_RECORDS = 1, RUN_VIEWS = 2, RUN_END = 3 };
struct run_chunk { uint32_t kind, size, content, zero; uint64_t hash; };
struct run_end { uint64_t records, views; };

/* An entry in memory. */
struct run_key { int64_t timestamp_ns; const struct record *record; };
struct run_reader {
    /* a file, mapped */
    const uint8_t *map; size_t map_size, at;
    const uint8_t *chunk, *chunk_end;   /* what is left of the chunk: in the map, or in `content` */
    uint8_t *content; size_t content_room;
    /* or memory */
    struct run_key *keys; size_t keys_count, keys_at;
    struct run_writer *owner;           /* whose memory it is */
    struct run_merge *merge;            /* or pieces with memory */
    struct run_view *views; size_t views_count;
    uint64_t records;
};
int run_open_fd(int fd, struct run_reader **ret);
#endif
