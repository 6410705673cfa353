/* Every operator, function and name of the language over the eight entries of small_database.h, with the answer worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/query/expression.h"
#include "services/dissector/query/matcher.h"
#include "small_database.h"

#define NOW_NS (SMALL_FIRST_NS + INT64_C(8) * 60 * 1000000000) /* 22:08 */
#define ALL "12345678"
#define TEN_IDS "id, id, id, id, id, id, id, id, id, id, "

struct sample { const char *expression, *ids; };
struct fixture { sqlite3 *db; struct vocabulary vocabulary; };

static void note(void *context, int64_t id)
{
    char *ids = context;
    size_t size = strlen(ids);
    ids[size] = (char)('0' + id);
    ids[size + 1] = '\0';
}

static void check(const struct fixture *f, const struct sample *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct query_matcher *m = NULL;
        struct query_error error = { 0 };
        char ids[64] = "";
        if (query_matcher_open(f->db, &f->vocabulary, samples[i].expression, NOW_NS, &m, &error) < 0)
            fail_msg("%s: column %u: %s", samples[i].expression, error.column, error.text);
        if (query_matcher_run(m, note, ids, &error) < 0)
            fail_msg("%s: %s", samples[i].expression, error.text);
        if (strcmp(ids, samples[i].ids) != 0)
            fail_msg("%s: %s instead of %s", samples[i].expression, ids, samples[i].ids);
        query_matcher_close(m);
    }
}
#define CHECK(...)                                                        \
    do {                                                                  \
        static const struct sample samples_[] = { __VA_ARGS__ };          \
        check(*state, samples_, sizeof samples_ / sizeof *samples_);      \
    } while (0)

static int open_fixture(void **state)
{
    struct fixture *f = test_calloc(1, sizeof *f);
    f->db = small_database(":memory:");
    assert_int_equal(vocabulary_make(small_protocols, SMALL_PROTOCOLS, &f->vocabulary), 0);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
    vocabulary_free(&f->vocabulary);
    test_free(f);
    return 0;
}

static void logic(void **state)
{
    CHECK({ "", ALL }, { " // all\n", ALL }, { "true", ALL }, { "false", "" }, { "!false", ALL }, { "!http", "346" }, { "!!http", "12578" }, { "http && status_code >= 500", "2" }, { "dns || tcp", "346" },
          { "http && (status_code == 404 || status_code == 503)", "28" }, { "http && status_code == 404 || dns", "348" }, { "http ? status_code > 400 : dns", "2348" },
          { "(http ? 1 : 2) == 1", "12578" }, { "dns ? true : http ? false : true", "346" }, { "http == dns", "6" }, { "http != dns", "1234578" });
}

static void comparisons(void **state)
{
    CHECK({ "id == 3", "3" }, { "id != 3", "1245678" }, { "id < 3", "12" }, { "id <= 3", "123" }, { "id > 6", "78" }, { "id >= 6", "678" }, { "6 <= id", "678" }, { "method < \"H\"", "134678" }, { "false < http", "12578" },
          { "\"a\" < \"b\" && \"Z\" < \"a\" && \"\xc3\xa9\" > \"z\"", ALL }, { "1.5 < 2.5", ALL }, { "b\"\\xff\" > b\"\\x01\"", ALL }, { "duration(\"1s\") < duration(\"1m\")", ALL },
          { "[1, 2] == [1, 2] && [1, 2] != [2, 1] && [] == []", ALL }, { "{\"a\": 1, \"b\": 2} == {\"b\": 2, \"a\": 1}", ALL }, { "{\"a\": 1} != {\"a\": 2}", ALL }, { "[[\"a\"], []] == [[\"a\"], []]", ALL },
          { "dns_questions == [\"google.com\"]", "3" }, { "query_string == {\"id\": \"1\"}", "1" }, { "http && request.headers != {}", "127" }, { "1 == 1 == true", ALL });
}

