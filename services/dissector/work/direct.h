/* All stages at once, in one thread and without files between: what a single worker does with captures at hand. The rows are those that map, reduce and finalise give. */
#ifndef DISSECTOR_WORK_DIRECT_H
#define DISSECTOR_WORK_DIRECT_H
#include "services/dissector/input/plan.h"
#include "services/dissector/work/stages.h"

struct direct_options {
    const struct input_plan *plan;
    const char *work_folder;            /* for what does not fit into memory */
    uint64_t memory;                    /* of entries; 0: RUN_MEMORY_DEFAULT */
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
/* progress counts bytes of the inputs, then entries. As stage_finalise. */
int direct_run(const struct direct_options *options, const struct stage_progress *progress, struct stage_result *ret, char *error);
#endif
