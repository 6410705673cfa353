/* What the snapshotter says about snapshots: the four kept events and the live progress. Thread-safe. */
#ifndef SNAPSHOTTER_JOBS_EVENTS_H
#define SNAPSHOTTER_JOBS_EVENTS_H
#include "jobs/announce.h"
#include "services/snapshotter/service.h"
#include "wire/wire.h"

#define EVENT_BYTES_MAX (512 * 1024)    /* of the JSON: with headers, and inside a claim, still far below WIRE_MESSAGE_BYTES_MAX */

/* request: stream sequence of the message that is answered (header ce-request), 0 where there is none; a final event that is said again carries that of the one who asked again.
 * Publishes snapshot.<state> and waits for the stream's confirmation. As JSON, whatever the request was: events go to everybody. -errno of the bus. */
int event_publish(struct service *service, const Tapeloop__V1__SnapshotEvent *event, const char *id, uint64_t request);
/* Drops details, the least wanted first, until the event fits EVENT_BYTES_MAX (a cluster of thousands of nodes). 0 or -ENOMEM. */
int event_fit(Tapeloop__V1__SnapshotEvent *event);
/* A failed event. -ENOMEM as NULL. */
Tapeloop__V1__SnapshotEvent *event_failed(const char *name, const char *reason, int64_t asked_ns, uint32_t attempts);
int event_publish_progress(struct service *service, const Tapeloop__V1__SnapshotProgress *progress, uint64_t request);
/* The request itself into dead.snapshot.request. */
int event_bury(struct service *service, const struct bus_job *message, const char *reason);
#endif
