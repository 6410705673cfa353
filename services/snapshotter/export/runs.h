/* Temporary runs: merged stretches of an export that does not fit in memory, in unnamed files, with a hash for each chunk.
 *
 *   run    = chunk ...
 *   chunk  = bytes le32 | records le32 | XXH3-64 of the payload le64 | payload of `bytes`
 *   record = time le64 | block number le32 | size le32 | pcapng block of `size` bytes, size a multiple of 4
 *
 * Read by the process that wrote it, so host order would do; little-endian is kept for the eye. */
#ifndef SNAPSHOTTER_EXPORT_RUNS_H
#define SNAPSHOTTER_EXPORT_RUNS_H
#include <stddef.h>
#include "services/snapshotter/export/source.h"

#define RUN_CHUNK_BYTES (256u * 1024)     /* payload, unless one record alone is longer */
#define RUN_RECORD_BYTES 16u
#define RUN_READER_BYTES (512u * 1024)    /* memory of a run that is being merged: chunk, entries, block numbers */

struct run_writer;
int run_writer_new(const char *folder, struct run_writer **ret);
int run_put(struct run_writer *writer, const struct span *span);
/* Writes the rest and makes a source of the run, positioned at its first entries. The writer is freed in any case. */
int run_writer_finish(struct run_writer *writer, struct source **ret);
void run_writer_free(struct run_writer *writer);
/* The next stretch of the run into its source: 1, 0 at the end, -EBADMSG (the file is not what was written), -errno. */
int run_next(struct source *source);
void run_reader_free(struct run_reader *reader);
uint64_t run_bytes(const struct source *source);
#endif
