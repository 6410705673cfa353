/* Telling "the bus is away" from "the node does not answer": a bus that restarts must cost a request neither an attempt nor a node. */
#ifndef SNAPSHOTTER_JOBS_PATIENCE_H
#define SNAPSHOTTER_JOBS_PATIENCE_H
#include "services/snapshotter/jobs/job.h"

#define PATIENCE_MAX_NS (INT64_C(300) * 1000000000)     /* then the message goes back to its queue, which waits for ever */
#define PATIENCE_RETURN_NS (INT64_C(10) * 1000000000)   /* others come back to the bus a little later than we do */

/* A failure of the bus itself. */
bool patience_is_bus_failure(int r);
/* Waits until the bus is there. False: it stayed away, or the job is to end. */
bool patience_wait(struct job *job);
/* A request to a node failed with r, begun at that generation of the connection. True: ask again (it has waited as needed). */
bool patience_ask_again(struct job *job, int r, uint64_t generation);
/* job_fail with JOB_AWAY where r is the bus's, with JOB_RETRY otherwise. */
enum job_verdict patience_judge(struct job *job, int r, const char *what);
#endif
