#include "services/dissector/jobs/attempt.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/announce.h"
#include "log/log.h"
#include "mem/cleanup.h"
#include "services/dissector/jobs/item.h"
#include "services/dissector/jobs/lease.h"
#include "store/name.h"
#include "units/units.h"

#define RETRY_WAIT_NS UNITS_NS_PER_S                /* times the attempt */
#define STORE_WAIT_NS (5 * UNITS_NS_PER_S)          /* after the store itself failed: that is nobody's attempt */
#define OTHER_WAIT_NS (10 * UNITS_NS_PER_S)         /* another one is at it */
#define TELL_NS UNITS_NS_PER_S
#define STEP_GRACE_NS (120 * UNITS_NS_PER_S)        /* opening thousands of partitions on a network's disk, sorting and saving a run: steps that say nothing, and 20 s of silence would give the item to a second worker, and a third */
#define FINALISE_GRACE_NS (900 * UNITS_NS_PER_S)    /* flushing a large database is one step that says nothing */
#define DEAD_SUBJECT "dead.dissect.job"

struct attempt {
    struct service *service;
    struct lease lease;
    Tapeloop__V1__DissectJob *wish;
    enum plan_stage stage;
    const struct attempt_memory *memory;
    Tapeloop__V1__DissectItem *item;
    int64_t told_ns;                    /* monotonic: when it was last written how far the stage is */
    struct stage_result result;
    char error[STAGE_ERROR_TEXT_MAX];
};

void attempt_forget(struct attempt_memory *memory)
{
    plan_job_free(memory->job);
    wire_free(memory->plan);
    memset(memory, 0, sizeof *memory);
}

/* A message that nothing can be made of is kept for a person. */
static int decode(struct attempt *attempt, char *error)
{
    const struct bus_job *message = &attempt->lease.message;
    ProtobufCMessage *wish = NULL;
    int r = wire_decode(&tapeloop__v1__dissect_job__descriptor, message->data, message->size, message->content_type[0] ? message->content_type : NULL, &wish, NULL, error);
    if (r < 0)
        return r;
    attempt->wish = (Tapeloop__V1__DissectJob *)wish;
    char why[STORE_NAME_ERROR_TEXT_MAX];
    if (store_name_check(attempt->wish->snapshot, why) < 0 || store_name_check(attempt->wish->name, why) < 0 || plan_stage_parse(attempt->wish->stage, &attempt->stage) < 0) {
        snprintf(error, WIRE_ERROR_TEXT_MAX, "it names no snapshot, dissection or stage that there is");
        return -EBADMSG;
    }
    return 0;
}

/* The plan of the item's job, of the time before where it is the same. -ENOENT: the job is over. */
static int remember(struct service *service, unsigned number, struct attempt_memory *memory, const Tapeloop__V1__DissectJob *wish)
{
    char writer[STORE_INSTANCE_MAX + 32];
    bool same = memory->job && memory->place.sequence == wish->request && strcmp(memory->place.snapshot, wish->snapshot) == 0 && strcmp(memory->place.name, wish->name) == 0;
    if (same)
        return 0;
    attempt_forget(memory);
    int r = workplace_find(service->store, wish->snapshot, wish->name, wish->request, false, &memory->place);
    if (r == 0)
        r = plan_read(&memory->place, &memory->plan);
    snprintf(writer, sizeof writer, "%s.w%u", service->instance, number);
    if (r == 0)
        r = plan_job_open(&memory->place, memory->plan, writer, &memory->job);
    if (r < 0)
        attempt_forget(memory);
    else
        memory->job->job.memory = service->options.memory;
    return r;
}

static bool advance(void *context, uint64_t done, uint64_t total)
{
    struct attempt *attempt = context;
    lease_advance(&attempt->lease);
    int64_t now_ns = units_now_mono_ns();
    if (now_ns - attempt->told_ns >= TELL_NS) { /* for show: that it fails does no harm */
        attempt->told_ns = now_ns;
        (void)item_tell(&attempt->memory->place, attempt->stage, attempt->wish->number, done, total);
    }
    return !atomic_load(&attempt->lease.cancelled) && !atomic_load(&attempt->service->stopping);
}

static int run_stage(struct attempt *attempt)
{
    const struct stage_table *stages = attempt->service->stages;
    const struct stage_job *job = &attempt->memory->job->job;
    const struct stage_progress progress = { .advance = advance, .context = attempt };
    attempt->told_ns = units_now_mono_ns(); /* most items are over before there is anything to tell */
    uint32_t number = attempt->wish->number, shards = plan_group_shards(attempt->memory->plan);
    switch (attempt->stage) {
    case PLAN_MAP: return stages->map(job, number, &progress, &attempt->result, attempt->error);
    case PLAN_REDUCE: return stages->reduce(job, number * shards, shards, &progress, &attempt->result, attempt->error);
    default: return stages->finalise(job, &progress, &attempt->result, attempt->error);
    }
}

