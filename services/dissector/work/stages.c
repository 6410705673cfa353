#include "services/dissector/work/stages.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/digest.h"
#include "services/dissector/query/matcher.h"
#include "services/dissector/work/counts.h"
#include "services/dissector/work/engines.h"
#include "services/dissector/work/finalise.h"
#include "services/dissector/work/job.h"
#include "services/dissector/work/partition.h"
#include "services/dissector/work/work_files.h"

#define ADVANCE_EVERY 16384u            /* packets between two looks at whether to stop */

static int fail(char *error, int e, const char *what)
{
    if (!error[0] && e != -ECANCELED)
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%s: %s", what, strerror(-e));
    return e;
}

int stage_check(const struct stage_job *job, char *error)
{
    struct shard_options options;
    const struct output_driver *driver;
    struct query_error wrong = { 0 };
    error[0] = '\0';
    int r = job_shard_options(job->protocols, job->protocols_count, job->redact, &job->limits, job->where[0] ? NULL : job->fields, &options, error);
    if (r == 0)
        r = job_driver(job->format, &driver, error);
    if (r == 0 && job->where[0] && (r = query_check(NULL, job->where, &wrong)) < 0)
        snprintf(error, STAGE_ERROR_TEXT_MAX, "the expression is wrong at column %u: %s", wrong.column, wrong.text);
    return r;
}

/* As plan.h has it, of an input that none comes before. */
static uint32_t own_lane(const struct stage_job *job, const struct stage_input *input) { return input->segment_id[0] ? (uint32_t)(input - job->inputs) : 0; }

static uint32_t lane_of(const struct stage_job *job, const struct stage_input *input)
{
    while (input->previous < (uint32_t)(input - job->inputs))
        input = &job->inputs[input->previous];
    return own_lane(job, input);
}

static struct input input_of(const struct stage_job *job, const struct stage_input *from, uint32_t lane)
{
    return (struct input){ .path = from->path, .segment_id = from->segment_id, .node_name = from->node < job->nodes_count ? job->nodes[from->node] : "", .node = from->node, .previous = from->previous,
                           .lane = lane, .bytes = from->bytes, .from_ns = job->from_ns, .to_ns = job->to_ns, .first_ns = INT64_MIN, .last_ns = INT64_MAX };
}

int stage_map(const struct stage_job *job, uint32_t number, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    char name[WORK_NAME_MAX], path[WORK_PATH_MAX], hidden[WORK_PATH_MAX];
    error[0] = '\0';
    if (number >= job->inputs_count)
        return fail(error, -EINVAL, "there is no such input");
    const struct stage_input *from = &job->inputs[number];
    struct input input = input_of(job, from, lane_of(job, from));
    mem_auto_free struct stage_result *result = calloc(1, sizeof *result);
    struct partition_map_counts counts = { 0 };
    work_map_name(number, name);
    int r = result ? work_path(job, name, ".part", false, path) : -ENOMEM;
    if (r == 0)
        r = work_path(job, name, ".part", true, hidden);
    if (r == 0)
        r = partition_map(&input, number, job->leave_out, path, hidden, progress, &counts, result->problem, error);
    if (r < 0)
        return fail(error, r, "cannot read the input");
    counts_add_input(result, &counts.input);
    counts_add_decode(result, &counts.decode);
    counts_add_fragments(result, &counts.fragments);
    counts_add(result, "fragments_dropped", counts.left_dropped);
    r = work_save_names(job, name, &counts.names);
    input_names_free(&counts.names);
    if (r == 0)
        r = work_save_counts(job, name, result);
    if (r < 0)
        return fail(error, r, "cannot write what was counted");
    *ret = *result;
    return 0;
}

static void free_paths(char ***paths)
{
    for (char **p = *paths; p && *p; p++)
        free(*p);
    free(*paths);
}

static int open_partitions(const struct stage_job *job, uint32_t first, uint32_t count, struct partition_set **ret, char *error)
{
    char **paths __attribute__((cleanup(free_paths))) = calloc((size_t)job->inputs_count + 1, sizeof *paths);
    char name[WORK_NAME_MAX], path[WORK_PATH_MAX];
    uint32_t bad = 0;
    if (!paths)
        return -ENOMEM;
    for (uint32_t i = 0; i < job->inputs_count; i++) {
        work_map_name(i, name);
        int r = work_path(job, name, ".part", false, path);
        if (r < 0)
            return r;
        if (!(paths[i] = strdup(path)))
            return -ENOMEM;
    }
    int r = partition_set_open((const char *const *)paths, job->inputs_count, first, count, ret, &bad);
    if (r == -EBADMSG)
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%s is damaged", paths[bad]);
    return r;
}

