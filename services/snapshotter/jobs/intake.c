#include "services/snapshotter/jobs/intake.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/snapshotter/jobs/events.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_WAIT_NS (20 * UNITS_NS_PER_S)  /* another one is at it; its claim lives for 60 s */
#define JOINED_WAIT_NS (3 * UNITS_NS_PER_S)
#define RETRY_WAIT_NS (2 * UNITS_NS_PER_S)

static int64_t asked_at(const struct job *job)
{
    return job->message.time_ns;
}

/* The same refusal has the same id, however often the message comes. Acknowledges only what was said. */
static void refuse(struct job *job, const char *reason)
{
    char id[EVENT_ID_TEXT_MAX];
    log_warning("request refused", "snapshot=%s sequence=%" PRIu64 " reason=%s", log_quote(job->name), job->message.sequence, log_quote(reason));
    wire_auto Tapeloop__V1__SnapshotEvent *event = event_failed(job->name, reason, asked_at(job), 1);
    event_id(job->name, job->message.sequence, "failed", id);
    int r = event ? event_publish(job->service, event, id, job->message.sequence) : -ENOMEM;
    if (r == 0)
        r = bus_job_done(&job->message);
    if (r < 0)
        (void)bus_job_again(&job->message, RETRY_WAIT_NS);
    service_count(job->service, "request", true, 0);
}

static int decode(struct job *job, char *error)
{
    const struct bus_job *message = &job->message;
    char decode_error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *request = NULL;
    enum wire_format format;
    int r = wire_decode(&tapeloop__v1__snapshot_request__descriptor, message->data, message->size, message->content_type[0] ? message->content_type : NULL, &request,
                        &format, decode_error);
    if (r < 0) {
        request_guess_name(message->data, message->size, job->name, sizeof job->name);
        snprintf(error, REQUEST_ERROR_TEXT_MAX, "the request cannot be read: %.300s", decode_error[0] ? decode_error : strerror(-r));
        return -EINVAL;
    }
    job->request = (Tapeloop__V1__SnapshotRequest *)request;
    snprintf(job->name, sizeof job->name, "%s", job->request->name);
    r = store_name_check(job->request->name, error);
    if (r == 0)
        r = request_resolve(job->request, asked_at(job), job->service->options.wait_limit_ns, &job->window, error);
    return r;
}

static bool owner_alive(void *context, const char *instance)
{
    const struct service *service = context;
    if (strcmp(instance, service->instance) == 0)
        return false; /* the table of jobs has been asked before: what is left is of an earlier life */
    return service->store->driver->alive(service->store->state, instance);
}

static void answer_taken(struct job *job, const Tapeloop__V1__Claim *record)
{
    char reason[REQUEST_ERROR_TEXT_MAX], from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX];
    snprintf(reason, sizeof reason, "name is taken by a snapshot of %s to %s; choose another name or delete it first",
             units_format_time(record->from_ns, from, sizeof from), units_format_time(record->to_ns, to, sizeof to));
    refuse(job, reason);
}

/* The final event again, with its first id: whoever asks twice hears it twice, the stream keeps it once. */
static int answer_again(struct job *job, const Tapeloop__V1__Claim *record)
{
    return record->final_event ? event_publish(job->service, record->final_event, record->final_event_id, job->message.sequence) : 0;
}

static int say_accepted(struct job *job, uint64_t sequence)
{
    wire_auto Tapeloop__V1__SnapshotEvent *event = WIRE_NEW(Tapeloop__V1__SnapshotEvent, tapeloop__v1__snapshot_event__descriptor);
    char id[EVENT_ID_TEXT_MAX], from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX], asked[UNITS_TIME_TEXT_MAX];
    if (!event)
        return -ENOMEM;
    const struct { char **field; const char *text; } texts[] = {
        { &event->name, job->name }, { &event->state, "accepted" }, { &event->from, units_format_time(job->window.from_ns, from, sizeof from) },
        { &event->to, units_format_time(job->window.to_ns, to, sizeof to) }, { &event->requested_at, units_format_time(asked_at(job), asked, sizeof asked) },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (wire_set_string(texts[i].field, texts[i].text) < 0)
            return -ENOMEM;
    event->attempts = job->claim ? claim_attempt(job->claim) : 1;
    event_id(job->name, sequence, "accepted", id);
    return event_publish(job->service, event, id, job->message.sequence);
}

