/* Expressions that must compile: every example of Kubeshark's public KFL pages; and those that must not, with the place that is wrong. The registry's own vocabulary is asked, so that a protocol that renames a field of KFL fails here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/query/check.h"
#include "services/dissector/query/matcher.h"

static const char *const kfl_examples[] = {
    "http && method == \"GET\" && status_code >= 400", "dst.pod.namespace == \"production\"", "dns && \"google.com\" in dns_questions", "http && response_body_size > 10000", "grpc && grpc_status != 0",
    "http && elapsed_time > 5000000", "timestamp > now() - duration(\"5m\")", "timestamp(\"2026-03-14T22:00:00Z\") < now()", "duration(\"5m\") > duration(\"1s\")",
    "map_get(local_labels, \"app\", \"\") == \"checkout\"", "map_get(remote_labels, \"version\", \"\") == \"canary\"", "\"tier\" in local_labels", "local_labels[\"app\"] == \"x\"",
    "conn && conn_state == \"open\" && conn_local_bytes > 1000000", "tcp_conn && \"HTTP\" in conn_l7_detected", "flow && flow_local_pps > 1000", "tcp_flow && flow_local_bps > 5000000",
    "dst.port == 80", "src.ip.startsWith(\"192.168.\")", "dst.port == 80 || dst.port == 443 || dst.port == 8080", "dst.port >= 8000 && dst.port <= 9000", "src.pod.name == \"web-server-123\"",
    "src.service.name == \"api-gateway\" && dst.service.name == \"user-service\"", "\"production\" in namespaces", "map_get(local_labels, \"app\", \"\") == \"payments\"", "local_process_name == \"nginx\"",
    "http && method == \"GET\"", "http && url.contains(\"/api\")", "http && status_code >= 400 && status_code < 500", "http && status_code >= 500", "http && \"authorization\" in request.headers",
    "http && request.headers[\"content-type\"] == \"application/json\"", "http && url.matches(\".*/api/v[0-9]+/.*\")", "http && response_body_size > 1000000", "gql && status_code >= 400", "dns && dns_request",
    "dns && dns_response && status_code != 0", "dns && \"A\" in dns_question_types", "dns && dns_response && size(dns_answers) > 0", "grpc", "grpc && grpc_method == \"SayHello\"", "grpc && grpc_status == 5",
    "grpc && method == \"POST\" && status_code == 200", "dst.dns == \"db.example.com\"", "src.dns.contains(\"example.com\") || dst.dns.contains(\"example.com\")", "\"db.example.com\" in dns_resolutions",
    "dst.dns != \"\" && !dst.dns.endsWith(\".internal\")", "mysql && mysql_command == \"COM_QUERY\"", "mysql && mysql_database == \"orders\"", "mysql && !mysql_success", "postgresql && postgresql_command == \"Query\"",
    "postgresql && postgresql_error_code != \"\"", "postgresql && postgresql_user == \"app_service\"", "redis && redis_type == \"GET\"", "redis && redis_key.startsWith(\"session:\")",
    "kafka && kafka_api_key_name == \"PRODUCE\"", "kafka && kafka_request_summary.contains(\"orders\")", "kafka && kafka_size > 10000", "amqp && amqp_method == \"basic.publish\"", "ldap && ldap_type == \"bind\"",
    "radius && radius_code_name == \"Access-Request\"", "tcp && tcp_error_type != \"\"", "conn && \"HTTP\" in conn_l7_detected", "!http", "http && status_code != 200", "http && !path.contains(\"/health\")",
    "!(src.pod.namespace == \"kube-system\")", "timestamp > timestamp(\"2026-03-14T22:00:00Z\")",
    "timestamp >= timestamp(\"2026-03-14T22:00:00Z\") && timestamp <= timestamp(\"2026-03-14T23:00:00Z\")", "src.ip.startsWith(\"192.168.\") && http && method == \"POST\" && url.contains(\"/api\")",
    "http && status_code >= 500 || (tcp && tcp_error_type != \"\")", "src.pod.namespace == \"production\" && http && status_code >= 400", "src.service.namespace != dst.service.namespace", "capture_source == \"ebpf_tls\"",
    "status_code == 200", "src.pod.name == \"orders-594487879c-7ddxf\"", "dst.service.namespace == \"payments\"", "\"orders\" in pods", "\"api-gateway\" in services",
    "node_name == \"ip-10-0-25-170.ec2.internal\"", "remote_process_name.contains(\"postgres\")", "src.dns == \"api.example.com\"", "dst.dns.contains(\"redis\")", "http && status_code == 429",
    "http && method == \"POST\" && path.contains(\"/orders\")", "http && url.matches(\".*/api/v[0-9]+/users.*\")", "gql && method == \"POST\" && status_code >= 400", "dns && \"api.external-service.com\" in dns_questions",
    "dns && size(dns_questions) > 1", "redis && redis_command.contains(\"DEL\")", "redis && redis_total_size > 10000", "kafka && kafka_client_id == \"payment-processor\"", "diameter && diameter_method.contains(\"Credit\")",
    "udp && udp_length > 1000", "conn && conn_state == \"open\"", "conn && conn_local_bytes > 1000000", "tcp_conn && conn_state == \"closed\"", "flow && flow_local_bps > 1000000",
    "flow && flow_state == \"closed\" && \"TLS\" in flow_l7_detected", "src.ip == \"10.0.53.101\"", "dst.ip.startsWith(\"192.168.\")", "src.port == 8080", "elapsed_time > 2000000 // Older than 2 seconds",
    "http && dst.pod.namespace == \"production\"", "http && dst.pod.namespace == \"production\" && status_code >= 500",
    "http && dst.pod.namespace == \"production\" && status_code >= 500 && dst.service.name == \"payment-service\"",
    "http && dst.pod.namespace == \"production\" && status_code >= 500 && dst.service.name == \"payment-service\" && path.contains(\"/charge\")",
    "http && dst.pod.namespace == \"production\" && status_code >= 500 && dst.service.name == \"payment-service\" && path.contains(\"/charge\") && elapsed_time > 2000000", "query_string[\"id\"] == \"123\"",
    "http && method == \"POST\" && status_code >= 500 && path.contains(\"/api\")", "redis && redis_type == \"GET\" && redis_key.startsWith(\"session:\")",
    "kafka && kafka_api_key_name == \"PRODUCE\" && kafka_request_summary.contains(\"orders\")", "mongodb && mongodb_command == \"find\" && mongodb_collection == \"users\"",
    "mysql && mysql_query.contains(\"SELECT\") && !mysql_success", "postgresql && postgresql_query.contains(\"SELECT\") && !postgresql_success", "grpc && grpc_status != 0 && grpc_method.contains(\"Create\")",
    "src.service.name == \"api-gateway\" && dst.pod.namespace == \"production\"", "map_get(local_labels, \"app\", \"\") == \"checkout\" && \"production\" in namespaces", "capture[\"source\"] == \"\" || capture[\"backend\"] == \"\"",
    "node[\"name\"] == \"a\" || node[\"ip\"] == \"b\"", "dns", "postgresql", "redis", "http", "dst.port == 5432", "dst.name.contains(\"db\")", "src.name.contains(\"pod-name\")", "dns && src.pod.namespace == \"k8s-mule\"",
    "dns && dns_response && size(dns_answers) == 0", "dns && dns_questions.exists(q, q.contains(\"minexmr\"))", "dns && dns_questions.exists(q, q.contains(\"nanopool\"))",
    "dns && dns_questions.exists(q, q.contains(\"amazonaws\"))", "dns && dns_questions.exists(q, q.contains(\"cloudflare-dns\"))", "dns && dns_questions.exists(q, q.contains(\"dns.google\"))",
    "dns && dns_questions.exists(q, q.contains(\"amazonaws.com\"))", "dns && dns_questions.exists(q, q.contains(\"c2\"))", "http && dst.name.contains(\"attacker\")",
    "http && map_get(request.headers, \"user-agent\", \"\").contains(\"Mozilla/4.0\")", "http && map_get(request.headers, \"accept\", \"\").contains(\"dns-json\")",
    "http && map_get(request.headers, \"upgrade\", \"\") == \"websocket\"", "src.pod.namespace != dst.pod.namespace", "http && path.startsWith(\"/api/v1/secrets\")", "http && path == \"/.env\"",
    "http && path == \"/actuator/info\"", "http && path == \"/version\"", "postgresql && postgresql_query.contains(\"UNION SELECT\")", "postgresql && !postgresql_success", "grpc && grpc_method.contains(\"Reflection\")",
    "dst.ip == \"169.254.169.254\"", "http && path.contains(\"/meta-data/iam\")", "http && map_get(request.headers, \"authorization\", \"\").startsWith(\"AWS4-HMAC-SHA256\")",
    "http && \"x-aws-ec2-metadata-token-ttl-seconds\" in request.headers", "dst.port == 3333", "http && src.pod.namespace == \"k8s-mule\"", "redis && src.pod.namespace == \"k8s-mule\"",
    "http && !dst.pod.namespace.startsWith(\"kube\")", "http && dst.port == 443 && path.startsWith(\"/api\")",
    "http && (path == \"/.env\" || path == \"/actuator/info\" || path == \"/server-info\" || path == \"/version\")", "postgresql && postgresql_query.contains(\"pg_shadow\")",
    "postgresql && postgresql_query.contains(\"information_schema\")", "postgresql && postgresql_query.contains(\"TRUNCATE\")", "postgresql && postgresql_query.contains(\"DROP TABLE\")", "redis && redis_type == \"CONFIG\"",
    "redis && redis_command.contains(\"CONFIG SET dir\")", "redis && redis_type == \"FLUSHALL\"", "grpc && dst.name.contains(\"attacker\")", "http && method == \"GET\" && status_code >= 500 && dst.pod.namespace == \"shop\"",
};

