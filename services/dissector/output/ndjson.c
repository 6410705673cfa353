#include "services/dissector/output/ndjson.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "mem/cleanup.h"
#include "services/dissector/output/publish.h"

#define FLUSH_BYTES (1024u * 1024) /* of lines held back; a write of this size costs little beside its bytes */

struct ndjson {
    struct ndjson_lines *lines;
    struct ndjson_buffer buffer;
    struct publish publish;
    bool standard;              /* output: nothing to rename */
};

static void free_state(struct ndjson *n)
{
    ndjson_lines_free(n->lines);
    free(n->buffer.data);
    free(n);
}

static const char *name_of(const struct ndjson *n) { return n->standard ? "standard output" : n->publish.path; }

static int ndjson_open(const char *path, const struct selection *fields, void **ret, char *error)
{
    mem_auto_free struct ndjson *n = calloc(1, sizeof *n);
    if (!n || ndjson_lines_new(fields, &n->lines) < 0)
        return output_failure(error, -ENOMEM, "opening", path);
    n->standard = strcmp(path, "-") == 0;
    n->publish.fd = STDOUT_FILENO;
    int r = n->standard ? 0 : publish_open(&n->publish, path, error);
    if (r < 0) {
        ndjson_lines_free(n->lines);
        return r;
    }
    *ret = mem_take(n);
    return 0;
}

static int ndjson_flush(void *state, char *error)
{
    struct ndjson *n = state;
    if (n->buffer.size == 0)
        return 0;
    int r = output_write(n->publish.fd, n->buffer.data, n->buffer.size, -1);
    n->buffer.size = 0;
    return r < 0 ? output_failure(error, r, "writing", name_of(n)) : 0;
}

static int ndjson_entry(void *state, const struct entry *entry, char *error)
{
    struct ndjson *n = state;
    int r = ndjson_lines_put(n->lines, entry, &n->buffer);
    if (r < 0)
        return output_failure(error, r, "writing an entry as JSON", name_of(n));
    return n->buffer.size >= FLUSH_BYTES ? ndjson_flush(n, error) : 0;
}

static void ndjson_abandon(void *state)
{
    struct ndjson *n = state;
    if (!n)
        return;
    if (!n->standard)
        publish_abandon(&n->publish);
    free_state(n);
}

/* Counters have no place among the lines: who reads entries would have to know them from entries. */
static int ndjson_close(void *state, const struct output_counter *counters, size_t counters_count, char *error)
{
    (void)counters;
    (void)counters_count;
    struct ndjson *n = state;
    int r = ndjson_flush(n, error);
    if (r < 0) {
        ndjson_abandon(n);
        return r;
    }
    r = n->standard ? 0 : publish_commit(&n->publish, error);
    free_state(n);
    return r;
}

const struct output_driver output_ndjson = { .name = "ndjson", .open = ndjson_open, .entry = ndjson_entry, .flush = ndjson_flush, .close = ndjson_close, .abandon = ndjson_abandon };
