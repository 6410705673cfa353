/* The small files of a work folder, of any content: the names of interfaces and the counters of an item. Refused, or what they say fits its room. The first byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/dissector/work/work_files.h"

static char folder[64];

static void remove_folder(void) { rmdir(folder); }

static bool write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "we");
    bool written = f && fwrite(data, 1, size, f) == size;
    return f && fclose(f) == 0 && written;
}

static void read_names(const struct stage_job *job)
{
    struct input_names names = { 0 };
    int r = work_add_names(job, "map-000000", &names);
    for (uint32_t i = 0; i < names.count; i++)
        if (names.list[i].name[0] == '\0' || strnlen(names.list[i].name, PCAPNG_NAME_MAX) == PCAPNG_NAME_MAX || input_names_find(&names, names.list[i].point)[0] == '\0')
            abort();
    if (r == 0 && work_add_names(job, "map-000000", &names) < 0)
        abort();
    input_names_free(&names);
}

static void read_counts(const struct stage_job *job)
{
    static struct stage_result all;
    memset(&all, 0, sizeof all);
    for (unsigned i = 0; i < 2; i++)
        (void)work_add_counts(job, "map-000000", &all);
    if (all.counters_count > STAGE_COUNTERS_MAX)
        abort();
    for (uint32_t i = 0; i < all.counters_count; i++)
        if (strnlen(all.counters[i].name, STAGE_COUNTER_NAME_MAX) == STAGE_COUNTER_NAME_MAX)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[WORK_PATH_MAX];
    if (size < 1)
        return 0;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/fuzz_work_files.XXXXXX");
        if (!mkdtemp(folder) || atexit(remove_folder) != 0)
            abort();
    }
    struct stage_job job = { .work_folder = folder, .writer = "w" };
    bool names = data[0] & 1;
    if (work_path(&job, "map-000000", names ? ".names" : ".counts", false, path) < 0)
        abort();
    if (write_file(path, data + 1, size - 1)) {
        if (names)
            read_names(&job);
        else
            read_counts(&job);
    }
    (void)unlink(path);
    return 0;
}
