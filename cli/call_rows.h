/* Rows of calls.query, each a JSON object, as cells of a table and as one document. What they hold came over somebody's network: nothing of it may reach a terminal as a control character. */
#ifndef CLI_CALL_ROWS_H
#define CLI_CALL_ROWS_H
#include "cli/output.h"

#define CALL_FIELDS_MAX CLI_TABLE_COLUMNS_MAX

/* The value that a dotted name leads to ("src.pod.name"), or NULL. */
const json_t *call_row_value(const json_t *row, const char *name);
/* As text: times to the millisecond, lists and maps as JSON; control characters as '?'. To be freed; NULL: no memory. */
char *call_value_text(const json_t *value);
/* The usual columns: id, time, protocol, who with whom, status, how long, summary. */
#define CALL_TABLE_COLUMNS 8
void call_table_titles(struct cli_table *table);
void call_table_add(struct cli_table *table, const json_t *row);
/* Fields that the usual columns are made of; ended by NULL. */
extern const char *const call_table_fields[];
/* One entry, a line for each value that is not empty, names in front. */
void call_print(const json_t *row, FILE *out);
#endif
