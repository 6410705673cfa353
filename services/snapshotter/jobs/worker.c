#include "services/snapshotter/jobs/worker.h"
#include "log/log.h"
#include "mem/trim.h"
#include "services/snapshotter/jobs/events.h"
#include "services/snapshotter/jobs/intake.h"
#include "services/snapshotter/jobs/job.h"
#include "services/snapshotter/jobs/make.h"
#include "services/snapshotter/jobs/patience.h"
#include "services/snapshotter/jobs/ticker.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_WAIT_MS 500           /* how long a worker looks at the queue before it looks at parked jobs and the end */
#define RETRY_WAIT_NS UNITS_NS_PER_S /* times the attempt */
#define SWEEP_ROUND_NS (60 * UNITS_NS_PER_S)
#define CONCLUDE_TRIES_MAX 20      /* of up to 5 s each where the server is frozen; then the message comes again by itself */
#define BUS_AWAY_WAIT_US (500 * 1000)
#define REFUSAL_BYTES 256          /* a sentence of bus_next_refusal */

struct worker { struct service *service; struct bus_queue *queue; pthread_t thread; };
struct workers { struct service *service; size_t count; struct worker all[SNAPSHOTTER_WORKERS_MAX]; pthread_t ticker, sweeper; bool ticking, sweeping; atomic_bool end; };

/* Says the end to the claim, the stream and the queue, in this order: whoever comes after a crash in between says the same again. */
static int conclude_once(struct job *job, const Tapeloop__V1__SnapshotEvent *event, const char *id)
{
    int r = claim_end(job->claim, event->state, &event->base, id);
    if (r == 0)
        r = event_publish(job->service, event, id, job->message.sequence);
    return r < 0 ? r : bus_job_done(&job->message);
}

/* The bus may be away just now; all of it may be done twice. */
static int conclude(struct job *job, const Tapeloop__V1__SnapshotEvent *event)
{
    char id[EVENT_ID_TEXT_MAX];
    event_id(job->name, job->message.sequence, event->state, id);
    int r = 0;
    for (int tries = 0; tries < CONCLUDE_TRIES_MAX; tries++) {
        r = conclude_once(job, event, id);
        if (!patience_is_bus_failure(r) || !patience_wait(job))
            break;
    }
    return r;
}

static void put_back(struct job *job, const char *why, bool counted, int64_t delay_ns)
{
    int r = claim_release(job->claim, why, counted);
    if (r == 0 || r != -ESTALE)
        (void)bus_job_again(&job->message, delay_ns); /* if it fails too, the queue's own clock brings it back */
}

static int conclude_failed(struct job *job, bool bury)
{
    Tapeloop__V1__SnapshotEvent *event = event_failed(job->name, job->reason, job->message.time_ns, claim_attempt(job->claim));
    if (!event)
        return -ENOMEM;
    char text[UNITS_TIME_TEXT_MAX];
    int r = wire_set_string(&event->from, units_format_time(job->window.from_ns, text, sizeof text));
    if (r == 0)
        r = wire_set_string(&event->to, units_format_time(job->window.to_ns, text, sizeof text));
    if (r == 0 && bury)
        r = event_bury(job->service, &job->message, event->reason);
    if (r == 0)
        r = conclude(job, event);
    wire_free(event);
    return r;
}

static int conclude_retry(struct job *job)
{
    uint32_t attempt = claim_attempt(job->claim);
    if (attempt < CLAIM_ATTEMPTS_MAX) {
        log_warning("attempt failed", "snapshot=%s attempt=%u reason=%s", log_quote(job->name), attempt, log_quote(job->reason));
        put_back(job, job->reason, true, RETRY_WAIT_NS * attempt);
        return 0;
    }
    char last[sizeof job->reason];
    snprintf(last, sizeof last, "%s", job->reason);
    snprintf(job->reason, sizeof job->reason, "given up after %d attempts; the last one: %.800s", CLAIM_ATTEMPTS_MAX, last);
    return conclude_failed(job, true);
}

static void finish(struct job *job, enum job_verdict verdict, int64_t began_ns)
{
    int r = 0;
    bool failed = verdict == JOB_FAILED || verdict == JOB_RETRY;
    switch (verdict) {
    case JOB_READY:
        log_info("snapshot ready", "snapshot=%s completeness=%s packets=%" PRIu64 " bytes=%" PRIu64, log_quote(job->name), job->event->completeness, job->event->packets,
                 job->event->bytes);
        r = conclude(job, job->event);
        break;
    case JOB_FAILED:
        log_warning("snapshot failed", "snapshot=%s reason=%s", log_quote(job->name), log_quote(job->reason));
        r = conclude_failed(job, false);
        break;
    case JOB_RETRY:
        r = conclude_retry(job);
        break;
    case JOB_AWAY:
        log_warning("the bus went away", "snapshot=%s reason=%s", log_quote(job->name), log_quote(job->reason));
        (void)patience_wait(job);
        put_back(job, job->reason, false, RETRY_WAIT_NS);
        break;
    case JOB_STOPPED:
        put_back(job, job->reason, false, 0);
        break;
    case JOB_LOST:
        break;
    }
    if (r < 0 && r != -ESTALE) { /* nothing was acknowledged: the message comes back, and the claim tells how far it was */
        log_error("cannot say how a snapshot ended, will be said again", "snapshot=%s error=%s", log_quote(job->name), log_quote(strerror(-r)));
        (void)claim_release(job->claim, "its end could not be said", false);
        (void)bus_job_again(&job->message, RETRY_WAIT_NS);
    }
    service_count(job->service, "request", failed, units_now_mono_ns() - began_ns);
}

