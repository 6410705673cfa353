#include "services/snapshotter/jobs/trouble.h"
#include "services/snapshotter/jobs/pin.h"
#include "units/units.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define ROUND_MS 200

bool trouble_should_stop(const struct job *job)
{
    return atomic_load(&job->cancelled) || atomic_load(&job->service->stopping) || claim_cancelled(job->claim) || claim_lost(job->claim);
}

static int pause_rounds(const struct job *job, unsigned rounds)
{
    for (unsigned i = 0; i < rounds && !trouble_should_stop(job); i++)
        usleep(ROUND_MS * 1000);
    return trouble_should_stop(job) ? -ECANCELED : 0;
}

/* The node does not answer either: it may be on its way back. */
static int await_node(struct trouble *trouble, struct job *job, struct plan_segment *segment, const char *error)
{
    int64_t now_ns = units_now_mono_ns();
    if (trouble->silent_since_ns == 0)
        trouble->silent_since_ns = now_ns;
    if (atomic_load(&segment->node->given_up) || now_ns - trouble->silent_since_ns > TROUBLE_SILENCE_NS) {
        atomic_store(&segment->node->given_up, true); /* its other segments need not wait as long */
        snprintf(segment->problem, sizeof segment->problem, "the node stopped answering: %.180s", error);
        return -EHOSTUNREACH;
    }
    job_advance(job); /* the wait is bounded: it is work */
    return pause_rounds(job, 5);
}

int trouble_judge(struct trouble *trouble, struct job_plan *plan, struct job *job, struct plan_segment *segment, int failure, const char *error)
{
    if (trouble_should_stop(job))
        return -ECANCELED;
    int r = pin_again(plan, job, segment);
    if (r == -ENOENT) {
        snprintf(segment->problem, sizeof segment->problem, "the node holds it no longer");
        return r;
    }
    if (r < 0)
        return await_node(trouble, job, segment, error);
    trouble->silent_since_ns = 0;
    atomic_store(&segment->node->given_up, false);
    if (failure == -EACCES && ++trouble->tokens <= TROUBLE_TOKENS_MAX)
        return 0;
    if (++trouble->tries < TROUBLE_TRIES_MAX)
        return pause_rounds(job, 1u << (trouble->tries - 1));
    if (failure == -ENOENT)
        snprintf(segment->problem, sizeof segment->problem, "the node does not have it any more");
    else if (failure == -EACCES)
        snprintf(segment->problem, sizeof segment->problem, "the node refuses to hand it out");
    else
        snprintf(segment->problem, sizeof segment->problem, "it could not be fetched in %d tries: %.150s", TROUBLE_TRIES_MAX, error);
    return failure;
}
