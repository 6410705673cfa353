#include "services/dissector/answers/rows.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "units/units.h"

char *rows_cursor(const struct rows *rows, uint64_t entry, char text[static ROWS_CURSOR_TEXT_MAX])
{
    if (rows->base)
        (void)snprintf(text, ROWS_CURSOR_TEXT_MAX, "%" PRIu64 ".%" PRIu64, rows->base >> ROWS_ID_BITS, entry);
    else
        (void)snprintf(text, ROWS_CURSOR_TEXT_MAX, "%" PRIu64, entry);
    return text;
}

/* A row is text inside JSON again: quotes and backslashes double. */
static size_t quoted_bytes(const char *text, size_t size)
{
    size_t bytes = size + 3;
    for (size_t i = 0; i < size; i++)
        bytes += text[i] == '"' || text[i] == '\\';
    return bytes;
}

/* The row with its id counted over all files. NULL: no memory. */
static char *row_text(const struct rows *rows, const struct query_value *values, size_t count, size_t *ret_size)
{
    if (rows->base == 0)
        return query_row_json(values, count, ret_size);
    mem_auto_free struct query_value *copy = calloc(count ? count : 1, sizeof *copy);
    if (!copy)
        return NULL;
    memcpy(copy, values, count * sizeof *copy);
    for (size_t i = 0; i < count; i++)
        if (strcmp(copy[i].name, "id") == 0)
            copy[i].number += (int64_t)rows->base;
    return query_row_json(copy, count, ret_size);
}

static bool take_row(void *context, const struct query_value *values, size_t count)
{
    struct rows *rows = context;
    size_t size = 0;
    char *text = row_text(rows, values, count, &size);
    if (!text) {
        rows->no_memory = true;
        return false;
    }
    size_t bytes = quoted_bytes(text, size);
    rows->too_large = bytes > ROW_BYTES_MAX;
    if (rows->too_large || wire_append(&rows->reply->n_rows, &rows->reply->rows, text) < 0) {
        rows->no_memory = !rows->too_large;
        free(text);
        return false;
    }
    rows->bytes += bytes;
    rows->full = rows->bytes >= ROWS_BYTES_ENOUGH;
    return !rows->full;
}

static bool read_time(const char *name, const char *text, int64_t *ret, ProtobufCMessage *reply)
{
    if (!text[0] || units_parse_time(text, ret) == 0)
        return true;
    answer_fail(reply, "invalid", "%s: '%.64s' is not a time: write it as 2026-01-02T03:04:05Z", name, text);
    return false;
}

bool rows_request(const Tapeloop__V1__CallsQuery *query, const char *path, struct query_request *ret, ProtobufCMessage *reply)
{
    *ret = (struct query_request){
        .path = path, .expression = query->expression, .fields = (const char *const *)query->fields, .fields_count = (uint32_t)query->n_fields,
        .group_by = (const char *const *)query->group_by, .group_by_count = (uint32_t)query->n_group_by, .limit = query->limit,
    };
    return read_time("from", query->from, &ret->from_ns, reply) && read_time("to", query->to, &ret->to_ns, reply);
}

static const char *error_code(int r)
{
    return r == -EINVAL ? "invalid" : r == -ENOENT ? "not_found" : r == -ETIMEDOUT ? "busy" : "internal";
}

/* entry: its number in its file; 0: it was asked for alone. */
static void fail_too_large(struct rows *rows, uint64_t entry)
{
    char cursor[ROWS_CURSOR_TEXT_MAX];
    if (entry)
        answer_fail(&rows->reply->base, "invalid", "entry %" PRIu64 " is larger than a message of the bus: ask for fewer fields, or go on behind it with the cursor %s", rows->base + entry,
                    rows_cursor(rows, entry, cursor));
    else
        answer_fail(&rows->reply->base, "invalid", "the entry is larger than a message of the bus: ask for some of its fields, with calls");
}

/* Whether it went well; if not, the reply says why. entry: the last one that was read; 0: none of several. */
static bool judge(struct rows *rows, int r, const struct query_error *error, uint64_t entry)
{
    ProtobufCMessage *base = &rows->reply->base;
    rows->reply->error_column = error->column;
    if (r < 0 && error->column > 0)
        answer_fail(base, error_code(r), "the expression, column %u: %s", error->column, error->text);
    else if (r < 0)
        answer_fail(base, error_code(r), "%s", error->text[0] ? error->text : strerror(-r));
    else if (rows->too_large)
        fail_too_large(rows, entry);
    else if (rows->no_memory)
        answer_fail(base, "internal", "out of memory");
    return !answer_failed(base);
}

bool rows_run(struct rows *rows, uint64_t id, const struct query_request *request, struct query_result *ret)
{
    struct query_error error = { 0 };
    *ret = (struct query_result){ 0 };
    int r = id ? query_call(NULL, request->path, id, take_row, rows, &error) : query_run(request, take_row, rows, ret, &error);
    if (r == 0 && rows->too_large && !id && rows->reply->n_rows > 0) { /* the page ends in front of it */
        rows->too_large = false;
        rows->full = true;
        ret->cursor--;
        ret->more = true;
    }
    return judge(rows, r == -ENOENT && rows->may_be_gone ? 0 : r, &error, id ? 0 : ret->cursor);
}

bool rows_gathered(struct rows *rows, const struct query_request *request)
{
    struct query_error error = { 0 };
    struct query_result result = { 0 };
    int r = query_gathered(request, take_row, rows, &result, &error);
    rows->reply->left_out += result.left_out;
    return judge(rows, r, &error, 0);
}

void rows_end(struct rows *rows, const struct query_result *result, const char *cursor)
{
    char text[UNITS_TIME_TEXT_MAX];
    Tapeloop__V1__CallsReply *reply = rows->reply;
    reply->looked += result->looked;
    reply->left_out += result->left_out;
    if ((result->looked_to_ns && wire_set_string(&reply->looked_to, units_format_time(result->looked_to_ns, text, sizeof text)) < 0) || wire_set_string(&reply->cursor, cursor) < 0)
        answer_fail(&reply->base, "internal", "out of memory");
}
