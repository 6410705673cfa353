#include "cli/call_rows.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "jobs/announce.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define NAME_COLUMN 26
#define DEPTH_MAX 4             /* of names: request.headers is the deepest but for src.pod.name */
#define PATH_MAX_BYTES 128
#define TIME_BYTES 30

const char *const call_table_fields[] = { "id", "timestamp", "protocol", "src.ip", "src.port", "src.name", "dst.ip", "dst.port", "dst.name", "status_code", "elapsed_time", "incomplete", "summary", NULL };

const json_t *call_row_value(const json_t *row, const char *name)
{
    char part[PATH_MAX_BYTES];
    while (row && *name) {
        size_t length = strcspn(name, ".");
        if (length >= sizeof part)
            return NULL;
        memcpy(part, name, length);
        part[length] = '\0';
        row = json_object_get(row, part);
        name += length + (name[length] == '.');
    }
    return row;
}

/* "2026-01-31T12:00:00.123456789Z", as all times of entries are, loses what is below a millisecond; what headers and bodies hold stays as it came. */
static bool is_time(const char *text)
{
    int64_t ignored;
    return strlen(text) == TIME_BYTES && text[4] == '-' && text[10] == 'T' && text[19] == '.' && text[TIME_BYTES - 1] == 'Z' && units_parse_time(text, &ignored) == 0;
}

char *call_value_text(const json_t *value)
{
    char *text = NULL;
    if (!value || json_is_null(value))
        return strdup("");
    if (json_is_string(value)) {
        text = strdup(json_string_value(value));
        if (text && is_time(text))
            memcpy(text + 23, "Z", 2);
    } else if (json_is_integer(value)) {
        if (asprintf(&text, "%lld", (long long)json_integer_value(value)) < 0)
            text = NULL;
    } else {
        text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    }
    if (text)
        text_make_plain(text);
    return text;
}

static void add_value(struct cli_table *table, const json_t *value)
{
    mem_auto_free char *text = call_value_text(value);
    if (text)
        cli_table_add(table, text);
    else
        table->failed = true;
}

/* A name where there is one, else the address; the port behind. */
static void add_side(struct cli_table *table, const json_t *side)
{
    mem_auto_free char *name = call_value_text(json_object_get(side, "name")), *ip = call_value_text(json_object_get(side, "ip"));
    json_int_t port = json_integer_value(json_object_get(side, "port"));
    if (!name || !ip)
        table->failed = true;
    else
        cli_table_format(table, !*name && strchr(ip, ':') ? "[%s]:%lld" : "%s:%lld", *name ? name : ip, (long long)port);
}

void call_table_titles(struct cli_table *table)
{
    static const char *const titles[] = { "ID", "TIME", "PROTOCOL", "FROM", "TO", "STATUS", "ELAPSED", "SUMMARY" };
    _Static_assert(sizeof titles / sizeof *titles == CALL_TABLE_COLUMNS, "a title per column");
    table->columns = CALL_TABLE_COLUMNS;
    for (size_t i = 0; i < table->columns; i++)
        cli_table_add(table, titles[i]);
}

void call_table_add(struct cli_table *table, const json_t *row)
{
    char elapsed[UNITS_DURATION_TEXT_MAX];
    mem_auto_free char *summary = call_value_text(json_object_get(row, "summary")), *incomplete = call_value_text(json_object_get(row, "incomplete"));
    json_int_t status = json_integer_value(json_object_get(row, "status_code")), us = json_integer_value(json_object_get(row, "elapsed_time"));
    if (!summary || !incomplete) {
        table->failed = true;
        return;
    }
    add_value(table, json_object_get(row, "id"));
    add_value(table, json_object_get(row, "timestamp"));
    add_value(table, json_object_get(row, "protocol"));
    add_side(table, json_object_get(row, "src"));
    add_side(table, json_object_get(row, "dst"));
    if (status)
        cli_table_format(table, "%lld", (long long)status);
    else
        cli_table_add(table, NULL);
    cli_table_add(table, us ? units_format_duration(us * 1000, elapsed, sizeof elapsed) : NULL);
    cli_table_format(table, *incomplete ? "%s (%s)" : "%s", summary, incomplete);
}

/* Objects whose names make longer names are walked, maps of an entry's own words (headers) are too: nobody can tell them apart, and both read well. */
static void print_below(const json_t *value, const char *path, unsigned depth, FILE *out)
{
    const char *key;
    const json_t *member;
    bool empty = json_is_null(value) || (json_is_string(value) && json_string_length(value) == 0) || (json_is_array(value) && json_array_size(value) == 0);
    if (empty)
        return; /* most of what an entry could say does not apply to it */
    if (!json_is_object(value) || depth >= DEPTH_MAX) {
        mem_auto_free char *text = call_value_text(value);
        fprintf(out, "%-*s %s\n", NAME_COLUMN, path, text ? text : "(out of memory)");
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member) { /* jansson's loop wants a changeable object, and changes nothing */
        char name[PATH_MAX_BYTES];
        (void)snprintf(name, sizeof name, "%s%s%s", path, *path ? "." : "", key);
        text_make_plain(name);
        print_below(member, name, depth + 1, out);
    }
}

void call_print(const json_t *row, FILE *out) { print_below(row, "", 0, out); }
