/* All stages at once, without files between: what one worker, or a few, do with captures at hand. Each of several reads everything and dissects its share of the shards, so what all do alike is all that is done more than once.
 * The rows are those that map, reduce and finalise give. */
#ifndef DISSECTOR_WORK_DIRECT_H
#define DISSECTOR_WORK_DIRECT_H
#include "services/dissector/input/plan.h"
#include "services/dissector/work/stages.h"

#define DIRECT_WORKERS_MAX 8u           /* beyond it reading is most of what each does */

struct direct_options {
    const struct input_plan *plan;
    const char *work_folder;            /* for what does not fit into memory */
    uint32_t workers;                   /* threads, DIRECT_WORKERS_MAX at most; 0: one. A stream, and what can be read once only, are always one's */
    uint64_t memory;                    /* of entries, of all workers; 0: RUN_MEMORY_DEFAULT */
    const char *format, *output_path;   /* "-": standard output */
    const char *const *protocols; uint32_t protocols_count;
    const char *where;
    const struct selection *fields;     /* NULL: all */
    bool stream;                        /* entries go out as they come (work/finalise.h), and a stop is the end of the input */
    enum redact_level redact;
    struct stage_limits limits;
    void (*problem)(void *context, uint32_t input, const char *sentence); /* an input that is not whole; may be NULL */
    void *context;
};
/* As stage_finalise. progress and problem are called by any of the threads, one at a time. */
int direct_run(const struct direct_options *options, const struct stage_progress *progress, struct stage_result *ret, char *error);
#endif