static void arithmetic(void **state)
{
    CHECK({ "id + 1 == 3", "2" }, { "id - 1 == 3", "4" }, { "id * 2 == 6", "3" }, { "id / 2 == 1", "23" }, { "-7 / 2 == -3 && -7 % 2 == -1", ALL }, { "id % 2 == 0", "2468" }, { "-id == -4", "4" }, { "- -id == 4", "4" },
          { "1 + 2 * 3 == 7 && (1 + 2) * 3 == 9 && 10 - 3 - 2 == 5", ALL }, { "1.5 + 1.0 == 2.5 && 3.0 * 0.5 == 1.5 && 1.0 / 4.0 == 0.25 && 1.0 - 0.5 == 0.5 && -(1.5) == -1.5", ALL },
          { "1.0 / 0.0 > 1.7e308 && -1.0 / 0.0 < -1.7e308", ALL }, { "\"a\" + \"b\" == \"ab\"", ALL }, { "[1] + [2] == [1, 2]", ALL }, { "method + \" \" + path == \"GET /health\"", "7" },
          { "0x10 == 16 && 1e3 == 1000.0 && .5 == 0.5", ALL }, { "duration(\"1m\") + duration(\"30s\") == duration(\"90s\") && duration(\"1m\") - duration(\"2m\") == duration(\"-1m\")", ALL });
}

/* CEL's errors: no match, and what && and || make of them does not depend on the order. */
static void errors(void **state)
{
    CHECK({ "!(1 / (id - id) in [])", "" }, { "1 / (id - 3) == 0", "15678" }, { "!(1 / (id - 3) == 0)", "24" }, { "1 / (id - 3) == 0 || id == 3", "135678" }, { "id == 3 || 1 / (id - 3) == 0", "135678" }, { "1 / 0 == 1 && false || true", ALL },
          { "!(1 / 0 == 1 && false)", ALL }, { "1 % 0 == 0", "" }, { "9223372036854775807 + id > 0", "" }, { "-9223372036854775808 - id < 0", "" }, { "9223372036854775807 * id > 0", "1" },
          { "-(-9223372036854775807 - id) > 0", "" }, { "(-9223372036854775807 - 1) / -id > 0", "2345678" }, { "request.headers[\"nothing\"] == \"\"", "" }, { "!(request.headers[\"nothing\"] == \"\")", "" },
          { "dns_questions[1] == \"\"", "" }, { "dns_questions[0] == \"google.com\"", "3" }, { "(1 / 0 == 1 ? 1 : 2) == 2", "" }, { "[1 / 0] == []", "" }, { "[1, 2].exists(x, x / 0 == 1 || x == 2)", ALL },
          { "[0, 1].exists(x, 1 / x == 1)", ALL }, { "[0, 2].exists(x, 1 / x == 1)", "" }, { "[0, 1].all(x, 1 / x == 2) || true", ALL }, { "!([0, 1].all(x, 1 / x == 2))", ALL }, { "[0, 1].all(x, 1 / x == 1)", "" },
          { "[0, 1].exists_one(x, 1 / x == 1)", "" }, { "size([0, 1].filter(x, 1 / x == 1)) == 1", "" }, { "size([0, 1].map(x, 1 / x)) == 2", "" }, { "[1 / 0].exists(x, true)", "" }, { "![1 / 0].all(x, true) || id == 1", "1" },
          { "[1].exists(x, [1 / 0].exists(y, true) || x == 1)", ALL }, { "{\"a\": 1, \"a\": 2} == {\"a\": 1}", "" }, { "int(\"x\") == 1", "" }, { "timestamp(summary) < now()", "" });
}

static void texts(void **state)
{
    CHECK({ "url.contains(\"/api\")", "128" }, { "url.contains(\"\")", ALL }, { "path.startsWith(\"/api/\")", "128" }, { "path.startsWith(\"\")", ALL }, { "url.startsWith(\"/api/v\")", "8" }, { "(url + \"x\").startsWith(\"/api/v\")", "8" },
          { "src.ip.startsWith(\"192.168.\")", "7" }, { "path.endsWith(\"users\")", "18" }, { "\"ab\".endsWith(\"abc\")", "" }, { "url.matches(\".*/api/v[0-9]+/.*\")", "8" }, { "matches(url, \"^/h\")", "57" }, { "url.matches(method)", "346" },
          { "response.body.matches(\"^caf.$\")", "2" }, { "size(response.body) == 4", "2" }, { "response.body.size() == 4", "2" }, { "response.body.contains(\"\\u00e9\")", "2" }, { "size(\"\") == 0 && size(b\"\\xff\\xfe\") == 2", ALL },
          { "r\"\\d\" == \"\\\\d\" && 'a' == \"a\" && '''x'y''' == \"x'y\" && \"\"\"a\nb\"\"\" == \"a\\nb\"", ALL }, { "\"\\x41\\101\\u0041\\U00000041\\t\" == \"AAAA\\011\"", ALL }, { "br'\\n' == b'\\\\n'", ALL },
          { "url.matches(r\"/v\\d/\")", "8" }, { "summary.matches(\"(?i)google\\\\.COM$\")", "3" }, { "method in [\"POST\", \"PUT\"]", "25" }, { "method in []", "" }, { "method in [\"GET\", method]", ALL }, { "url in [path]", "2345678" });
}

