/* What to do when a transfer fails: the node may have restarted on another port, changed its key, recycled the segment, or be gone. One per transfer; pull threads. */
#ifndef SNAPSHOTTER_JOBS_TROUBLE_H
#define SNAPSHOTTER_JOBS_TROUBLE_H
#include "services/snapshotter/jobs/plan.h"

#define TROUBLE_TRIES_MAX 5     /* in a row without one whole block in between, while the node answers; waits of 0.2, 0.4, 0.8, 1.6 s lie between them */
#define TROUBLE_TOKENS_MAX 3    /* refused tokens in a row, each of them fresh */
#define TROUBLE_SILENCE_NS (INT64_C(30) * 1000000000) /* a capturer's restart with salvage; then its node is given up for this snapshot */

/* All zero: none so far. Set to zero again with each whole block. */
struct trouble { unsigned tries, tokens; int64_t silent_since_ns; };

bool trouble_should_stop(const struct job *job);
/* failure: of http_client_get, or -EBADMSG for what cannot be read. 0: it has waited, and url and token are fresh: try again. -ECANCELED: the job ends. Another -errno: the segment is missing, and
 * segment->problem says why. error: of the last try. */
int trouble_judge(struct trouble *trouble, struct job_plan *plan, struct job *job, struct plan_segment *segment, int failure, const char *error);
#endif
