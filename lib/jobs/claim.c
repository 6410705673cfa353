#include "jobs/claim.h"
#include "mem/cleanup.h"
#include "units/units.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define CAS_TRIES 8 /* each loss means that somebody else got on; eight in a row do not happen by chance */

struct claim { pthread_mutex_t lock; struct bus *bus; const char *bucket; Tapeloop__V1__Claim *record; uint64_t revision; atomic_bool lost, cancelled; };

bool claim_is_open(const Tapeloop__V1__Claim *record)
{
    return strcmp(record->state, "claimed") == 0 || strcmp(record->state, "accepted") == 0;
}

bool claim_is_final(const Tapeloop__V1__Claim *record)
{
    return strcmp(record->state, "ready") == 0 || strcmp(record->state, "failed") == 0;
}

static uint64_t greatest_sequence(const Tapeloop__V1__Claim *record)
{
    return record->last_sequence > record->stream_sequence ? record->last_sequence : record->stream_sequence;
}

static enum claim_outcome decide_open(const Tapeloop__V1__Claim *record, const struct claim_wish *wish, bool owner_alive, int64_t now_ns)
{
    if (record->stream_sequence != wish->sequence)
        return strcmp(record->request_digest, wish->digest) == 0 ? CLAIM_JOINED : CLAIM_TAKEN;
    if (owner_alive && record->renewed_ns != 0 && now_ns - record->renewed_ns < CLAIM_LIVE_NS)
        return CLAIM_BUSY;
    return record->attempt >= CLAIM_ATTEMPTS_MAX ? CLAIM_EXHAUSTED : CLAIM_MINE;
}

enum claim_outcome claim_decide(const Tapeloop__V1__Claim *record, const struct claim_wish *wish, bool owner_alive, int64_t now_ns)
{
    if (!record)
        return CLAIM_MINE;
    if (claim_is_open(record))
        return decide_open(record, wish, owner_alive, now_ns);
    if (strcmp(record->state, "ready") == 0) {
        if (strcmp(record->request_digest, wish->digest) == 0)
            return CLAIM_ENDED;
        return wish->sequence <= greatest_sequence(record) ? CLAIM_STALE : CLAIM_TAKEN;
    }
    if (strcmp(record->state, "failed") == 0 && record->stream_sequence == wish->sequence)
        return CLAIM_ENDED;
    /* failed before or deleted: a new request makes it anew, an old message does not */
    return wish->sequence > greatest_sequence(record) ? CLAIM_MINE : CLAIM_STALE;
}

int claim_parse(const struct bus_value *value, Tapeloop__V1__Claim **ret)
{
    char error[WIRE_ERROR_TEXT_MAX];
    enum wire_format format;
    ProtobufCMessage *message = NULL;
    if (value->deleted)
        return -ENOENT;
    int r = wire_decode(&tapeloop__v1__claim__descriptor, value->data, value->size, "application/protobuf", &message, &format, error);
    if (r == 0)
        *ret = (Tapeloop__V1__Claim *)message;
    return r;
}

int claim_read(struct bus *bus, const char *bucket, const char *name, Tapeloop__V1__Claim **ret, uint64_t *ret_revision)
{
    struct bus_value value = { 0 };
    int r = bus_kv_get(bus, bucket, name, &value);
    if (r < 0)
        return r;
    r = claim_parse(&value, ret);
    if (r == 0 && ret_revision)
        *ret_revision = value.revision;
    bus_value_free(&value);
    return r;
}

static int record_store(struct bus *bus, const char *bucket, const Tapeloop__V1__Claim *record, uint64_t revision, uint64_t *ret_revision)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(&record->base, WIRE_PROTOBUF, &data, &size);
    if (r < 0)
        return r;
    return revision ? bus_kv_update(bus, bucket, record->name, data, size, revision, ret_revision)
                    : bus_kv_create(bus, bucket, record->name, data, size, ret_revision);
}

int claim_write(struct bus *bus, const char *bucket, const Tapeloop__V1__Claim *record, uint64_t revision)
{
    uint64_t ignored;
    return record_store(bus, bucket, record, revision, &ignored);
}

