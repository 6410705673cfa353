/* Pages, cursors, budgets, spans of time, groups and single entries: over the eight entries of small_database.h, and over parts of generated ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/dissector/query/groups.h"
#include "services/dissector/query/query.h"
#include "small_database.h"

#define TEXT_MAX 8192
#define MINUTE_NS INT64_C(60000000000)

struct fixture { struct vocabulary vocabulary; char folder[64], path[96]; };
struct answer { char text[TEXT_MAX]; size_t rows, stop_after; struct query_result result; struct query_error error; };

static bool note(void *context, const struct query_value *values, size_t count)
{
    struct answer *a = context;
    size_t size, at = strlen(a->text);
    char *json = query_row_json(values, count, &size);
    assert_non_null(json);
    (void)snprintf(a->text + at, sizeof a->text - at, "%s%s", at ? "\n" : "", json);
    free(json);
    return ++a->rows != a->stop_after;
}

/* The ids alone: "1 2 8". */
static bool note_id(void *context, const struct query_value *values, size_t count)
{
    struct answer *a = context;
    size_t at = strlen(a->text);
    assert_int_equal(count, 1);
    (void)snprintf(a->text + at, sizeof a->text - at, at ? " %lld" : "%lld", (long long)values[0].number);
    return ++a->rows != a->stop_after;
}
static const char *const id_field[] = { "id" };

static int open_fixture(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/test_run.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/odd %%name?#.sqlite", f->folder);
    assert_int_equal(sqlite3_close(small_database(f->path)), SQLITE_OK);
    assert_int_equal(vocabulary_make(small_protocols, SMALL_PROTOCOLS, &f->vocabulary), 0);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    vocabulary_free(&f->vocabulary);
    test_free(f);
    return 0;
}

static struct query_request ids_of(const struct fixture *f, const char *expression)
{
    return (struct query_request){ .vocabulary = &f->vocabulary, .path = f->path, .expression = expression, .fields = id_field, .fields_count = 1, .now_ns = SMALL_FIRST_NS + 8 * MINUTE_NS };
}

static void run(const struct query_request *request, struct answer *ret)
{
    memset(ret, 0, sizeof *ret);
    if (query_run(request, note_id, ret, &ret->result, &ret->error) < 0)
        fail_msg("%s: column %u: %s", request->expression, ret->error.column, ret->error.text);
}

static void check(const struct fixture *f, const char *expression, const char *ids)
{
    struct query_request request = ids_of(f, expression);
    struct answer answer;
    run(&request, &answer);
    if (strcmp(answer.text, ids) != 0)
        fail_msg("%s: %s instead of %s", expression, answer.text, ids);
    assert_false(answer.result.more);
    assert_true(answer.result.cursor >= 1 && answer.result.cursor <= 8);
    assert_int_equal(answer.result.rows, answer.rows);
}

