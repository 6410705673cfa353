#include "services/dissector/jobs/intake.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/dissector/jobs/events.h"
#include "units/units.h"

#define BUSY_WAIT_NS (20 * UNITS_NS_PER_S)      /* another one is at it; its claim lives for 60 s */
#define JOINED_WAIT_NS (3 * UNITS_NS_PER_S)
#define SNAPSHOT_WAIT_NS (2 * UNITS_NS_PER_S)   /* while the snapshot itself is being made */
#define RETRY_WAIT_NS (2 * UNITS_NS_PER_S)
#define SNAPSHOTS_BUCKET "snapshots"

static bool owner_alive(void *context, const char *instance)
{
    const struct service *service = context;
    if (strcmp(instance, service->instance) == 0)
        return false; /* what we have in hand is known by its lease: what is left is of an earlier life */
    return service->store->driver->alive(service->store->state, instance);
}

/* A request that was accepted once and must be refused now (its snapshot was deleted while nobody had it in hand): its claim ends with it, or the name would be taken for ever. -EBUSY: another one has it in hand. */
static int end_claim(struct dissection *dissection, const Tapeloop__V1__DissectEvent *event, const char *id)
{
    struct service *service = dissection->service;
    uint64_t sequence = dissection->lease.message.sequence;
    Tapeloop__V1__Claim about = TAPELOOP__V1__CLAIM__INIT;
    wire_auto Tapeloop__V1__Claim *before = NULL, *record = NULL;
    struct claim *claim = NULL;
    enum claim_outcome outcome = CLAIM_STALE;
    int r = dissection->place.key[0] ? claim_read(service->bus, SERVICE_BUCKET, dissection->place.key, &before, NULL) : -ENOENT;
    if (r == -ENOENT || (r == 0 && (!claim_is_open(before) || before->stream_sequence != sequence)))
        return 0;
    if (r < 0)
        return r;
    const struct claim_wish wish = { .bucket = SERVICE_BUCKET, .name = dissection->place.key, .instance = service->instance, .sequence = sequence, .digest = before->request_digest, .about = &about };
    r = claim_take(service->bus, &wish, owner_alive, service, &outcome, &claim, &record);
    if (r == 0 && outcome == CLAIM_BUSY)
        r = -EBUSY;
    if (r == 0 && claim)
        r = claim_end(claim, event->state, &event->base, id);
    claim_free(claim);
    if (r == 0)
        (void)workplace_clear(&dissection->place);
    return r;
}

/* The same refusal has the same id, however often the message comes. Acknowledges only what was said. */
static void refuse(struct dissection *dissection, const char *reason)
{
    struct bus_job *message = &dissection->lease.message;
    char id[EVENT_ID_TEXT_MAX];
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(dissection->place.snapshot, dissection->place.name, "failed", reason, message->time_ns, true);
    log_warning("request refused", "snapshot=%s dissection=%s sequence=%" PRIu64 " reason=%s", log_quote(dissection->place.snapshot), log_quote(dissection->place.name), message->sequence,
                log_quote(reason));
    int r = -ENOMEM;
    if (event) {
        event->attempts = 1;
        events_id(event, message->sequence, id);
        r = end_claim(dissection, event, id);
        if (r == 0)
            r = events_publish(dissection->service, event, id, message->sequence);
    }
    if (r == 0)
        r = bus_job_done(message);
    if (r < 0)
        (void)bus_job_again(message, r == -EBUSY ? BUSY_WAIT_NS : RETRY_WAIT_NS);
    service_count(dissection->service, "request", true, 0);
}

