/* Any bytes as an expression: parsed, checked, turned into SQL, prepared on the tables that the text speaks of, and, where it is short, run over an entry. What the checker takes SQLite must take, too; what it refuses has its place
 * inside the text. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/database/schema.h"
#include "services/dissector/query/matcher.h"

#define RUN_LOOPS_MAX 3
#define RUN_BYTES_MAX 200   /* longer expressions may take long, and say nothing more */

static sqlite3 *make_database(void)
{
    struct schema schema;
    char *ddl = NULL;
    sqlite3 *db = NULL;
    if (schema_make(protocols, protocols_count, &schema) < 0 || schema_sql(&schema, true, &ddl) < 0 || sqlite3_open(":memory:", &db) != SQLITE_OK || sqlite3_exec(db, ddl, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    free(ddl);
    if (sqlite3_exec(db,
                     "INSERT INTO protocol VALUES(1, 'HTTP'); INSERT INTO peer(id, ip) VALUES(1, '10.0.0.1'); INSERT INTO entry(id, timestamp, protocol, src, dst, connection) VALUES(1, 1773525600000000000, 1, 1, 1, 1);"
                     "INSERT INTO http(id, method, request_headers, path_segments) VALUES(1, 'GET', '{\"a\":\"b\"}', '[\"a\",\"b\"]');",
                     NULL, NULL, NULL) != SQLITE_OK)
        abort();
    return db;
}

/* Macros, and what else has a dot and a bracket behind it: loops in loops take long. */
static unsigned loops(const char *text)
{
    unsigned count = 0;
    for (; *text; text++)
        count += strncmp(text, ".exists", 7) == 0 || strncmp(text, ".all", 4) == 0 || strncmp(text, ".map", 4) == 0 || strncmp(text, ".filter", 7) == 0;
    return count;
}

static void ignore(void *context, int64_t id)
{
    (void)context;
    (void)id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sqlite3 *db;
    struct query_matcher *matcher = NULL;
    struct query_error error = { 0 };
    if (memchr(data, '\0', size) || size > 20000)
        return 0;
    if (!db)
        db = make_database();
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int r = query_matcher_open(db, NULL, text, INT64_C(1773525700000000000), &matcher, &error);
    if (r < 0 && (error.column == 0 || error.column > size + 1 || error.text[0] == '\0')) { /* 0: SQLite did not take it */
        fprintf(stderr, "%s: column %u: %s\n", text, error.column, error.text);
        abort();
    }
    if (r == 0 && size <= RUN_BYTES_MAX && loops(text) <= RUN_LOOPS_MAX)
        (void)query_matcher_run(matcher, ignore, NULL, &error);
    query_matcher_close(matcher);
    free(text);
    return 0;
}