/* Every way that the planner knows gives what the expression says. */
static void every_plan_gives_the_same(void **state)
{
    const struct fixture *f = *state;
    check(f, "", "1 2 3 4 5 6 7 8");
    check(f, "http && method == \"GET\" && status_code >= 400 && dst.pod.namespace == \"pay\"", "8");
    check(f, "conn_id == 1", "1 2 6");
    check(f, "conn_id == 1 && src.port == 40001 && http", "1 2");
    check(f, "status_code >= 500", "2");
    check(f, "status_code > 403 && status_code < 500", "8");
    check(f, "404 == status_code", "8");
    check(f, "dns", "3 4");
    check(f, "protocol == \"dns\"", "3 4");
    check(f, "!http", "3 4 6");
    check(f, "path == \"/health\"", "7");
    check(f, "path.startsWith(\"/api/\")", "1 2 8");
    check(f, "path == \"\"", "3 4 6");
    check(f, "path == \"/none\"", "");
    check(f, "path.startsWith(\"\")", "1 2 3 4 5 6 7 8");
    check(f, "src.ip.startsWith(\"192.168.\")", "7");
    check(f, "!(src.pod.namespace == \"shop\")", "5 7");
    check(f, "dst.dns != \"\" && !dst.dns.endsWith(\".internal\")", "5");
    check(f, "elapsed_time > 5000000", "2");
    check(f, "elapsed_time > 7000000", "");
    check(f, "status_code in [404, 503]", "2 8");
    check(f, "kafka", "");
    check(f, "id > 2 && 5 >= id", "3 4 5");
    check(f, "id == 4", "4");
    check(f, "\"pay\" in namespaces", "1 2 5 6 7 8");
    check(f, "false || tcp", "6");
    check(f, "timestamp >= timestamp(\"2026-03-14T22:02:00Z\") && timestamp < timestamp(\"2026-03-14T22:05:00Z\")", "3 4 5");
    check(f, "timestamp > now() - duration(\"2m\")", "8");
    check(f, "timestamp == timestamp(\"2026-03-14T22:03:00Z\")", "4");
    check(f, "status_code > 9223372036854775807", "");
    static const char *const beyond[] = { "id < -9223372036854775808", "id <= 0", "id > 9223372036854775807" };
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        struct query_request request = ids_of(f, beyond[i]);
        struct answer answer;
        run(&request, &answer);
        assert_true(answer.rows == 0 && answer.result.cursor == 0 && !answer.result.more);
    }
}

/* As options that are put together make it. */
static void a_path_may_begin_with_two_slashes(void **state)
{
    const struct fixture *f = *state;
    char path[sizeof f->path + 2];
    struct query_request request = ids_of(f, "dns");
    struct answer answer;
    snprintf(path, sizeof path, "/%s", f->path);
    request.path = path;
    run(&request, &answer);
    assert_string_equal(answer.text, "3 4");
}

static void pages_follow_each_other(void **state)
{
    struct query_request request = ids_of(*state, "http");
    struct answer answer;
    request.limit = 2;
    run(&request, &answer);
    assert_string_equal(answer.text, "1 2");
    assert_true(answer.result.more && answer.result.cursor == 2 && answer.result.looked == 2 && answer.result.looked_to_ns == SMALL_FIRST_NS + MINUTE_NS);
    request.after = answer.result.cursor;
    run(&request, &answer);
    assert_string_equal(answer.text, "5 7");
    request.after = answer.result.cursor;
    run(&request, &answer);
    assert_string_equal(answer.text, "8");
    assert_false(answer.result.more);
    request.after = 8;
    run(&request, &answer);
    assert_string_equal(answer.text, "");
    assert_false(answer.result.more);
    request.after = UINT64_MAX;
    run(&request, &answer);
    assert_string_equal(answer.text, "");
}

static void a_page_of_candidates_has_a_cursor(void **state)
{
    struct query_request request = ids_of(*state, "conn_id == 1");
    struct answer answer;
    request.limit = 2;
    run(&request, &answer);
    assert_string_equal(answer.text, "1 2");
    assert_true(answer.result.more && answer.result.cursor == 2);
    request.after = 2;
    run(&request, &answer);
    assert_string_equal(answer.text, "6");
    assert_false(answer.result.more);
}

static void a_budget_ends_an_answer(void **state)
{
    struct query_request request = ids_of(*state, "summary.contains(\"users\")");
    struct answer answer;
    request.budget = 3;
    run(&request, &answer);
    assert_string_equal(answer.text, "1");
    assert_true(answer.result.more && answer.result.cursor == 3 && answer.result.looked == 3);
    request.after = 3;
    run(&request, &answer);
    assert_string_equal(answer.text, "");
    assert_true(answer.result.more && answer.result.cursor == 6);
    request.after = 6;
    run(&request, &answer);
    assert_string_equal(answer.text, "8");
    assert_false(answer.result.more);
    assert_int_equal(answer.result.looked, 2);
}

static void the_receiver_may_stop(void **state)
{
    struct query_request request = ids_of(*state, "");
    struct answer answer = { .stop_after = 3 };
    assert_int_equal(query_run(&request, note_id, &answer, &answer.result, &answer.error), 0);
    assert_string_equal(answer.text, "1 2 3");
    assert_true(answer.result.more && answer.result.cursor == 3);
}

