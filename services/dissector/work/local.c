#include "services/dissector/work/local.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mem/cleanup.h"
#include "services/dissector/work/progress.h"
#include "services/dissector/work/run.h"

#define LOCAL_WORKERS_MAX 64u
#define GROUPS_OF_A_WORKER 4u           /* shards differ in weight: several groups for each worker even that out */

#define MAPPED 300u                     /* thousandths of the way until all is mapped, ... */
#define REDUCED 600u                    /* ... and reduced */

enum local_stage { LOCAL_MAP, LOCAL_REDUCE };
struct local {
    const struct direct_options *options;
    struct stage_job job;
    enum local_stage stage;
    uint32_t items, shards_of_group;
    _Atomic uint32_t next;
    atomic_int failed;
    struct crowd crowd;                 /* its lock is that of error and problems, too: they come from several threads */
    char *error;
};
struct worker { struct local *local; struct crowd_member member; uint32_t number; pthread_t thread; };

static int run_item(struct local *l, struct worker *w, uint32_t item, struct stage_result *result, char *error)
{
    struct stage_job job = l->job;
    char writer[16];
    snprintf(writer, sizeof writer, "%u", w->number);
    job.writer = writer;
    if (l->stage == LOCAL_MAP)
        return stage_map(&job, item, &w->member.progress, result, error);
    return stage_reduce(&job, item * l->shards_of_group, l->shards_of_group, &w->member.progress, result, error);
}

static void one_item(struct local *l, struct worker *w, uint32_t item)
{
    char error[STAGE_ERROR_TEXT_MAX] = "";
    mem_auto_free struct stage_result *result = calloc(1, sizeof *result);
    int r = result ? run_item(l, w, item, result, error) : -ENOMEM, none = 0;
    pthread_mutex_lock(&l->crowd.lock);
    if (r < 0 && atomic_compare_exchange_strong(&l->failed, &none, r))
        snprintf(l->error, STAGE_ERROR_TEXT_MAX, "%s", error[0] ? error : strerror(-r));
    if (r == 0 && l->stage == LOCAL_MAP && result->problem[0] && l->options->problem)
        l->options->problem(l->options->context, item, result->problem);
    pthread_mutex_unlock(&l->crowd.lock);
    if (r < 0)
        crowd_stop(&l->crowd);
    none = 0; /* the first exchange may have found another's error */
    if (!crowd_share_done(&w->member))
        (void)atomic_compare_exchange_strong(&l->failed, &none, -ECANCELED);
}

static void *work(void *context)
{
    struct worker *w = context;
    struct local *l = w->local;
    crowd_join(&l->crowd, &w->member);
    for (uint32_t item; atomic_load(&l->failed) == 0 && (item = atomic_fetch_add(&l->next, 1)) < l->items;)
        one_item(l, w, item);
    return NULL;
}

static int run_stage(struct local *l, enum local_stage stage, uint32_t items, uint32_t workers, const struct progress_part *part)
{
    struct worker list[LOCAL_WORKERS_MAX];
    uint32_t started = 0;
    l->stage = stage;
    l->items = items;
    atomic_store(&l->next, 0);
    crowd_make(&part->progress, items, &l->crowd);
    for (; started < workers && started < items; started++) {
        list[started] = (struct worker){ .local = l, .number = started };
        if (pthread_create(&list[started].thread, NULL, work, &list[started]) != 0)
            break;
    }
    if (started == 0 && items > 0) { /* no thread to be had: this one does it */
        struct worker self = { .local = l };
        (void)work(&self);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(list[i].thread, NULL);
    return atomic_load(&l->failed);
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

static void fill_job(const struct direct_options *o, const char *folder, uint32_t workers, struct stage_input *inputs, struct stage_job *ret)
{
    const struct input_plan *plan = o->plan;
    for (uint32_t i = 0; i < plan->count; i++)
        inputs[i] = (struct stage_input){ .path = plan->inputs[i].path, .segment_id = plan->inputs[i].segment_id, .node = plan->inputs[i].node, .previous = plan->inputs[i].previous, .bytes = plan->inputs[i].bytes };
    *ret = (struct stage_job){ .snapshot_folder = "", .work_folder = folder, .output_path = o->output_path, .writer = "0", .format = o->format, .inputs = inputs, .inputs_count = plan->count, .leave_out = true, .nodes = plan->nodes,
                               .nodes_count = plan->nodes_count, .from_ns = plan->from_ns, .to_ns = plan->to_ns, .protocols = o->protocols, .protocols_count = o->protocols_count, .where = o->where ? o->where : "",
                               .fields = o->fields, .redact = o->redact, .limits = o->limits, .memory = (o->memory ? o->memory : RUN_MEMORY_DEFAULT) / workers };
}

int local_run(const struct direct_options *o, uint32_t workers, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    char folder[4096];
    workers = workers > LOCAL_WORKERS_MAX ? LOCAL_WORKERS_MAX : workers;
    int made = snprintf(folder, sizeof folder, "%s/dissector.XXXXXX", o->work_folder) >= (int)sizeof folder ? -ENAMETOOLONG : mkdtemp(folder) ? 0 : -errno;
    if (made < 0) {
        snprintf(error, STAGE_ERROR_TEXT_MAX, "cannot make a folder in %.200s (--work): %s", o->work_folder, strerror(-made));
        return made;
    }
    mem_auto_free struct stage_input *inputs = calloc(o->plan->count ? o->plan->count : 1, sizeof *inputs);
    struct local local = { .options = o, .error = error };
    struct progress_part mapping, reducing, writing;
    progress_part_make(progress, 0, MAPPED, &mapping);
    progress_part_make(progress, MAPPED, REDUCED, &reducing);
    progress_part_make(progress, REDUCED, 1000, &writing);
    uint32_t groups = 1;
    while (groups < workers * GROUPS_OF_A_WORKER && groups < STAGE_SHARDS)
        groups *= 2;
    local.shards_of_group = STAGE_SHARDS / groups;
    error[0] = '\0';
    int r = inputs ? 0 : -ENOMEM;
    if (r == 0) {
        fill_job(o, folder, workers, inputs, &local.job);
        r = stage_check(&local.job, error);
    }
    if (r == 0)
        r = run_stage(&local, LOCAL_MAP, o->plan->count, workers, &mapping);
    if (r == 0)
        r = run_stage(&local, LOCAL_REDUCE, groups, workers, &reducing);
    if (r == 0)
        r = stage_finalise(&local.job, &writing.progress, ret, error);
    remove_folder(folder);
    return r;
}
