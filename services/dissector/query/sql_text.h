/* An SQL text that grows, and the values that are bound to it. What an expression says never becomes SQL text: it becomes "?7" and a value. */
#ifndef DISSECTOR_QUERY_SQL_TEXT_H
#define DISSECTOR_QUERY_SQL_TEXT_H
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_TEXT_BYTES_MAX (4u * 1024 * 1024)    /* an expression of EXPRESSION_NODES_MAX parts takes some hundred KiB */

struct sql_value { enum { SQL_INT, SQL_REAL, SQL_TEXT, SQL_BYTES, SQL_OWN_TEXT /* freed with the sql */ } kind; int64_t number; double real; const char *text; size_t size; };
struct sql {
    char *text;
    size_t size, room;
    struct sql_value *values;
    uint32_t count, values_room;
    bool failed;                /* no memory, or too long; later calls do nothing */
};
/* All of them append. */
void sql_put(struct sql *sql, const char *text);
__attribute__((format(printf, 2, 3))) void sql_format(struct sql *sql, const char *format, ...); /* for numbers and names of the program's own */
void sql_bind_int(struct sql *sql, int64_t value);
void sql_bind_real(struct sql *sql, double value);
void sql_bind_text(struct sql *sql, const char *text, size_t size);     /* borrowed until sql_free */
void sql_bind_bytes(struct sql *sql, const char *data, size_t size);
void sql_bind_own_text(struct sql *sql, char *text, size_t size);       /* takes it; NULL fails */
void sql_free(struct sql *sql);

/* Prepares and binds. 0; -ENOMEM; -EIO: sqlite3_errmsg says what. The statement keeps copies of nothing: the sql must live as long. */
int sql_prepare(sqlite3 *db, const struct sql *sql, sqlite3_stmt **ret);
static inline void sql_finalize_p(sqlite3_stmt **statement) { sqlite3_finalize(*statement); }
#endif
