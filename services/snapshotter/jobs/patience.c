#include "services/snapshotter/jobs/patience.h"
#include "units/units.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LOOK_ROUND_US (200 * 1000)
#define ASK_ROUND_US (500 * 1000)

bool patience_is_bus_failure(int r)
{
    return r == -ENOTCONN || r == -ETIMEDOUT || r == -EAGAIN;
}

static bool is_ending(struct job *job)
{
    return atomic_load(&job->service->stopping) || atomic_load(&job->cancelled) || (job->claim && claim_lost(job->claim));
}

bool patience_wait(struct job *job)
{
    int64_t until_ns = units_now_mono_ns() + PATIENCE_MAX_NS;
    while (!bus_connected(job->service->bus)) {
        if (is_ending(job) || units_now_mono_ns() > until_ns)
            return false;
        usleep(LOOK_ROUND_US);
    }
    return !is_ending(job);
}

/* A frozen server looks like a silent node; our own record tells them apart. */
static bool bus_was_away(struct job *job, int r, uint64_t generation)
{
    if (r == -ENOTCONN || bus_generation(job->service->bus) != generation)
        return true;
    return r == -ETIMEDOUT && patience_is_bus_failure(claim_renew(job->claim));
}

bool patience_ask_again(struct job *job, int r, uint64_t generation)
{
    if (r != -ENOTCONN && r != -ETIMEDOUT && r != -ENOENT)
        return false;
    if (bus_was_away(job, r, generation))
        return patience_wait(job);
    int64_t reconnected_ns = atomic_load(&job->service->reconnected_ns);
    if (r != -ENOENT || reconnected_ns == 0 || units_now_mono_ns() - reconnected_ns > PATIENCE_RETURN_NS || is_ending(job))
        return false;
    usleep(ASK_ROUND_US);
    return true;
}

enum job_verdict patience_judge(struct job *job, int r, const char *what)
{
    return job_fail(job, patience_is_bus_failure(r) ? JOB_AWAY : JOB_RETRY, "%s: %s", what, strerror(-r));
}
