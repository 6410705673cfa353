#include "services/dissector/jobs/crew.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "log/log.h"
#include "mem/trim.h"
#include "services/dissector/jobs/attempt.h"
#include "services/dissector/jobs/coordinate.h"
#include "services/dissector/jobs/events.h"
#include "services/dissector/jobs/intake.h"
#include "units/units.h"

#define QUEUE_WAIT_MS 500                       /* how long a thread looks at its queue before it looks at the end */
#define RETRY_WAIT_NS UNITS_NS_PER_S            /* times the attempt */
#define CONCLUDE_TRIES_MAX 20                   /* of up to 5 s each where the server is frozen; then the message comes again by itself */
#define BUS_AWAY_WAIT_US (500 * 1000)
#define BUS_AWAY_MAX_NS (300 * UNITS_NS_PER_S)  /* then the message goes back to its queue, which waits for ever */
#define SWEEP_ROUND_NS (60 * UNITS_NS_PER_S)
#define REFUSAL_BYTES 256                       /* a sentence of bus_next_refusal */
#define LOOK_US (500 * 1000)

struct member { struct service *service; struct bus_queue *queue; pthread_t thread; unsigned number; };
struct crew {
    struct service *service;
    struct member coordinators[SERVICE_COORDINATORS], workers[SERVICE_WORKERS_MAX];
    size_t coordinators_count, workers_count;
    pthread_t sweeper;
    bool sweeping;
    atomic_bool end;
};

/* Until the bus is there. False: it stayed away, or this instance stops. */
static bool await_bus(struct dissection *dissection)
{
    struct service *service = dissection->service;
    int64_t until_ns = units_now_mono_ns() + BUS_AWAY_MAX_NS;
    while (!bus_connected(service->bus)) {
        if (atomic_load(&service->stopping) || claim_lost(dissection->lease.claim) || units_now_mono_ns() > until_ns)
            return false;
        usleep(BUS_AWAY_WAIT_US);
    }
    return !atomic_load(&service->stopping);
}

/* Says the end to the claim, the stream and the queue, in this order: whoever comes after a crash in between says the same again. */
static int conclude_once(struct dissection *dissection, const Tapeloop__V1__DissectEvent *event, const char *id)
{
    int r = claim_end(dissection->lease.claim, event->state, &event->base, id);
    if (r == 0)
        r = events_publish(dissection->service, event, id, dissection->lease.message.sequence);
    return r < 0 ? r : bus_job_done(&dissection->lease.message);
}

static int conclude(struct dissection *dissection, const Tapeloop__V1__DissectEvent *event)
{
    char id[EVENT_ID_TEXT_MAX];
    int r = 0;
    events_id(event, dissection->lease.message.sequence, id);
    for (int tries = 0; tries < CONCLUDE_TRIES_MAX; tries++) {
        r = conclude_once(dissection, event, id);
        if (!dissection_is_bus_failure(r) || !await_bus(dissection))
            break;
    }
    return r;
}

static void put_back(struct dissection *dissection, bool counted, int64_t delay_ns)
{
    if (claim_release(dissection->lease.claim, dissection->reason, counted) != -ESTALE)
        (void)bus_job_again(&dissection->lease.message, delay_ns); /* if it fails too, the queue's own clock brings it back */
}

static int conclude_failed(struct dissection *dissection, bool bury)
{
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(dissection->place.snapshot, dissection->place.name, "failed", dissection->reason, dissection_asked_ns(dissection), true);
    if (!event)
        return -ENOMEM;
    event->attempts = claim_attempt(dissection->lease.claim);
    int r = bury ? announce_dead(dissection->service->bus, "dead.dissect.request", &dissection->lease.message, event->reason) : 0;
    return r < 0 ? r : conclude(dissection, event);
}

static int conclude_retry(struct dissection *dissection)
{
    uint32_t attempt = claim_attempt(dissection->lease.claim);
    if (attempt < CLAIM_ATTEMPTS_MAX) {
        log_warning("attempt failed", "dissection=%s attempt=%u reason=%s", log_quote(dissection->place.key), attempt, log_quote(dissection->reason));
        put_back(dissection, true, RETRY_WAIT_NS * attempt);
        return 0;
    }
    char last[sizeof dissection->reason];
    memcpy(last, dissection->reason, sizeof last);
    (void)dissection_fail(dissection, DISSECTION_FAILED, "given up after %d attempts; the last one: %.800s", CLAIM_ATTEMPTS_MAX, last);
    (void)workplace_clear(&dissection->place);
    return conclude_failed(dissection, true);
}

