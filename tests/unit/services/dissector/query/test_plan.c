/* What SQLite makes of the statements: probes go through their index, walks through rowids, and nothing reads whole tables but the endpoints' and the names'. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/query/check.h"
#include "services/dissector/query/plan_sets.h"
#include "services/dissector/query/select.h"
#include "small_database.h"

#define NOW_NS (SMALL_FIRST_NS + INT64_C(480000000000))
struct fixture { struct vocabulary vocabulary; char path[64]; struct query_file file; };

static int open_fixture(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    struct query_error error;
    snprintf(f->path, sizeof f->path, "/tmp/test_plan.XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sqlite3_close(small_database(f->path)), SQLITE_OK);
    assert_int_equal(query_file_open(f->path, 0, &f->file, &error), 0);
    assert_int_equal(vocabulary_make(small_protocols, SMALL_PROTOCOLS, &f->vocabulary), 0);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    query_file_close(&f->file);
    unlink(f->path);
    vocabulary_free(&f->vocabulary);
    test_free(f);
    return 0;
}

static void parse(const struct fixture *f, const char *text, struct expression *ret)
{
    struct query_error error;
    assert_int_equal(expression_parse(text, strlen(text), ret, &error), 0);
    assert_int_equal(expression_check(ret, &f->vocabulary, NOW_NS, &error), 0);
}

/* EXPLAIN QUERY PLAN, line by line. */
static void explain(const struct fixture *f, struct sql *sql, char *ret, size_t room)
{
    struct sql explained = *sql;
    sqlite3_stmt *statement = NULL;
    assert_false(sql->failed);
    assert_true(asprintf(&explained.text, "EXPLAIN QUERY PLAN %s", sql->text) > 0);
    explained.size = strlen(explained.text);
    if (sql_prepare(f->file.db, &explained, &statement) < 0)
        fail_msg("%s: %s", sqlite3_errmsg(f->file.db), sql->text);
    ret[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        size_t at = strlen(ret);
        snprintf(ret + at, room - at, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_finalize(statement);
    free(explained.text);
}

static void probes_use_their_index(void **state)
{
    static const struct { const char *expression, *plan; } samples[] = {
        { "conn_id == 1", "SEARCH entry USING COVERING INDEX entry_connection (connection=? AND rowid>? AND rowid<?)" }, { "1 == conn_id", "entry_connection" }, { "conn_id > 1", NULL },
        { "status_code >= 500", "INDEX entry_error (status>" }, { "status_code == 404", "INDEX entry_error (status=? AND rowid>? AND rowid<?)" }, { "400 <= status_code", "entry_error" }, { "status_code >= 300", NULL },
        { "status_code < 500", NULL }, { "status_code > 399", "entry_error" }, { "dns", "INDEX entry_rare (protocol=? AND rowid>? AND rowid<?)" }, { "protocol == \"Dns\"", "entry_rare" }, { "http", NULL }, { "protocol != \"DNS\"", NULL },
        { "kafka", NULL }, { "path == \"/health\"", "INDEX entry_path (path=? AND rowid>? AND rowid<?)" }, { "path.startsWith(\"/api\")", "entry_path" }, { "path.contains(\"/api\")", NULL },
        { "src.pod.name == \"web-1\"", "INDEX entry_src (src=? AND rowid>? AND rowid<?)" }, { "dst.ip.startsWith(\"10.\") || dst.dns != \"\"", "INDEX entry_dst (dst=? AND rowid>? AND rowid<?)" }, { "src.ip == dst.ip", NULL },
        { "src.port == 80", NULL }, { "method == \"GET\"", NULL },
    };
    const struct fixture *f = *state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct expression e;
        struct sql sql = { 0 };
        char plan[2048];
        parse(f, samples[i].expression, &e);
        struct query_plan_context context = { &f->file, &f->vocabulary, calloc(1, sizeof *context.sets) };
        bool fits = query_plan_write_probe(&sql, &context, e.root, 1, 8);
        if (fits != (samples[i].plan != NULL))
            fail_msg("%s: %d", samples[i].expression, fits);
        if (fits) {
            explain(f, &sql, plan, sizeof plan);
            if (!strstr(plan, samples[i].plan) || strstr(plan, "SCAN entry") || strstr(plan, "TEMP B-TREE"))
                fail_msg("%s: %s", samples[i].expression, plan);
        }
        plan_sets_free(context.sets);
        sql_free(&sql);
        expression_free(&e);
    }
}

static void walks_go_by_rowid(void **state)
{
    static const char *const expressions[] = { "", "http && method == \"GET\" && status_code >= 500 && dst.pod.namespace == \"shop\"", "conn_id == 1 || src.ip == dst.ip", "dns_questions.exists(q, q.contains(\"a\")) && path.startsWith(\"/a\")",
                                               "protocol in [\"http\", \"dns\"] && \"pay\" in namespaces", "request.headers[\"a\"].matches(\"b\") ? dns : tcp" };
    const struct fixture *f = *state;
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        for (int listed = 0; listed < 2; listed++) {
            struct expression e;
            struct sql sql = { 0 };
            struct select_parameters parameters;
            char plan[4096];
            const struct variable *fields[] = { vocabulary_find(&f->vocabulary, "summary", 7), vocabulary_find(&f->vocabulary, "src.name", 8), vocabulary_find(&f->vocabulary, "method", 6) };
            parse(f, expressions[i], &e);
            select_write(&sql, &(struct select){ .vocabulary = &f->vocabulary, .paths = f->file.db, .root = e.root, .fields = fields, .fields_count = 3, .from = listed ? SELECT_LISTED : SELECT_RANGE }, &parameters);
            explain(f, &sql, plan, sizeof plan);
            if (strncmp(plan, listed ? "SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)" : "SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", listed ? 48 : 60) != 0 || strstr(plan, "SCAN entry") || strstr(plan, "SCAN http"))
                fail_msg("%s: %s", expressions[i], plan);
            if (strstr(plan, "TEMP B-TREE FOR ORDER BY") || strstr(plan, "node"))
                fail_msg("%s sorts, or joins what it does not read: %s", expressions[i], plan);
            sql_free(&sql);
            expression_free(&e);
        }
}

/* Over the one zone: status 0-503, elapsed 0-6,000,000, connections 1-6, protocols 1-4, paths 0-5, sources 1-5. */
static void zones_are_skipped(void **state)
{
    static const struct { const char *expression; unsigned ranges; } samples[] = {
        { "", 1 }, { "elapsed_time > 5999999", 1 }, { "elapsed_time > 6000000", 0 }, { "elapsed_time >= 6000000", 1 }, { "6000000 < elapsed_time", 0 }, { "!(elapsed_time <= 6000000)", 0 }, { "status_code < 0", 0 },
        { "status_code != 0", 1 }, { "!(status_code == 0)", 1 }, { "status_code in [600, 700]", 0 }, { "status_code in [100, 700]", 1 }, { "elapsed_time > 6000000 || elapsed_time >= 0", 1 }, { "elapsed_time > 6000000 || kafka", 0 },
        { "!(elapsed_time <= 6000000 || kafka)", 0 }, { "kafka || false", 0 }, { "!kafka", 1 }, { "!http", 1 }, { "timestamp > now()", 0 }, { "timestamp_ns < 5", 0 }, { "duration > 6000500", 0 },
        { "elapsed_time >= 0 ? kafka : false", 1 }, { "url.contains(\"a\") && elapsed_time > 6000000", 0 }, { "conn_id > 6", 0 }, { "conn_id >= 6", 1 }, { "\"none\" in namespaces", 0 }, { "\"pay\" in namespaces", 1 }, { "!(\"none\" in namespaces)", 1 },
    };
    const struct fixture *f = *state;
    struct query_plan *plan = test_malloc(sizeof *plan);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct expression e;
        parse(f, samples[i].expression, &e);
        assert_int_equal(query_plan_make(&f->file, &f->vocabulary, e.root, 1, 8, plan), 0);
        if (plan->listed || plan->ranges_count != samples[i].ranges)
            fail_msg("%s: %u ranges", samples[i].expression, plan->ranges_count);
        query_plan_free(plan);
        expression_free(&e);
    }
    test_free(plan);
}

static void the_fewest_candidates_win(void **state)
{
    static const struct { const char *expression, *ids; } samples[] = {
        { "conn_id == 1 && path == \"/api/users\"", "1 2 6 " }, { "dns && status_code == 3", "3 4 " }, { "src.ip == \"192.168.7.9\" && status_code >= 400", "7 " }, { "path == \"/none\"", "" }, { "tcp", "6 " },
        { "protocol == \"none\"", "" },
    };
    const struct fixture *f = *state;
    struct query_plan *plan = test_malloc(sizeof *plan);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct expression e;
        char ids[64] = "";
        parse(f, samples[i].expression, &e);
        assert_int_equal(query_plan_make(&f->file, &f->vocabulary, e.root, 1, 8, plan), 0);
        assert_true(plan->listed);
        for (uint32_t k = 0; k < plan->ids_count; k++)
            snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%lld ", (long long)plan->ids[k]);
        assert_string_equal(ids, samples[i].ids);
        query_plan_free(plan);
        expression_free(&e);
    }
    test_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_use_their_index), cmocka_unit_test(walks_go_by_rowid), cmocka_unit_test(zones_are_skipped), cmocka_unit_test(the_fewest_candidates_win),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
