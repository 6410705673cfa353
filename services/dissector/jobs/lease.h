/* What this instance has in hand: messages of the work queues whose time must be kept, with the claim of a request. The ticker acknowledges and renews while, and only while, the holder advances.
 *
 * A lease is embedded in what holds it. It belongs to its holder's thread but for what is atomic; between leases_add and leases_remove the ticker looks at it, too. */
#ifndef DISSECTOR_JOBS_LEASE_H
#define DISSECTOR_JOBS_LEASE_H
#include <stdatomic.h>
#include "bus/bus.h"
#include "jobs/claim.h"
#include "store/store.h"

#define LEASE_KEY_MAX (2 * STORE_NAME_MAX + 2)          /* "<snapshot>/<name>" */
#define LEASE_ROUND_NS (INT64_C(500) * 1000000)
#define LEASE_ACK_NS (INT64_C(4) * 1000000000)          /* the consumers wait 20 and 30 s */
#define LEASE_RENEW_NS (INT64_C(15) * 1000000000)       /* a claim is live for 60 s */

struct lease {
    struct bus_job message;
    struct claim *claim;                                /* NULL: an item of somebody's request */
    char key[LEASE_KEY_MAX];
    atomic_uint_fast64_t advance;                       /* grows while the work goes on */
    atomic_bool cancelled;
    int64_t grace_ns;                                   /* how long silence still counts as work: of a step that cannot tell how far it is */
    void (*tick)(struct lease *lease, int64_t now_ns);  /* each round, on the ticker's thread; NULL: nothing to tell */
    /* the ticker's own */
    uint64_t seen_advance, acknowledged_advance;
    int64_t acknowledged_ns, renewed_ns;
    int64_t advanced_ns;
    bool visited;
    struct lease *next;
};
static inline void lease_advance(struct lease *lease) { atomic_fetch_add_explicit(&lease->advance, 1, memory_order_relaxed); }
/* Frees claim and message. */
void lease_release(struct lease *lease);

struct leases;
/* Starts the ticker. complain: hears what went wrong, for the log. */
int leases_new(void (*complain)(const struct lease *lease, const char *what, int error), struct leases **ret);
void leases_free(struct leases *leases);                /* there is none left in it; NULL is fine */
/* -EALREADY: a lease of the same queue (with or without a claim) and sequence is in it. */
int leases_add(struct leases *leases, struct lease *lease);
/* Whether a request of that sequence is in hand. */
bool leases_has_request(struct leases *leases, uint64_t sequence);
/* The same of an item. */
bool leases_has_item(struct leases *leases, uint64_t sequence);
void leases_remove(struct leases *leases, struct lease *lease); /* the ticker does not look at it any more when this returns */
/* Marks all of that key. Requests among them: true where there was one. */
bool leases_cancel(struct leases *leases, const char *key);
#endif
