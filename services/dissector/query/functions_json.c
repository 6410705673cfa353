/* Lists and maps: JSON texts, as the database has them. A first argument `nested` says that elements are lists or maps themselves, whose text is taken as it is. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/query/functions.h"
#include "services/dissector/query/json_scan.h"

#define NESTED_MAX 8u           /* as deep as a type can be */
#define NUMBER_TEXT_MAX 64

static bool any_null(int count, sqlite3_value **values)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_value_type(values[i]) == SQLITE_NULL)
            return true;
    return false;
}

static struct json_piece piece_of(sqlite3_value *value)
{
    const char *data = (const char *)sqlite3_value_text(value);
    return (struct json_piece){ data ? data : "", data ? (size_t)sqlite3_value_bytes(value) : 0 };
}

static bool open_value(sqlite3_value *value, struct json_scan *ret)
{
    struct json_piece piece = piece_of(value);
    return json_scan_open(piece.data, piece.size, ret);
}

static void put_value(struct json_made *text, sqlite3_value *value, bool nested)
{
    char number[NUMBER_TEXT_MAX];
    int size;
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: size = snprintf(number, sizeof number, "%" PRId64, (int64_t)sqlite3_value_int64(value)); break;
    case SQLITE_FLOAT:
        size = snprintf(number, sizeof number, "%.17g", sqlite3_value_double(value));
        if (strspn(number, "-0123456789") == (size_t)size) /* a point, so that it reads as a double again */
            size = snprintf(number, sizeof number, "%.1f", sqlite3_value_double(value));
        else if (strchr(number, 'i'))
            size = snprintf(number, sizeof number, "%s", number[0] == '-' ? "-9e999" : "9e999");
        break;
    default: {
        struct json_piece piece = piece_of(value);
        if (nested)
            json_append(text, piece.data, piece.size);
        else
            json_append_string(text, piece.data, piece.size);
        return;
    }
    }
    json_append(text, number, (size_t)size);
}

/* Takes the text. */
static void result_json(sqlite3_context *context, struct json_made *text)
{
    if (text->failed) {
        free(text->data);
        sqlite3_result_error(context, "a list or a map of the expression grows too large", -1);
    } else
        sqlite3_result_text64(context, text->data, text->size, free, SQLITE_UTF8);
}

/* What a piece means as an SQL value. */
static void result_piece(sqlite3_context *context, struct json_piece piece)
{
    char number[NUMBER_TEXT_MAX];
    if (json_is_nested(piece)) {
        sqlite3_result_text64(context, piece.data, piece.size, SQLITE_TRANSIENT, SQLITE_UTF8);
        return;
    }
    if (json_is_string(piece)) {
        char *text = malloc(piece.size);
        if (text)
            sqlite3_result_text64(context, text, json_unescape(piece, text), free, SQLITE_UTF8);
        else
            sqlite3_result_error_nomem(context);
        return;
    }
    if (piece.size >= sizeof number)
        return;
    memcpy(number, piece.data, piece.size);
    number[piece.size] = '\0';
    if (strpbrk(number, ".eE"))
        sqlite3_result_double(context, strtod(number, NULL));
    else
        sqlite3_result_int64(context, strtoll(number, NULL, 10));
}

/* Whether an element of a list is this value. */
static bool piece_is(struct json_piece piece, sqlite3_value *value, bool nested)
{
    struct json_piece text;
    char number[NUMBER_TEXT_MAX];
    switch (sqlite3_value_type(value)) {
    case SQLITE_TEXT:
        text = piece_of(value);
        return nested ? json_same(piece, text, NESTED_MAX) : json_is_text(piece, text.data, text.size);
    case SQLITE_FLOAT: (void)snprintf(number, sizeof number, "%.17g", sqlite3_value_double(value)); break;
    default: (void)snprintf(number, sizeof number, "%" PRId64, (int64_t)sqlite3_value_int64(value));
    }
    return json_same(piece, (struct json_piece){ number, strlen(number) }, 0);
}

