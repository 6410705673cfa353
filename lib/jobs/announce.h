/* What a service says about its jobs: events that a stream keeps, live progress, dead letters. As JSON, whatever the request was written in: events go to everybody. Thread-safe. */
#ifndef JOBS_ANNOUNCE_H
#define JOBS_ANNOUNCE_H
#include "bus/bus.h"
#include "wire/wire.h"

#define EVENT_ID_TEXT_MAX 65

/* Deterministic: the same state of the same request has the same id, whoever says it and however often. */
void event_id(const char *name, uint64_t sequence, const char *state, char id[static EVENT_ID_TEXT_MAX]);

/* kind: "snapshot", "dissect". Published on <kind>.<state>; CloudEvents type tapeloop.<kind>.<state>. */
struct announcement {
    const char *kind, *state, *id;
    const char *source;             /* "/tapeloop/snapshotter/<store>" */
    const char *about;              /* ce-subject: whom it is about */
    const char *time;               /* RFC 3339; NULL or "": now */
    uint64_t request;               /* stream sequence of the message that is answered (header ce-request), 0 where there is none; a final event that is said again carries that of the one who asked again */
};
/* Waits for the stream's confirmation. -errno of the bus. */
int announce(struct bus *bus, const struct announcement *announcement, const ProtobufCMessage *event);
/* Live only, on <kind>.progress: nobody waits for it. */
int announce_progress(struct bus *bus, const char *kind, const ProtobufCMessage *progress, uint64_t request);
/* The message itself into the dead letters, subject "dead...". */
int announce_dead(struct bus *bus, const char *subject, const struct bus_job *message, const char *reason);
/* What is said to people and put into headers must be UTF-8 without control characters (those from U+0080 to U+009F too: terminals obey them) and without marks that turn the direction of a line, whatever bytes a request held: others become '?'. */
void text_make_plain(char *text);
#endif