static int decode(struct dissection *dissection, char *error)
{
    const struct bus_job *message = &dissection->lease.message;
    struct workplace *place = &dissection->place;
    char problem[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *request = NULL;
    int r = wire_decode(&tapeloop__v1__dissect_request__descriptor, message->data, message->size, message->content_type[0] ? message->content_type : NULL, &request, NULL, problem);
    if (r < 0) {
        dissect_request_guess(message->data, message->size, place->snapshot, place->name, sizeof place->name);
        snprintf(error, REQUEST_ERROR_TEXT_MAX, "the request cannot be read: %.300s", problem[0] ? problem : strerror(-r));
        return -EINVAL;
    }
    dissection->request = (Tapeloop__V1__DissectRequest *)request;
    r = dissect_request_complete(dissection->request, error);
    snprintf(place->snapshot, sizeof place->snapshot, "%s", dissection->request->snapshot);
    snprintf(place->name, sizeof place->name, "%s", dissection->request->name);
    return r;
}

/* Whether the snapshot is still being made: its request may have been published a moment before this one. */
static bool snapshot_is_under_way(struct service *service, const char *snapshot)
{
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    return claim_read(service->bus, SNAPSHOTS_BUCKET, snapshot, &claim, NULL) == 0 && claim_is_open(claim);
}

/* What the stages would refuse is refused before anything is claimed. */
static int check_with_stages(struct dissection *dissection, char *error)
{
    struct plan_job *job = NULL;
    int r = plan_make(dissection->snapshot, dissection->request, &dissection->plan, error);
    if (r == 0)
        r = plan_job_open(&dissection->place, dissection->plan, dissection->service->instance, &job);
    if (r == 0)
        r = dissection->service->stages->check(&job->job, error);
    plan_job_free(job);
    return r;
}

/* 0: go on. -EINVAL and what else is for good, with a sentence; -EAGAIN: later. */
static int prepare(struct dissection *dissection, char *error)
{
    struct service *service = dissection->service;
    struct workplace *place = &dissection->place;
    int r = decode(dissection, error);
    if (r < 0)
        return r;
    char snapshot[STORE_NAME_MAX + 1], name[STORE_NAME_MAX + 1];
    memcpy(snapshot, place->snapshot, sizeof snapshot);
    memcpy(name, place->name, sizeof name);
    (void)workplace_find(service->store, snapshot, name, dissection->lease.message.sequence, false, place); /* there is none before the first dissection */
    memcpy(dissection->lease.key, place->key, sizeof place->key);
    if (!place->snapshot_folder[0] && snapshot_is_under_way(service, snapshot))
        return -EAGAIN;
    r = plan_read_manifest(place, &dissection->snapshot, dissection->snapshot_sha256, error);
    if (r == 0)
        r = check_with_stages(dissection, error);
    if (r == 0)
        dissect_request_digest(dissection->request, dissection->snapshot_sha256, dissection->digest);
    wire_free(dissection->snapshot); /* the plan has what is needed of it */
    dissection->snapshot = NULL;
    return r;
}

/* A dissection that is ready in its claim and gone from the store (its snapshot was deleted): the name is free. */
static int forget_vanished(struct dissection *dissection)
{
    struct service *service = dissection->service;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    int r = claim_read(service->bus, SERVICE_BUCKET, dissection->place.key, &claim, NULL);
    if (r == -ENOENT)
        return 0;
    if (r < 0 || strcmp(claim->state, "ready") != 0 || workplace_is_published(&dissection->place))
        return r;
    return claim_bury(service->bus, SERVICE_BUCKET, dissection->place.key, claim->last_sequence, service->instance);
}

static int say_accepted(struct dissection *dissection, uint64_t sequence)
{
    char id[EVENT_ID_TEXT_MAX];
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(dissection->place.snapshot, dissection->place.name, "accepted", "", dissection_asked_ns(dissection), false);
    if (!event)
        return -ENOMEM;
    event->attempts = dissection->lease.claim ? claim_attempt(dissection->lease.claim) : 1;
    events_id(event, sequence, id);
    return events_publish(dissection->service, event, id, dissection->lease.message.sequence);
}

/* The attempts are used up, by coordinators that died: failed, with a copy of the request among the dead letters. */
static int exhaust(struct dissection *dissection)
{
    static const char reason[] = "given up: five attempts ended without a word, the dissectors that saw it through died; their logs say why";
    struct service *service = dissection->service;
    uint64_t sequence = dissection->lease.message.sequence;
    char id[EVENT_ID_TEXT_MAX];
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(dissection->place.snapshot, dissection->place.name, "failed", reason, dissection_asked_ns(dissection), true);
    if (!event)
        return -ENOMEM;
    event->attempts = claim_attempt(dissection->lease.claim);
    events_id(event, sequence, id);
    int r = announce_dead(service->bus, "dead.dissect.request", &dissection->lease.message, reason);
    if (r == 0)
        r = claim_end(dissection->lease.claim, event->state, &event->base, id);
    if (r == 0)
        r = events_publish(service, event, id, sequence);
    (void)workplace_clear(&dissection->place);
    log_error("request given up", "dissection=%s sequence=%" PRIu64, log_quote(dissection->place.key), sequence);
    return r;
}

static int accept_it(struct dissection *dissection)
{
    int r = claim_set_state(dissection->lease.claim, "accepted");
    return r < 0 ? r : say_accepted(dissection, dissection->lease.message.sequence);
}

/* 0: acknowledge the message; > 0: it comes again after so many ns; -ECHILD: it has been answered; another -errno: it comes again soon. ret_run: the dissection is to be run. */
static int64_t judge(struct dissection *dissection, enum claim_outcome outcome, const Tapeloop__V1__Claim *record, bool *ret_run)
{
    struct service *service = dissection->service;
    int r;
    switch (outcome) {
    case CLAIM_MINE:
        r = accept_it(dissection);
        *ret_run = r == 0;
        if (r < 0)
            (void)claim_release(dissection->lease.claim, "could not be accepted", false);
        return r;
    case CLAIM_BUSY:
        return BUSY_WAIT_NS;
    case CLAIM_TAKEN:
        refuse(dissection, "name is taken by another dissection of this snapshot; choose another name or delete it first");
        return -ECHILD;
    case CLAIM_ENDED: /* the final event again, with its first id: whoever asks twice hears it twice, the stream keeps it once */
        return record->final_dissection ? events_publish(service, record->final_dissection, record->final_event_id, dissection->lease.message.sequence) : 0;
    case CLAIM_JOINED: /* it is answered when the other one has ended */
        if (dissection->lease.message.deliveries <= 1)
            (void)say_accepted(dissection, record->stream_sequence);
        return JOINED_WAIT_NS;
    case CLAIM_STALE:
        return 0;
    case CLAIM_EXHAUSTED:
        return exhaust(dissection);
    }
    return -EINVAL;
}

static bool claim_and_answer(struct dissection *dissection)
{
    struct service *service = dissection->service;
    struct bus_job *message = &dissection->lease.message;
    Tapeloop__V1__Claim about = TAPELOOP__V1__CLAIM__INIT;
    about.asked_ns = dissection_asked_ns(dissection);
    about.dissect_request = dissection->request;
    struct claim_wish wish = {
        .bucket = SERVICE_BUCKET, .name = dissection->place.key, .instance = service->instance, .sequence = message->sequence, .digest = dissection->digest, .about = &about,
    };
    enum claim_outcome outcome = CLAIM_BUSY;
    wire_auto Tapeloop__V1__Claim *record = NULL;
    bool run = false;
    int r = forget_vanished(dissection);
    if (r == 0)
        r = claim_take(service->bus, &wish, owner_alive, service, &outcome, &dissection->lease.claim, &record);
    if (r < 0)
        log_warning("cannot claim a request", "dissection=%s error=%s", log_quote(dissection->place.key), log_quote(strerror(-r)));
    int64_t verdict = r < 0 ? r : judge(dissection, outcome, record, &run);
    if (run || verdict == -ECHILD)
        return run;
    if (verdict == 0 && bus_job_done(message) == 0)
        return false;
    (void)bus_job_again(message, verdict > 0 ? verdict : RETRY_WAIT_NS);
    return false;
}

struct dissection *intake_take(struct service *service, struct bus_job *message)
{
    char error[REQUEST_ERROR_TEXT_MAX + STAGE_ERROR_TEXT_MAX] = "";
    struct dissection *dissection = dissection_new(service, message);
    if (!dissection) {
        (void)bus_job_again(message, RETRY_WAIT_NS);
        bus_job_free(message);
        return NULL;
    }
    int r = prepare(dissection, error);
    if (r == -EAGAIN || r == -ENOMEM) {
        (void)bus_job_again(&dissection->lease.message, SNAPSHOT_WAIT_NS);
        goto done;
    }
    if (r < 0) {
        refuse(dissection, error[0] ? error : strerror(-r));
        goto done;
    }
    if (leases_has_request(service->leases, dissection->lease.message.sequence)) { /* the queue lost patience while we are still at it */
        (void)bus_job_again(&dissection->lease.message, BUSY_WAIT_NS);
        goto done;
    }
    if (!claim_and_answer(dissection))
        goto done;
    if (leases_add(service->leases, &dissection->lease) == 0) {
        log_info("request accepted", "dissection=%s sequence=%" PRIu64 " attempt=%u", log_quote(dissection->place.key), dissection->lease.message.sequence,
                 claim_attempt(dissection->lease.claim));
        return dissection;
    }
    (void)claim_release(dissection->lease.claim, "it came again while it is in hand", false);
    (void)bus_job_again(&dissection->lease.message, BUSY_WAIT_NS);
done:
    dissection_free(dissection);
    return NULL;
}
