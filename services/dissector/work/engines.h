/* Shards first .. first + count - 1 with one sorted run behind them, or whoever takes entries as they come. One thread. */
#ifndef DISSECTOR_WORK_ENGINES_H
#define DISSECTOR_WORK_ENGINES_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/work/run.h"
#include "services/dissector/work/stages.h"

struct engines;
/* work_folder: for what does not fit into memory. instead: who takes entries and views in place of a run; NULL: the run. */
int engines_new(uint32_t first_shard, uint32_t count, const struct shard_options *options, const struct shard_sink *instead, const char *work_folder, uint64_t memory, struct engines **ret);
/* The packet's shard (low 8 bits of its hash) must be one of these. */
int engines_packet(struct engines *engines, const struct shard_packet *packet);
/* The same for packets that lie in a row, whose connections come into the cache ahead of them. */
int engines_packets(struct engines *engines, const struct shard_packet *packets, uint32_t count);
/* The input is over: everything comes out of the engines, and their counters into counts. The run is the caller's; NULL where there is none. */
int engines_finish(struct engines *engines, struct run_writer **ret_run, struct stage_result *counts);
void engines_free(struct engines *engines); /* NULL is fine */
#endif
