#include "services/snapshotter/jobs/pull.h"
#include "capfile/lz4frame.h"
#include "http/client.h"
#include "mem/cleanup.h"
#include "services/snapshotter/jobs/pin.h"
#include "services/snapshotter/jobs/segment_pull.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_ROUND_MS 200   /* how soon a cancel or the end of the last pull is seen */

struct crew {
    struct job_plan *plan;
    struct job *job;
    struct store_work *work;
    atomic_size_t next, ended;
    atomic_int failure;         /* the first that concerns all: the store, memory, the end of the job */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void segment_done(struct crew *crew, struct plan_segment *segment)
{
    struct job *job = crew->job;
    atomic_store(&segment->done, true);
    pin_release(job, segment);
    atomic_fetch_add(&job->segments_done, 1);
    if (atomic_fetch_sub(&segment->node->segments_left, 1) == 1)
        atomic_fetch_add(&job->nodes_done, 1);
    job_advance(job);
}

static int pull_some(struct crew *crew, struct segment_puller *puller)
{
    while (atomic_load(&crew->failure) == 0) {
        size_t i = atomic_fetch_add(&crew->next, 1);
        if (i >= crew->plan->segments_count)
            return 0;
        if (atomic_load(&crew->plan->segments[i]->done))
            continue; /* in an earlier round */
        int r = segment_pull(puller, crew->plan->segments[i]);
        if (r < 0)
            return r;
        segment_done(crew, crew->plan->segments[i]);
    }
    return 0;
}

static void *pull_thread(void *context)
{
    struct crew *crew = context;
    struct segment_puller puller = { .plan = crew->plan, .job = crew->job, .work = crew->work };
    int none = 0, r = http_client_new(&puller.client);
    puller.buffer = malloc(LZ4FRAME_BLOCK_BYTES_MAX);
    if (r == 0 && !puller.buffer)
        r = -ENOMEM;
    if (r == 0)
        r = pull_some(crew, &puller);
    if (r < 0)
        (void)atomic_compare_exchange_strong(&crew->failure, &none, r);
    http_client_free(puller.client);
    free(puller.buffer);
    pthread_mutex_lock(&crew->lock);
    atomic_fetch_add(&crew->ended, 1);
    pthread_cond_signal(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Keeps the leases alive until all pulls have ended. */
static void attend(struct crew *crew, size_t threads)
{
    int64_t renewed_ns = units_now_mono_ns();
    pthread_mutex_lock(&crew->lock);
    while (atomic_load(&crew->ended) < threads) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_ROUND_MS * UNITS_NS_PER_MS;
        until.tv_sec += until.tv_nsec / UNITS_NS_PER_S;
        until.tv_nsec %= UNITS_NS_PER_S;
        pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
        if (units_now_mono_ns() - renewed_ns < PIN_RENEW_NS)
            continue;
        pthread_mutex_unlock(&crew->lock);
        pin_renew(crew->plan, crew->job);
        renewed_ns = units_now_mono_ns();
        pthread_mutex_lock(&crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
}

static enum job_verdict judge_failure(struct crew *crew, int failure)
{
    struct job *job = crew->job;
    const char *location = job->service->store->location;
    uint64_t total = atomic_load(&job->bytes_total), done = atomic_load(&job->bytes_done);
    if (failure == -ENOSPC || failure == -EDQUOT)
        return job_fail(job, JOB_FAILED, "the store %.300s is full: about %" PRIu64 " bytes are missing; delete snapshots or give it more room, then ask again", location,
                        total > done ? total - done : 1);
    if (failure == -EROFS)
        return job_fail(job, JOB_FAILED, "the store %.300s is read-only: mount it writable, then ask again", location);
    return job_fail(job, JOB_RETRY, "cannot write into the store %.300s: %s", location, strerror(-failure));
}

enum job_verdict pull_all(struct job_plan *plan, struct job *job, struct store_work *work)
{
    struct crew crew = { .plan = plan, .job = job, .work = work, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    pthread_t threads[SNAPSHOTTER_PULLS_MAX];
    size_t count = 0;
    atomic_store(&job->segments_total, plan->segments_count);
    atomic_store(&job->bytes_total, plan->bytes_bound);
    unsigned nodes_done = 0;
    for (size_t i = 0; i < plan->nodes_count; i++)
        nodes_done += atomic_load(&plan->nodes[i].segments_left) == 0;
    atomic_store(&job->nodes_done, nodes_done);
    job_set_stage(job, JOB_PULLING);
    while (count < job->service->options.pulls && count < plan->segments_count && pthread_create(&threads[count], NULL, pull_thread, &crew) == 0)
        count++;
    if (count == 0 && plan->segments_count > 0)
        pull_thread(&crew);
    attend(&crew, count);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    enum job_verdict verdict = job_interrupted(job);
    if (verdict != JOB_READY)
        return verdict;
    int failure = atomic_load(&crew.failure);
    return failure < 0 ? judge_failure(&crew, failure) : JOB_READY;
}
