/* Following one request. See job_watch.h. */
#include "cli/job_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "mem/cleanup.h"

#define EARLY_MAX 16       /* events of the name heard before the request's sequence is known: a handful at most, the newest are kept */
#define HEADER_TEXT_MAX 24 /* of a sequence */

struct heard { ProtobufCMessage *event; char header[HEADER_TEXT_MAX]; bool has_header; };

struct job_watch {
    struct bus *bus;
    const struct job_watch_kind *kind;
    const void *wish;
    pthread_mutex_t lock;
    pthread_cond_t news_cond;
    struct bus_subscription *subscriptions[4];
    /* under the lock */
    uint64_t sequence;                      /* 0: not known yet */
    struct heard early[EARLY_MAX];
    size_t early_count;
    ProtobufCMessage *accepted, *ended, *progress;
    bool news;
};

bool job_watch_matches(const struct job_watch_kind *kind, const void *wish, uint64_t sequence, const ProtobufCMessage *event, const char *header)
{
    if (!kind->is_about(wish, event))
        return false;
    return !header || strtoull(header, NULL, 10) == sequence || kind->is_same(wish, event);
}

/* Lock held; takes the event. The first end counts. */
static void settle(struct job_watch *watch, ProtobufCMessage *event)
{
    ProtobufCMessage **place = watch->kind->is_end(event) ? &watch->ended : &watch->accepted;
    if (*place) {
        wire_free(event);
        return;
    }
    *place = event;
    watch->news = true;
    (void)pthread_cond_signal(&watch->news_cond);
}

/* Lock held; takes the event. */
static void judge(struct job_watch *watch, struct heard heard)
{
    if (job_watch_matches(watch->kind, watch->wish, watch->sequence, heard.event, heard.has_header ? heard.header : NULL))
        settle(watch, heard.event);
    else
        wire_free(heard.event);
}

static void on_event(void *context, const struct bus_message *message)
{
    struct job_watch *watch = context;
    struct heard heard = { 0 };
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(watch->kind->event, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return; /* not an event of ours */
    heard.event = decoded;
    const char *header = message->header(message, "ce-request");
    if (header) {
        heard.has_header = true;
        (void)snprintf(heard.header, sizeof heard.header, "%s", header);
    }
    if (!watch->kind->is_about(watch->wish, heard.event)) {
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
    struct job_watch *watch = context;
    wire_auto ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(watch->kind->progress, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return;
    if (!watch->kind->is_about(watch->wish, decoded))
        return;
    (void)pthread_mutex_lock(&watch->lock);
    wire_free(watch->progress);
    watch->progress = mem_take(decoded);
    watch->news = true;
    (void)pthread_cond_signal(&watch->news_cond);
    (void)pthread_mutex_unlock(&watch->lock);
}

int job_watch_open(struct bus *bus, const struct job_watch_kind *kind, const void *wish, struct job_watch **ret)
{
    const char *const subjects[] = { kind->accepted, kind->ready, kind->failed, kind->progress_subject };
    struct job_watch *watch = calloc(1, sizeof *watch);
    pthread_condattr_t attributes;
    int rc = 0;
    if (!watch)
        return -ENOMEM;
    watch->bus = bus;
    watch->kind = kind;
    watch->wish = wish;
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->news_cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    for (size_t i = 0; rc == 0 && i < sizeof subjects / sizeof *subjects; i++)
        rc = bus_subscribe(bus, subjects[i], NULL, i < 3 ? on_event : on_progress, watch, &watch->subscriptions[i]);
    if (rc < 0) {
        job_watch_close(watch);
        return rc;
    }
    *ret = watch;
    return 0;
}

void job_watch_close(struct job_watch *watch)
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
    wire_free(watch->progress);
    (void)pthread_cond_destroy(&watch->news_cond);
    (void)pthread_mutex_destroy(&watch->lock);
    free(watch);
}

void job_watch_expect(struct job_watch *watch, uint64_t sequence)
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

enum job_watch_state job_watch_wait(struct job_watch *watch, int timeout_ms, ProtobufCMessage **ret_event, ProtobufCMessage **ret_progress)
{
    struct timespec until = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&watch->lock);
    while (!watch->news && pthread_cond_timedwait(&watch->news_cond, &watch->lock, &until) == 0)
        ;
    watch->news = false;
    const ProtobufCMessage *event = watch->ended ? watch->ended : watch->accepted;
    enum job_watch_state state = watch->ended ? JOB_ENDED : watch->accepted ? JOB_ACCEPTED : JOB_UNHEARD;
    if (ret_event)
        *ret_event = event ? wire_copy(event) : NULL;
    if (ret_progress)
        *ret_progress = watch->progress ? wire_copy(watch->progress) : NULL;
    (void)pthread_mutex_unlock(&watch->lock);
    return state;
}

void job_watch_ask(struct job_watch *watch)
{
    struct bus_value value;
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX], key[BUS_SUBJECT_MAX];
    watch->kind->key(watch->wish, key);
    if (bus_kv_get(watch->bus, watch->kind->bucket, key, &value) < 0)
        return; /* asked again later */
    int rc = wire_decode(&tapeloop__v1__claim__descriptor, value.data, value.size, "application/protobuf", &decoded, NULL, error);
    bus_value_free(&value);
    if (rc < 0)
        return;
    Tapeloop__V1__Claim *claim = (Tapeloop__V1__Claim *)decoded;
    ProtobufCMessage **final = watch->kind->final(claim);
    (void)pthread_mutex_lock(&watch->lock);
    bool mine = claim->stream_sequence == watch->sequence || (claim->last_sequence >= watch->sequence && watch->kind->claims_same(watch->wish, claim));
    if (mine && *final && watch->kind->is_end(*final))
        settle(watch, mem_take(*final));
    (void)pthread_mutex_unlock(&watch->lock);
    wire_free(claim);
}

int job_publish(const struct cli_options *options, struct bus *bus, const char *subject, const ProtobufCMessage *request, uint64_t *ret_sequence)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    if (wire_encode(request, WIRE_JSON, &data, &size) < 0)
        return cli_fail(options, "invalid", "the request is too large or not UTF-8 text");
    int rc = bus_publish_stream(bus, subject, data, size, NULL, 0, NULL, BUS_ANY, ret_sequence, NULL);
    if (rc == -ENOENT)
        return cli_fail(options, "unavailable", "the bus has no stream for %s: make it with tapeloop streams apply (JetStream must be on: nats-server -js)", subject);
    if (rc < 0)
        return cli_fail(options, "unavailable", "publishing %s: %s", subject, cli_bus_problem(rc));
    return 0;
}
