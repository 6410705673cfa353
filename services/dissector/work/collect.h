/* Inputs, read from their first packet to their last, into what the engines of some shards make of them. One thread each; several read the same inputs beside each other, each for its own shards: what
 * all do is to read, decode and hash, a tenth of the work of one where the inputs are not compressed. */
#ifndef DISSECTOR_WORK_COLLECT_H
#define DISSECTOR_WORK_COLLECT_H
#include "services/dissector/input/input.h"
#include "services/dissector/work/direct.h"
#include "services/dissector/work/finalise.h"
#include "services/dissector/work/progress.h"
#include "services/dissector/work/run.h"

struct collect_options {
    const struct direct_options *direct;
    const struct shard_options *shard;
    uint32_t first_shard, shards;
    uint64_t memory;                    /* of entries */
    struct finaliser *stream;           /* takes entries as they come; NULL: the run does */
    bool tells;                         /* counts what was read and names interfaces: one of those that read the same */
    bool *told;                         /* by input, of all that read the same, under the crowd's lock: whoever meets a problem tells it, once. Of a tape that is being recorded a segment may be there for one and gone for the next */
};
/* counts, names: added to. *ret_run: NULL with a stream. -ECANCELED where the member is to stop; -errno. */
int collect_inputs(const struct collect_options *options, struct crowd_member *member, struct run_writer **ret_run, struct stage_result *counts, struct input_names *names);
#endif
