/* One attempt at making a snapshot: plan, pin, pull, manifest, publish. Worker's thread. */
#ifndef SNAPSHOTTER_JOBS_MAKE_H
#define SNAPSHOTTER_JOBS_MAKE_H
#include "services/snapshotter/jobs/job.h"

/* With JOB_READY job->event is the snapshot.ready to be said. Leaves nothing behind in the store otherwise. Also finds a snapshot that an earlier attempt published
 * before it died. */
enum job_verdict make_snapshot(struct job *job);
#endif