/* The attempts are used up, by workers that died: failed, with a copy of the request among the dead letters. */
static int exhaust(struct job *job)
{
    wire_auto Tapeloop__V1__SnapshotEvent *event = event_failed(job->name, "given up: five attempts ended without a word, the snapshotters that made them died; their logs say why",
                                                                asked_at(job), claim_attempt(job->claim));
    char id[EVENT_ID_TEXT_MAX];
    event_id(job->name, job->message.sequence, "failed", id);
    int r = event ? event_bury(job->service, &job->message, event->reason) : -ENOMEM;
    if (r == 0)
        r = claim_end(job->claim, event->state, &event->base, id);
    if (r == 0)
        r = event_publish(job->service, event, id, job->message.sequence);
    log_error("request given up", "snapshot=%s sequence=%" PRIu64, log_quote(job->name), job->message.sequence);
    return r;
}

/* True: the job is to be run. Otherwise the message has been dealt with. */
static bool claim_and_answer(struct job *job)
{
    struct service *service = job->service;
    Tapeloop__V1__Claim about = TAPELOOP__V1__CLAIM__INIT;
    about.from_ns = job->window.from_ns;
    about.to_ns = job->window.to_ns;
    about.asked_ns = asked_at(job);
    about.request = job->request;
    struct claim_wish wish = {
        .bucket = SERVICE_BUCKET, .name = job->name, .instance = service->instance, .sequence = job->message.sequence, .digest = job->digest, .about = &about,
    };
    enum claim_outcome outcome = CLAIM_BUSY;
    wire_auto Tapeloop__V1__Claim *record = NULL;
    int r = claim_take(service->bus, &wish, owner_alive, service, &outcome, &job->claim, &record);
    if (r < 0) {
        log_warning("cannot claim a request", "snapshot=%s error=%s", log_quote(job->name), log_quote(strerror(-r)));
        (void)bus_job_again(&job->message, RETRY_WAIT_NS);
        return false;
    }
    switch (outcome) {
    case CLAIM_MINE:
        r = claim_set_state(job->claim, "accepted");
        if (r == 0)
            r = say_accepted(job, job->message.sequence);
        if (r == 0)
            return true;
        (void)claim_release(job->claim, "could not be accepted", false);
        break;
    case CLAIM_BUSY:
        (void)bus_job_again(&job->message, BUSY_WAIT_NS);
        return false;
    case CLAIM_TAKEN:
        answer_taken(job, record);
        return false;
    case CLAIM_ENDED:
        r = answer_again(job, record);
        break;
    case CLAIM_JOINED: /* it is answered when the other one has ended */
        if (job->message.deliveries <= 1)
            (void)say_accepted(job, record->stream_sequence);
        (void)bus_job_again(&job->message, JOINED_WAIT_NS);
        return false;
    case CLAIM_STALE:
        break;
    case CLAIM_EXHAUSTED:
        r = exhaust(job);
        break;
    }
    if (r == 0)
        r = bus_job_done(&job->message);
    if (r < 0)
        (void)bus_job_again(&job->message, RETRY_WAIT_NS);
    return false;
}

struct job *intake_take(struct service *service, struct bus_job *message)
{
    char error[REQUEST_ERROR_TEXT_MAX];
    struct job *job = job_new(service, message);
    if (!job) {
        (void)bus_job_again(message, RETRY_WAIT_NS);
        bus_job_free(message);
        return NULL;
    }
    int r = decode(job, error);
    if (r < 0) {
        refuse(job, error);
        goto done;
    }
    request_digest(job->request, &job->window, job->digest);
    r = jobs_has(service->jobs, job->message.sequence) ? -EALREADY : 0;
    if (r < 0) {
        (void)bus_job_again(&job->message, BUSY_WAIT_NS); /* the queue lost patience while we are still at it */
        goto done;
    }
    if (!claim_and_answer(job))
        goto done;
    r = jobs_add(service->jobs, job);
    if (r == 0) {
        log_info("request accepted", "snapshot=%s sequence=%" PRIu64 " attempt=%u", log_quote(job->name), job->message.sequence, claim_attempt(job->claim));
        return job;
    }
    (void)claim_release(job->claim, "too many snapshots at once", false);
    (void)bus_job_again(&job->message, BUSY_WAIT_NS);
done:
    job_release(job);
    return NULL;
}
