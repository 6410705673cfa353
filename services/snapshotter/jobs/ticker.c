#include "services/snapshotter/jobs/ticker.h"
#include "log/log.h"
#include "services/snapshotter/jobs/events.h"
#include "services/snapshotter/jobs/job.h"
#include "services/snapshotter/jobs/worker.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void tell_progress(struct job *job, int64_t now_ns, uint64_t advance)
{
    int64_t pause_ns = atomic_load(&job->stage) == JOB_WAITING ? WORKER_WAITING_NS : WORKER_PROGRESS_NS;
    if (advance == job->told_advance || (job->told_ns != 0 && now_ns - job->told_ns < pause_ns))
        return;
    Tapeloop__V1__SnapshotProgress progress = TAPELOOP__V1__SNAPSHOT_PROGRESS__INIT;
    progress.name = job->name;
    progress.stage = (char *)(uintptr_t)job_stage_text((enum job_stage)atomic_load(&job->stage));
    progress.bytes_done = atomic_load(&job->bytes_done);
    progress.bytes_total = atomic_load(&job->bytes_total);
    if (progress.bytes_total < progress.bytes_done)
        progress.bytes_total = progress.bytes_done; /* the total was an estimate */
    progress.segments_done = atomic_load(&job->segments_done);
    progress.segments_total = atomic_load(&job->segments_total);
    progress.nodes_done = atomic_load(&job->nodes_done);
    progress.nodes_total = atomic_load(&job->nodes_total);
    (void)event_publish_progress(job->service, &progress, job->message.sequence); /* live only: nobody waits for it */
    job->told_advance = advance;
    job->told_ns = now_ns;
}

static void keep_lease(struct job *job, int64_t now_ns, uint64_t advance)
{
    if (advance == job->acknowledged_advance || now_ns - job->acknowledged_ns < WORKER_ACK_NS)
        return;
    int r = bus_job_working(&job->message);
    job->acknowledged_ns = now_ns;
    job->acknowledged_advance = advance;
    if (r < 0)
        log_warning("cannot tell the queue that the work goes on", "snapshot=%s error=%s", log_quote(job->name), log_quote(strerror(-r)));
    if (now_ns - job->renewed_ns < WORKER_RENEW_NS)
        return;
    r = claim_renew(job->claim);
    job->renewed_ns = now_ns;
    if (r == -ESTALE)
        log_warning("another snapshotter took the request over", "snapshot=%s", log_quote(job->name));
    else if (r < 0)
        log_warning("cannot renew the claim", "snapshot=%s error=%s", log_quote(job->name), log_quote(strerror(-r)));
}

void ticker_round(struct service *service)
{
    struct job *all[JOBS_MAX];
    size_t count = jobs_list(service->jobs, all);
    int64_t now_ns = units_now_mono_ns();
    for (size_t i = 0; i < count; i++) {
        struct job *job = all[i];
        if (atomic_load(&job->stage) == JOB_WAITING)
            job_advance(job); /* waiting for the window's end is the work */
        uint64_t advance = atomic_load(&job->advance);
        tell_progress(job, now_ns, advance);
        keep_lease(job, now_ns, advance);
        job_release(job);
    }
}
