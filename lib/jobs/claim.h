/* Who does a request: one record per name in a KV bucket (`snapshots`, `dissections`), changed by compare-and-set alone.
 *
 * A claim is renewed while its job advances and checked before anything is published. The attempt count lives here, because the
 * stream's delivery count resets. A record in a final state answers every later request of that name; a tombstone (deleted) keeps a
 * forgotten acknowledgement from doing it again. Thread-safe: the ticker renews while the worker works. */
#ifndef JOBS_CLAIM_H
#define JOBS_CLAIM_H
#include "bus/bus.h"
#include "wire/wire.h"

#define CLAIM_LIVE_NS (60 * INT64_C(1000000000))
#define CLAIM_ATTEMPTS_MAX 5

/* Borrowed; bucket for as long as the claim lives. */
struct claim_wish {
    const char *bucket, *name, *instance;
    uint64_t sequence;                      /* of the request in its stream */
    const char *digest;                     /* equal for requests that ask for the same */
    const Tapeloop__V1__Claim *about;       /* what a new record says beside: request, window, time of asking; its other fields do not count */
};
enum claim_outcome {
    CLAIM_MINE,        /* do it */
    CLAIM_BUSY,        /* another one is at it: put the message back */
    CLAIM_ENDED,       /* same request, ended before: publish its final event again */
    CLAIM_JOINED,      /* same request under another message, being made: put the message back, it has the same end */
    CLAIM_TAKEN,       /* the name belongs to another request */
    CLAIM_STALE,       /* an old message that came again: nothing to do */
    CLAIM_EXHAUSTED,   /* mine, but its attempts are used up: fail it */
};
/* What a wish meets in a record (NULL: there is none). Pure. */
enum claim_outcome claim_decide(const Tapeloop__V1__Claim *record, const struct claim_wish *wish, bool owner_alive, int64_t now_ns);

struct claim;
/* alive tells of an instance whether it may still be at work. With MINE and EXHAUSTED *ret is the claim; with ENDED, JOINED and TAKEN
 * *ret_record is a copy of the record (wire_free). -errno of the bus. */
int claim_take(struct bus *bus, const struct claim_wish *wish, bool (*alive)(void *context, const char *instance), void *context,
               enum claim_outcome *ret_outcome, struct claim **ret, Tapeloop__V1__Claim **ret_record);
void claim_free(struct claim *claim);       /* does not release it */
/* Writes the time of renewal. -ESTALE: it belongs to somebody else now, and stays so. */
int claim_renew(struct claim *claim);
bool claim_lost(struct claim *claim);
bool claim_cancelled(struct claim *claim);  /* as seen at the last exchange */
uint32_t claim_attempt(const struct claim *claim);
int claim_set_state(struct claim *claim, const char *state);
/* Ends it, ready or failed, with its event (copied): a SnapshotEvent or a DissectEvent. */
int claim_end(struct claim *claim, const char *state, const ProtobufCMessage *event, const char *event_id);
/* Gives it up so that another attempt may begin at once. counted false: this attempt does not count (a graceful stop). */
int claim_release(struct claim *claim, const char *error, bool counted);

/* Reads a record. -ENOENT. */
int claim_read(struct bus *bus, const char *bucket, const char *name, Tapeloop__V1__Claim **ret, uint64_t *ret_revision /* may be NULL */);
/* As value came from bus_kv_get or bus_kv_each. -ENOENT: it is deleted; -EBADMSG. */
int claim_parse(const struct bus_value *value, Tapeloop__V1__Claim **ret);
int claim_write(struct bus *bus, const char *bucket, const Tapeloop__V1__Claim *record, uint64_t revision);
/* The tombstone: a late redelivery of any message up to sequence does not do it again. -EBUSY: it is open. */
int claim_bury(struct bus *bus, const char *bucket, const char *name, uint64_t sequence, const char *instance);
/* Marks a claim that rests, so that whoever takes the request up finds it cancelled. */
int claim_mark_cancelled(struct bus *bus, const char *bucket, Tapeloop__V1__Claim *record, uint64_t revision);
bool claim_is_final(const Tapeloop__V1__Claim *record);
bool claim_is_open(const Tapeloop__V1__Claim *record); /* claimed or accepted */
#endif
