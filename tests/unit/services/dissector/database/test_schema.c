#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/database/schema.h"

static const struct field web_fields[] = {
    { .name = "method", .column = "method" },
    { .name = "path", .column = "path" },
    { .name = "request.headers", .type = FIELD_MAP, .column = "request_headers" },
    { .name = "request.body", .column = "request_body", .redaction = REDACT_BODY },
    { .name = "request_body_size", .type = FIELD_INT, .column = "request_body_size" },
    { .name = "grpc_status", .type = FIELD_INT, .fallback = -1, .column = "grpc_status" },
};
static const struct field names_fields[] = {
    { .name = "dns_questions", .type = FIELD_LIST, .column = "questions" },
    { .name = "request_body_size", .type = FIELD_INT, .column = "size" }, /* the same name as above */
};
static const struct detail web = { "web", web_fields, 6 }, names = { "names", names_fields, 2 };
static const struct protocol http = { .name = "HTTP", .detail = &web }, grpc = { .name = "GRPC", .detail = &web }, dns = { .name = "DNS", .detail = &names };
static const struct protocol *const list[] = { &http, &grpc, &dns };

static sqlite3 *database(bool file)
{
    struct schema schema;
    char *sql;
    sqlite3 *db;
    assert_int_equal(schema_make(list, 3, &schema), 0);
    assert_int_equal(schema_sql(&schema, file, &sql), 0);
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s\n%s", error, sql);
    free(sql);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
}

/* All rows as one text: columns by "|", rows by newlines. */
static void expect(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *statement;
    char text[4096] = "";
    size_t size = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i ? "|" : size ? "\n" : "", (const char *)sqlite3_column_text(statement, i));
    sqlite3_finalize(statement);
    assert_string_equal(text, expected);
}

static void each_detail_once(void **state)
{
    (void)state;
    struct schema schema;
    assert_int_equal(schema_make(list, 3, &schema), 0);
    assert_int_equal(schema.details_count, 2);
    assert_int_equal(schema_detail_of(&schema, &web), 0);
    assert_int_equal(schema_detail_of(&schema, &names), 1);
    assert_int_equal(schema.details[0].path, 1);
    assert_int_equal(schema.details[0].columns, 5);
    assert_int_equal(schema.details[0].field[0], 4); /* numbers first */
    assert_int_equal(schema.details[0].field[4], 3); /* bodies last */
    assert_int_equal(schema.details[1].path, -1);
}

static void bad_tables_are_refused(void **state)
{
    (void)state;
    static const struct field upper[] = { { .name = "x", .column = "X" } }, id[] = { { .name = "x", .column = "id" } }, twice[] = { { .name = "x", .column = "x" }, { .name = "y", .column = "x" } },
                              taken[] = { { .name = "status_code", .column = "x" } }, none[] = { { .name = "x" } };
    const struct detail bad[] = { { "t", upper, 1 }, { "t", id, 1 }, { "t", twice, 2 }, { "t", taken, 1 }, { "t", none, 1 }, { "entry", web_fields, 1 }, { "a b", web_fields, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct schema schema = { .details_count = 77 };
        const struct protocol protocol = { .name = "BAD", .detail = &bad[i] }, *one[] = { &protocol };
        assert_int_equal(schema_make(one, 1, &schema), -EINVAL);
        assert_int_equal(schema.details_count, 77);
    }
    const struct detail again = { "web", names_fields, 1 };
    const struct protocol second = { .name = "B", .detail = &again }, *two[] = { &http, &second };
    struct schema schema;
    assert_int_equal(schema_make(two, 2, &schema), -EINVAL);
}

static void view_fills_in_defaults(void **state)
{
    (void)state;
    sqlite3 *db = database(true);
    run(db, "INSERT INTO protocol VALUES(1,'HTTP'),(2,'DNS')");
    run(db, "INSERT INTO path VALUES(0,''),(1,'/a')");
    run(db, "INSERT INTO peer(id, ip, pod_name) VALUES(1,'10.0.0.1','web-1'),(2,'10.0.0.2','')");
    run(db, "INSERT INTO entry(id, timestamp, protocol, src, dst, connection, path, status, flags) VALUES(1, 1700000000000000005, 1, 1, 2, 7, 1, 200, 1), (2, 1700000000000000006, 2, 2, 1, 8, 0, 0, 4)");
    run(db, "INSERT INTO web(id, method, request_body_size) VALUES(1, 'GET', 12)");
    run(db, "INSERT INTO names(id, questions, size) VALUES(2, '[\"x.example\"]', 13)");
    expect(db, "SELECT id, protocol, timestamp, method, path, grpc_status, request_body_size, dns_questions, \"request.headers\", one_way, maybe_copy, \"src.pod.name\" FROM calls",
           "1|HTTP|2023-11-14T22:13:20.000000005Z|GET|/a|-1|12|[]|{}|1|0|web-1\n"
           "2|DNS|2023-11-14T22:13:20.000000006Z|||-1|13|[\"x.example\"]|{}|0|1|");
    sqlite3_close(db);
}

/* What a query does not touch costs nothing: the joins are gone from its plan. */
static void untouched_joins_are_dropped(void **state)
{
    (void)state;
    sqlite3 *db = database(true);
    expect(db, "SELECT count(*) FROM (SELECT 1 FROM calls LIMIT 0)", "0");
    sqlite3_stmt *plan;
    assert_int_equal(sqlite3_prepare_v2(db, "EXPLAIN QUERY PLAN SELECT id, status_code, method FROM calls WHERE status_code = 500", -1, &plan, NULL), SQLITE_OK);
    int steps = 0;
    while (sqlite3_step(plan) == SQLITE_ROW)
        steps++;
    sqlite3_finalize(plan);
    assert_int_equal(steps, 2); /* entry and web */
    sqlite3_close(db);
}

static void prefixes_are_ranges(void **state)
{
    (void)state;
    sqlite3 *db = database(false);
    int64_t first, last;
    assert_int_equal(database_path_range(db, "/", 1, false, &first, &last), 0);
    assert_true(first > last);
    run(db, "INSERT INTO path VALUES(0,''),(1,'*'),(2,'/'),(3,'/a'),(4,'/a/b'),(5,'/ab'),(6,'/b')");
    static const struct { const char *prefix; bool exact; int64_t first, last; } cases[] = {
        { "", false, 0, 6 }, { "/", false, 2, 6 }, { "/a", false, 3, 5 }, { "/a/", false, 4, 4 }, { "/a/b/c", false, 5, 4 }, { "*", false, 1, 1 }, { "~", false, 7, 6 }, { "!", false, 1, 0 },
        { "/a", true, 3, 3 }, { "/", true, 2, 2 }, { "", true, 0, 0 }, { "/aa", true, 5, 4 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(database_path_range(db, cases[i].prefix, strlen(cases[i].prefix), cases[i].exact, &first, &last), 0);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
    }
    run(db, "DROP TABLE path");
    assert_int_equal(database_path_range(db, "/", 1, false, &first, &last), -EIO);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_detail_once), cmocka_unit_test(bad_tables_are_refused), cmocka_unit_test(view_fills_in_defaults),
                                        cmocka_unit_test(untouched_joins_are_dropped), cmocka_unit_test(prefixes_are_ranges) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
