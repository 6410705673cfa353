/* The threads that take requests from the work queue, and the ticker that keeps their leases and tells progress. */
#ifndef SNAPSHOTTER_JOBS_WORKER_H
#define SNAPSHOTTER_JOBS_WORKER_H
#include "services/snapshotter/service.h"

#define WORKER_ACK_NS (INT64_C(5) * 1000000000)     /* the consumer waits 30 s */
#define WORKER_RENEW_NS (INT64_C(15) * 1000000000)  /* a claim is live for 60 s */
#define WORKER_PROGRESS_NS (INT64_C(500) * 1000000) /* at most two a second */
#define WORKER_WAITING_NS (INT64_C(5) * 1000000000)  /* while a window has not ended there is little to tell */

struct workers;
/* Opens a queue per worker and starts the threads. A sentence in error (256) on failure. */
int workers_start(struct service *service, struct workers **ret, char *error);
/* service->stopping must be set. Waits for the jobs under way to come to their (early) end. NULL is fine. */
void workers_stop(struct workers *workers);
#endif
