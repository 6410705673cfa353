#include "services/snapshotter/jobs/make.h"
#include "services/snapshotter/jobs/manifest.h"
#include "services/snapshotter/jobs/patience.h"
#include "services/snapshotter/jobs/pin.h"
#include "services/snapshotter/jobs/plan.h"
#include "services/snapshotter/jobs/pull.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ROOM_SPARE_BYTES (1024u * 1024) /* folders, manifest, the file system's own */

/* What lies in the store under this name already: of this very request, or of another one. */
static enum job_verdict adopt_published(struct job *job)
{
    const struct store *store = job->service->store;
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    char sha256[DIGEST_TEXT_MAX], error[MANIFEST_ERROR_TEXT_MAX];
    int r = manifest_read(store, job->name, &manifest, sha256, error);
    if (r < 0)
        return job_fail(job, JOB_FAILED, "the store has a damaged snapshot of this name (%s): delete it first, or choose another name", error);
    struct request_window window = { 0 };
    char digest[REQUEST_DIGEST_TEXT_MAX] = "";
    if (manifest->request && units_parse_time(manifest->from, &window.from_ns) == 0 && units_parse_time(manifest->to, &window.to_ns) == 0)
        request_digest(manifest->request, &window, digest);
    if (strcmp(digest, job->digest) != 0)
        return job_fail(job, JOB_FAILED, "name is taken by a snapshot of %s to %s; choose another name or delete it first", manifest->from, manifest->to);
    job->event = manifest_event(manifest, sha256, store, claim_attempt(job->claim));
    return job->event ? JOB_READY : job_fail(job, JOB_RETRY, "out of memory");
}

static bool is_published(const struct job *job)
{
    char folder[STORE_LOCATION_MAX];
    return job->service->store->driver->folder(job->service->store->state, job->name, folder) == 0;
}

static enum job_verdict store_judge(struct job *job, int r)
{
    const char *location = job->service->store->location;
    if (r == -EROFS)
        return job_fail(job, JOB_FAILED, "the store %.300s is read-only: mount it writable, then ask again", location);
    if (r == -EACCES || r == -EPERM)
        return job_fail(job, JOB_FAILED, "the store %.300s may not be written by the snapshotter's user: give it the right, then ask again", location);
    if (r == -ENOSPC || r == -EDQUOT)
        return job_fail(job, JOB_FAILED, "the store %.300s is full: delete snapshots or give it more room, then ask again", location);
    return job_fail(job, JOB_RETRY, "cannot work in the store %.300s: %s", location, strerror(-r));
}

static enum job_verdict check_room(struct job *job, const struct job_plan *plan)
{
    const struct store *store = job->service->store;
    uint64_t room = 0, needed = plan->bytes_bound + ROOM_SPARE_BYTES;
    int r = store->driver->room(store->state, &room);
    if (r < 0)
        return store_judge(job, r);
    if (needed <= room)
        return JOB_READY;
    char need_text[UNITS_SIZE_TEXT_MAX], room_text[UNITS_SIZE_TEXT_MAX];
    return job_fail(job, JOB_FAILED, "the store %.300s is full: the snapshot needs about %s and %s are free, %" PRIu64 " bytes are missing; delete snapshots or give it more room, then ask again",
                    store->location, units_format_size(needed, need_text, sizeof need_text), units_format_size(room, room_text, sizeof room_text), needed - room);
}

/* The claim must still be ours at the moment of publishing. */
static enum job_verdict publish(struct job *job, struct job_plan *plan, struct store_work *work)
{
    const struct store *store = job->service->store;
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    char sha256[DIGEST_TEXT_MAX];
    job_set_stage(job, JOB_PUBLISHING);
    enum job_verdict verdict = manifest_make(plan, job, &manifest);
    if (verdict != JOB_READY)
        return verdict;
    int r = manifest_write(manifest, store, work, sha256);
    if (r < 0)
        return store_judge(job, r);
    job->event = manifest_event(manifest, sha256, store, claim_attempt(job->claim));
    if (!job->event)
        return job_fail(job, JOB_RETRY, "out of memory");
    do
        r = claim_renew(job->claim);
    while (patience_is_bus_failure(r) && patience_wait(job));
    if (r == -ESTALE)
        return job_fail(job, JOB_LOST, "another snapshotter took it over");
    if (r < 0)
        return patience_judge(job, r, "cannot confirm the claim before publishing");
    verdict = job_interrupted(job);
    if (verdict != JOB_READY)
        return verdict;
    r = store->driver->publish(work);
    if (r == -EEXIST) {
        wire_free(job->event);
        job->event = NULL;
        return adopt_published(job);
    }
    return r < 0 ? store_judge(job, r) : JOB_READY;
}

static enum job_verdict pull_and_publish(struct job *job, struct job_plan *plan)
{
    const struct store *store = job->service->store;
    struct store_work *work = NULL;
    enum job_verdict verdict = check_room(job, plan);
    if (verdict != JOB_READY)
        return verdict;
    int r = store->driver->begin(store->state, job->name, job->message.sequence, &work);
    if (r < 0)
        return store_judge(job, r);
    do { /* a window of more than half a tape is held, pulled and let go part by part */
        verdict = pull_all(plan, job, work);
    } while (verdict == JOB_READY && pin_more(plan, job));
    if (verdict == JOB_READY)
        verdict = publish(job, plan, work);
    store->driver->free(work);
    return verdict;
}

enum job_verdict make_snapshot(struct job *job)
{
    struct job_plan *plan = NULL;
    if (is_published(job))
        return adopt_published(job);
    if (job_plan_new(&plan) < 0)
        return job_fail(job, JOB_RETRY, "out of memory");
    job_set_stage(job, JOB_PINNING);
    enum job_verdict verdict = job_plan_expect(plan, job);
    if (verdict == JOB_READY) {
        verdict = pin_all(plan, job);
        if (verdict == JOB_READY)
            verdict = pull_and_publish(job, plan);
        pin_release_all(plan, job);
    }
    job_plan_free(plan);
    return verdict;
}
