/* Merges sources by (time, block, position). Blocks are loaded when the merge comes to their least timestamp, and let go behind their last
 * packet. */
#ifndef SNAPSHOTTER_EXPORT_MERGE_H
#define SNAPSHOTTER_EXPORT_MERGE_H
#include "services/snapshotter/export/load.h"
#include "services/snapshotter/export/source.h"

struct merge {
    struct load *load;                    /* NULL: runs only */
    uint32_t group, next;                 /* blocks of this group; next index in plan->order */
    struct source **heap;
    uint32_t count, room;
    bool spent;                           /* the heap's first has been given out up to its `at` */
};
/* Of one group's blocks. The heap grows with what overlaps. */
void merge_begin_blocks(struct merge *merge, struct load *load, uint32_t group);
/* Of runs; takes the sources over (also on failure). -ENOMEM. */
int merge_begin_runs(struct merge *merge, struct source **runs, uint32_t count);
/* 1: *ret is the next span, valid until the next call; 0: the end; -errno of load_block and run_next. */
int merge_next(struct merge *merge, struct span *ret);
void merge_end(struct merge *merge);
#endif