static int finish(struct dissection *dissection, enum dissection_verdict verdict)
{
    switch (verdict) {
    case DISSECTION_READY:
        log_info("dissection ready", "dissection=%s entries=%" PRIu64 " bytes=%" PRIu64 " digest=%s", log_quote(dissection->place.key), dissection->event->entries, dissection->event->bytes,
                 dissection->event->digest);
        return conclude(dissection, dissection->event);
    case DISSECTION_FAILED:
        log_warning("dissection failed", "dissection=%s reason=%s", log_quote(dissection->place.key), log_quote(dissection->reason));
        return conclude_failed(dissection, false);
    case DISSECTION_GOES_ON:
    case DISSECTION_RETRY:
        return conclude_retry(dissection);
    case DISSECTION_AWAY:
        log_warning("the bus went away", "dissection=%s reason=%s", log_quote(dissection->place.key), log_quote(dissection->reason));
        (void)await_bus(dissection);
        put_back(dissection, false, RETRY_WAIT_NS);
        return 0;
    case DISSECTION_STOPPED:
        put_back(dissection, false, 0);
        return 0;
    case DISSECTION_LOST:
        return 0;
    }
    return 0;
}

static void see_through(struct dissection *dissection)
{
    struct service *service = dissection->service;
    int64_t began_ns = units_now_mono_ns();
    enum dissection_verdict verdict = coordinate(dissection);
    int r = finish(dissection, verdict);
    if (r < 0 && r != -ESTALE) { /* nothing was acknowledged: the message comes back, and the claim tells how far it was */
        log_error("cannot say how a dissection ended, will be said again", "dissection=%s error=%s", log_quote(dissection->place.key), log_quote(strerror(-r)));
        (void)claim_release(dissection->lease.claim, "its end could not be said", false);
        (void)bus_job_again(&dissection->lease.message, RETRY_WAIT_NS);
    }
    leases_remove(service->leases, &dissection->lease);
    service_count(service, "request", verdict == DISSECTION_FAILED || verdict == DISSECTION_RETRY, units_now_mono_ns() - began_ns);
    dissection_free(dissection);
}

static void *coordinator_thread(void *context)
{
    struct member *member = context;
    while (!atomic_load(&member->service->stopping)) {
        struct bus_job message;
        memset(&message, 0, sizeof message);
        int r = bus_queue_next(member->queue, QUEUE_WAIT_MS, &message);
        if (r == 0) {
            struct dissection *dissection = intake_take(member->service, &message);
            if (dissection)
                see_through(dissection);
        } else if (r != -EAGAIN) {
            usleep(BUS_AWAY_WAIT_US);
        }
    }
    return NULL;
}

static void *worker_thread(void *context)
{
    struct member *member = context;
    struct attempt_memory memory;
    memset(&memory, 0, sizeof memory);
    bool rested = true;
    while (!atomic_load(&member->service->stopping)) {
        struct bus_job message;
        memset(&message, 0, sizeof message);
        int r = bus_queue_next(member->queue, QUEUE_WAIT_MS, &message);
        if (r == 0) {
            attempt_item(member->service, member->number, &memory, &message);
            rested = false;
        } else if (r != -EAGAIN) {
            usleep(BUS_AWAY_WAIT_US);
        } else if (!rested) { /* what the items took is not needed until the next one */
            attempt_forget(&memory);
            mem_trim();
            rested = true;
        }
    }
    attempt_forget(&memory);
    return NULL;
}

/* A work folder is needed as long as its request is open in its claim, or not claimed yet again. */
static int sweep_folder(void *context, const char *snapshot, const char *name, uint64_t sequence)
{
    struct service *service = context;
    struct workplace place;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    if (workplace_find(service->store, snapshot, name, sequence, false, &place) < 0)
        return 0;
    int r = claim_read(service->bus, SERVICE_BUCKET, place.key, &claim, NULL);
    if ((r < 0 && r != -ENOENT) || (claim && claim_is_open(claim) && claim->stream_sequence == sequence))
        return 0;
    r = workplace_clear(&place);
    if (r < 0)
        log_warning("cannot remove what an ended dissection left", "folder=%s error=%s", log_quote(place.work), log_quote(strerror(-r)));
    else
        log_info("removed what an ended dissection left", "folder=%s", log_quote(place.work));
    return atomic_load(&service->stopping);
}

