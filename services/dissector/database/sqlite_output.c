#include "services/dissector/database/sqlite_output.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/part.h"
#include "services/dissector/output/publish.h"

#define PARTS_MAX 4096u /* 4 billion entries: a dissection of more is cut by its window */

struct sqlite_output {
    struct schema schema;
    char path[PATH_MAX];
    uint64_t part_rows;
    struct part_watch watch;
    struct part *parts[PARTS_MAX];
    uint32_t parts_count;
};

static void output_free(struct sqlite_output *o)
{
    for (uint32_t i = 0; i < o->parts_count; i++)
        part_close(o->parts[i]);
    free(o);
}

static int next_part(struct sqlite_output *o, char *error)
{
    char path[PATH_MAX + 16];
    if (o->parts_count == PARTS_MAX)
        return output_failure(error, -EFBIG, "making another part", o->path);
    database_part_path(o->path, o->parts_count + 1, path, sizeof path);
    int r = part_open(&o->schema, path, &o->parts[o->parts_count], error);
    if (r == 0)
        o->parts_count++;
    return r;
}

static void output_free_p(struct sqlite_output **o) { if (*o) output_free(*o); }

int sqlite_output_open(const char *path, const struct protocol *const *list, size_t count, uint64_t part_rows, struct sqlite_output **ret, char *error)
{
    if (strcmp(path, "-") == 0) {
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "a database cannot go to standard output: name a file");
        return -EINVAL;
    }
    if (strlen(path) >= PATH_MAX)
        return output_failure(error, -ENAMETOOLONG, "opening", path);
    MEM_CLEANUP(output_free_p) struct sqlite_output *o = calloc(1, sizeof *o);
    if (!o)
        return output_failure(error, -ENOMEM, "opening", path);
    int r = schema_make(list, count, &o->schema);
    if (r < 0)
        return output_failure(error, r, "making its schema of the protocols' fields", path);
    memcpy(o->path, path, strlen(path) + 1);
    o->part_rows = part_rows;
    r = next_part(o, error);
    if (r < 0)
        return r;
    *ret = mem_take(o);
    return 0;
}

int sqlite_output_entry(struct sqlite_output *o, const struct entry *entry, char *error)
{
    struct part *part = o->parts[o->parts_count - 1];
    if (part_entries(part) >= o->part_rows) {
        int r = part_finish(part, &o->watch, error);
        if (r == 0)
            r = next_part(o, error);
        if (r < 0)
            return r;
        part = o->parts[o->parts_count - 1];
    }
    return part_add(part, entry, error);
}

static int digest_of_all(const struct sqlite_output *o, uint8_t ret[DIGEST_BYTES])
{
    struct digest all;
    int r = digest_open(&all);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < o->parts_count; i++)
        if (digest_add(&all, part_digest(o->parts[i]), DIGEST_BYTES) < 0)
            r = -EIO;
    int finished = digest_finish(&all, ret);
    return r < 0 ? r : finished;
}

int sqlite_output_close(struct sqlite_output *o, const struct output_counter *counters, size_t counters_count, char *error)
{
    uint8_t all[DIGEST_BYTES];
    int r = part_finish(o->parts[o->parts_count - 1], &o->watch, error);
    if (r == 0 && digest_of_all(o, all) < 0)
        r = output_failure(error, -ENOMEM, "hashing", o->path);
    for (uint32_t i = 0; i < o->parts_count && r == 0; i++)
        r = part_write_info(o->parts[i], &(struct part_info){ .number = i + 1, .parts = o->parts_count, .counters = i ? NULL : counters, .counters_count = i ? 0 : counters_count, .all = i ? NULL : all }, error);
    /* The first one last: who sees it sees all. */
    for (uint32_t i = o->parts_count; i-- > 0 && r == 0;) {
        r = part_publish(o->parts[i], error);
        if (o->watch.advance)
            (void)o->watch.advance(o->watch.context); /* too late to turn back */
    }
    output_free(o);
    return r;
}

void sqlite_output_abandon(struct sqlite_output *o)
{
    if (o)
        output_free(o);
}

static int driver_open(const char *path, const struct selection *fields, void **ret, char *error)
{
    if (fields) {
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "a database has all fields: leave out --fields, or say --format ndjson");
        return -EINVAL;
    }
    struct sqlite_output *o;
    int r = sqlite_output_open(path, protocols, protocols_count, DATABASE_PART_ROWS, &o, error);
    if (r == 0)
        *ret = o;
    return r;
}
static int driver_entry(void *state, const struct entry *entry, char *error) { return sqlite_output_entry(state, entry, error); }
static void driver_watch(void *state, bool (*advance)(void *context), void *context) { ((struct sqlite_output *)state)->watch = (struct part_watch){ advance, context }; }
static int driver_close(void *state, const struct output_counter *counters, size_t count, char *error) { return sqlite_output_close(state, counters, count, error); }
static void driver_abandon(void *state) { sqlite_output_abandon(state); }

const struct output_driver output_sqlite = { .name = "sqlite", .open = driver_open, .entry = driver_entry, .watch = driver_watch, .close = driver_close, .abandon = driver_abandon };