static void lists_and_maps(void **state)
{
    CHECK({ "\"google.com\" in dns_questions", "3" }, { "\"authorization\" in request.headers", "2" }, { "request.headers[\"accept\"] == \"*/*\"", "1" }, { "request.headers.accept == \"*/*\"", "1" },
          { "request.headers[\"x-\\\"quoted\\\"\"] == \"tab\\there\"", "7" }, { "map_get(request.headers, \"user-agent\", \"\").contains(\"Mozilla/4.0\")", "1" }, { "map_get(request.headers, \"accept\", \"none\") == \"none\"", "2345678" },
          { "map_get({1: \"one\"}, id, \"other\") == \"one\"", "1" }, { "{true: 1, false: 2}[http] == 1", "12578" }, { "1 in {1: 2} && !(3 in {1: 2})", ALL }, { "size(dns_answers) == 2", "3" }, { "size(request.headers) == 2", "12" },
          { "dns && size(dns_answers) == 0", "4" }, { "dns_questions.size() > 0", "34" }, { "id in [1, 2 + 1, 5]", "135" }, { "[1, 2, 3][id - 1] == 2", "2" }, { "{\"a\": [1, 2]}[\"a\"][1] == 2", ALL }, { "[1] in [[1], [2]]", ALL },
          { "[1.5, 2.0] == [1.5, 2.0] && 2.0 in [1.5, 2.0] && [2.0][0] == 2.0", ALL }, { "path_segments[0] == \"api\"", "128" }, { "size([1, 2,]) == 2 && size({\"a\": 1,}) == 1", ALL },
          { "has(request.headers.accept)", "1" }, { "has(src.pod.name)", "1234568" }, { "has(query_string.id)", "1" }, { "!has(request.headers)", "34568" }, { "has(response.body)", "12" },
          { "timestamp_ns in [timestamp_ns + 1, 5] || [timestamp_ns] == [timestamp_ns + 1] || {1: timestamp_ns} == {1: timestamp_ns - 1}", "" }, { "timestamp_ns in [5, timestamp_ns + 0]", ALL },
          { "size([id, id] + [id]) == 3", ALL }, { "[" TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS TEN_IDS "7][120] == 7", ALL });
}

static void macros(void **state)
{
    CHECK({ "dns_questions.exists(q, q.contains(\"goo\"))", "3" }, { "dns && dns_questions.all(q, q.endsWith(\".com\"))", "3" }, { "dns_answers.exists_one(a, a == \"1.2.3.4\")", "3" }, { "dns_answers.exists_one(a, true)", "" },
          { "size(dns_answers.filter(a, a.startsWith(\"5\"))) == 1", "3" }, { "dns_answers.filter(a, a != \"\") == [\"1.2.3.4\", \"5.6.7.8\"]", "3" }, { "dns_answers.map(a, size(a)) == [7, 7]", "3" },
          { "dns_answers.map(a, a.startsWith(\"5\"), a + \"!\") == [\"5.6.7.8!\"]", "3" }, { "request.headers.exists(k, k == \"accept\")", "1" }, { "request.headers.all(k, request.headers[k] != \"\") && size(request.headers) > 0", "127" },
          { "[].exists(x, true) || [].all(x, false) && ![].exists_one(x, true)", ALL }, { "[1, 2].map(x, [x, x * 2]) == [[1, 2], [2, 4]]", ALL }, { "[[1, 2], [3]].exists(l, l.all(x, x == 3))", ALL },
          { "[1, 2].exists(x, [2, 3].exists(y, x == y))", ALL }, { "[1, 2].exists(x, [x].exists(x, x == 2))", ALL }, { "{1: 2, 3: 4}.exists(k, k + 1 == 4)", ALL }, { "[1.5].map(x, x * 2.0) == [3.0]", ALL }, { "[true, false].exists(b, b)", ALL },
          { "namespaces.exists(n, n.startsWith(\"kube\"))", "34" }, { "[\"GET\"].exists(method, method == \"GET\")", ALL });
}