static void every_published_example_compiles(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kfl_examples / sizeof *kfl_examples; i++) {
        struct query_error error = { 0 };
        if (query_check(NULL, kfl_examples[i], &error) < 0)
            fail_msg("%s: column %u: %s", kfl_examples[i], error.column, error.text);
    }
}

static const struct { const char *expression; uint32_t column; const char *part; } wrong[] = {
    /* What is no token. */
    { "http = true", 6, "equal is ==" }, { "http & dns", 6, "and is &&" }, { "http | dns", 6, "or is ||" }, { "# http", 1, "begins with //" }, { "http && @", 9, "means nothing" }, { "method == \"GET", 11, "does not end" },
    { "method == 'GET\n'", 11, "does not end" }, { "method == '''GET'", 11, "does not end" }, { "method == \"a\\q\"", 13, "no such escape" }, { "method == \"\\x4\"", 12, "2 hexadecimal" }, { "method == \"\\u12\"", 12, "4 hexadecimal" },
    { "method == \"\\ud800\"", 12, "cannot hold" }, { "method == \"\\x00\"", 12, "cannot hold" }, { "method == \"\\18\"", 12, "3 octal" }, { "id == 9223372036854775808", 7, "64 bits" }, { "id == 99999999999999999999", 7, "64 bits" },
    { "id == 0x", 7, "digits behind 0x" }, { "id == 5u", 8, "unsigned" }, { "id == 5x", 8, "ends with a digit" }, { "id == 1.5.2", 10, "should end here" }, { "\xff", 1, "UTF-8" }, { "\"\xc3\xa9\" == \xff", 8, "UTF-8" },
    /* What is no expression. */
    { "http &&", 8, "ends too early" }, { "&& http", 1, "value is missing" }, { "(http", 6, "\")\" is missing" }, { "http)", 5, "should end here" }, { "http dns", 6, "should end here" }, { "id ==", 6, "ends too early" },
    { "id == == 3", 7, "value is missing" }, { "!", 2, "ends too early" }, { "http ? dns", 11, "\":\" is missing" }, { "http ? : dns", 8, "value is missing" }, { "id in [1, 2", 12, "\",\" or \"]\"" }, { "id in [1 2]", 10, "\",\" or \"]\"" },
    { "id in [,]", 8, "value is missing" }, { "{\"a\"} == {}", 5, "\":\" behind the key" }, { "{\"a\": 1", 8, "\",\" or \"}\"" }, { "size(url", 9, "\",\" or \")\"" }, { "size(url,)", 10, "value is missing" }, { "src.", 5, "behind the dot" },
    { "src.5", 4, "should end here" }, { "url.contains(\"a\" \"b\")", 18, "\",\" or \")\"" }, { "request.headers[\"a\"", 20, "\"]\" is missing" }, { "request.headers[]", 17, "value is missing" }, { "null == url", 1, "no value is null" },
    { "if == 1", 1, "keeps for itself" }, { "namespace == \"a\"", 1, "keeps for itself" }, { "url . == \"a\"", 7, "behind the dot" }, { "in == 1", 1, "value is missing" },
    /* Names. */
    { "methd == \"GET\"", 1, "method" }, { "http && status == 200", 9, "no name \"status\"" }, { "statuscode == 200", 1, "status_code" }, { "src.pod.nam == \"a\"", 1, "src.pod.name" }, { "src.pod == \"a\"", 1, "goes on with a dot" },
    { "src == \"a\"", 1, "goes on with a dot" }, { "request.header[\"a\"] == \"b\"", 1, "request.headers" }, { "dst.pod.namespce == \"a\"", 1, "dst.pod.namespace" }, { "nosuchthing", 1, "no name" }, { "http && (dns || foo_bar)", 17, "foo_bar" },
    { "q == 1", 1, "no name" }, { "dns_questions.exists(q, q == \"a\") && q == \"b\"", 38, "no name" }, { "url.path == \"a\"", 1, "no name" }, { "method.size == 3", 1, "no name" }, { "HTTP && true", 1, "no name" },
    /* Types. */
    { "status_code == \"200\"", 13, "without quotes" }, { "\"200\" == status_code", 7, "without quotes" }, { "method == GET", 11, "no name" }, { "method == 5", 8, "does not go with" }, { "elapsed_time > 1.5", 14, "double()" },
    { "timestamp > \"2026-03-14T22:00:00Z\"", 11, "timestamp(" }, { "timestamp - 5 > now()", 11, "does not go with" }, { "duration > duration(\"5s\")", 10, "does not go with" }, { "http == 1", 6, "does not go with" },
    { "http && status_code", 9, "must be bool" }, { "status_code || http", 1, "must be bool" }, { "!status_code", 2, "must be bool" }, { "status_code", 1, "must be bool" }, { "\"GET\"", 1, "must be bool" }, { "id + 1", 1, "must be bool" },
    { "id ? http : dns", 1, "must be bool" }, { "(http ? 1 : \"a\") == 1", 13, "one type" }, { "-http", 1, "does not go with bool" }, { "-url == url", 1, "does not go with string" }, { "url + 5 == url", 5, "does not go with" },
    { "url - url == url", 5, "does not go with" }, { "id % 1.0 == 0.0", 4, "does not go with" }, { "1.5 % 1.0 == 0.0", 5, "does not go with" }, { "http + dns", 6, "does not go with" }, { "timestamp + timestamp > now()", 11, "does not go with" },
    { "request.headers + {} == {}", 17, "does not go with" }, { "dns_questions == \"a\"", 15, "asked for with in" }, { "dns_questions < dns_answers", 15, "does not go with" }, { "url in path", 5, "text.contains" }, { "5 in dns_questions", 3, "does not go with" },
    { "1 in {\"a\": 1}", 3, "does not go with" }, { "id in [\"a\"]", 4, "does not go with" }, { "[1, \"a\"] == []", 5, "one type" }, { "{\"a\": 1, 2: 3} == {}", 10, "one type" }, { "{\"a\": 1, \"b\": \"c\"} == {}", 15, "one type" },
    { "{1.5: 1} == {}", 2, "strings, ints or bools" }, { "[b\"a\"] == []", 2, "bytes" }, { "dns_questions[\"a\"] == \"b\"", 15, "must be int" }, { "request.headers[5] == \"b\"", 17, "must be string" }, { "url[0] == \"a\"", 4, "lists and maps" },
    { "request.headers.accept.foo == \"a\"", 24, "has no fields" }, { "dns_questions.foo == \"a\"", 1, "no name" }, { "[1].exists(x, x.foo == 1)", 17, "has no fields" },
    /* Functions and macros. */
    { "url.contain(\"a\")", 5, "no function" }, { "url.startswith(\"a\")", 5, "startsWith" }, { "contains(url, \"a\")", 1, "is a method" }, { "request.headers.map_get(\"a\", \"b\") == \"c\"", 17, "is no method" }, { "url.contains()", 5, "1 argument" },
    { "url.contains(\"a\", \"b\")", 5, "1 argument" }, { "size() == 1", 1, "1 argument" }, { "now(1) > now()", 1, "0 arguments" }, { "map_get(request.headers, \"a\") == \"b\"", 1, "3 arguments" }, { "url.contains(5)", 14, "must be string" },
    { "status_code.contains(\"5\")", 13, "goes with strings" }, { "dns_questions.contains(\"a\")", 15, "with in" }, { "size(5) == 1", 6, "has no size" }, { "map_get(url, \"a\", \"b\") == \"c\"", 9, "reads a map" },
    { "map_get(request.headers, 5, \"b\") == \"c\"", 26, "must be string" }, { "map_get(request.headers, \"a\", 0) == \"b\"", 31, "must be string" }, { "timestamp > timestamp(\"yesterday\")", 23, "no time such as" },
    { "timestamp > timestamp(\"2026-13-01T00:00:00Z\")", 23, "no time" }, { "timestamp > timestamp(1.5)", 23, "reads a string" }, { "now() - timestamp > duration(\"5 minutes\")", 30, "no duration" }, { "now() - timestamp > duration(\"2d\")", 30, "no duration" },
    { "now() - timestamp > duration(5)", 30, "reads a string" }, { "now() - timestamp > duration(\"999999h\") && duration(\"9999999h\") > duration(\"0\")", 53, "too long" }, { "int(http) == 1", 5, "cannot be made of bool" }, { "double(http) == 1.0", 8, "cannot be made" },
    { "string(dns_questions) == \"a\"", 8, "cannot be made" }, { "uint(5) == 1", 1, "not part of this language" }, { "type(5) == int", 1, "not part" }, { "has(http)", 5, "asks for a field" }, { "has(request.headers[\"a\"])", 5, "asks for a field" },
    { "has(src.pod.nam)", 5, "src.pod.name" }, { "url.exists(c, c == \"a\")", 5, "lists and maps" }, { "dns_questions.exists(\"q\", true)", 22, "begins with a name" }, { "dns_questions.exists(q)", 15, "2 arguments" },
    { "dns_questions.exists(q, 5)", 25, "must be bool" }, { "dns_questions.exists(q, q == 5)", 27, "does not go with" }, { "dns_questions.map(q, 5, q) == []", 22, "must be bool" }, { "dns_questions.filter(q, q) == []", 25, "must be bool" },
    { "dns_questions.all(q, x == q)", 22, "no name" },
    { "id.getHours() == 1", 4, "goes with times" }, { "duration(\"1s\").getDate() == 1", 16, "goes with times" }, { "timestamp.getHours(\"UTC\") == 1", 11, "0 arguments" },
    /* Patterns. */
    { "url.matches(\"(a\")", 13, "parenthes" }, { "url.matches(\"[a\")", 13, "not closed" }, { "url.matches(\"(?=a)\")", 13, "lookaround" }, { "url.matches(\"(?<!a)b\")", 13, "lookaround" }, { "url.matches(r\"(a)\\1\")", 13, "backreferences" },
    { "url.matches(\"a++\")", 13, "repetition of a repetition" }, { "url.matches(\"(?>a)\")", 13, "this kind of group" }, { "url.matches(\"(*ACCEPT)\")", 13, "verbs" }, { "url.matches(r\"\\K\")", 13, "escape is not" }, { "url.matches(\"a{1001}\")", 13, "1000" },
    { "url.matches(\"*\")", 13, "wrong" }, { "url.matches(r\"a\\\")", 13, "does not end" },
};

