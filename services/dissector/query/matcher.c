#include "services/dissector/query/matcher.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/functions.h"
#include "services/dissector/query/select.h"
#include "units/units.h"

#define OPS_PER_LOOK 100000             /* SQLite's steps between two looks at the clock */

struct query_matcher { int64_t deadline_ns; sqlite3 *db; struct expression expression; struct sql sql; sqlite3_stmt *statement; };

static int failed(sqlite3 *db, int r, struct query_error *error)
{
    error->column = 0;
    const char *why = r == -ENOMEM ? "no memory" : sqlite3_errcode(db) == SQLITE_INTERRUPT ? "the expression is too expensive" : sqlite3_errmsg(db);
    (void)snprintf(error->text, sizeof error->text, "%s", why);
    return r;
}

static int past_deadline(void *context) { return units_now_mono_ns() > ((const struct query_matcher *)context)->deadline_ns; }

static int compile(const struct vocabulary *vocabulary, const char *text, int64_t now_ns, struct expression *ret, struct query_error *error)
{
    struct expression e;
    int r = expression_parse(text, strlen(text), &e, error);
    if (r < 0)
        return r;
    if ((r = expression_check(&e, vocabulary, now_ns, error)) < 0) {
        expression_free(&e);
        return r;
    }
    *ret = e;
    return 0;
}

int query_check(const struct vocabulary *vocabulary, const char *text, struct query_error *error)
{
    struct expression e;
    vocabulary = vocabulary ? vocabulary : vocabulary_of_registry();
    int r = vocabulary ? compile(vocabulary, text, 0, &e, error) : -ENOMEM;
    if (r == 0)
        expression_free(&e);
    return r;
}

int query_matcher_open(sqlite3 *db, const struct vocabulary *vocabulary, const char *text, int64_t now_ns, struct query_matcher **ret, struct query_error *error)
{
    struct query_matcher *m = calloc(1, sizeof *m);
    struct select_parameters parameters;
    vocabulary = vocabulary ? vocabulary : vocabulary_of_registry();
    if (!m || !vocabulary) {
        free(m);
        return failed(db, -ENOMEM, error);
    }
    m->db = db;
    int r = compile(vocabulary, text, now_ns, &m->expression, error);
    if (r == 0) {
        select_write(&m->sql, &(struct select){ .vocabulary = vocabulary, .root = m->expression.root, .from = SELECT_ALL }, &parameters);
        r = functions_register(db);
        if (r == 0)
            r = sql_prepare(db, &m->sql, &m->statement);
        if (r < 0)
            (void)failed(db, r, error);
    }
    if (r < 0) {
        query_matcher_close(m);
        return r;
    }
    *ret = m;
    return 0;
}

int query_matcher_run(struct query_matcher *m, void (*match)(void *context, int64_t id), void *context, struct query_error *error)
{
    int r;
    m->deadline_ns = units_now_mono_ns() + QUERY_MATCHER_SECONDS_MAX * UNITS_NS_PER_S;
    sqlite3_progress_handler(m->db, OPS_PER_LOOK, past_deadline, m);
    while ((r = sqlite3_step(m->statement)) == SQLITE_ROW)
        match(context, sqlite3_column_int64(m->statement, 0));
    int answer = r == SQLITE_DONE ? 0 : failed(m->db, r == SQLITE_NOMEM ? -ENOMEM : -EIO, error);
    sqlite3_reset(m->statement);
    sqlite3_progress_handler(m->db, 0, NULL, NULL);
    return answer;
}

void query_matcher_close(struct query_matcher *m)
{
    if (!m)
        return;
    sqlite3_finalize(m->statement);
    sql_free(&m->sql);
    expression_free(&m->expression);
    free(m);
}
