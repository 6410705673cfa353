/* Following one snapshot.request. See snapshot_watch.h. */
#include "cli/snapshot_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem/cleanup.h"
#include "units/units.h"

#define EARLY_MAX 16       /* events of the name heard before the request's sequence is known: a handful at most, the newest are kept */
#define HEADER_TEXT_MAX 24 /* of a sequence */
#define STAGE_TEXT_MAX 32

struct heard { Tapeloop__V1__SnapshotEvent *event; char header[HEADER_TEXT_MAX]; bool has_header; };

struct snapshot_watch {
    struct bus *bus;
    struct snapshot_watch_wish wish;
    pthread_mutex_t lock;
    pthread_cond_t news_cond;
    struct bus_subscription *subscriptions[4];
    /* under the lock */
    uint64_t sequence;                      /* 0: not known yet */
    struct heard early[EARLY_MAX];
    size_t early_count;
    Tapeloop__V1__SnapshotEvent *accepted, *ended;
    Tapeloop__V1__SnapshotProgress progress; /* its texts are not used */
    char stage[STAGE_TEXT_MAX];
    bool news;
};

bool snapshot_watch_matches(const struct snapshot_watch_wish *wish, uint64_t sequence, const Tapeloop__V1__SnapshotEvent *event, const char *header)
{
    int64_t from_ns, to_ns;
    if (strcmp(wish->name, event->name) != 0)
        return false;
    if (!header || strtoull(header, NULL, 10) == sequence)
        return true;
    /* Another request's event is this one's too where both ask for the same window: one name is one snapshot. */
    return wish->from_ns && wish->to_ns && units_parse_time(event->from, &from_ns) == 0 && units_parse_time(event->to, &to_ns) == 0 && from_ns == wish->from_ns &&
           to_ns == wish->to_ns;
}

static bool is_end(const Tapeloop__V1__SnapshotEvent *event) { return strcmp(event->state, "ready") == 0 || strcmp(event->state, "failed") == 0; }

/* Lock held; takes the event. The first end counts. */
static void settle(struct snapshot_watch *watch, Tapeloop__V1__SnapshotEvent *event)
{
    Tapeloop__V1__SnapshotEvent **place = is_end(event) ? &watch->ended : &watch->accepted;
    if (*place) {
        wire_free(event);
        return;
    }
    *place = event;
    watch->news = true;
    (void)pthread_cond_signal(&watch->news_cond);
}

/* Lock held; takes the event. */
static void judge(struct snapshot_watch *watch, struct heard heard)
{
    if (snapshot_watch_matches(&watch->wish, watch->sequence, heard.event, heard.has_header ? heard.header : NULL))
        settle(watch, heard.event);
    else
        wire_free(heard.event);
}