static void every_mistake_is_pointed_at(void **state)
{
    (void)state;
    size_t count = sizeof wrong / sizeof *wrong;
    assert_true(count >= 100);
    for (size_t i = 0; i < count; i++) {
        struct query_error error = { 0 };
        if (query_check(NULL, wrong[i].expression, &error) != -EINVAL)
            fail_msg("%s: it is taken", wrong[i].expression);
        if (error.column != wrong[i].column || !strstr(error.text, wrong[i].part))
            fail_msg("%s: column %u instead of %u: %s", wrong[i].expression, error.column, wrong[i].column, error.text);
    }
}

static void check_limit(const char *head, const char *part, unsigned times, const char *tail, const char *why)
{
    size_t size = strlen(head) + strlen(part) * times + strlen(tail) + 1;
    char *text = test_malloc(size), *p = stpcpy(text, head);
    struct query_error error = { 0 };
    for (unsigned i = 0; i < times; i++)
        p = stpcpy(p, part);
    (void)stpcpy(p, tail);
    int r = query_check(NULL, text, &error);
    if (why ? r != -EINVAL || !strstr(error.text, why) : r != 0)
        fail_msg("%s...: %d: %s", part, r, error.text);
    test_free(text);
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    check_limit("http", " || http", 900, "", NULL);
    check_limit("http", " || http", 3000, "", "too long");
    check_limit("http", " || dns", 2500, "", "too long");
    check_limit("http //", " ", EXPRESSION_BYTES_MAX, "", "bytes");
    check_limit("", "(", 5000, "http", "too deeply");
    check_limit("", "!", 5000, "http", "too deeply");
    check_limit("1 == ", "-", 5000, "1", "too deeply");
    check_limit("", "[", 5000, "", "too deeply");
    check_limit("[] == ", "[", 20, "]]]]]]]]]]]]]]]]]]]]", "too deeply");
    check_limit("", "http ? dns : ", 2000, "http", "too");
    check_limit("id", " + id", 500, " == 1", "too deeply");
    check_limit("node", ".a", 200, " == \"\"", "too deeply");
    check_limit("", "[1].exists(x, true) && ", 16, "true", NULL);
    check_limit("", "[1].exists(x, true) && ", 17, "true", "too many macros");
    check_limit("{", "\"a\": 1, ", 61, "} == {}", "too large");
    check_limit("id in [", "1, ", 1500, "2]", NULL);
    check_limit("[1] == [", "id, ", 1500, "2]", NULL);
}