static void times(void **state)
{
    CHECK({ "timestamp > timestamp(\"2026-03-14T22:05:00Z\")", "78" }, { "timestamp >= timestamp(\"2026-03-15T00:05:00+02:00\")", "678" }, { "timestamp > now() - duration(\"2m\")", "8" }, { "timestamp == timestamp(timestamp)", ALL },
          { "now() - timestamp < duration(\"90s\")", "8" }, { "now() == timestamp(\"2026-03-14T22:08:00Z\")", ALL }, { "timestamp + duration(\"1m\") == timestamp(\"2026-03-14T22:01:00Z\")", "1" }, { "duration(\"1m\") + timestamp > now()", "" },
          { "timestamp(1773525600) == timestamp", "1" }, { "int(timestamp) == 1773525660", "2" }, { "string(timestamp) == \"2026-03-14T22:02:00Z\" || string(timestamp) == \"2026-03-14T22:02:00.000000000Z\"", "3" },
          { "duration(\"1h30m\") == duration(\"90m\") && duration(\"-1.5s\") == duration(\"-1500ms\") && duration(\"1us\") == duration(\"1000ns\")", ALL }, { "string(duration(\"1m30s\")) == \"90s\" && string(duration(\"-250ms\")) == \"-0.25s\"", ALL },
          { "duration(string(id) + \"s\") > duration(\"6s\")", "78" }, { "timestamp(\"2026-03-14T22:0\" + string(id) + \":00Z\") == timestamp + duration(\"1m\")", ALL }, { "timestamp_ns == 1773525600000000000", "1" },
          { "timestamp.getFullYear() == 2026 && timestamp.getMonth() == 2 && timestamp.getDate() == 14 && timestamp.getDayOfMonth() == 13 && timestamp.getDayOfWeek() == 6 && timestamp.getDayOfYear() == 72", ALL },
          { "timestamp.getHours() == 22 && timestamp.getMinutes() == 3 && timestamp.getSeconds() == 0 && timestamp.getMilliseconds() == 0", "4" },
          { "timestamp(\"1969-12-31T23:59:58.250Z\").getSeconds() == 58 && timestamp(\"1969-12-31T23:59:58.250Z\").getMilliseconds() == 250", ALL },
          { "duration(\"90m1.5s\").getHours() == 1 && duration(\"90m1.5s\").getMinutes() == 90 && duration(\"90m1.5s\").getSeconds() == 5401 && duration(\"90m1.5s\").getMilliseconds() == 500", ALL });
}

static void conversions(void **state)
{
    CHECK({ "int(\"42\") == 42 && int(\"-7\") == -7 && int(2.9) == 2 && int(-2.9) == -2 && int(5) == 5", ALL }, { "int(1e30) == 0", "" }, { "double(\"1.5\") == 1.5 && double(3) == 3.0 && double(2.5) == 2.5", ALL },
          { "string(id) == \"7\"", "7" }, { "string(1.5) == \"1.5\" && string(true) == \"true\" && string(\"x\") == \"x\" && string(-3) == \"-3\"", ALL }, { "bool(\"true\") && !bool(\"false\") && bool(true)", ALL }, { "bool(\"maybe\")", "" },
          { "double(id) / 2.0 == 1.5", "3" });
}