static void on_event(void *context, const struct bus_message *message)
{
    struct snapshot_watch *watch = context;
    struct heard heard = { 0 };
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(&tapeloop__v1__snapshot_event__descriptor, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return; /* not an event of ours */
    heard.event = (Tapeloop__V1__SnapshotEvent *)decoded;
    const char *header = message->header(message, "ce-request");
    if (header) {
        heard.has_header = true;
        (void)snprintf(heard.header, sizeof heard.header, "%s", header);
    }
    if (strcmp(heard.event->name, watch->wish.name) != 0) {
        wire_free(heard.event);
        return;
    }
    (void)pthread_mutex_lock(&watch->lock);
    if (watch->sequence) {
        judge(watch, heard);
    } else {
        if (watch->early_count == EARLY_MAX) {
            wire_free(watch->early[0].event);
            memmove(watch->early, watch->early + 1, sizeof watch->early[0] * --watch->early_count);
        }
        watch->early[watch->early_count++] = heard;
    }
    (void)pthread_mutex_unlock(&watch->lock);
}

static void on_progress(void *context, const struct bus_message *message)
{
    struct snapshot_watch *watch = context;
    wire_auto ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(&tapeloop__v1__snapshot_progress__descriptor, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return;
    const Tapeloop__V1__SnapshotProgress *progress = (const Tapeloop__V1__SnapshotProgress *)decoded;
    if (strcmp(progress->name, watch->wish.name) != 0)
        return;
    (void)pthread_mutex_lock(&watch->lock);
    watch->progress = *progress;
    watch->progress.name = watch->progress.stage = NULL; /* they go with the message */
    (void)snprintf(watch->stage, sizeof watch->stage, "%s", progress->stage);
    watch->news = true;
    (void)pthread_cond_signal(&watch->news_cond);
    (void)pthread_mutex_unlock(&watch->lock);
}

int snapshot_watch_open(struct bus *bus, const struct snapshot_watch_wish *wish, struct snapshot_watch **ret)
{
    static const char *const subjects[] = { "snapshot.accepted", "snapshot.ready", "snapshot.failed", "snapshot.progress" };
    struct snapshot_watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t attributes;
    int rc = 0;
    if (!watch)
        return -ENOMEM;
    watch->bus = bus;
    watch->wish = *wish;
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->news_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    for (size_t i = 0; rc == 0 && i < sizeof subjects / sizeof *subjects; i++)
        rc = bus_subscribe(bus, subjects[i], NULL, i < 3 ? on_event : on_progress, watch, &watch->subscriptions[i]);
    if (rc < 0) {
        snapshot_watch_close(watch);
        return rc;
    }
    *ret = watch;
    return 0;
}

void snapshot_watch_close(struct snapshot_watch *watch)
{
    if (!watch)
        return;
    for (size_t i = 0; i < sizeof watch->subscriptions / sizeof *watch->subscriptions; i++) {
        if (watch->subscriptions[i])
            bus_unsubscribe(watch->subscriptions[i]);
    }
    for (size_t i = 0; i < watch->early_count; i++)
        wire_free(watch->early[i].event);
    wire_free(watch->accepted);
    wire_free(watch->ended);
    (void)pthread_cond_destroy(&watch->news_cond);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}

void snapshot_watch_expect(struct snapshot_watch *watch, uint64_t sequence)
{
    (void)pthread_mutex_lock(&watch->lock);
    watch->sequence = sequence;
    for (size_t i = 0; i < watch->early_count; i++)
        judge(watch, watch->early[i]);
    watch->early_count = 0;
    (void)pthread_mutex_unlock(&watch->lock);
}

static struct timespec deadline_in(int ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return until;
}

enum snapshot_watch_state snapshot_watch_wait(struct snapshot_watch *watch, int timeout_ms, Tapeloop__V1__SnapshotEvent **ret_event, Tapeloop__V1__SnapshotProgress *ret_progress,
                                              char *ret_stage)
{
    struct timespec until = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&watch->lock);
    while (!watch->news && pthread_cond_timedwait(&watch->news_cond, &watch->lock, &until) == 0)
        ;
    watch->news = false;
    const Tapeloop__V1__SnapshotEvent *event = watch->ended ? watch->ended : watch->accepted;
    enum snapshot_watch_state state = watch->ended ? SNAPSHOT_ENDED : watch->accepted ? SNAPSHOT_ACCEPTED : SNAPSHOT_UNHEARD;
    if (ret_event)
        *ret_event = event ? (Tapeloop__V1__SnapshotEvent *)wire_copy(&event->base) : NULL;
    if (ret_progress)
        *ret_progress = watch->progress;
    if (ret_stage)
        memcpy(ret_stage, watch->stage, STAGE_TEXT_MAX);
    (void)pthread_mutex_unlock(&watch->lock);
    return state;
}

void snapshot_watch_ask(struct snapshot_watch *watch)
{
    struct bus_value value;
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (bus_kv_get(watch->bus, "snapshots", watch->wish.name, &value) < 0)
        return; /* asked again later */
    int rc = wire_decode(&tapeloop__v1__claim__descriptor, value.data, value.size, "application/protobuf", &decoded, NULL, error);
    bus_value_free(&value);
    if (rc < 0)
        return;
    Tapeloop__V1__Claim *claim = (Tapeloop__V1__Claim *)decoded;
    (void)pthread_mutex_lock(&watch->lock);
    bool mine = claim->stream_sequence == watch->sequence ||
                (claim->last_sequence >= watch->sequence && claim->from_ns == watch->wish.from_ns && claim->to_ns == watch->wish.to_ns);
    if (mine && claim->final_event && is_end(claim->final_event))
        settle(watch, mem_take(claim->final_event));
    (void)pthread_mutex_unlock(&watch->lock);
    wire_free(claim);
}
