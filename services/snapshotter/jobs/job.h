/* One snapshot being made, and the table of all that this instance is making or waiting for.
 *
 * A job is owned by the worker that runs it or, while its window's end lies ahead, by the table (parked). The ticker holds a reference
 * while it acknowledges, renews and tells progress; it touches only what is atomic, the claim (locks itself) and the message handle. */
#ifndef SNAPSHOTTER_JOBS_JOB_H
#define SNAPSHOTTER_JOBS_JOB_H
#include "jobs/claim.h"
#include "services/snapshotter/jobs/request.h"
#include "services/snapshotter/service.h"
#include "wire/wire.h"
#include <pthread.h>
#include <stdatomic.h>

#define JOBS_PARKED_MAX 64      /* windows that end in the future; each costs a few KiB and one in-progress ack per tick */
#define JOBS_MAX (SNAPSHOTTER_WORKERS_MAX + JOBS_PARKED_MAX)

/* Where a job stands; its text goes into snapshot.progress. */
enum job_stage { JOB_WAITING, JOB_PINNING, JOB_PULLING, JOB_PUBLISHING };
/* How a run ended. */
enum job_verdict {
    JOB_READY,      /* published; event holds what is to be said */
    JOB_FAILED,     /* for good, reason says why */
    JOB_RETRY,      /* this attempt failed, another may succeed */
    JOB_LOST,       /* somebody else does it now */
    JOB_AWAY,       /* the bus went away: another attempt, and this one does not count */
    JOB_STOPPED,    /* this instance is stopping: another one may go on at once */
};

struct job {
    struct service *service;
    struct bus_job message;
    char name[STORE_NAME_MAX + 1];
    Tapeloop__V1__SnapshotRequest *request;
    struct request_window window;
    char digest[REQUEST_DIGEST_TEXT_MAX];
    struct claim *claim;
    char reason[1024];                      /* of failure or of being partial; worker's thread */
    Tapeloop__V1__SnapshotEvent *event;     /* with JOB_READY */

    atomic_bool cancelled;
    atomic_int stage, references;
    atomic_uint_fast64_t advance;           /* grows with bytes and stages: only then is the lease renewed */
    atomic_uint_fast64_t bytes_done, bytes_total, segments_done, segments_total;
    atomic_uint nodes_done, nodes_total;

    /* the ticker's own */
    uint64_t acknowledged_advance, told_advance;
    int64_t acknowledged_ns, renewed_ns, told_ns;
    bool in_table;
};

/* Takes over message. NULL: no memory. */
struct job *job_new(struct service *service, struct bus_job *message);
void job_release(struct job *job);          /* frees with the last reference; NULL is fine */
void job_set_stage(struct job *job, enum job_stage stage);
const char *job_stage_text(enum job_stage stage);
static inline void job_advance(struct job *job) { atomic_fetch_add_explicit(&job->advance, 1, memory_order_relaxed); }
/* Whether the run should end early, and how (JOB_READY: go on). */
enum job_verdict job_interrupted(struct job *job);
/* Writes job->reason and returns the verdict. */
enum job_verdict job_fail(struct job *job, enum job_verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The table. */
int jobs_new(struct jobs **ret);
void jobs_free(struct jobs *jobs);
/* -EALREADY: this instance has that sequence in hand. -ENOBUFS: the table is full. */
int jobs_add(struct jobs *jobs, struct job *job);
void jobs_drop(struct jobs *jobs, struct job *job);
bool jobs_has(struct jobs *jobs, uint64_t sequence);
/* Leaves a job in the table until its window has ended. -ENOBUFS: JOBS_PARKED_MAX. */
int jobs_park(struct jobs *jobs, struct job *job);
/* A parked job whose window has ended, that was cancelled, or (when stopping) any; NULL: none. The caller runs it. */
struct job *jobs_take_due(struct jobs *jobs, int64_t now_ns, bool stopping);
/* Marks the job of that name as cancelled. -ENOENT. */
int jobs_cancel(struct jobs *jobs, const char *name);
/* Up to JOBS_MAX jobs with a reference each (job_release). */
size_t jobs_list(struct jobs *jobs, struct job *ret[static JOBS_MAX]);
#endif