static void spans_of_time(void **state)
{
    struct query_request request = ids_of(*state, "");
    struct answer answer;
    request.from_ns = SMALL_FIRST_NS + 2 * MINUTE_NS;
    request.to_ns = SMALL_FIRST_NS + 4 * MINUTE_NS;
    run(&request, &answer);
    assert_string_equal(answer.text, "3 4");
    request.to_ns = 0;
    run(&request, &answer);
    assert_string_equal(answer.text, "3 4 5 6 7 8");
    request.expression = "timestamp > timestamp(\"2026-03-14T22:05:00Z\")";
    run(&request, &answer);
    assert_string_equal(answer.text, "7 8");
    request.from_ns = SMALL_FIRST_NS + 100 * MINUTE_NS;
    run(&request, &answer);
    assert_string_equal(answer.text, "");
}

static void fields_are_typed_and_nested(void **state)
{
    static const char *const fields[] = { "id", "src.pod.name", "http", "src.port", "request.headers", "path_segments", "timestamp", "src.ip", "kafka_size", "namespaces" };
    struct query_request request = ids_of(*state, "id == 1");
    struct answer answer = { 0 };
    request.fields = fields;
    request.fields_count = sizeof fields / sizeof *fields;
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_string_equal(answer.text, "{\"id\":1,\"src\":{\"pod\":{\"name\":\"web-1\"},\"port\":40001,\"ip\":\"10.0.0.1\"},\"http\":true,\"request\":{\"headers\":{\"accept\":\"*/*\",\"user-agent\":\"Mozilla/4.0\"}},"
                                     "\"path_segments\":[\"api\",\"users\"],\"timestamp\":\"2026-03-14T22:00:00.000000000Z\",\"kafka_size\":0,\"namespaces\":[\"shop\",\"pay\"]}");
    memset(&answer, 0, sizeof answer);
    request.fields_count = 0;
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_non_null(strstr(answer.text, "\"summary\":\"GET /api/users?id=1 200\""));
    assert_null(strstr(answer.text, "\"method\""));
    static const char *const star[] = { "*" };
    memset(&answer, 0, sizeof answer);
    request.fields = star;
    request.fields_count = 1;
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_non_null(strstr(answer.text, "\"method\":\"GET\""));
    assert_non_null(strstr(answer.text, "\"dns_questions\":[]"));
    assert_null(strstr(answer.text, "kafka"));
}

static void groups_count(void **state)
{
    static const char *const by[] = { "protocol", "dst.namespace" };
    struct query_request request = ids_of(*state, "");
    struct answer answer = { 0 };
    request.group_by = by;
    request.group_by_count = 2;
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_string_equal(answer.text, "{\"protocol\":\"HTTP\",\"dst\":{\"namespace\":\"pay\"},\"count\":4,\"errors\":2,\"elapsed_p50\":1000,\"elapsed_p90\":6000000,\"elapsed_p99\":6000000}\n"
                                     "{\"protocol\":\"DNS\",\"dst\":{\"namespace\":\"kube-system\"},\"count\":2,\"errors\":1,\"elapsed_p50\":200,\"elapsed_p90\":300,\"elapsed_p99\":300}\n"
                                     "{\"protocol\":\"TCP\",\"dst\":{\"namespace\":\"pay\"},\"count\":1,\"errors\":0,\"elapsed_p50\":0,\"elapsed_p90\":0,\"elapsed_p99\":0}\n"
                                     "{\"protocol\":\"GRPC\",\"dst\":{\"namespace\":\"\"},\"count\":1,\"errors\":1,\"elapsed_p50\":4000,\"elapsed_p90\":4000,\"elapsed_p99\":4000}");
    assert_int_equal(answer.result.rows, 4);
    assert_true(!answer.result.more && answer.result.looked == 8);
    memset(&answer, 0, sizeof answer);
    request.limit = 1;
    request.budget = 3;
    request.expression = "http";
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_string_equal(answer.text, "{\"protocol\":\"HTTP\",\"dst\":{\"namespace\":\"pay\"},\"count\":2,\"errors\":1,\"elapsed_p50\":1000,\"elapsed_p90\":6000000,\"elapsed_p99\":6000000}");
    assert_true(answer.result.more && answer.result.cursor == 3);
}

