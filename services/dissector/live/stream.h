/* The engines of a stream that does not end: segments in, and from time to time what came out since the last time, as a sorted run with its views. Connections that are open stay open. One thread. */
#ifndef DISSECTOR_LIVE_STREAM_H
#define DISSECTOR_LIVE_STREAM_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/input/input.h"
#include "services/dissector/work/run.h"

struct live_stream;
/* work_folder, memory: see work/run.h. */
int live_stream_new(const struct shard_options *options, const char *work_folder, uint64_t memory, struct live_stream **ret);
int live_stream_packet(struct live_stream *stream, const struct input_packet *packet);
/* Entries that have not been cut off yet. */
uint64_t live_stream_entries(const struct live_stream *stream);
/* What came out since the last cut; the stream goes on. end: the stream is over, everything open comes out too. */
int live_stream_cut(struct live_stream *stream, bool end, struct run_reader **ret);
void live_stream_free(struct live_stream *stream);  /* NULL is fine */
#endif
