/* A dissect.request from the queue: read, checked, claimed, accepted, or answered without work. Coordinator's thread. */
#ifndef DISSECTOR_JOBS_INTAKE_H
#define DISSECTOR_JOBS_INTAKE_H
#include "services/dissector/jobs/dissection.h"
/* Takes over message. The dissection is claimed, accepted and in the table of leases; NULL: the message has been dealt with. */
struct dissection *intake_take(struct service *service, struct bus_job *message);
#endif