static void call_list(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_made text = { 0 };
    if (any_null(count, values))
        return;
    json_append(&text, "[", 1);
    for (int i = 1; i < count; i++) {
        if (i > 1)
            json_append(&text, ",", 1);
        put_value(&text, values[i], sqlite3_value_int(values[0]));
    }
    json_append(&text, "]", 1);
    result_json(context, &text);
}

static bool find_key(struct json_scan scan, struct json_piece key, struct json_piece *ret)
{
    struct json_piece other;
    while (scan.map && json_scan_next(&scan, &other, ret))
        if (json_is_text(other, key.data, key.size))
            return true;
    return false;
}

/* A key twice is an error. Keys that are numbers become their digits. */
static void call_map(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_made text = { 0 };
    if (any_null(count, values))
        return;
    json_append(&text, "{", 1);
    for (int i = 1; i + 1 < count; i += 2) {
        struct json_piece key = piece_of(values[i]);
        for (int k = 1; k < i; k += 2) {
            struct json_piece other = piece_of(values[k]);
            if (other.size == key.size && memcmp(other.data, key.data, key.size) == 0) {
                free(text.data);
                return;
            }
        }
        if (i > 1)
            json_append(&text, ",", 1);
        json_append_string(&text, key.data, key.size);
        json_append(&text, ":", 1);
        put_value(&text, values[i + 1], sqlite3_value_int(values[0]));
    }
    json_append(&text, "}", 1);
    result_json(context, &text);
}

/* What is not "", each once. */
static void call_set(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_made text = { 0 };
    json_append(&text, "[", 1);
    for (int i = 0; i < count; i++) {
        struct json_piece piece = piece_of(values[i]);
        bool seen = piece.size == 0;
        for (int k = 0; k < i && !seen; k++) {
            struct json_piece other = piece_of(values[k]);
            seen = other.size == piece.size && memcmp(other.data, piece.data, piece.size) == 0;
        }
        if (seen)
            continue;
        if (text.size > 1)
            json_append(&text, ",", 1);
        json_append_string(&text, piece.data, piece.size);
    }
    json_append(&text, "]", 1);
    result_json(context, &text);
}

static void put_elements(struct json_made *text, struct json_scan *scan)
{
    struct json_piece key, piece;
    while (json_scan_next(scan, &key, &piece)) {
        if (text->size > 1)
            json_append(text, ",", 1);
        json_append(text, piece.data, piece.size);
    }
}

static void call_concat(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_made text = { 0 };
    if (any_null(count, values))
        return;
    json_append(&text, "[", 1);
    for (int i = 0; i < count; i++)
        if (open_value(values[i], &scan))
            put_elements(&text, &scan);
    json_append(&text, "]", 1);
    result_json(context, &text);
}

static void call_count(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece key, piece;
    sqlite3_int64 elements = 0;
    if (any_null(count, values) || !open_value(values[0], &scan))
        return;
    while (json_scan_next(&scan, &key, &piece))
        elements++;
    if (!scan.bad)
        sqlite3_result_int64(context, elements);
}

/* nested, value, list */
static void call_in(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece key, piece;
    if (any_null(count, values) || !open_value(values[2], &scan))
        return;
    bool found = false;
    while (!found && json_scan_next(&scan, &key, &piece))
        found = piece_is(piece, values[1], sqlite3_value_int(values[0]));
    if (found || !scan.bad)
        sqlite3_result_int(context, found);
}

static void call_has(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece piece;
    if (any_null(count, values) || !open_value(values[0], &scan))
        return;
    sqlite3_result_int(context, find_key(scan, piece_of(values[1]), &piece));
}

static void call_get(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece piece;
    if (!any_null(count, values) && open_value(values[0], &scan) && find_key(scan, piece_of(values[1]), &piece))
        result_piece(context, piece);
}

static void call_map_get(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece piece;
    if (any_null(count, values) || !open_value(values[0], &scan))
        return;
    if (find_key(scan, piece_of(values[1]), &piece))
        result_piece(context, piece);
    else
        sqlite3_result_value(context, values[2]);
}

static void call_at(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct json_scan scan;
    struct json_piece key, piece;
    if (any_null(count, values) || !open_value(values[0], &scan))
        return;
    sqlite3_int64 left = sqlite3_value_int64(values[1]);
    while (left >= 0 && json_scan_next(&scan, &key, &piece))
        if (left-- == 0)
            result_piece(context, piece);
}

