#include "services/snapshotter/jobs/job.h"
#include "units/units.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct jobs { pthread_mutex_t lock; struct job *all[JOBS_MAX]; bool parked[JOBS_MAX]; size_t parked_count; };

struct job *job_new(struct service *service, struct bus_job *message)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->service = service;
    job->message = *message;
    memset(message, 0, sizeof *message);
    atomic_init(&job->references, 1);
    job->acknowledged_ns = job->renewed_ns = units_now_mono_ns();
    return job;
}

void job_release(struct job *job)
{
    if (!job || atomic_fetch_sub(&job->references, 1) > 1)
        return;
    claim_free(job->claim);
    wire_free(job->request);
    wire_free(job->event);
    bus_job_free(&job->message);
    free(job);
}

const char *job_stage_text(enum job_stage stage)
{
    static const char *const texts[] = { [JOB_WAITING] = "waiting", [JOB_PINNING] = "pinning", [JOB_PULLING] = "pulling", [JOB_PUBLISHING] = "publishing" };
    assert((size_t)stage < sizeof texts / sizeof *texts);
    return texts[stage];
}

void job_set_stage(struct job *job, enum job_stage stage)
{
    atomic_store(&job->stage, (int)stage);
    job_advance(job);
}

enum job_verdict job_fail(struct job *job, enum job_verdict verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(job->reason, sizeof job->reason, format, arguments);
    va_end(arguments);
    return verdict;
}

enum job_verdict job_interrupted(struct job *job)
{
    if (atomic_load(&job->cancelled) || claim_cancelled(job->claim))
        return job_fail(job, JOB_FAILED, "cancelled: somebody asked for it with snapshot.cancel");
    if (atomic_load(&job->service->stopping))
        return job_fail(job, JOB_STOPPED, "the snapshotter was stopped");
    if (claim_lost(job->claim))
        return job_fail(job, JOB_LOST, "another snapshotter took it over");
    return JOB_READY;
}

int jobs_new(struct jobs **ret)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return -ENOMEM;
    pthread_mutex_init(&jobs->lock, NULL);
    *ret = jobs;
    return 0;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    for (size_t i = 0; i < JOBS_MAX; i++)
        assert(!jobs->all[i]);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

int jobs_add(struct jobs *jobs, struct job *job)
{
    int r = -ENOBUFS;
    size_t room = JOBS_MAX;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (!jobs->all[i])
            room = room == JOBS_MAX ? i : room;
        else if (jobs->all[i]->message.sequence == job->message.sequence)
            r = -EALREADY;
    }
    if (r != -EALREADY && room < JOBS_MAX) {
        jobs->all[room] = job;
        job->in_table = true;
        r = 0;
    }
    pthread_mutex_unlock(&jobs->lock);
    return r;
}

void jobs_drop(struct jobs *jobs, struct job *job)
{
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs->all[i] == job) {
            assert(!jobs->parked[i]);
            jobs->all[i] = NULL;
            job->in_table = false;
        }
    pthread_mutex_unlock(&jobs->lock);
}

bool jobs_has(struct jobs *jobs, uint64_t sequence)
{
    bool has = false;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++)
        has = has || (jobs->all[i] && jobs->all[i]->message.sequence == sequence);
    pthread_mutex_unlock(&jobs->lock);
    return has;
}

int jobs_park(struct jobs *jobs, struct job *job)
{
    int r = -ENOBUFS;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX && jobs->parked_count < JOBS_PARKED_MAX; i++)
        if (jobs->all[i] == job) {
            jobs->parked[i] = true;
            jobs->parked_count++;
            r = 0;
            break;
        }
    pthread_mutex_unlock(&jobs->lock);
    return r;
}

struct job *jobs_take_due(struct jobs *jobs, int64_t now_ns, bool stopping)
{
    struct job *due = NULL;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX && !due; i++) {
        if (!jobs->parked[i])
            continue;
        struct job *job = jobs->all[i];
        if (stopping || job->window.to_ns <= now_ns || atomic_load(&job->cancelled) || claim_cancelled(job->claim) || claim_lost(job->claim)) {
            jobs->parked[i] = false;
            jobs->parked_count--;
            due = job;
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return due;
}

int jobs_cancel(struct jobs *jobs, const char *name)
{
    int r = -ENOENT;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs->all[i] && strcmp(jobs->all[i]->name, name) == 0) {
            atomic_store(&jobs->all[i]->cancelled, true);
            r = 0;
        }
    pthread_mutex_unlock(&jobs->lock);
    return r;
}

size_t jobs_list(struct jobs *jobs, struct job *ret[static JOBS_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs->all[i]) {
            atomic_fetch_add(&jobs->all[i]->references, 1);
            ret[count++] = jobs->all[i];
        }
    pthread_mutex_unlock(&jobs->lock);
    return count;
}