/* Groups over several dissections (here the same one twice) come once, in the end. */
static void groups_are_gathered(void **state)
{
    static const char *const by[] = { "protocol" };
    struct query_request request = ids_of(*state, "http");
    struct answer answer = { 0 };
    struct groups *groups = NULL;
    assert_int_equal(groups_make(&groups), 0);
    request.group_by = by;
    request.group_by_count = 1;
    request.gather = groups;
    for (int i = 0; i < 2; i++)
        assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_int_equal(answer.rows, 0);
    assert_int_equal(query_gathered(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_string_equal(answer.text, "{\"protocol\":\"HTTP\",\"count\":8,\"errors\":4,\"elapsed_p50\":1000,\"elapsed_p90\":6000000,\"elapsed_p99\":6000000}\n"
                                     "{\"protocol\":\"GRPC\",\"count\":2,\"errors\":2,\"elapsed_p50\":4000,\"elapsed_p90\":4000,\"elapsed_p99\":4000}");
    memset(&answer, 0, sizeof answer);
    request.limit = 1;
    assert_int_equal(query_gathered(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_int_equal(answer.rows, 1);
    groups_free(groups);
}

static void one_entry_whole(void **state)
{
    const struct fixture *f = *state;
    struct answer answer = { 0 };
    assert_int_equal(query_call(&f->vocabulary, f->path, 5, note, &answer, &answer.error), 0);
    assert_int_equal(answer.rows, 1);
    assert_non_null(strstr(answer.text, "\"grpc_status\":5"));
    assert_non_null(strstr(answer.text, "\"path\":\"/hello.Greeter/SayHello\""));
    assert_non_null(strstr(answer.text, "\"maybe_copy\":true"));
    assert_null(strstr(answer.text, "dns_questions"));
    assert_int_equal(query_call(&f->vocabulary, f->path, 9, note, &answer, &answer.error), -ENOENT);
    assert_int_equal(query_call(&f->vocabulary, f->path, 0, note, &answer, &answer.error), -ENOENT);
    assert_int_equal(query_call(&f->vocabulary, f->path, UINT64_MAX, note, &answer, &answer.error), -ENOENT);
}

static void check_refused(const struct fixture *f, struct query_request request, int code, uint32_t column, const char *part)
{
    struct answer answer = { 0 };
    (void)f;
    assert_int_equal(query_run(&request, note_id, &answer, &answer.result, &answer.error), code);
    assert_int_equal(answer.error.column, column);
    if (!strstr(answer.error.text, part))
        fail_msg("%s", answer.error.text);
}

static void wrong_requests_are_refused(void **state)
{
    static const char *const unknown[] = { "methd" }, *const twice[] = { "id", "id" }, *const star[] = { "*" };
    const struct fixture *f = *state;
    struct query_request request = ids_of(f, "http && methd == \"GET\"");
    check_refused(f, request, -EINVAL, 9, "method");
    request.expression = "";
    request.fields = unknown;
    check_refused(f, request, -EINVAL, 0, "method");
    request.fields = twice;
    request.fields_count = 2;
    check_refused(f, request, -EINVAL, 0, "twice");
    request = ids_of(f, "");
    request.limit = QUERY_LIMIT_MAX + 1;
    check_refused(f, request, -EINVAL, 0, "limit");
    request = ids_of(f, "");
    request.group_by = star;
    request.group_by_count = 1;
    check_refused(f, request, -EINVAL, 0, "names");
    request = ids_of(f, "");
    request.path = "/nonexistent/x.sqlite";
    check_refused(f, request, -ENOENT, 0, "no such");
    request.path = f->folder;
    check_refused(f, request, -EIO, 0, "");
    request.path = "/etc/passwd";
    check_refused(f, request, -EINVAL, 0, "no dissection");
}

/* Two parts of 20,000 entries each: connection = id / 4, status 500 each 10,000th, the word "needle" in the summary of 12,345 and 33,333. */
#define PART_ROWS 20000
static void make_part(const char *path, unsigned part)
{
    char text[2048];
    char *why = NULL;
    sqlite3 *db = small_database(path);
    snprintf(text, sizeof text,
             "BEGIN; DELETE FROM entry; DELETE FROM http; DELETE FROM dns; DELETE FROM connection; DELETE FROM zone; UPDATE info SET value = 2 WHERE name = 'parts';"
             "WITH RECURSIVE n(id) AS (SELECT %u UNION ALL SELECT id + 1 FROM n WHERE id < %u) INSERT INTO entry(id, timestamp, protocol, status, elapsed, src, dst, path, connection, summary)"
             " SELECT id, 1773525600000000000 + id * 1000000, 1, CASE WHEN id %% 10000 = 0 THEN 500 ELSE 200 END, id %% 1000, 1 + id %% 2, 2, id %% 6, id / 4, CASE WHEN id IN (12345, 33333) THEN 'a needle' ELSE 'hay' END FROM n;"
             "INSERT INTO zone SELECT 1 + (id - 1) %% 20000 / 4096, MIN(id), MAX(id), MIN(timestamp), MAX(timestamp), MIN(status), MAX(status), MIN(elapsed), MAX(elapsed), MIN(duration), MAX(duration), MIN(src), MAX(src), MIN(dst), MAX(dst),"
             " MIN(path), MAX(path), MIN(connection), MAX(connection), 2 FROM entry GROUP BY (id - 1) %% 20000 / 4096; COMMIT;",
             (part - 1) * PART_ROWS + 1, part * PART_ROWS);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void parts_are_walked_in_order(void **state)
{
    const struct fixture *f = *state;
    char first[128], second[160];
    snprintf(first, sizeof first, "%s/parts.sqlite", f->folder);
    snprintf(second, sizeof second, "%s.part-2", first);
    make_part(first, 1);
    make_part(second, 2);
    struct query_request request = ids_of(f, "summary.contains(\"needle\")");
    struct answer answer;
    request.path = first;
    run(&request, &answer);
    assert_string_equal(answer.text, "12345 33333");
    assert_true(!answer.result.more && answer.result.looked == 40000 && answer.result.cursor == 40000);
    request.budget = 25000;
    run(&request, &answer);
    assert_string_equal(answer.text, "12345");
    assert_true(answer.result.more && answer.result.looked == 25000 && answer.result.cursor == 25000);
    request.after = 25000;
    run(&request, &answer);
    assert_string_equal(answer.text, "33333");
    request.after = 0;
    request.budget = 20000; /* exactly the first part */
    run(&request, &answer);
    assert_true(answer.result.more && answer.result.cursor == 20000);
    request.budget = 0;
    request.limit = 1;
    run(&request, &answer);
    assert_true(answer.result.more && answer.result.cursor == 12345 && answer.result.looked == 12345);
    request.limit = 0;
    request.expression = "status_code >= 500"; /* by its index */
    run(&request, &answer);
    assert_string_equal(answer.text, "10000 20000 30000 40000");
    assert_int_equal(answer.result.looked, 4);
    request.expression = "conn_id == 5000"; /* over the edge of the parts */
    run(&request, &answer);
    assert_string_equal(answer.text, "20000 20001 20002 20003");
    request.expression = "conn_id > 9998 && elapsed_time >= 0"; /* two zones are not skipped at most */
    run(&request, &answer);
    assert_string_equal(answer.text, "39996 39997 39998 39999 40000");
    assert_true(answer.result.looked < 4096);
    request.expression = "status_code == 200 && http"; /* too many for an index: by id */
    request.limit = 3;
    run(&request, &answer);
    assert_string_equal(answer.text, "1 2 3");
    assert_int_equal(answer.result.looked, 3);
    assert_int_equal(query_call(&f->vocabulary, first, 33333, note, &answer, &answer.error), 0);
    assert_int_equal(unlink(second), 0);
    request.limit = 0;
    assert_int_equal(query_run(&request, note_id, &answer, &answer.result, &answer.error), 0); /* ends within the first part */
    request.after = 20000;
    assert_int_equal(query_run(&request, note_id, &answer, &answer.result, &answer.error), -EIO);
}

/* The rest of what is slow comes with the next question; what cannot even begin is an error. */
static void time_ends_an_answer(void **state)
{
    const struct fixture *f = *state;
    struct query_request request = ids_of(f, "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(a, [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(b, [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(c,"
                                                " [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(d, [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20].all(e, a + b + c + d + e + id > 0)))))");
    request.timeout_ms = 20;
    check_refused(f, request, -ETIMEDOUT, 0, "time");
}

/* A later part that is too slow for its first entry takes nothing from what those before it have answered. */
static void time_that_ends_in_a_later_part_ends_the_answer(void **state)
{
    static const char endless[] = "DROP TABLE entry; CREATE VIEW entry AS WITH RECURSIVE n(id) AS (SELECT 20001 UNION ALL SELECT id + 1 FROM n) SELECT id, 5 AS timestamp FROM n";
    const struct fixture *f = *state;
    static const char *const by[] = { "status_code" };
    char first[128], second[160];
    sqlite3 *db = NULL;
    snprintf(first, sizeof first, "%s/slow.sqlite", f->folder);
    snprintf(second, sizeof second, "%s.part-2", first);
    make_part(first, 1);
    make_part(second, 2);
    assert_int_equal(sqlite3_open(second, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, endless, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct query_request request = ids_of(f, "status_code >= 500");
    struct answer answer;
    request.path = first;
    request.timeout_ms = 2000; /* more than the first part takes with a sanitizer on a busy machine */
    run(&request, &answer);
    assert_string_equal(answer.text, "10000 20000");
    assert_true(answer.result.more && answer.result.cursor == 20000);
    request.group_by = by;
    request.group_by_count = 1;
    memset(&answer, 0, sizeof answer);
    assert_int_equal(query_run(&request, note, &answer, &answer.result, &answer.error), 0);
    assert_int_equal(answer.rows, 1);
    assert_true(answer.result.more && answer.result.cursor == 20000);
    request.group_by_count = 0;
    request.after = 20000;
    request.timeout_ms = 100;
    check_refused(f, request, -ETIMEDOUT, 0, "time");
    assert_int_equal(unlink(second) | unlink(first), 0);
}

struct view { sqlite3 *db; unsigned compared; };

static bool compare_with_view(void *context, const struct query_value *values, size_t count)
{
    struct view *view = context;
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *statement = NULL;
        char text[256];
        snprintf(text, sizeof text, "SELECT \"%s\" FROM calls WHERE id = %lld", values[i].name, (long long)values[0].number);
        bool of_view = sqlite3_prepare_v2(view->db, text, -1, &statement, NULL) == SQLITE_OK && strcmp(sqlite3_column_name(statement, 0), values[i].name) == 0;
        if (of_view && values[i].type != TYPE_TIMESTAMP && sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) == (type_kind(values[i].type) == TYPE_INT || values[i].type == TYPE_BOOL ? SQLITE_INTEGER : SQLITE_TEXT)) {
            bool same = sqlite3_column_type(statement, 0) == SQLITE_INTEGER ? sqlite3_column_int64(statement, 0) == values[i].number
                                                                             : (size_t)sqlite3_column_bytes(statement, 0) == values[i].size && memcmp(sqlite3_column_text(statement, 0), values[i].text, values[i].size) == 0;
            if (!same)
                fail_msg("%s of %lld differs", values[i].name, (long long)values[0].number);
            view->compared++;
        }
        sqlite3_finalize(statement);
    }
    return true;
}

/* The view `calls` is written elsewhere from the same tables: both say the same. */
static void rows_are_those_of_the_view(void **state)
{
    static const char *const star[] = { "*" };
    const struct fixture *f = *state;
    struct view view = { 0 };
    struct answer answer = { 0 };
    struct query_request request = ids_of(f, "");
    request.fields = star;
    request.fields_count = 1;
    assert_int_equal(sqlite3_open(f->path, &view.db), SQLITE_OK);
    assert_int_equal(query_run(&request, compare_with_view, &view, &answer.result, &answer.error), 0);
    assert_true(view.compared > 8 * 60);
    assert_int_equal(sqlite3_close(view.db), SQLITE_OK);
}

/* A file that came from somewhere may hold anything. */
static void strange_files_are_no_danger(void **state)
{
    static const struct { const char *sql; int code; } samples[] = {
        { "DROP TABLE entry; CREATE VIEW entry AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, 5 AS timestamp FROM n", -ETIMEDOUT },
        { "DROP TABLE info; CREATE VIEW info AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT 'schema_version' AS name, id AS value FROM n", 0 },
        { "DROP TABLE zone", -EIO }, { "DROP TABLE peer", -EIO }, { "DROP TABLE protocol", -EIO }, { "DROP TABLE http", -EIO }, { "DELETE FROM entry WHERE id = 4", 0 }, { "UPDATE info SET value = 2 WHERE name = 'schema_version'", -EINVAL },
        { "UPDATE info SET value = 4000000000 WHERE name = 'parts'", -EIO }, { "UPDATE http SET request_headers = '{\"a'", -EIO }, { "UPDATE entry SET src = 99, dst = -1, protocol = 77", 0 }, { "UPDATE http SET request_headers = x'ff00'", -EIO },
        { "DROP INDEX entry_connection; DROP INDEX entry_src", 0 }, { "UPDATE zone SET first = 9223372036854775807, last = -9223372036854775808", 0 }, { "UPDATE entry SET id = 9223372036854775807 WHERE id = 8", -EINVAL }, { "UPDATE entry SET id = -5 WHERE id = 1", -EINVAL },
    };
    const struct fixture *f = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/strange.sqlite", f->folder);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        sqlite3 *db = small_database(path);
        struct answer answer = { 0 };
        char *why = NULL;
        if (sqlite3_exec(db, samples[i].sql, NULL, NULL, &why) != SQLITE_OK)
            fail_msg("%s", why);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        struct query_request request = ids_of(f, "(\"a\" in request.headers || request.headers.exists(k, true) || id > 0) && (conn_id == 1 || src.name != \"x\")");
        request.path = path;
        request.from_ns = SMALL_FIRST_NS + 1;
        request.timeout_ms = 100;
        int r = query_run(&request, note_id, &answer, &answer.result, &answer.error);
        if (r != samples[i].code && !(samples[i].code == -EIO && r < 0))
            fail_msg("%s: %d: %s", samples[i].sql, r, answer.error.text);
        assert_int_equal(unlink(path), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_gives_the_same), cmocka_unit_test(a_path_may_begin_with_two_slashes), cmocka_unit_test(pages_follow_each_other), cmocka_unit_test(a_page_of_candidates_has_a_cursor), cmocka_unit_test(a_budget_ends_an_answer),
        cmocka_unit_test(the_receiver_may_stop), cmocka_unit_test(spans_of_time), cmocka_unit_test(fields_are_typed_and_nested), cmocka_unit_test(groups_count), cmocka_unit_test(groups_are_gathered), cmocka_unit_test(one_entry_whole),
        cmocka_unit_test(wrong_requests_are_refused), cmocka_unit_test(parts_are_walked_in_order), cmocka_unit_test(time_ends_an_answer), cmocka_unit_test(time_that_ends_in_a_later_part_ends_the_answer), cmocka_unit_test(rows_are_those_of_the_view), cmocka_unit_test(strange_files_are_no_danger),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