static int put_state(struct attempt *attempt, const char *state, const char *error)
{
    int r = wire_set_string(&attempt->item->state, state);
    if (r == 0)
        r = wire_set_string(&attempt->item->error, error);
    if (r == 0)
        text_make_plain(attempt->item->error);
    return r < 0 ? r : item_write(&attempt->memory->place, attempt->stage, attempt->wish->number, attempt->item);
}

/* For good: to the dead letters, with the file by which the request's holder learns of it. */
static int bury(struct attempt *attempt)
{
    char reason[STAGE_ERROR_TEXT_MAX + LEASE_KEY_MAX + 64];
    snprintf(reason, sizeof reason, "%s item %u of %s, attempt %u: %s", attempt->wish->stage, attempt->wish->number, attempt->memory->place.key, attempt->item->attempts, attempt->error);
    text_make_plain(reason);
    log_error("item given up", "dissection=%s stage=%s item=%u attempts=%u reason=%s", log_quote(attempt->memory->place.key), attempt->wish->stage, attempt->wish->number,
              attempt->item->attempts, log_quote(attempt->error));
    int r = announce_dead(attempt->service->bus, DEAD_SUBJECT, &attempt->lease.message, reason);
    return r < 0 ? r : put_state(attempt, ITEM_DEAD, attempt->error);
}

/* Two messages about the same item, of a request that changed hands: the first one's worker need not be disturbed. One message that came again was given up by the queue. */
static bool another_has_it(const struct attempt *attempt)
{
    const struct service *service = attempt->service;
    const Tapeloop__V1__DissectItem *item = attempt->item;
    bool own = strcmp(item->instance, service->instance) == 0, other_message = item->message != 0 && item->message != attempt->lease.message.sequence;
    if (!item_is(item, ITEM_RUNNING) || (!other_message && (own || attempt->lease.message.deliveries > 1)))
        return false;
    return own ? leases_has_item(service->leases, item->message) /* or it is of an earlier life */ : service->store->driver->alive(service->store->state, item->instance);
}

/* Claims the attempt in the item's file. -EALREADY: it is done or dead; -EBUSY: another one is at it; -ECHILD: its attempts are used up. */
static int begin(struct attempt *attempt)
{
    struct service *service = attempt->service;
    int r = item_read(&attempt->memory->place, attempt->stage, attempt->wish->number, &attempt->item);
    if (r == -ENOENT)
        attempt->item = WIRE_NEW(Tapeloop__V1__DissectItem, tapeloop__v1__dissect_item__descriptor);
    else if (r < 0)
        return r;
    if (!attempt->item)
        return -ENOMEM;
    if (item_is(attempt->item, ITEM_DONE) || item_is(attempt->item, ITEM_DEAD))
        return -EALREADY;
    if (another_has_it(attempt))
        return -EBUSY;
    if (attempt->item->attempts >= ITEM_ATTEMPTS_MAX) {
        if (!item_is(attempt->item, ITEM_AGAIN))
            snprintf(attempt->error, sizeof attempt->error, "%d workers that tried it died; their logs say why", ITEM_ATTEMPTS_MAX);
        else
            snprintf(attempt->error, sizeof attempt->error, "%s", attempt->item->error);
        return -ECHILD;
    }
    attempt->item->attempts++;
    if (item_told(&attempt->memory->place, attempt->stage, attempt->wish->number) > 0) /* how far an attempt was that has ended: not this one */
        (void)item_tell(&attempt->memory->place, attempt->stage, attempt->wish->number, 0, 0);
    attempt->item->message = attempt->lease.message.sequence;
    r = wire_set_string(&attempt->item->instance, service->instance);
    return r < 0 ? r : put_state(attempt, ITEM_RUNNING, attempt->item->error);
}

