/* Asking the nodes: pin (seal, lease, list), renew, unpin. Blocks for the length of requests; worker and pull threads. */
#ifndef SNAPSHOTTER_JOBS_PIN_H
#define SNAPSHOTTER_JOBS_PIN_H
#include "services/snapshotter/jobs/plan.h"

#define PIN_LEASE_S 600             /* as long as capturers hold what they heard of in snapshot.request */
#define PIN_RENEW_NS (INT64_C(180) * 1000000000)
#define PIN_TIMEOUT_MS 10000        /* a seal writes out what is in the ring first */
#define PIN_RETURN_NS (INT64_C(20) * 1000000000) /* a node whose heartbeat is younger is waited for: its capturer may just be restarting */
#define PIN_THREADS_MAX 8           /* most of the time is waiting; 5,000 nodes at 100 ms are then a minute */
#define PIN_PAGES_MAX 10000         /* of one node: far above any tape; a node that never ends is cut off */

/* Pins the window on every node of the plan and fills in reports and segments. Nodes that do not answer are named in their reports. JOB_READY or how the job ends. */
enum job_verdict pin_all(struct job_plan *plan, struct job *job);
/* Asks again for what had no room, now that the rest was pulled and let go. True: more segments are in the plan, to be pulled. */
bool pin_more(struct job_plan *plan, struct job *job);
/* Renews the leases of all nodes that still have segments to pull. */
void pin_renew(struct job_plan *plan, struct job *job);
/* New url and token for one segment. 0, -ENOENT: the node does not hold it any more; -EHOSTUNREACH: nobody answers for it; -errno. */
int pin_again(struct job_plan *plan, struct job *job, struct plan_segment *segment);
/* Lets one segment go. Failures do not matter: the lease ends by itself. */
void pin_release(struct job *job, const struct plan_segment *segment);
/* Lets everything go. */
void pin_release_all(struct job_plan *plan, struct job *job);
/* The node's clock minus ours, and how far that may be wrong, from one exchange (midpoint of the request). Pure. */
void pin_clock(int64_t sent_ns, int64_t received_ns, int64_t replied_ns, int64_t arrived_ns, int64_t *ret_offset_ns, int64_t *ret_uncertainty_ns);
#endif
