#include "cli/snapshot_watch.h"
#include <string.h>
#include "units/units.h"

static void key(const void *context, char *text)
{
    const struct snapshot_watch_wish *wish = context;
    (void)snprintf(text, BUS_SUBJECT_MAX, "%s", wish->name);
}

static bool is_about(const void *context, const ProtobufCMessage *message)
{
    const struct snapshot_watch_wish *wish = context;
    bool progress = message->descriptor == &tapeloop__v1__snapshot_progress__descriptor;
    return strcmp(wish->name, progress ? ((const Tapeloop__V1__SnapshotProgress *)message)->name : ((const Tapeloop__V1__SnapshotEvent *)message)->name) == 0;
}

/* One name is one snapshot where both ask for the same window. */
static bool is_same(const void *context, const ProtobufCMessage *message)
{
    const struct snapshot_watch_wish *wish = context;
    const Tapeloop__V1__SnapshotEvent *event = (const Tapeloop__V1__SnapshotEvent *)message;
    int64_t from_ns, to_ns;
    return wish->from_ns && wish->to_ns && units_parse_time(event->from, &from_ns) == 0 && units_parse_time(event->to, &to_ns) == 0 && from_ns == wish->from_ns && to_ns == wish->to_ns;
}

static bool is_end(const ProtobufCMessage *message)
{
    const char *state = ((const Tapeloop__V1__SnapshotEvent *)message)->state;
    return strcmp(state, "ready") == 0 || strcmp(state, "failed") == 0;
}

static ProtobufCMessage **final(Tapeloop__V1__Claim *claim) { return (ProtobufCMessage **)(void *)&claim->final_event; }

static bool claims_same(const void *context, const Tapeloop__V1__Claim *claim)
{
    const struct snapshot_watch_wish *wish = context;
    return claim->from_ns == wish->from_ns && claim->to_ns == wish->to_ns;
}

const struct job_watch_kind snapshot_watch_kind = {
    .accepted = "snapshot.accepted", .ready = "snapshot.ready", .failed = "snapshot.failed", .progress_subject = "snapshot.progress", .bucket = "snapshots",
    .event = &tapeloop__v1__snapshot_event__descriptor, .progress = &tapeloop__v1__snapshot_progress__descriptor,
    .key = key, .is_about = is_about, .is_same = is_same, .is_end = is_end, .final = final, .claims_same = claims_same,
};
