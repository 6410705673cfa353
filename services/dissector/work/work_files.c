#include "services/dissector/work/work_files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/work/counts.h"

static void close_folder(DIR **folder) { if (*folder) (void)closedir(*folder); }

void work_map_name(uint32_t input, char *name) { snprintf(name, WORK_NAME_MAX, "map-%06" PRIu32, input); }
void work_reduce_name(uint32_t first_shard, uint32_t count, char *name) { snprintf(name, WORK_NAME_MAX, "reduce-%03" PRIu32 "-%03" PRIu32, first_shard, count); }

int work_path(const struct stage_job *job, const char *name, const char *suffix, bool hidden, char *path)
{
    int n = hidden ? snprintf(path, WORK_PATH_MAX, "%s/.%s%s.%s", job->work_folder, name, suffix, job->writer) : snprintf(path, WORK_PATH_MAX, "%s/%s%s", job->work_folder, name, suffix);
    return n > 0 && n < WORK_PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int save(const struct stage_job *job, const char *name, const char *suffix, const void *data, size_t size)
{
    char path[WORK_PATH_MAX], hidden[WORK_PATH_MAX];
    int r = work_path(job, name, suffix, false, path);
    if (r == 0)
        r = work_path(job, name, suffix, true, hidden);
    if (r < 0)
        return r;
    FILE *f = fopen(hidden, "we");
    if (!f)
        return -errno;
    r = size == 0 || fwrite(data, size, 1, f) == 1 ? 0 : -errno;
    if (fclose(f) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(hidden, path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(hidden);
    return r;
}

int work_save_counts(const struct stage_job *job, const char *name, const struct stage_result *counts) { return save(job, name, ".counts", counts, sizeof *counts); }
int work_save_names(const struct stage_job *job, const char *name, const struct input_names *names) { return save(job, name, ".names", names->list, names->count * sizeof *names->list); }

int work_add_names(const struct stage_job *job, const char *name, struct input_names *to)
{
    char path[WORK_PATH_MAX];
    struct input_name one;
    int r = work_path(job, name, ".names", false, path);
    if (r < 0)
        return r;
    mem_auto_fclose FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    size_t n;
    while (r == 0 && (n = fread(&one, 1, sizeof one, f)) > 0) {
        one.name[sizeof one.name - 1] = '\0';
        r = n == sizeof one ? input_names_add(to, one.point, one.name) : -EBADMSG;
    }
    return r;
}

int work_add_counts(const struct stage_job *job, const char *name, struct stage_result *to)
{
    char path[WORK_PATH_MAX];
    mem_auto_free struct stage_result *counts = calloc(1, sizeof *counts);
    int r = counts ? work_path(job, name, ".counts", false, path) : -ENOMEM;
    if (r < 0)
        return r;
    mem_auto_fclose FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    if (fread(counts, sizeof *counts, 1, f) != 1 || fgetc(f) != EOF || counts->counters_count > STAGE_COUNTERS_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < counts->counters_count; i++)
        counts->counters[i].name[STAGE_COUNTER_NAME_MAX - 1] = '\0';
    counts_add_all(to, counts);
    return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

/* Sorted, so each must begin where the one before ended. Several sizes of groups do not mix in one job. */
static bool covers_all(char (*names)[WORK_NAME_MAX], uint32_t count)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first, shards;
        if (sscanf(names[i], "reduce-%3" SCNu32 "-%3" SCNu32, &first, &shards) != 2 || first != next)
            return false;
        next = first + shards;
    }
    return next == STAGE_SHARDS;
}

int work_list_runs(const struct stage_job *job, char (**ret_names)[WORK_NAME_MAX], uint32_t *ret_count)
{
    DIR *folder __attribute__((cleanup(close_folder))) = opendir(job->work_folder);
    if (!folder)
        return -errno;
    mem_auto_free char(*names)[WORK_NAME_MAX] = calloc(STAGE_SHARDS + 1, sizeof *names);
    uint32_t count = 0;
    if (!names)
        return -ENOMEM;
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t size = strlen(entry->d_name);
        if (strncmp(entry->d_name, "reduce-", 7) != 0 || size < 11 || size >= WORK_NAME_MAX || strcmp(entry->d_name + size - 4, ".run") != 0)
            continue;
        if (count == STAGE_SHARDS)
            return -ENODATA;
        memcpy(names[count++], entry->d_name, size - 4);
    }
    qsort(names, count, sizeof *names, by_name);
    if (!covers_all(names, count))
        return -ENODATA;
    *ret_names = mem_take(names);
    *ret_count = count;
    return 0;
}
