#include "services/dissector/work/direct.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/work/collect.h"
#include "services/dissector/work/counts.h"
#include "services/dissector/work/job.h"

#define READING 500u                    /* thousandths of the way until everything is read; the rest is its output's */
#define MAPPED_MAX 32768u               /* files that all workers together map at once, where nobody knows which comes first: half of the mappings that Linux allows a process */

static int fail(char *error, int e, const char *what)
{
    if (!error[0])
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%s: %s", what, strerror(-e));
    return e;
}

/* One of those that read; `counts` are its own. */
struct share {
    struct collect_options options;
    struct crowd_member member;
    struct run_writer *run;
    struct stage_result *counts;
    struct input_names *names;
    pthread_t thread;
    bool started;
    int result;
};

static void *run_share(void *context)
{
    struct share *s = context;
    s->result = collect_inputs(&s->options, &s->member, &s->run, s->counts, s->names);
    if (s->result < 0)
        crowd_stop(s->member.crowd);
    else
        (void)crowd_share_done(&s->member);
    return NULL;
}

static int make_shares(struct share *shares, uint32_t count, const struct direct_options *o, const struct shard_options *shard, struct finaliser *stream, struct crowd *crowd, bool *told, struct input_names *names)
{
    if (!told)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = STAGE_SHARDS * i / count;
        shares[i] = (struct share){ .options = { .direct = o, .shard = shard, .first_shard = first, .shards = STAGE_SHARDS * (i + 1) / count - first, .stream = stream, .tells = i == 0, .told = told,
                                                 .memory = (o->memory ? o->memory : RUN_MEMORY_DEFAULT) / count }, .names = names };
        crowd_join(crowd, &shares[i].member);
        if (!(shares[i].counts = calloc(1, sizeof *shares[i].counts)))
            return -ENOMEM;
    }
    return 0;
}

/* The first share is this thread's, and those for which there is no thread to be had. */
static void run_shares(struct share *shares, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        shares[i].started = pthread_create(&shares[i].thread, NULL, run_share, &shares[i]) == 0;
    for (uint32_t i = 0; i < count; i++)
        if (!shares[i].started)
            (void)run_share(&shares[i]);
    for (uint32_t i = 1; i < count; i++)
        if (shares[i].started)
            pthread_join(shares[i].thread, NULL);
}

/* What went wrong first: those that were told to stop because of it only say that they were. */
static int result_of(const struct share *shares, uint32_t count)
{
    int r = 0;
    for (uint32_t i = 0; i < count; i++)
        if (shares[i].result < 0 && (r == 0 || r == -ECANCELED))
            r = shares[i].result;
    return r;
}

/* Inputs into sorted runs, a reader for each share, or into the stream. */
static int read_inputs(const struct direct_options *o, uint32_t workers, const struct shard_options *shard, struct finaliser *stream, const struct stage_progress *progress, struct run_reader **readers,
                       struct stage_result *counts, struct input_names *names)
{
    struct share shares[DIRECT_WORKERS_MAX] = { 0 };
    struct progress_part reading;
    struct crowd crowd;
    mem_auto_free bool *told = calloc(o->plan->count + 1, sizeof *told);
    progress_part_make(progress, 0, READING, &reading);
    crowd_make(&reading.progress, workers, &crowd);
    int r = make_shares(shares, workers, o, shard, stream, &crowd, told, names);
    if (r == 0) {
        run_shares(shares, workers);
        r = result_of(shares, workers);
    }
    for (uint32_t i = 0; i < workers; i++) {
        if (r == 0)
            counts_add_all(counts, shares[i].counts);
        if (r == 0 && !stream) {
            r = run_writer_read(shares[i].run, &readers[i]);
            shares[i].run = NULL;
        }
        run_writer_free(shares[i].run);
        free(shares[i].counts);
    }
    return r;
}

static uint32_t workers_for(const struct direct_options *o)
{
    if (o->workers <= 1 || o->stream || !input_plan_is_files(o->plan))
        return 1;
    uint32_t workers = o->workers < DIRECT_WORKERS_MAX ? o->workers : DIRECT_WORKERS_MAX;
    while (workers > 1 && o->plan->count > MAPPED_MAX / workers)
        workers--;
    return workers;
}

int direct_run(const struct direct_options *o, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    struct shard_options shard_options;
    const struct output_driver *driver;
    error[0] = '\0';
    int r = job_shard_options(o->protocols, o->protocols_count, o->redact, &o->limits, o->where && o->where[0] ? NULL : o->fields, &shard_options, error);
    if (r == 0)
        r = job_driver(o->format, &driver, error);
    if (r < 0)
        return r;
    mem_auto_free struct stage_result *counts = calloc(1, sizeof *counts);
    mem_auto_free struct stage_input *inputs = calloc(o->plan->count ? o->plan->count : 1, sizeof *inputs);
    if (!counts || !inputs)
        return fail(error, -ENOMEM, "cannot begin");
    for (uint32_t i = 0; i < o->plan->count; i++)
        inputs[i] = (struct stage_input){ .path = o->plan->inputs[i].path, .segment_id = o->plan->inputs[i].segment_id };
    struct input_names names __attribute__((cleanup(input_names_free))) = { 0 };
    struct fill_options fill = { .plan = o->plan, .shard = &shard_options, .work_folder = o->work_folder, .memory = o->memory };
    struct finalise_options finalise = { .driver = driver, .path = o->output_path, .where = o->where, .nodes = o->plan->nodes, .nodes_count = o->plan->nodes_count, .inputs = inputs, .inputs_count = o->plan->count,
                                         .fields = o->fields, .entries_max = o->limits.entries, .fill = &fill, .names = &names };
    struct finaliser *stream = NULL;
    struct run_reader *readers[DIRECT_WORKERS_MAX] = { 0 };
    uint32_t workers = workers_for(o);
    r = o->stream ? finalise_stream_new(&finalise, error, &stream) : 0;
    if (r == 0)
        r = read_inputs(o, workers, &shard_options, stream, progress, readers, counts, &names);
    finalise.counters = counts->counters;
    finalise.counters_count = counts->counters_count;
    if (stream)
        r = finalise_stream_end(stream, r, counts);
    for (uint32_t i = 0; i < workers && r < 0; i++)
        run_close(readers[i]);
    if (r < 0)
        return r == -ECANCELED ? r : fail(error, r, "cannot dissect the input");
    struct progress_part writing;
    progress_part_make(progress, READING, 1000, &writing);
    if (!stream)
        r = finalise_runs(readers, workers, &finalise, &writing.progress, counts, error);
    if (r == 0)
        *ret = *counts;
    return r;
}