/* What is to become of the message: 0: acknowledge; > 0: again after so many ns; < 0: say nothing, the queue brings it again. */
static int64_t conclude(struct attempt *attempt, int r)
{
    uint32_t number = attempt->item->attempts;
    if (r == 0) {
        r = item_set_result(attempt->item, &attempt->result);
        if (r == 0)
            r = put_state(attempt, ITEM_DONE, attempt->result.problem);
        return r == 0 || r == -ENOENT ? 0 : RETRY_WAIT_NS;
    }
    if (atomic_load(&attempt->lease.cancelled))
        return 0;
    if (r == -ECANCELED) { /* this instance is stopping: another one may go on at once, and it does not count */
        attempt->item->attempts--;
        return put_state(attempt, ITEM_AGAIN, "its worker was stopped") == -ENOENT ? 0 : 1;
    }
    if (!attempt->error[0])
        snprintf(attempt->error, sizeof attempt->error, "%s", strerror(-r));
    if (r == -EINVAL || number >= ITEM_ATTEMPTS_MAX) {
        r = bury(attempt);
        return r == 0 || r == -ENOENT ? 0 : STORE_WAIT_NS;
    }
    log_warning("attempt failed", "dissection=%s stage=%s item=%u attempt=%u reason=%s", log_quote(attempt->memory->place.key), attempt->wish->stage, attempt->wish->number, number,
                log_quote(attempt->error));
    return put_state(attempt, ITEM_AGAIN, attempt->error) == -ENOENT ? 0 : RETRY_WAIT_NS * number;
}

static int64_t work(struct attempt *attempt)
{
    int64_t began_ns = units_now_mono_ns();
    int r = begin(attempt);
    if (r == -EALREADY || r == -ENOENT)
        return 0;
    if (r == -EBUSY)
        return OTHER_WAIT_NS;
    if (r == -ECHILD) {
        r = bury(attempt);
        return r == 0 || r == -ENOENT ? 0 : STORE_WAIT_NS;
    }
    if (r < 0) {
        log_warning("cannot begin an item", "dissection=%s error=%s", log_quote(attempt->memory->place.key), log_quote(strerror(-r)));
        return STORE_WAIT_NS;
    }
    r = run_stage(attempt);
    int64_t verdict = conclude(attempt, r);
    service_count(attempt->service, "item", r < 0 && r != -ECANCELED, units_now_mono_ns() - began_ns);
    return verdict;
}

static void answer_queue(struct bus_job *message, int64_t verdict)
{
    int r = verdict == 0 ? bus_job_done(message) : verdict > 0 ? bus_job_again(message, verdict) : 0;
    if (r < 0)
        log_warning("cannot tell the queue how an item ended, it comes again", "error=%s", log_quote(strerror(-r)));
}

void attempt_item(struct service *service, unsigned number, struct attempt_memory *memory, struct bus_job *message)
{
    mem_auto_free struct attempt *attempt = calloc(1, sizeof *attempt);
    char error[WIRE_ERROR_TEXT_MAX] = "";
    if (!attempt) {
        (void)bus_job_again(message, STORE_WAIT_NS);
        bus_job_free(message);
        return;
    }
    attempt->service = service;
    attempt->memory = memory;
    attempt->lease.message = *message;
    memset(message, 0, sizeof *message);
    int64_t verdict = STORE_WAIT_NS;
    if (atomic_load(&service->stopping)) { /* what another worker of ours has just given back */
        verdict = 1;
        goto answer;
    }
    int r = decode(attempt, error);
    if (r < 0) {
        log_error("an item cannot be read", "subject=%s reason=%s", attempt->lease.message.subject, log_quote(error));
        verdict = announce_dead(service->bus, DEAD_SUBJECT, &attempt->lease.message, error) == 0 ? 0 : STORE_WAIT_NS;
        goto answer;
    }
    r = remember(service, number, memory, attempt->wish);
    if (r == -ENOENT || (r == 0 && attempt->wish->number >= plan_items(memory->plan, attempt->stage))) {
        verdict = 0; /* of a job that is over, or of none */
        goto answer;
    }
    if (r < 0) {
        log_warning("cannot read the plan of a job", "dissection=%s/%s error=%s", attempt->wish->snapshot, attempt->wish->name, log_quote(strerror(-r)));
        goto answer;
    }
    memcpy(attempt->lease.key, memory->place.key, sizeof attempt->lease.key);
    attempt->lease.grace_ns = attempt->stage == PLAN_FINALISE ? FINALISE_GRACE_NS : STEP_GRACE_NS;
    if (leases_add(service->leases, &attempt->lease) == 0) {
        verdict = work(attempt);
        leases_remove(service->leases, &attempt->lease);
    } else { /* the queue lost patience while we are still at it */
        verdict = OTHER_WAIT_NS;
    }
answer:
    answer_queue(&attempt->lease.message, verdict);
    wire_free(attempt->item);
    wire_free(attempt->wish);
    lease_release(&attempt->lease);
}
