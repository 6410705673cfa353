/* Sorted runs into an output: which views tell, ids in the order of time, names of addresses, connection numbers. The result depends on the runs' contents alone, not on how many they are. */
#ifndef DISSECTOR_WORK_FINALISE_H
#define DISSECTOR_WORK_FINALISE_H
#include "services/dissector/output/output.h"
#include "services/dissector/work/fill.h"
#include "services/dissector/work/run.h"
#include "services/dissector/work/stages.h"

struct finalise_options {
    const struct output_driver *driver;
    const char *path;                       /* "-": standard output */
    const char *where;                      /* "" or NULL: all */
    const char *const *nodes; uint32_t nodes_count;
    const struct stage_input *inputs; uint32_t inputs_count;
    const struct selection *fields;         /* NULL: all */
    uint64_t entries_max;                   /* the earliest are kept; 0: all */
    const struct input_names *names;        /* of interfaces; NULL: none is known */
    const struct fill_options *fill;        /* NULL: no view fills another's gaps */
    const struct stage_counter *counters; uint32_t counters_count; /* of the stages before, for the output */
};
/* Takes the readers over. ret->entries, connections, counters. -errno with a sentence in error (STAGE_ERROR_TEXT_MAX). */
int finalise_runs(struct run_reader **readers, size_t count, const struct finalise_options *options, const struct stage_progress *progress, struct stage_result *ret, char *error);

/* The same of records as they come, for a reader who does not want to wait: every view tells, ids are in the order of coming, and a connection's number is its own but not dense. options and error stay as they are until the end;
 * its counters are read there. One thread. */
struct finaliser;
int finalise_stream_new(const struct finalise_options *options, char *error, struct finaliser **ret);
/* record: made in this process, borrowed for the call. 1: entries_max is reached, nothing more is wanted. */
int finalise_stream_take(struct finaliser *finaliser, const struct record *record);
/* All that was taken is with the reader when it returns. */
int finalise_stream_flush(struct finaliser *finaliser);
/* Closes the output, or where r < 0 abandons it; frees. r, or what went wrong. ret->entries. */
int finalise_stream_end(struct finaliser *finaliser, int r, struct stage_result *ret);
#endif
