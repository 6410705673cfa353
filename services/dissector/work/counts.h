/* What was read and what was given up, by the names that a dissection's info table has. */
#ifndef DISSECTOR_WORK_COUNTS_H
#define DISSECTOR_WORK_COUNTS_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/flow/decode.h"
#include "services/dissector/input/input.h"
#include "services/dissector/work/stages.h"

/* Adds to the counter of this name, which it makes where there is none. */
void counts_add(struct stage_result *counts, const char *name, uint64_t value);
/* Everything that `more` has counted: its counters, packets and bytes. */
void counts_add_all(struct stage_result *counts, const struct stage_result *more);
void counts_add_shard(struct stage_result *counts, const struct shard_counters *shard);
void counts_add_input(struct stage_result *counts, const struct input_counters *input);
void counts_add_decode(struct stage_result *counts, const struct decode_counters *decode);
void counts_add_fragments(struct stage_result *counts, const struct fragment_counters *fragments);
#endif
