/* Who does a request: one record per snapshot name in the KV bucket `snapshots`, changed by compare-and-set alone.
 *
 * A claim is renewed while its job advances and checked before anything is published. The attempt count lives here, because the
 * stream's delivery count resets. A record in a final state answers every later request of that name; a tombstone (deleted) keeps a
 * forgotten acknowledgement from making the snapshot again. Thread-safe: the ticker renews while the worker works. */
#ifndef SNAPSHOTTER_JOBS_CLAIM_H
#define SNAPSHOTTER_JOBS_CLAIM_H
#include "bus/bus.h"
#include "services/snapshotter/jobs/request.h"
#include "wire/wire.h"

#define CLAIM_BUCKET "snapshots"
#define CLAIM_STORE_KEY "_store"            /* the store's id; no snapshot's name begins so */
#define CLAIM_LIVE_NS (60 * INT64_C(1000000000))
#define CLAIM_ATTEMPTS_MAX 5

struct claim_wish {
    const char *name, *instance;
    uint64_t sequence;                      /* of the request in its stream */
    int64_t asked_ns;
    struct request_window window;
    const char *digest;
    const Tapeloop__V1__SnapshotRequest *request;
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
/* Ends it with its event (copied). */
int claim_end(struct claim *claim, const Tapeloop__V1__SnapshotEvent *event, const char *event_id);
/* Gives it up so that another attempt may begin at once. counted false: this attempt does not count (a graceful stop). */
int claim_release(struct claim *claim, const char *error, bool counted);

/* Reads a record. -ENOENT. */
int claim_read(struct bus *bus, const char *name, Tapeloop__V1__Claim **ret, uint64_t *ret_revision);
int claim_write(struct bus *bus, const Tapeloop__V1__Claim *record, uint64_t revision);
bool claim_is_final(const Tapeloop__V1__Claim *record);
bool claim_is_open(const Tapeloop__V1__Claim *record); /* claimed or accepted */
#endif
