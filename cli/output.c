/* Text, tables and JSON documents on standard output. See output.h. */
#include "cli/output.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/announce.h"

#define MESSAGE_TEXT_MAX 1024

/* It may say again what was asked for, and be cut: whatever that holds, the JSON stays whole and the terminal as it is. */
static void say_failure(const struct cli_options *options, const char *code, char *message)
{
    text_make_plain(message);
    if (options->json)
        (void)cli_print_json(json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message));
    else
        fprintf(stderr, "tapeloop: %s\n", message);
}

int cli_fail(const struct cli_options *options, const char *code, const char *format, ...)
{
    char message[MESSAGE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    say_failure(options, code, message);
    return CLI_FAILED;
}

int cli_misuse(const struct cli_options *options, const char *format, ...)
{
    char message[MESSAGE_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    say_failure(options, "invalid", message);
    return CLI_WRONG_USE;
}

int cli_print_json(json_t *document)
{
    json_auto json_t *owned = document;
    int rc = owned ? json_dumpf(owned, stdout, JSON_INDENT(2)) : -1;
    if (!owned)
        fputs("tapeloop: out of memory, or a text that is not UTF-8\n", stderr);
    fputc('\n', stdout);
    return rc == 0 ? CLI_OK : CLI_FAILED;
}

json_t *cli_json_of(const ProtobufCMessage *message)
{
    char *text = NULL;
    if (wire_encode_pretty(message, &text) < 0)
        return NULL;
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    return json;
}

static void take_cell(struct cli_table *table, char *cell)
{
    char **cells = cell ? realloc(table->cells, (table->cells_count + 1) * sizeof *cells) : NULL;
    if (!cells) {
        free(cell);
        table->failed = true;
        return;
    }
    table->cells = cells;
    cells[table->cells_count++] = cell;
}

void cli_table_add(struct cli_table *table, const char *text) { take_cell(table, strdup(text && *text ? text : "-")); }

void cli_table_format(struct cli_table *table, const char *format, ...)
{
    char *cell = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&cell, format, arguments) < 0)
        cell = NULL;
    va_end(arguments);
    take_cell(table, cell);
}

void cli_table_print(struct cli_table *table, size_t indent, FILE *out)
{
    assert(table->columns && table->columns <= CLI_TABLE_COLUMNS_MAX);
    int widths[CLI_TABLE_COLUMNS_MAX] = { 0 };
    for (size_t i = 0; i < table->cells_count; i++) {
        int width = (int)strlen(table->cells[i]);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t column = i % table->columns;
        bool last = column + 1 == table->columns;
        fprintf(out, "%*s%-*s%s", column ? 2 : (int)indent, "", last ? 0 : widths[column], table->cells[i], last ? "\n" : "");
    }
    if (table->failed)
        fputs("tapeloop: out of memory, rows are missing\n", stderr);
    cli_table_clear(table);
}

void cli_table_clear(struct cli_table *table)
{
    for (size_t i = 0; i < table->cells_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct cli_table){ .columns = table->columns };
}
