/* The three stages of a dissection, as the work queue hands them out: map (one item per input), reduce (one per group of shards, when all maps are done), finalise (one, when all reduces are done).
 *
 * Each is a function of the files of the stage before and of the job: it may be repeated, after a kill in the middle or beside a worker that is only slow, and gives the same result. So whatever it leaves in the work
 * folder is written under a temporary name that holds job->writer and ends in ".tmp", and renamed when it is whole: a reader sees whole files only, and the last of several equal ones stays.
 * Files of the work folder whose names end in ".json" belong to the caller; what ends in ".tmp" is left from attempts that died. Several stages may run in one process at once, each in a thread of its own. */
#ifndef DISSECTOR_WORK_STAGES_H
#define DISSECTOR_WORK_STAGES_H
#include <stdbool.h>
#include <stdint.h>
#include "services/dissector/entry/message.h"
#include "services/dissector/entry/selection.h"

#define STAGE_SHARDS 256u               /* virtual shards: a flow's shard does not depend on the number of workers */
#define STAGE_ERROR_TEXT_MAX 512
#define STAGE_COUNTERS_MAX 64           /* names of what was read and given up: some dozens */
#define STAGE_COUNTER_NAME_MAX 48
#define STAGE_DIGEST_TEXT_MAX 65

/* One capture file. Of a snapshot: a segment. */
struct stage_input {
    const char *path;                   /* absolute */
    const char *segment_id;             /* "<node>/<tape>/<lane>/<sequence>"; "" for a file that is no segment */
    uint32_t node;                      /* in stage_job.nodes */
    uint32_t previous;                  /* input that holds the same lane's packets before this one, whose fragments end here; UINT32_MAX: none */
    uint64_t bytes;                     /* of the file; 0: unknown */
};
/* 0: the engine's own (engine/conversation.h) or none. */
struct stage_limits { uint64_t entries /* the earliest are kept */, body_bytes; };

/* Everything is borrowed and stays as it is while a stage runs. */
struct stage_job {
    const char *snapshot_folder;        /* "" where the inputs are plain files */
    const char *work_folder;            /* is there; shared by all workers of this job and by nobody else */
    const char *output_path;            /* what finalise publishes; further part files stand beside it under names that begin with it */
    const char *writer;                 /* one file name's worth of text that no other running stage has */
    const char *format;                 /* "sqlite", "ndjson" */
    const struct stage_input *inputs;   /* by node, tape, lane and sequence */
    uint32_t inputs_count;
    bool leave_out;                     /* an input that cannot be opened has a problem, and is left out: of a tape that is being recorded, the oldest go at any moment. Else map fails */
    const char *const *nodes;           /* sorted; record.node counts in it */
    uint32_t nodes_count;
    int64_t from_ns, to_ns;             /* the snapshot's window; 0, 0: all */
    const char *const *protocols;       /* names as the registry has them; none: all */
    uint32_t protocols_count;
    const char *where;                  /* "" matches all */
    const struct selection *fields;     /* of entries, for an output that knows fewer; NULL: all */
    enum redact_level redact;
    struct stage_limits limits;
    uint64_t memory;                    /* of entries, of one item; what is more goes through unnamed files in the work folder. 0: RUN_MEMORY_DEFAULT */
};

/* Called by the stage's own thread, at least each second while the work goes on (in-progress acknowledgements depend on it), never when it stands still. done and total are in any unit. False: stop now with -ECANCELED. */
struct stage_progress { bool (*advance)(void *context, uint64_t done, uint64_t total); void *context; };
static inline bool stage_advance(const struct stage_progress *progress, uint64_t done, uint64_t total)
{
    return !progress || !progress->advance || progress->advance(progress->context, done, total);
}

/* What a stage has to say of itself; a stage fills what it knows and leaves the rest 0. Sums over all items of a stage are the dissection's; a counter that two stages name is summed over both. */
struct stage_counter { char name[STAGE_COUNTER_NAME_MAX]; uint64_t value; };
struct stage_result {
    uint64_t packets, bytes;            /* map */
    uint64_t entries, connections;      /* reduce: those of its run, for progress; finalise: those of the output */
    char digest[STAGE_DIGEST_TEXT_MAX]; /* finalise: SHA-256 of the canonical dump of all rows, lower-case hex */
    struct stage_counter counters[STAGE_COUNTERS_MAX]; /* names are unique within a stage's result; finalise: of all stages */
    uint32_t counters_count;
    char problem[STAGE_ERROR_TEXT_MAX]; /* map: what of the input is not whole, a sentence without its name; "" */
};

/* 0; -ECANCELED where advance said so; another -errno with a sentence in error (STAGE_ERROR_TEXT_MAX): tried again, up to five times; -EINVAL: never to be done, not tried again. */
/* Before anything is begun: protocols, where, format and limits can be met. */
int stage_check(const struct stage_job *job, char *error);
int stage_map(const struct stage_job *job, uint32_t input, const struct stage_progress *progress, struct stage_result *ret, char *error);
/* Shards first .. first + count - 1 of all inputs. */
int stage_reduce(const struct stage_job *job, uint32_t first_shard, uint32_t count, const struct stage_progress *progress, struct stage_result *ret, char *error);
/* All shards. The output stands under its name, whole and flushed, when it returns 0. */
int stage_finalise(const struct stage_job *job, const struct stage_progress *progress, struct stage_result *ret, char *error);
#endif
