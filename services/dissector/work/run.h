/* Runs: entries sorted (record_compare), with the views that they come from, of one group of shards. In memory while they are collected, over a budget in sorted pieces on the disk; then a file, or read at once.
 *
 *   run file = "TLRUN2\0\0" | chunk ... | end chunk
 *   chunk    = kind u32 (1 records, 2 views, 3 end) | size u32 | content u32 | 0 u32 | XXH3-64 of the data, exclusive-or `content`, u64 | data of `size` bytes, a multiple of 8
 *   data     = whole records or views; where `content` is not `size`, an LZ4 block (capfile/lz4frame.h) of `content` bytes of whole records, and zeros: a run is a seventh of its size then, on its way to a shared disk and back
 *   views    = shard u32, number u32, struct view ...      end = counts: records u64, views u64
 *
 * Written under a hidden name and renamed when whole. A reader checks every chunk's hash; records are borrowed until the next call. One thread at a time. */
#ifndef DISSECTOR_WORK_RUN_H
#define DISSECTOR_WORK_RUN_H
#include "services/dissector/entry/record.h"

#define RUN_MEMORY_DEFAULT (1024ull * 1024 * 1024)
#define RUN_PIECES_MAX 512u             /* sorted pieces on the disk of one run: of 16 MiB, the least memory of one worker, 8 GiB of entries; workers and filling have parts of it */

struct run_view { uint32_t shard, number; struct view view; };

struct run_writer;
/* folder: where pieces go (unlinked at once). memory: bytes of entries held before they do. */
int run_writer_new(const char *folder, uint64_t memory, struct run_writer **ret);
int run_writer_add(struct run_writer *writer, const struct record *record);
int run_writer_view(struct run_writer *writer, const struct run_view *view);
void run_writer_free(struct run_writer *writer);

struct run_reader;
/* Writes the sorted run to path. -ENOSPC and others. */
int run_writer_save(struct run_writer *writer, const char *path, const char *hidden_path);
/* Turns the writer into a reader of the sorted entries; takes the writer over, also on failure. */
int run_writer_read(struct run_writer *writer, struct run_reader **ret);
/* -EBADMSG: not a whole run. */
int run_open(const char *path, struct run_reader **ret);
/* 1 with the next record; 0 at the end; -EBADMSG. */
int run_next(struct run_reader *reader, const struct record **ret);
/* All views, borrowed; whole at any time after opening. */
const struct run_view *run_views(const struct run_reader *reader, size_t *ret_count);
uint64_t run_records(const struct run_reader *reader);
void run_close(struct run_reader *reader);

/* Merges runs by record_compare. Takes the readers over. */
struct run_merge;
int run_merge_new(struct run_reader **readers, size_t count, struct run_merge **ret);
int run_merge_next(struct run_merge *merge, const struct record **ret);
/* Whether the record that run_merge_next gave last has never been in a file: it is what the engine made. */
bool run_merge_from_memory(const struct run_merge *merge);
void run_merge_free(struct run_merge *merge);
#endif
