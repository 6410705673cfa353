/* Which blocks an export reads, in which order, and in how many groups so that no group needs more memory than it may. */
#ifndef SNAPSHOTTER_EXPORT_PLAN_H
#define SNAPSHOTTER_EXPORT_PLAN_H
#include "services/snapshotter/export/inputs.h"

/* Blocks are numbered in the order that breaks ties of time: node, lane, sequence, position in the segment. */
struct plan_block { uint32_t input, number; uint32_t group; };
struct plan {
    struct plan_block *blocks;
    uint32_t blocks_count;
    uint32_t *order;              /* block numbers by (least timestamp, number) */
    uint32_t groups;              /* 1: everything can be merged at once; 0: there is nothing */
    uint64_t run_bytes;           /* at most, of all runs together, when there are several groups */
};
/* Memory that a loaded block takes: what is read or decoded, and an entry for each packet and event. */
uint64_t plan_block_cost(const struct segment_block *block);
/* Plans within memory_bytes for the blocks that are loaded at once. -ENOMEM; -E2BIG over UINT32_MAX blocks. */
int plan_make(const struct inputs *inputs, int64_t from_ns, int64_t to_ns, uint64_t memory_bytes, struct plan *ret);
static inline const struct segment_block *plan_segment_block(const struct plan *plan, const struct inputs *inputs, uint32_t ordinal)
{
    return &inputs->list[plan->blocks[ordinal].input].index->blocks[plan->blocks[ordinal].number];
}
void plan_free(struct plan *plan);
#endif
