/* One attempt at an item of the work queue. Worker's thread. */
#ifndef DISSECTOR_JOBS_ATTEMPT_H
#define DISSECTOR_JOBS_ATTEMPT_H
#include "services/dissector/jobs/plan.h"
#include "services/dissector/service.h"

/* What a worker keeps from one item to the next: the plan of the job that it worked on last. All zero at first. */
struct attempt_memory { struct workplace place; Tapeloop__V1__DissectPlan *plan; struct plan_job *job; };
void attempt_forget(struct attempt_memory *memory);
/* Does the item, writes what came of it into its file, and acknowledges the message, which it takes over. number: of the worker within the instance. */
void attempt_item(struct service *service, unsigned number, struct attempt_memory *memory, struct bus_job *message);
#endif
