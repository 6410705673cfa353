/* The SQL functions that expressions are made of (translate.h), for one connection. NULL stands for CEL's error: it is what comes of an overflow, a missing key or an index outside, and what comes of any NULL argument.
 * Only a broken limit (a pattern that takes too long, a value past JSON_TEXT_BYTES_MAX) fails the statement, with a sentence as sqlite3_errmsg. */
#ifndef DISSECTOR_QUERY_FUNCTIONS_H
#define DISSECTOR_QUERY_FUNCTIONS_H
#include <sqlite3.h>
#include <stddef.h>

/* 0, -ENOMEM. */
int functions_register(sqlite3 *db);
/* Between functions.c (texts, numbers, times) and functions_json.c (lists and maps). */
int functions_register_json(sqlite3 *db);
struct function_row { const char *name; int arguments; void (*call)(sqlite3_context *context, int count, sqlite3_value **values); };
int functions_register_rows(sqlite3 *db, const struct function_row *rows, size_t count);
#endif
