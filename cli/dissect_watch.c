#include "cli/dissect_watch.h"
#include <string.h>

static void key(const void *context, char *text)
{
    const struct dissect_watch_wish *wish = context;
    (void)snprintf(text, BUS_SUBJECT_MAX, "%s/%s", wish->snapshot, wish->name);
}

static bool names(const struct dissect_watch_wish *wish, const char *snapshot, const char *name) { return strcmp(wish->snapshot, snapshot) == 0 && strcmp(wish->name, name) == 0; }

static bool is_about(const void *wish, const ProtobufCMessage *message)
{
    if (message->descriptor == &tapeloop__v1__dissect_progress__descriptor) {
        const Tapeloop__V1__DissectProgress *progress = (const Tapeloop__V1__DissectProgress *)message;
        return names(wish, progress->snapshot, progress->name);
    }
    const Tapeloop__V1__DissectEvent *event = (const Tapeloop__V1__DissectEvent *)message;
    return names(wish, event->snapshot, event->name);
}

/* An event says nothing of what was asked for: a request that joins another one's gets an event of its own in the end. */
static bool is_same(const void *wish, const ProtobufCMessage *event)
{
    (void)wish, (void)event;
    return false;
}

static bool is_end(const ProtobufCMessage *message)
{
    const char *state = ((const Tapeloop__V1__DissectEvent *)message)->state;
    return strcmp(state, "ready") == 0 || strcmp(state, "failed") == 0;
}

static ProtobufCMessage **final(Tapeloop__V1__Claim *claim) { return (ProtobufCMessage **)(void *)&claim->final_dissection; }

static bool claims_same(const void *wish, const Tapeloop__V1__Claim *claim)
{
    (void)wish, (void)claim;
    return false;
}

const struct job_watch_kind dissect_watch_kind = {
    .accepted = "dissect.accepted", .ready = "dissect.ready", .failed = "dissect.failed", .progress_subject = "dissect.progress", .bucket = "dissections",
    .event = &tapeloop__v1__dissect_event__descriptor, .progress = &tapeloop__v1__dissect_progress__descriptor,
    .key = key, .is_about = is_about, .is_same = is_same, .is_end = is_end, .final = final, .claims_same = claims_same,
};