static void names_of_every_entry(void **state)
{
    CHECK({ "protocol == \"HTTP\"", "1278" }, { "protocol == \"http\"", "1278" }, { "\"dns\" == protocol", "34" }, { "protocol != \"Http\"", "3456" }, { "protocol in [\"http\", \"grpc\"]", "12578" }, { "protocol.startsWith(\"H\")", "1278" },
          { "(http ? \"tcp\" : \"dns\") == protocol", "34" }, { "elapsed_time > 5000000", "2" }, { "duration > 6000", "28" }, { "src.ip == \"10.0.0.1\"", "123468" }, { "dst.ip == \"10.0.0.53\"", "34" }, { "src.port == 40001", "126" },
          { "dst.port >= 80 && dst.port <= 443", "58" }, { "src.pod.name == \"web-1\"", "123468" }, { "dst.pod.namespace == \"pay\"", "12678" }, { "dst.service.name == \"payment\"", "12678" },
          { "dst.service.namespace == \"kube-system\"", "34" }, { "src.pod.namespace != dst.pod.namespace", "1234567" "8" }, { "dst.name.contains(\"example\")", "5" }, { "src.namespace == \"\"", "7" }, { "dst.dns == \"api.example.com\"", "5" },
          { "src.process == \"nginx\"", "123468" }, { "local_process_name == \"nginx\"", "123468" }, { "remote_process_name == \"\"", ALL }, { "\"pay\" in namespaces", "125678" }, { "\"\" in namespaces", "" }, { "\"web-1\" in pods", "123468" },
          { "\"kube-dns\" in services", "34" }, { "\"api.example.com\" in dns_resolutions", "5" }, { "size(namespaces) == 2", "123468" }, { "namespaces == [\"shop\", \"pay\"]", "1268" }, { "node_name == \"node-a\"", "1234568" },
          { "node[\"name\"] == \"\" && node.ip == \"\"", "7" }, { "conn_id == 1", "126" }, { "status_code >= 400", "28" }, { "summary.contains(\"google\")", "3" }, { "one_way", "6" }, { "maybe_copy", "5" }, { "incomplete == \"no_response\"", "7" },
          { "has_pcap", "1234578" }, { "request_at.segment == \"\"", "6" }, { "request_at.frame == 4", "1" }, { "response_at.segment == \"node-a/5f/0/7\" && response_at.frame > 50", "8" });
}

static void names_of_protocols(void **state)
{
    CHECK({ "method == \"GET\"", "178" }, { "host == \"pay\"", "1278" }, { "path == \"/health\"", "7" }, { "\"\" == path", "346" }, { "path != \"/health\"", "1234568" }, { "query == \"id=1\"", "1" }, { "query_string[\"id\"] == \"1\"", "1" },
          { "http_version == \"2\"", "58" }, { "request.cookies.session == \"s1\"", "1" }, { "response.headers[\"content-type\"].endsWith(\"json\")", "1" }, { "response_body_size > 10000", "1" }, { "request_body_size == 300", "2" },
          { "grpc && grpc_method == \"SayHello\"", "5" }, { "grpc_status == -1", "1234678" }, { "grpc && grpc_status != 0", "5" }, { "dns && dns_response && status_code != 0", "4" }, { "\"A\" in dns_question_types", "3" }, { "dns_request", "34" },
          { "conn && conn_state == \"closed\" && conn_local_bytes > 1000000", "6" }, { "tcp_conn && \"HTTP\" in conn_l7_detected", "6" }, { "tcp_error_type != \"\"", "" });
}

static void reserved_names(void **state)
{
    CHECK({ "kafka", "" }, { "!kafka", ALL }, { "kafka_size == 0", ALL }, { "worker == \"\"", ALL }, { "local_labels == {}", ALL }, { "map_get(local_labels, \"app\", \"none\") == \"none\"", ALL }, { "local_labels[\"app\"] == \"\"", "" },
          { "\"x\" in flow_l7_detected", "" }, { "size(tcp_payload) == 0 && tcp_payload == b\"\"", ALL }, { "flow || udp_flow || gqlv1", "" }, { "capture[\"source\"] == \"ebpf\"", "" }, { "mongodb_success || mongodb_error_code == 0", ALL });
}

static void limits_end_the_query_with_a_reason(void **state)
{
    const struct fixture *f = *state;
    struct query_matcher *m = NULL;
    struct query_error error = { 0 };
    char ids[64] = "";
    assert_int_equal(query_matcher_open(f->db, &f->vocabulary, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\".matches(\"^(a|aa|a?a)*[b-z]$\")", NOW_NS, &m, &error), 0);
    assert_int_equal(query_matcher_run(m, note, ids, &error), -5);
    assert_non_null(strstr(error.text, "too many steps"));
    assert_int_equal(error.column, 0);
    query_matcher_close(m);
}

