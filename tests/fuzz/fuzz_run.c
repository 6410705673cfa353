/* A run file of any content, as the last stage reads it: refused, or its views are compared, its entries merged, named, matched and written as JSON, and every line is a JSON object with the entry's number.
 * So that the checks are passed, the hashes of the chunks are made right.
 *
 *   input = options u8 | run file      options: 1 the same run twice, 2 an expression chooses */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "capfile/segment_index.h"
#include "json/json.h"
#include "services/dissector/output/ndjson.h"
#include "services/dissector/work/finalise.h"
#include "services/dissector/work/run_internal.h"

enum { TWICE = 1, WHERE = 2 };
struct lines { struct ndjson_lines *writer; struct ndjson_buffer buffer; uint64_t entries; };
static struct lines lines;

static int open_lines(const char *path, const struct selection *fields, void **ret, char *error)
{
    (void)path, (void)error;
    *ret = &lines;
    return ndjson_lines_new(fields, &lines.writer);
}

static int take_entry(void *state, const struct entry *entry, char *error)
{
    struct lines *l = state;
    json_error_t wrong;
    (void)error;
    l->buffer.size = 0;
    int r = ndjson_lines_put(l->writer, entry, &l->buffer);
    if (r < 0)
        return r;
    json_auto json_t *object = json_loadb(l->buffer.data, l->buffer.size, JSON_ALLOW_NUL, &wrong);
    if (!object || json_integer_value(json_object_get(object, "id")) != (json_int_t)++l->entries) {
        fprintf(stderr, "%s\n%.*s", wrong.text, (int)l->buffer.size, l->buffer.data);
        abort();
    }
    return 0;
}

static void abandon_lines(void *state)
{
    struct lines *l = state;
    if (!l)
        return;
    ndjson_lines_free(l->writer);
    free(l->buffer.data);
    *l = (struct lines){ 0 };
}

static int close_lines(void *state, const struct output_counter *counters, size_t count, char *error)
{
    (void)counters, (void)count, (void)error;
    abandon_lines(state);
    return 0;
}

static const struct output_driver driver = { .name = "lines", .open = open_lines, .entry = take_entry, .close = close_lines, .abandon = abandon_lines };

static void make_right(uint8_t *file, size_t size)
{
    struct run_chunk head;
    for (size_t at = RUN_MAGIC_BYTES; at + sizeof head <= size; at += sizeof head + head.size) {
        memcpy(&head, file + at, sizeof head);
        if (head.size > size - at - sizeof head)
            return;
        head.hash = segment_block_hash(file + at + sizeof head, head.size) ^ head.content;
        memcpy(file + at, &head, sizeof head);
    }
}

static void read_run(int fd, uint8_t choice)
{
    static const char *const nodes[] = { "node-a", "node-b" };
    static const struct stage_input inputs[] = { { .path = "/a", .segment_id = "node-a/1/0/1" }, { .path = "/b", .segment_id = "" } };
    struct finalise_options options = { .driver = &driver, .path = "-", .nodes = nodes, .nodes_count = 2, .inputs = inputs, .inputs_count = 2,
                                        .where = choice & WHERE ? "http || size(dns_answers) > 0 || src.name != \"\" || conn_views.exists(v, v.contains(\"node\"))" : NULL };
    struct run_reader *readers[2];
    struct stage_result result = { 0 };
    char error[STAGE_ERROR_TEXT_MAX];
    size_t count = 0;
    for (; count < (choice & TWICE ? 2 : 1); count++)
        if (run_open_fd(fd, &readers[count]) < 0)
            break;
    if (count > 0 && finalise_runs(readers, count, &options, NULL, &result, error) < 0 && error[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *file = malloc(size);
    int fd = memfd_create("run", MFD_CLOEXEC);
    if (!file || fd < 0)
        abort();
    memcpy(file, data + 1, size - 1);
    make_right(file, size - 1);
    if (write(fd, file, size - 1) != (ssize_t)size - 1)
        abort();
    free(file);
    read_run(fd, data[0]);
    close(fd);
    return 0;
}