static int reduce_all(struct partition_set *set, struct engines *engines, uint32_t first, uint32_t count, const struct stage_progress *progress)
{
    uint64_t done = 0, total = partition_set_rows(set);
    for (uint32_t shard = first; shard < first + count; shard++) {
        struct shard_packet packet;
        int r = partition_set_begin(set, shard);
        while (r == 0 && (r = partition_set_next(set, &packet)) == 1) {
            r = engines_packet(engines, &packet);
            if (++done % ADVANCE_EVERY == 0 && !stage_advance(progress, done, total))
                return -ECANCELED;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static void count_carried(const struct partition_set *set, struct stage_result *counts)
{
    uint64_t tcp, udp;
    partition_set_carried(set, &tcp, &udp);
    counts_add(counts, "tcp_packets", tcp);
    counts_add(counts, "udp_packets", udp);
}

static int save_run(const struct stage_job *job, uint32_t first, uint32_t count, struct run_writer *run, const struct stage_result *counts)
{
    char name[WORK_NAME_MAX], path[WORK_PATH_MAX], hidden[WORK_PATH_MAX];
    work_reduce_name(first, count, name);
    int r = work_path(job, name, ".run", false, path);
    if (r == 0)
        r = work_path(job, name, ".run", true, hidden);
    if (r == 0)
        r = work_save_counts(job, name, counts);
    return r < 0 ? r : run_writer_save(run, path, hidden);
}

int stage_reduce(const struct stage_job *job, uint32_t first, uint32_t count, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    struct shard_options options;
    struct partition_set *set = NULL;
    struct engines *engines = NULL;
    struct run_writer *run = NULL;
    error[0] = '\0';
    int r = job_shard_options(job->protocols, job->protocols_count, job->redact, &job->limits, job->where[0] ? NULL : job->fields, &options, error);
    if (r < 0)
        return r;
    mem_auto_free struct stage_result *counts = calloc(1, sizeof *counts);
    r = counts ? open_partitions(job, first, count, &set, error) : -ENOMEM;
    if (r == 0)
        r = engines_new(first, count, &options, NULL, job->work_folder, job->memory ? job->memory : RUN_MEMORY_DEFAULT, &engines);
    if (r == 0)
        r = reduce_all(set, engines, first, count, progress);
    if (r == 0)
        r = engines_finish(engines, &run, counts);
    if (r == 0) {
        count_carried(set, counts);
        r = save_run(job, first, count, run, counts);
    }
    run_writer_free(run);
    engines_free(engines);
    partition_set_free(set);
    if (r < 0)
        return fail(error, r, "cannot dissect the shards");
    *ret = *counts;
    return 0;
}

static int open_runs(const struct stage_job *job, struct run_reader **readers, uint32_t *ret_count, struct stage_result *counts, struct input_names *points, char *error)
{
    mem_auto_free char(*names)[WORK_NAME_MAX] = NULL;
    char path[WORK_PATH_MAX];
    uint32_t count = 0;
    int r = work_list_runs(job, &names, &count);
    if (r == -ENODATA)
        snprintf(error, STAGE_ERROR_TEXT_MAX, "the runs of the work folder are not all shards, each once");
    for (uint32_t i = 0; i < count && r == 0; i++) {
        r = work_add_counts(job, names[i], counts);
        if (r == 0)
            r = work_path(job, names[i], ".run", false, path);
        if (r == 0)
            r = run_open(path, &readers[i]);
        if (r == -EBADMSG)
            snprintf(error, STAGE_ERROR_TEXT_MAX, "%s.run is damaged", names[i]);
        *ret_count = i + (r == 0);
    }
    for (uint32_t i = 0; i < job->inputs_count && r == 0; i++) {
        char name[WORK_NAME_MAX];
        work_map_name(i, name);
        r = work_add_counts(job, name, counts);
        if (r == 0)
            r = work_add_names(job, name, points);
    }
    return r;
}

int stage_finalise(const struct stage_job *job, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    struct run_reader *readers[STAGE_SHARDS];
    uint32_t count = 0;
    const struct output_driver *driver;
    struct shard_options shard;
    struct input_names names __attribute__((cleanup(input_names_free))) = { 0 };
    error[0] = '\0';
    mem_auto_free struct stage_result *counts = calloc(1, sizeof *counts);
    mem_auto_free struct input *inputs = calloc((size_t)job->inputs_count + 1, sizeof *inputs);
    int r = counts && inputs ? job_driver(job->format, &driver, error) : -ENOMEM;
    if (r == 0)
        r = job_shard_options(job->protocols, job->protocols_count, job->redact, &job->limits, job->where[0] ? NULL : job->fields, &shard, error);
    if (r == 0)
        r = open_runs(job, readers, &count, counts, &names, error);
    if (r < 0) {
        while (count > 0)
            run_close(readers[--count]);
        return fail(error, r, "cannot read the runs");
    }
    for (uint32_t i = 0; i < job->inputs_count; i++)
        inputs[i] = input_of(job, &job->inputs[i], job->inputs[i].previous < i ? inputs[job->inputs[i].previous].lane : own_lane(job, &job->inputs[i]));
    const struct input_plan plan = { .inputs = inputs, .count = job->inputs_count, .from_ns = job->from_ns, .to_ns = job->to_ns };
    const struct fill_options fill = { .plan = &plan, .shard = &shard, .work_folder = job->work_folder, .memory = job->memory };
    struct finalise_options options = { .driver = driver, .path = job->output_path, .where = job->where, .nodes = job->nodes, .nodes_count = job->nodes_count, .inputs = job->inputs, .inputs_count = job->inputs_count,
                                        .fields = job->fields, .entries_max = job->limits.entries, .fill = &fill, .names = &names, .counters = counts->counters, .counters_count = counts->counters_count };
    r = finalise_runs(readers, count, &options, progress, counts, error);
    if (r == 0 && driver == &output_sqlite)
        r = database_all_digest(job->output_path, counts->digest, error);
    if (r == 0)
        *ret = *counts;
    return r;
}
