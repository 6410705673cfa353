/* Connections whose teller lost what another view has, dissected again with all their views (engine/filling.h): reads the inputs once more, when there is such a connection, and passes over all packets of others.
 * So it sees whole views, however their clocks differ and wherever the shards were; what the first dissection said stands until the second is known to be right. One thread, whatever the number of workers. */
#ifndef DISSECTOR_WORK_FILL_H
#define DISSECTOR_WORK_FILL_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/input/plan.h"
#include "services/dissector/work/run.h"
#include "services/dissector/work/stages.h"
#include "services/dissector/work/views.h"

struct fill_options {
    const struct input_plan *plan;      /* the inputs of the first dissection, in the same order */
    const struct shard_options *shard;
    const char *work_folder;            /* for entries that do not fit into memory */
    uint64_t memory;                    /* of them; 0: RUN_MEMORY_DEFAULT */
};
struct fill_counts {
    uint64_t connections, bytes;        /* filled, and with how many bytes of other views */
    uint64_t refused;                   /* connections with views that contradict each other, or that nothing proves the same, or of which less came the second time; others may have filled them */
    uint64_t given_up;                  /* for want of memory */
    uint64_t unread;                    /* because an input cannot be read twice (a pipe) */
};
/* Tells views which connections were filled. *ret: their entries, NULL where there are none; the caller's. progress counts bytes of the inputs. -ECANCELED, -ENOMEM, -errno. */
int fill_gaps(struct views *views, const struct fill_options *options, const struct stage_progress *progress, struct fill_counts *counts, struct run_reader **ret);
#endif
