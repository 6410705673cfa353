#include "services/dissector/jobs/lease.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "units/units.h"

struct leases {
    pthread_mutex_t lock;
    pthread_cond_t left;        /* the ticker has left a lease; or the end */
    struct lease *first;
    bool end;
    void (*complain)(const struct lease *lease, const char *what, int error);
    pthread_t ticker;
};

void lease_release(struct lease *lease)
{
    claim_free(lease->claim);
    bus_job_free(&lease->message);
    lease->claim = NULL;
}

static void keep(struct leases *leases, struct lease *lease, int64_t now_ns)
{
    uint64_t advance = atomic_load(&lease->advance);
    if (advance != lease->seen_advance) {
        lease->seen_advance = advance;
        lease->advanced_ns = now_ns;
    }
    bool works = advance != lease->acknowledged_advance || now_ns - lease->advanced_ns < lease->grace_ns;
    if (!works || now_ns - lease->acknowledged_ns < LEASE_ACK_NS)
        return;
    int r = bus_job_working(&lease->message);
    lease->acknowledged_ns = now_ns;
    lease->acknowledged_advance = advance;
    if (r < 0)
        leases->complain(lease, "cannot tell the queue that the work goes on", r);
    if (!lease->claim || now_ns - lease->renewed_ns < LEASE_RENEW_NS)
        return;
    r = claim_renew(lease->claim);
    lease->renewed_ns = now_ns;
    if (r < 0)
        leases->complain(lease, r == -ESTALE ? "another dissector took the request over" : "cannot renew the claim", r);
}

/* Lock held; let go while a lease is visited, which then stays in the list. */
static void visit_all(struct leases *leases)
{
    int64_t now_ns = units_now_mono_ns();
    for (struct lease *lease = leases->first; lease; lease = lease->next) {
        lease->visited = true;
        pthread_mutex_unlock(&leases->lock);
        if (lease->tick)
            lease->tick(lease, now_ns);
        keep(leases, lease, now_ns);
        pthread_mutex_lock(&leases->lock);
        lease->visited = false;
        pthread_cond_broadcast(&leases->left);
    }
}

static void *ticker_thread(void *context)
{
    struct leases *leases = context;
    pthread_mutex_lock(&leases->lock);
    while (!leases->end) {
        struct timespec until;
        visit_all(leases);
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + LEASE_ROUND_NS;
        until.tv_sec += ns / UNITS_NS_PER_S;
        until.tv_nsec = ns % UNITS_NS_PER_S;
        while (!leases->end && pthread_cond_timedwait(&leases->left, &leases->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&leases->lock);
    return NULL;
}

int leases_new(void (*complain)(const struct lease *lease, const char *what, int error), struct leases **ret)
{
    struct leases *leases = calloc(1, sizeof *leases);
    pthread_condattr_t attributes;
    if (!leases)
        return -ENOMEM;
    leases->complain = complain;
    (void)pthread_mutex_init(&leases->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&leases->left, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int r = -pthread_create(&leases->ticker, NULL, ticker_thread, leases);
    if (r < 0) {
        free(leases);
        return r;
    }
    *ret = leases;
    return 0;
}

void leases_free(struct leases *leases)
{
    if (!leases)
        return;
    pthread_mutex_lock(&leases->lock);
    assert(!leases->first);
    leases->end = true;
    pthread_cond_broadcast(&leases->left);
    pthread_mutex_unlock(&leases->lock);
    pthread_join(leases->ticker, NULL);
    pthread_cond_destroy(&leases->left);
    pthread_mutex_destroy(&leases->lock);
    free(leases);
}

int leases_add(struct leases *leases, struct lease *lease)
{
    int r = 0;
    lease->acknowledged_ns = lease->renewed_ns = lease->advanced_ns = units_now_mono_ns();
    pthread_mutex_lock(&leases->lock);
    for (const struct lease *other = leases->first; other; other = other->next)
        if (!other->claim == !lease->claim && other->message.sequence == lease->message.sequence)
            r = -EALREADY;
    if (r == 0) {
        lease->next = leases->first;
        leases->first = lease;
    }
    pthread_mutex_unlock(&leases->lock);
    return r;
}

static bool has(struct leases *leases, bool request, uint64_t sequence)
{
    bool found = false;
    pthread_mutex_lock(&leases->lock);
    for (const struct lease *lease = leases->first; lease; lease = lease->next)
        found = found || ((lease->claim != NULL) == request && lease->message.sequence == sequence);
    pthread_mutex_unlock(&leases->lock);
    return found;
}

bool leases_has_request(struct leases *leases, uint64_t sequence) { return has(leases, true, sequence); }
bool leases_has_item(struct leases *leases, uint64_t sequence) { return has(leases, false, sequence); }

void leases_remove(struct leases *leases, struct lease *lease)
{
    pthread_mutex_lock(&leases->lock);
    while (lease->visited)
        pthread_cond_wait(&leases->left, &leases->lock);
    for (struct lease **place = &leases->first; *place; place = &(*place)->next)
        if (*place == lease) {
            *place = lease->next;
            break;
        }
    pthread_mutex_unlock(&leases->lock);
}

bool leases_cancel(struct leases *leases, const char *key)
{
    bool request = false;
    pthread_mutex_lock(&leases->lock);
    for (struct lease *lease = leases->first; lease; lease = lease->next)
        if (strcmp(lease->key, key) == 0) {
            atomic_store(&lease->cancelled, true);
            request = request || lease->claim;
        }
    pthread_mutex_unlock(&leases->lock);
    return request;
}