static void run(struct job *job)
{
    int64_t began_ns = units_now_mono_ns();
    enum job_verdict verdict = job_interrupted(job);
    if (verdict == JOB_READY && job->window.to_ns > units_now_wall_ns()) {
        job_set_stage(job, JOB_WAITING);
        if (jobs_park(job->service->jobs, job) == 0)
            return;
        verdict = job_fail(job, JOB_STOPPED, "too many snapshots wait for the end of their windows");
    }
    if (verdict == JOB_READY)
        verdict = make_snapshot(job);
    finish(job, verdict, began_ns);
    jobs_drop(job->service->jobs, job);
    job_release(job);
    mem_trim(); /* what a job took is not needed until the next one */
}

static void *worker_thread(void *context)
{
    struct worker *worker = context;
    struct service *service = worker->service;
    for (;;) {
        bool stopping = atomic_load(&service->stopping);
        struct job *job = jobs_take_due(service->jobs, units_now_wall_ns(), stopping);
        if (job) {
            run(job);
            continue;
        }
        if (stopping)
            return NULL;
        struct bus_job message;
        memset(&message, 0, sizeof message);
        int r = bus_queue_next(worker->queue, QUEUE_WAIT_MS, &message);
        if (r == 0) {
            job = intake_take(service, &message);
            if (job)
                run(job);
        } else if (r != -EAGAIN) {
            usleep(BUS_AWAY_WAIT_US);
        }
    }
}

static void sweep(struct service *service)
{
    unsigned removed = 0;
    int r = service->store->driver->sweep(service->store->state, service->options.work_retention_ns, &removed);
    if (r < 0)
        log_warning("cannot remove what dead snapshotters left", "store=%s error=%s", log_quote(service->store->location), log_quote(strerror(-r)));
    else if (removed > 0)
        log_info("removed what dead snapshotters left", "folders=%u", removed);
}

/* A thread of its own: removing hundreds of gigabytes must not hold up a lease. */
static void *sweeper_thread(void *context)
{
    struct workers *workers = context;
    for (int64_t swept_ns = 0; !atomic_load(&workers->end); usleep((useconds_t)(WORKER_PROGRESS_NS / 1000))) {
        if (swept_ns != 0 && units_now_mono_ns() - swept_ns < SWEEP_ROUND_NS)
            continue;
        sweep(workers->service);
        swept_ns = units_now_mono_ns();
    }
    return NULL;
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

static void *ticker_thread(void *context)
{
    struct workers *workers = context;
    uint64_t refusals_seen = 0;
    char refusal[REFUSAL_BYTES] = "";
    for (; !atomic_load(&workers->end); usleep((useconds_t)(WORKER_PROGRESS_NS / 1000))) {
        ticker_round(workers->service);
        tell_refusals(workers->service->bus, &refusals_seen, refusal);
    }
    return NULL;
}

void workers_stop(struct workers *workers)
{
    if (!workers)
        return;
    for (size_t i = 0; i < workers->count; i++) {
        pthread_join(workers->all[i].thread, NULL);
        bus_queue_close(workers->all[i].queue);
    }
    atomic_store(&workers->end, true);
    if (workers->ticking)
        pthread_join(workers->ticker, NULL);
    if (workers->sweeping)
        pthread_join(workers->sweeper, NULL);
    free(workers);
}

static int worker_start(struct workers *workers)
{
    struct worker *worker = &workers->all[workers->count];
    worker->service = workers->service;
    int r = bus_queue_open(workers->service->bus, SERVICE_STREAM, SERVICE_CONSUMER, &worker->queue);
    if (r < 0)
        return r;
    r = -pthread_create(&worker->thread, NULL, worker_thread, worker);
    if (r < 0) {
        bus_queue_close(worker->queue);
        return r;
    }
    workers->count++;
    return 0;
}

int workers_start(struct service *service, struct workers **ret, char *error)
{
    struct workers *workers = calloc(1, sizeof *workers);
    if (!workers) {
        snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    workers->service = service;
    int r = -pthread_create(&workers->ticker, NULL, ticker_thread, workers);
    workers->ticking = r == 0;
    if (r == 0)
        r = -pthread_create(&workers->sweeper, NULL, sweeper_thread, workers);
    workers->sweeping = workers->ticking && r == 0;
    for (uint64_t i = 0; r == 0 && i < service->options.workers; i++)
        r = worker_start(workers);
    if (r < 0) {
        snprintf(error, 256, "cannot open the queue of stream " SERVICE_STREAM ": %s", strerror(-r));
        atomic_store(&service->stopping, true);
        workers_stop(workers);
        return r;
    }
    *ret = workers;
    return 0;
}
