/* How far an item is: one small file in the work folder, replaced by name. The attempt is counted before it begins, so that one that kills its worker counts, too; deliveries of the queue would not (a restarted server forgets them). */
#ifndef DISSECTOR_JOBS_ITEM_H
#define DISSECTOR_JOBS_ITEM_H
#include "services/dissector/jobs/plan.h"

#define ITEM_ATTEMPTS_MAX 5
#define ITEM_BYTES_MAX (64u * 1024)     /* counters and a sentence */

/* States of DissectItem. */
#define ITEM_RUNNING "running"
#define ITEM_AGAIN "again"
#define ITEM_DONE "done"
#define ITEM_DEAD "dead"

/* -ENOENT: no attempt at it was made, or the job is over (item_write tells). */
int item_read(const struct workplace *place, enum plan_stage stage, uint32_t number, Tapeloop__V1__DissectItem **ret);
/* -ENOENT: the job is over, its work folder is gone. */
int item_write(const struct workplace *place, enum plan_stage stage, uint32_t number, const Tapeloop__V1__DissectItem *item);
/* How far an item is that is being worked at, in a file of its own: a worker that another one has replaced must not touch the item's. Lost without harm. item_told gives percent; -ENOENT: nothing was told. */
int item_tell(const struct workplace *place, enum plan_stage stage, uint32_t number, uint64_t done, uint64_t total);
int item_told(const struct workplace *place, enum plan_stage stage, uint32_t number);
bool item_is(const Tapeloop__V1__DissectItem *item, const char *state);
/* What a stage said of itself, into the item and back. */
int item_set_result(Tapeloop__V1__DissectItem *item, const struct stage_result *result);
/* Adds to a map of counters, which items, manifests and events have alike: count and array by their addresses. -ENOMEM. */
int item_add_counter(size_t *count, void *array_field, const ProtobufCMessageDescriptor *entry_type, const char *name, uint64_t value);
#endif