static int sweep_claim(void *context, const char *key, const struct bus_value *value)
{
    struct service *service = context;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    struct workplace place;
    const char *slash = strchr(key, '/');
    char snapshot[STORE_NAME_MAX + 1];
    if (!slash || claim_parse(value, &claim) < 0 || strcmp(claim->state, "ready") != 0 || (size_t)(slash - key) >= sizeof snapshot)
        return 0;
    (void)snprintf(snapshot, sizeof snapshot, "%.*s", (int)(slash - key), key);
    (void)workplace_find(service->store, snapshot, slash + 1, claim->stream_sequence, false, &place);
    if (!place.snapshot_folder[0] && !workplace_is_published(&place) && claim_bury(service->bus, SERVICE_BUCKET, key, claim->last_sequence, service->instance) == 0)
        log_info("a dissection went with its snapshot", "dissection=%s", log_quote(key));
    return atomic_load(&service->stopping);
}

void crew_sweep(struct service *service)
{
    (void)workplace_each(service->store, sweep_folder, service);
    (void)bus_kv_each(service->bus, SERVICE_BUCKET, sweep_claim, service);
}

/* What the server does not permit would else only show as a request that waits. */
static void tell_refusals(struct bus *bus, uint64_t *seen, char last[REFUSAL_BYTES])
{
    char text[REFUSAL_BYTES];
    while (bus_next_refusal(bus, seen, text))
        if (strcmp(text, last) != 0) {
            memcpy(last, text, REFUSAL_BYTES);
            log_warning("the NATS server refuses something to this user", "reason=%s", log_quote(text));
        }
}

static void *sweeper_thread(void *context)
{
    struct crew *crew = context;
    uint64_t refusals_seen = 0;
    char refusal[REFUSAL_BYTES] = "";
    for (int64_t swept_ns = 0; !atomic_load(&crew->end); usleep(LOOK_US)) {
        tell_refusals(crew->service->bus, &refusals_seen, refusal);
        if (swept_ns != 0 && units_now_mono_ns() - swept_ns < SWEEP_ROUND_NS)
            continue;
        crew_sweep(crew->service);
        swept_ns = units_now_mono_ns();
    }
    return NULL;
}

static void dismiss(struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pthread_join(members[i].thread, NULL);
        bus_queue_close(members[i].queue);
    }
}

void crew_stop(struct crew *crew)
{
    if (!crew)
        return;
    dismiss(crew->workers, crew->workers_count);
    dismiss(crew->coordinators, crew->coordinators_count);
    atomic_store(&crew->end, true);
    if (crew->sweeping)
        pthread_join(crew->sweeper, NULL);
    free(crew);
}

static int hire(struct service *service, struct member *members, size_t *count, const char *stream, void *(*work)(void *))
{
    struct member *member = &members[*count];
    *member = (struct member){ .service = service, .number = (unsigned)*count };
    int r = bus_queue_open(service->bus, stream, SERVICE_CONSUMER, &member->queue);
    if (r < 0)
        return r;
    r = -pthread_create(&member->thread, NULL, work, member);
    if (r < 0) {
        bus_queue_close(member->queue);
        return r;
    }
    (*count)++;
    return 0;
}

int crew_start(struct service *service, struct crew **ret, char *error)
{
    struct crew *crew = calloc(1, sizeof *crew);
    if (!crew) {
        snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    crew->service = service;
    int r = -pthread_create(&crew->sweeper, NULL, sweeper_thread, crew);
    crew->sweeping = r == 0;
    for (size_t i = 0; r == 0 && i < SERVICE_COORDINATORS; i++)
        r = hire(service, crew->coordinators, &crew->coordinators_count, SERVICE_REQUESTS, coordinator_thread);
    for (size_t i = 0; r == 0 && i < service->options.workers && i < SERVICE_WORKERS_MAX; i++)
        r = hire(service, crew->workers, &crew->workers_count, SERVICE_ITEMS, worker_thread);
    if (r < 0) {
        snprintf(error, 256, "cannot open the queues of streams " SERVICE_REQUESTS " and " SERVICE_ITEMS ": %s", strerror(-r));
        atomic_store(&service->stopping, true);
        crew_stop(crew);
        return r;
    }
    *ret = crew;
    return 0;
}
