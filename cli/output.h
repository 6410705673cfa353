/* What a command says: text for people, or one JSON document on standard output; failures on standard error, or as {"error":{"code","message"}} on standard output. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H
#include <stdio.h>

#include "cli/command.h"
#include "json/json.h"
#include "wire/wire.h"

/* The codes are those of the bus: invalid, not_found, conflict, busy, unavailable, internal. Returns CLI_FAILED. */
int cli_fail(const struct cli_options *options, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same, for a call that was wrong. Returns CLI_WRONG_USE. */
int cli_misuse(const struct cli_options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the document and takes it; NULL counts as out of memory. Returns CLI_OK or CLI_FAILED. */
int cli_print_json(json_t *document);
/* A message as a JSON document of its own; NULL when out of memory or not UTF-8. */
json_t *cli_json_of(const ProtobufCMessage *message);

/* Columns of text, as wide as their widest cell. */
#define CLI_TABLE_COLUMNS_MAX 12 /* more would not fit a screen */
struct cli_table { size_t columns, cells_count; char **cells; bool failed; };
/* The next cell, row by row; NULL is "-". */
void cli_table_add(struct cli_table *table, const char *text);
void cli_table_format(struct cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes the whole rows, each behind `indent` spaces, and empties the table. */
void cli_table_print(struct cli_table *table, size_t indent, FILE *out);
void cli_table_clear(struct cli_table *table);
#endif