static void call_same(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (!any_null(count, values))
        sqlite3_result_int(context, json_same(piece_of(values[0]), piece_of(values[1]), NESTED_MAX));
}

/* What a macro gathers over the elements of a list. The list's own error comes as one element whose JSON type is null. */
struct gathered { sqlite3_int64 yes, no, errors; bool broken; struct json_made text; };

static struct gathered *gather(sqlite3_context *context, sqlite3_value *answer, sqlite3_value *type)
{
    struct gathered *g = sqlite3_aggregate_context(context, sizeof *g);
    struct json_piece name = piece_of(type);
    if (!g) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    if (name.size == 4 && memcmp(name.data, "null", 4) == 0)
        g->broken = true;
    else if (sqlite3_value_type(answer) == SQLITE_NULL)
        g->errors++;
    else if (sqlite3_value_int(answer))
        g->yes++;
    else
        g->no++;
    return g;
}

static void step_answer(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    (void)gather(context, values[0], values[1]);
}

static void final_any(sqlite3_context *context)
{
    const struct gathered *g = sqlite3_aggregate_context(context, 0);
    if (!g || (!g->broken && (g->yes || !g->errors)))
        sqlite3_result_int(context, g && g->yes);
}

static void final_all(sqlite3_context *context)
{
    const struct gathered *g = sqlite3_aggregate_context(context, 0);
    if (!g || (!g->broken && (g->no || !g->errors)))
        sqlite3_result_int(context, !g || !g->no);
}

static void final_one(sqlite3_context *context)
{
    const struct gathered *g = sqlite3_aggregate_context(context, 0);
    if (!g || (!g->broken && !g->errors))
        sqlite3_result_int(context, g && g->yes == 1);
}

/* condition, type, nested, value */
static void step_collect(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct gathered *g = gather(context, values[0], values[1]);
    if (!g || g->broken || sqlite3_value_type(values[0]) == SQLITE_NULL || !sqlite3_value_int(values[0]))
        return;
    if (sqlite3_value_type(values[3]) == SQLITE_NULL) {
        g->errors++;
        return;
    }
    json_append(&g->text, g->text.size ? "," : "[", 1);
    put_value(&g->text, values[3], sqlite3_value_int(values[2]));
}

static void final_collect(sqlite3_context *context)
{
    struct gathered *g = sqlite3_aggregate_context(context, 0);
    if (!g) {
        sqlite3_result_text(context, "[]", -1, SQLITE_STATIC);
        return;
    }
    if (g->broken || g->errors) {
        free(g->text.data);
        return;
    }
    json_append(&g->text, g->text.size ? "]" : "[]", g->text.size ? 1 : 2);
    result_json(context, &g->text);
}

static int register_aggregates(sqlite3 *db)
{
    static const struct { const char *name; int arguments; void (*step)(sqlite3_context *, int, sqlite3_value **); void (*final)(sqlite3_context *); } rows[] = {
        { "cel_any", 2, step_answer, final_any }, { "cel_all", 2, step_answer, final_all }, { "cel_one", 2, step_answer, final_one }, { "cel_collect", 4, step_collect, final_collect },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sqlite3_create_function_v2(db, rows[i].name, rows[i].arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, NULL, rows[i].step, rows[i].final, NULL) != SQLITE_OK)
            return -ENOMEM;
    return 0;
}

int functions_register_json(sqlite3 *db)
{
    static const struct function_row rows[] = {
        { "cel_list", -1, call_list }, { "cel_map", -1, call_map }, { "cel_set", -1, call_set }, { "cel_concat", -1, call_concat }, { "cel_count", 1, call_count }, { "cel_in", 3, call_in },
        { "cel_has", 2, call_has }, { "cel_get", 2, call_get }, { "cel_map_get", 3, call_map_get }, { "cel_at", 2, call_at }, { "cel_same", 2, call_same },
    };
    int r = functions_register_rows(db, rows, sizeof rows / sizeof *rows);
    return r < 0 ? r : register_aggregates(db);
}
