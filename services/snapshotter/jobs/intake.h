/* From a message of the work queue to a job, or to the answer that it needs no job. Worker's thread. */
#ifndef SNAPSHOTTER_JOBS_INTAKE_H
#define SNAPSHOTTER_JOBS_INTAKE_H
#include "services/snapshotter/jobs/job.h"

/* Takes over message. NULL: it has been answered, put back, or comes again by itself. Otherwise a claimed job in the table, snapshot.accepted is said. */
struct job *intake_take(struct service *service, struct bus_job *message);
#endif
