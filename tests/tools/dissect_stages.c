/* The stages of a dissection as the work queue deals them out, by N threads of this process: usage: dissect_stages WORKERS FOLDER FILE...
 * Each is timed, with HTTP alone, into a database in the folder that is removed; prints a line each: map+reduce SECONDS ITEMS, finalise SECONDS ENTRIES.
 * Or dissect_stages --ndjson OUTPUT WORKERS FOLDER FILE...: all protocols, and what comes out stays; nothing is printed. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/dissector/input/plan.h"
#include "services/dissector/work/stages.h"
#include "units/units.h"

#define WORKERS_MAX 64
#define GROUPS 32u
enum { MAP, REDUCE };
static struct stage_job job;
static int stage;
static uint32_t items;
static _Atomic uint32_t next;

static void *work(void *context)
{
    char error[STAGE_ERROR_TEXT_MAX] = "";
    struct stage_result *result = calloc(1, sizeof *result);
    struct stage_job mine = job;
    mine.writer = context;
    if (!result)
        exit(1);
    for (uint32_t item; (item = atomic_fetch_add(&next, 1)) < items;) {
        int r = stage == MAP ? stage_map(&mine, item, NULL, result, error) : stage_reduce(&mine, item * (STAGE_SHARDS / GROUPS), STAGE_SHARDS / GROUPS, NULL, result, error);
        if (r < 0) {
            fprintf(stderr, "dissect_stages: %s\n", error);
            exit(1);
        }
    }
    free(result);
    return NULL;
}

static void run(int which, uint32_t count, unsigned workers)
{
    static char names[WORKERS_MAX][16];
    pthread_t threads[WORKERS_MAX];
    stage = which;
    items = count;
    atomic_store(&next, 0);
    for (unsigned i = 0; i < workers; i++) {
        snprintf(names[i], sizeof names[i], "%u", i);
        if (pthread_create(&threads[i], NULL, work, names[i]) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
}

static double seconds_since(int64_t begun_ns) { return (double)(units_now_mono_ns() - begun_ns) / 1e9; }

int main(int argc, char **argv)
{
    static const char *const protocols[] = { "HTTP" };
    char error[STAGE_ERROR_TEXT_MAX] = "", folder[4096], output[4200], command[4300];
    const char *lines = argc > 3 && strcmp(argv[1], "--ndjson") == 0 ? argv[2] : NULL;
    argc -= lines ? 2 : 0;
    argv += lines ? 2 : 0;
    unsigned workers = argc > 3 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    struct input_plan *plan = NULL;
    static struct stage_result result;
    if (workers < 1 || workers > WORKERS_MAX) {
        fprintf(stderr, "dissect_stages: usage: dissect_stages [--ndjson OUTPUT] WORKERS FOLDER FILE...\n");
        return 2;
    }
    snprintf(folder, sizeof folder, "%s/stages.XXXXXX", argv[2]);
    if (!mkdtemp(folder) || input_plan_new((const char *const *)argv + 3, (size_t)argc - 3, &plan, error) < 0) {
        fprintf(stderr, "dissect_stages: %s\n", error[0] ? error : strerror(errno));
        return 1;
    }
    snprintf(output, sizeof output, "%s/out.sqlite", folder);
    struct stage_input *inputs = calloc(plan->count, sizeof *inputs);
    if (!inputs)
        return 1;
    for (uint32_t i = 0; i < plan->count; i++)
        inputs[i] = (struct stage_input){ .path = plan->inputs[i].path, .segment_id = plan->inputs[i].segment_id, .node = plan->inputs[i].node, .previous = plan->inputs[i].previous };
    job = (struct stage_job){ .snapshot_folder = "", .work_folder = folder, .output_path = lines ? lines : output, .writer = "f", .format = lines ? "ndjson" : "sqlite", .inputs = inputs, .inputs_count = plan->count, .nodes = plan->nodes,
                              .nodes_count = plan->nodes_count, .protocols = protocols, .protocols_count = lines ? 0 : 1, .where = "", .redact = REDACT_ON };
    int64_t begun = units_now_mono_ns();
    run(MAP, plan->count, workers);
    run(REDUCE, GROUPS, workers);
    if (!lines)
        printf("map+reduce %.3f %u\n", seconds_since(begun), plan->count + GROUPS);
    begun = units_now_mono_ns();
    int r = stage_finalise(&job, NULL, &result, error);
    if (!lines)
        printf("finalise %.3f %lu\n", seconds_since(begun), (unsigned long)result.entries);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (r < 0 || system(command) != 0) {
        fprintf(stderr, "dissect_stages: %s\n", error);
        return 1;
    }
    input_plan_free(plan);
    free(inputs);
    return 0;
}