static void a_column_counts_characters(void **state)
{
    struct query_error error = { 0 };
    (void)state;
    assert_int_equal(query_check(NULL, "summary == \"\xc3\xa9\xe2\x82\xac\" &&\n  nothing_here", &error), -EINVAL);
    assert_int_equal(error.column, 22);
    assert_int_equal(query_check(NULL, "summary.matches(r\"\xc3\xa9\xe2\x82\xac\\1\")", &error), -EINVAL);
    assert_int_equal(error.column, 17);
    assert_non_null(strstr(error.text, "character 3:"));
}

static void durations_and_times(void **state)
{
    static const struct { const char *text; int64_t ns; int r; } durations[] = {
        { "1h30m", INT64_C(5400000000000), 0 }, { "-1.5s", -1500000000, 0 }, { "+2ms", 2000000, 0 }, { "3us", 3000, 0 }, { "0", 0, 0 }, { "", 0, -EINVAL }, { "-", 0, -EINVAL }, { "5", 0, -EINVAL }, { "1d", 0, -EINVAL }, { "9999999h", 0, -ERANGE },
    };
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        int64_t ns = 7;
        assert_int_equal(duration_parse(durations[i].text, strlen(durations[i].text), &ns), durations[i].r);
        assert_true(ns == (durations[i].r ? 7 : durations[i].ns));
    }
    int64_t ns = 7;
    assert_int_equal(timestamp_parse("1970-01-01T00:00:01.5Z", 22, &ns), 0);
    assert_true(ns == 1500000000);
    assert_int_equal(timestamp_parse("1970-01-01 00:00:01Z", 20, &ns), -EINVAL);
    assert_int_equal(timestamp_parse("9999-01-01T00:00:00Z", 20, &ns), -ERANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_example_compiles), cmocka_unit_test(every_mistake_is_pointed_at), cmocka_unit_test(size_and_depth_are_bounded), cmocka_unit_test(a_column_counts_characters),
        cmocka_unit_test(durations_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
