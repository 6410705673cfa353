/* Fetching the segments of a plan: several at once, oldest first, every block checked against its hash before it counts. */
#ifndef SNAPSHOTTER_JOBS_PULL_H
#define SNAPSHOTTER_JOBS_PULL_H
#include "services/snapshotter/jobs/plan.h"

#define PULL_BLOCK_TRIES_MAX 3      /* a block whose bytes stay wrong is left out and named */
#define PULL_RUN_BYTES_MAX (64u * 1024 * 1024) /* of one request: a token that expires in the middle costs little */

/* Writes segments/<node>/... into work and fills in the results of the plan's segments. JOB_READY also where segments stayed missing (they say why). */
enum job_verdict pull_all(struct job_plan *plan, struct job *job, struct store_work *work);
#endif