/* What the checker lets through SQLite's parser takes, also at the edge: each level deeper is refused with its place, never by SQLite. */
static void check_edge(const struct fixture *f, const char *head, const char *core, const char *tail)
{
    for (unsigned levels = 1; levels <= EXPRESSION_DEPTH_MAX; levels++) {
        char text[EXPRESSION_BYTES_MAX], *p = text;
        struct query_matcher *m = NULL;
        struct query_error error = { 0 };
        for (unsigned i = 0; i < levels; i++)
            p = stpcpy(p, head);
        p = stpcpy(p, core);
        for (unsigned i = 0; i < levels; i++)
            p = stpcpy(p, tail);
        int r = query_matcher_open(f->db, &f->vocabulary, text, NOW_NS, &m, &error);
        if (r < 0 && error.column == 0)
            fail_msg("%s: %u levels: %s", head, levels, error.text);
        query_matcher_close(m);
        if (r < 0) {
            if (levels <= 2)
                fail_msg("%s: only %u levels: %s", head, levels - 1, error.text);
            return;
        }
    }
    fail_msg("%s: there is no end", head);
}

static void depth_ends_with_a_place(void **state)
{
    const struct fixture *f = *state;
    static const char *const cores[] = { "http", "protocol == \"x\"", "\"a\" in namespaces", "node.name == \"\"", "src.ip == \"a\"" };
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++) {
        check_edge(f, "!(", cores[i], ")");
        check_edge(f, "(http ? ", cores[i], " : dns)");
        check_edge(f, "(http ? dns : ", cores[i], ")");
        check_edge(f, "(dns && (http || ", cores[i], "))");
        check_edge(f, "(true != (", cores[i], "))");
        check_edge(f, "((", cores[i], ") == true)");
        check_edge(f, "[1].exists(x, ", cores[i], ")");
        check_edge(f, "[1].map(x, true, ", cores[i], ")[0]");
        check_edge(f, "[[1], [1]].exists(x, true) && [", cores[i], "][0]");
        check_edge(f, "{\"a\": ", cores[i], "}[\"a\"]");
        check_edge(f, "map_get({}, \"a\", ", cores[i], ")");
        check_edge(f, "(true in [http, ", cores[i], "])");
        check_edge(f, "bool(string(", cores[i], "))");
        check_edge(f, "(timestamp(", cores[i], " ? 1 : 2).getSeconds() == 1)");
    }
    check_edge(f, "[", "http", "].filter(x, x)[0]");
    check_edge(f, "(1 == int(-(1 + (http ? 1 : 0))) || ", "http", ")");
}

/* The same statement over what is there now. */
static void a_matcher_is_asked_again(void **state)
{
    const struct fixture *f = *state;
    struct query_matcher *m = NULL;
    struct query_error error = { 0 };
    char ids[64] = "";
    assert_int_equal(query_matcher_open(f->db, &f->vocabulary, "status_code == 503", NOW_NS, &m, &error), 0);
    assert_int_equal(query_matcher_run(m, note, ids, &error), 0);
    assert_string_equal(ids, "2");
    assert_int_equal(sqlite3_exec(f->db, "UPDATE entry SET status = 503 WHERE id = 8", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(query_matcher_run(m, note, ids, &error), 0);
    assert_string_equal(ids, "228");
    assert_int_equal(sqlite3_exec(f->db, "UPDATE entry SET status = 404 WHERE id = 8", NULL, NULL, NULL), SQLITE_OK);
    query_matcher_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logic), cmocka_unit_test(comparisons), cmocka_unit_test(arithmetic), cmocka_unit_test(errors), cmocka_unit_test(texts), cmocka_unit_test(lists_and_maps), cmocka_unit_test(macros),
        cmocka_unit_test(times), cmocka_unit_test(conversions), cmocka_unit_test(names_of_every_entry), cmocka_unit_test(names_of_protocols), cmocka_unit_test(reserved_names),
        cmocka_unit_test(limits_end_the_query_with_a_reason), cmocka_unit_test(depth_ends_with_a_place), cmocka_unit_test(a_matcher_is_asked_again),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