static int bury_once(struct bus *bus, const char *bucket, const char *name, uint64_t sequence, const char *instance)
{
    wire_auto Tapeloop__V1__Claim *record = NULL;
    uint64_t revision = 0;
    int r = claim_read(bus, bucket, name, &record, &revision);
    if (r < 0 && r != -ENOENT)
        return r;
    if (!record)
        record = WIRE_NEW(Tapeloop__V1__Claim, tapeloop__v1__claim__descriptor);
    if (!record)
        return -ENOMEM;
    if (claim_is_open(record))
        return -EBUSY;
    if (wire_set_string(&record->name, name) < 0 || wire_set_string(&record->state, "deleted") < 0 || wire_set_string(&record->instance, instance) < 0)
        return -ENOMEM;
    if (sequence > record->stream_sequence)
        record->stream_sequence = sequence;
    record->renewed_ns = units_now_wall_ns();
    wire_free(record->final_event);
    wire_free(record->final_dissection);
    record->final_event = NULL;
    record->final_dissection = NULL;
    return claim_write(bus, bucket, record, revision);
}

int claim_bury(struct bus *bus, const char *bucket, const char *name, uint64_t sequence, const char *instance)
{
    int r = -EEXIST;
    for (int i = 0; i < CAS_TRIES && r == -EEXIST; i++)
        r = bury_once(bus, bucket, name, sequence, instance);
    return r == -EEXIST ? -EAGAIN : r;
}

int claim_mark_cancelled(struct bus *bus, const char *bucket, Tapeloop__V1__Claim *record, uint64_t revision)
{
    record->cancelled = true;
    int r = claim_write(bus, bucket, record, revision);
    return r == -EEXIST ? 0 : r; /* somebody works on it and is told by the broadcast, or it has just ended */
}

/* A record for the wish, following `before` (NULL: none). */
static Tapeloop__V1__Claim *record_make(const Tapeloop__V1__Claim *before, const struct claim_wish *wish, int64_t now_ns)
{
    bool again = before && before->stream_sequence == wish->sequence && claim_is_open(before);
    Tapeloop__V1__Claim *record = (Tapeloop__V1__Claim *)wire_copy(again ? &before->base : &wish->about->base);
    if (!record)
        return NULL;
    int r = wire_set_string(&record->instance, wish->instance);
    if (!again) {
        record->stream_sequence = wish->sequence;
        record->last_sequence = 0;
        record->attempt = 0;
        record->cancelled = false;
        if (r == 0)
            r = wire_set_string(&record->name, wish->name);
        if (r == 0)
            r = wire_set_string(&record->state, "claimed");
        if (r == 0)
            r = wire_set_string(&record->request_digest, wish->digest);
    }
    record->renewed_ns = now_ns;
    if (wish->sequence > record->last_sequence)
        record->last_sequence = wish->sequence;
    if (record->attempt < CLAIM_ATTEMPTS_MAX)
        record->attempt++;
    if (r < 0) {
        wire_free(record);
        return NULL;
    }
    return record;
}

static struct claim *claim_new(struct bus *bus, const char *bucket, Tapeloop__V1__Claim *record, uint64_t revision)
{
    struct claim *claim = calloc(1, sizeof *claim);
    if (!claim)
        return NULL;
    pthread_mutex_init(&claim->lock, NULL);
    claim->bus = bus;
    claim->bucket = bucket;
    claim->record = record;
    claim->revision = revision;
    atomic_init(&claim->cancelled, record->cancelled);
    return claim;
}

/* One round of claim_take: -EEXIST means that somebody was faster, look again. */
static int take_once(struct bus *bus, const struct claim_wish *wish, bool (*alive)(void *context, const char *instance), void *context,
                     enum claim_outcome *ret_outcome, struct claim **ret, Tapeloop__V1__Claim **ret_record)
{
    wire_auto Tapeloop__V1__Claim *before = NULL;
    uint64_t revision = 0;
    int64_t now_ns = units_now_wall_ns();
    int r = claim_read(bus, wish->bucket, wish->name, &before, &revision);
    if (r < 0 && r != -ENOENT)
        return r;
    bool living = before && claim_is_open(before) && alive(context, before->instance);
    enum claim_outcome outcome = claim_decide(before, wish, living, now_ns);
    if (outcome == CLAIM_MINE || outcome == CLAIM_EXHAUSTED) {
        wire_auto Tapeloop__V1__Claim *record = record_make(before, wish, now_ns);
        if (!record)
            return -ENOMEM;
        r = record_store(bus, wish->bucket, record, revision, &revision);
        if (r < 0)
            return r;
        struct claim *claim = claim_new(bus, wish->bucket, record, revision);
        if (!claim)
            return -ENOMEM;
        record = NULL;
        *ret = claim;
    } else if (outcome != CLAIM_BUSY && outcome != CLAIM_STALE) {
        if (wish->sequence > before->last_sequence && outcome != CLAIM_TAKEN) {
            before->last_sequence = wish->sequence; /* a later delete must cover this message too */
            r = record_store(bus, wish->bucket, before, revision, &revision);
            if (r < 0)
                return r;
        }
        *ret_record = mem_take(before);
    }
    *ret_outcome = outcome;
    return 0;
}

