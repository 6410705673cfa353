/* The threads of the dissector's two roles, which every instance has: coordinators take requests and see them through; workers take items; the sweeper removes what dead ones left. */
#ifndef DISSECTOR_JOBS_CREW_H
#define DISSECTOR_JOBS_CREW_H
#include "services/dissector/service.h"

struct crew;
/* service->leases is there. A sentence in error (256) on failure. */
int crew_start(struct service *service, struct crew **ret, char *error);
/* service->stopping must be set. Waits for what is under way to come to its (early) end. NULL is fine. */
void crew_stop(struct crew *crew);
/* One round of the sweeper: work folders whose request has ended, claims whose dissection has vanished with its snapshot. */
void crew_sweep(struct service *service);
#endif
