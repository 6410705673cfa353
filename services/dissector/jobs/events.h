/* What the dissector says about dissections: the four kept events and the live progress. Thread-safe. */
#ifndef DISSECTOR_JOBS_EVENTS_H
#define DISSECTOR_JOBS_EVENTS_H
#include "jobs/announce.h"
#include "services/dissector/jobs/dissection.h"

/* An event with names, state and times; NULL: no memory. reason: "" where there is none; both it and the names are made plain. finished: with the time of the end. */
Tapeloop__V1__DissectEvent *events_make(const char *snapshot, const char *name, const char *state, const char *reason, int64_t asked_ns, bool finished);
/* The dissect.ready that belongs to a manifest of a published dissection; NULL: no memory. */
Tapeloop__V1__DissectEvent *events_of_manifest(const Tapeloop__V1__DissectManifest *manifest, const char *sha256, const char *location);
/* What a claim says about its dissection; NULL: no memory. */
Tapeloop__V1__DissectEvent *events_of_claim(const Tapeloop__V1__Claim *claim);
/* Of the request of that sequence, about that event: the same for whoever says it. */
void events_id(const Tapeloop__V1__DissectEvent *event, uint64_t sequence, char id[static EVENT_ID_TEXT_MAX]);
/* Publishes dissect.<state> and waits for the stream's confirmation; request: see announce.h. */
int events_publish(struct service *service, const Tapeloop__V1__DissectEvent *event, const char *id, uint64_t request);
int events_progress(struct dissection *dissection);
#endif
