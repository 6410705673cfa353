/* Looks at every job twice a second: in-progress acknowledgement and claim only while the job advances, progress to whoever listens. */
#ifndef SNAPSHOTTER_JOBS_TICKER_H
#define SNAPSHOTTER_JOBS_TICKER_H
#include "services/snapshotter/service.h"

/* One round. Ticker's thread. */
void ticker_round(struct service *service);
#endif