int claim_take(struct bus *bus, const struct claim_wish *wish, bool (*alive)(void *context, const char *instance), void *context,
               enum claim_outcome *ret_outcome, struct claim **ret, Tapeloop__V1__Claim **ret_record)
{
    int r = -EEXIST;
    for (int i = 0; i < CAS_TRIES && r == -EEXIST; i++)
        r = take_once(bus, wish, alive, context, ret_outcome, ret, ret_record);
    return r == -EEXIST ? -EAGAIN : r;
}

void claim_free(struct claim *claim)
{
    if (!claim)
        return;
    pthread_mutex_destroy(&claim->lock);
    wire_free(claim->record);
    free(claim);
}

/* Somebody changed the record, or our own change went through and its answer did not reach us. Takes over what others may add. */
static int claim_reload(struct claim *claim)
{
    wire_auto Tapeloop__V1__Claim *there = NULL;
    uint64_t revision = 0;
    int r = claim_read(claim->bus, claim->bucket, claim->record->name, &there, &revision);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == -ENOENT || strcmp(there->instance, claim->record->instance) != 0 || there->stream_sequence != claim->record->stream_sequence
        || there->attempt > claim->record->attempt || strcmp(there->state, "deleted") == 0) {
        atomic_store(&claim->lost, true);
        return -ESTALE;
    }
    claim->revision = revision;
    claim->record->cancelled |= there->cancelled;
    if (claim->record->cancelled)
        atomic_store(&claim->cancelled, true);
    if (there->last_sequence > claim->record->last_sequence)
        claim->record->last_sequence = there->last_sequence;
    return 0;
}

/* Lock held. */
static int claim_store(struct claim *claim)
{
    int r = atomic_load(&claim->lost) ? -ESTALE : -EEXIST;
    for (int i = 0; i < CAS_TRIES && r == -EEXIST; i++) {
        r = record_store(claim->bus, claim->bucket, claim->record, claim->revision, &claim->revision);
        if (r != -EEXIST)
            break;
        int reload = claim_reload(claim);
        if (reload < 0)
            return reload;
    }
    return r;
}

int claim_renew(struct claim *claim)
{
    pthread_mutex_lock(&claim->lock);
    int64_t before_ns = claim->record->renewed_ns;
    claim->record->renewed_ns = units_now_wall_ns();
    int r = claim_store(claim);
    if (r < 0)
        claim->record->renewed_ns = before_ns;
    pthread_mutex_unlock(&claim->lock);
    return r;
}

bool claim_lost(struct claim *claim)
{
    return atomic_load(&claim->lost);
}

bool claim_cancelled(struct claim *claim)
{
    return atomic_load(&claim->cancelled);
}

uint32_t claim_attempt(const struct claim *claim)
{
    return claim->record->attempt;
}

int claim_set_state(struct claim *claim, const char *state)
{
    pthread_mutex_lock(&claim->lock);
    claim->record->renewed_ns = units_now_wall_ns();
    int r = wire_set_string(&claim->record->state, state);
    if (r == 0)
        r = claim_store(claim);
    pthread_mutex_unlock(&claim->lock);
    return r;
}

int claim_end(struct claim *claim, const char *state, const ProtobufCMessage *event, const char *event_id)
{
    ProtobufCMessage *copy = wire_copy(event);
    if (!copy)
        return -ENOMEM;
    pthread_mutex_lock(&claim->lock);
    if (event->descriptor == &tapeloop__v1__dissect_event__descriptor) {
        wire_free(claim->record->final_dissection);
        claim->record->final_dissection = (Tapeloop__V1__DissectEvent *)copy;
    } else {
        assert(event->descriptor == &tapeloop__v1__snapshot_event__descriptor);
        wire_free(claim->record->final_event);
        claim->record->final_event = (Tapeloop__V1__SnapshotEvent *)copy;
    }
    claim->record->renewed_ns = units_now_wall_ns();
    int r = wire_set_string(&claim->record->final_event_id, event_id);
    if (r == 0)
        r = wire_set_string(&claim->record->state, state);
    if (r == 0)
        r = claim_store(claim);
    pthread_mutex_unlock(&claim->lock);
    return r;
}

int claim_release(struct claim *claim, const char *error, bool counted)
{
    pthread_mutex_lock(&claim->lock);
    claim->record->renewed_ns = 0;
    if (!counted && claim->record->attempt > 0)
        claim->record->attempt--;
    int r = wire_set_string(&claim->record->last_error, error);
    if (r == 0)
        r = claim_store(claim);
    pthread_mutex_unlock(&claim->lock);
    return r;
}
