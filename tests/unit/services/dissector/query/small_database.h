/* Eight entries whose values can be kept in one's head, under the real schema, with protocols of its own so that it does not change with the registry.
 *
 *   1 HTTP  GET  /api/users?id=1            200  1,000 us   shop/web-1 -> pay/pay-1     connection 1
 *   2 HTTP  POST /api/orders/charge         503  6 s        shop/web-1 -> pay/pay-1     connection 1
 *   3 DNS   google.com A, two answers         0  200 us     shop/web-1 -> dns           connection 2
 *   4 DNS   missing.example AAAA, none        3  300 us     shop/web-1 -> dns           connection 3
 *   5 GRPC  POST /hello.Greeter/SayHello    200  4,000 us   pay/pay-1 -> 93.184.216.34  connection 4, grpc_status 5
 *   6 TCP   closed, 5 MB from the client      0  0          shop/web-1 -> pay/pay-1     connection 1
 *   7 HTTP  GET  /health                    200  50 us      -          -> pay/pay-1     connection 5, no response headers
 *   8 HTTP  GET  /api/v2/users              404  7,000 us   shop/web-1 -> pay/pay-1     connection 6
 * The timestamps are 2026-03-14T22:00:00Z and one minute more each. */
#ifndef TESTS_QUERY_SMALL_DATABASE_H
#define TESTS_QUERY_SMALL_DATABASE_H
#include <sqlite3.h>
#include <stdlib.h>
#include "services/dissector/database/schema.h"
#include "services/dissector/protocols/connection_fields.h"
#include "services/dissector/protocols/http/http_fields.h"

static const struct field small_dns_fields[] = {
    { .name = "dns_questions", .type = FIELD_LIST, .column = "questions", .help = "names asked for" },
    { .name = "dns_answers", .type = FIELD_LIST, .column = "answers", .help = "answers" },
    { .name = "dns_question_types", .type = FIELD_LIST, .column = "question_types", .help = "types" },
    { .name = "dns_request", .type = FIELD_BOOL, .column = "request", .help = "there is a request" },
    { .name = "dns_response", .type = FIELD_BOOL, .column = "response", .help = "there is a response" },
};
static const struct detail small_dns_detail = { .table = "dns", .fields = small_dns_fields, .count = sizeof small_dns_fields / sizeof *small_dns_fields };
static const struct protocol small_http = { .name = "HTTP", .flags = { "http" }, .detail = &http_detail };
static const struct protocol small_grpc = { .name = "GRPC", .flags = { "http", "grpc" }, .detail = &http_detail };
static const struct protocol small_dns = { .name = "DNS", .flags = { "dns" }, .detail = &small_dns_detail };
static const struct protocol small_tcp = { .name = "TCP", .flags = { "tcp", "conn", "tcp_conn" }, .detail = &connection_detail };
static const struct protocol *const small_protocols[] = { &small_http, &small_grpc, &small_dns, &small_tcp };
#define SMALL_PROTOCOLS (sizeof small_protocols / sizeof *small_protocols)

#define SMALL_FIRST_NS INT64_C(1773525600000000000) /* 2026-03-14T22:00:00Z */
static const char small_rows[] =
    "INSERT INTO protocol VALUES(1, 'HTTP'), (2, 'DNS'), (3, 'GRPC'), (4, 'TCP');"
    "INSERT INTO node VALUES(0, ''), (1, 'node-a'); INSERT INTO segment VALUES(0, ''), (1, 'node-a/5f/0/7');"
    "INSERT INTO incomplete VALUES(0, ''), (1, 'no_request'), (2, 'no_response');"
    "INSERT INTO path VALUES(0, ''), (1, '/api/orders/charge'), (2, '/api/users'), (3, '/api/v2/users'), (4, '/health'), (5, '/hello.Greeter/SayHello');"
    "INSERT INTO peer(id, ip, name, namespace, pod_name, pod_namespace, service_name, service_namespace, dns, process) VALUES"
    " (1, '10.0.0.1', 'web-1', 'shop', 'web-1', 'shop', '', '', '', 'nginx'), (2, '10.0.0.2', 'pay-1', 'pay', 'pay-1', 'pay', 'payment', 'pay', '', ''),"
    " (3, '10.0.0.53', 'kube-dns', 'kube-system', '', '', 'kube-dns', 'kube-system', '', ''), (4, '93.184.216.34', 'api.example.com', '', '', '', '', '', 'api.example.com', ''), (5, '192.168.7.9', '', '', '', '', '', '', '', '');"
    "INSERT INTO entry(id, timestamp, protocol, status, elapsed, duration, src, src_port, dst, dst_port, path, connection, node, incomplete, flags, request_segment, request_frame, response_segment, response_frame, summary) VALUES"
    " (1, 1773525600000000000, 1, 200, 1000, 1500, 1, 40001, 2, 8080, 2, 1, 1, 0, 24, 1, 4, 1, 6, 'GET /api/users?id=1 200'),"
    " (2, 1773525660000000000, 1, 503, 6000000, 6000500, 1, 40001, 2, 8080, 1, 1, 1, 0, 24, 1, 8, 1, 12, 'POST /api/orders/charge 503'),"
    " (3, 1773525720000000000, 2, 0, 200, 200, 1, 50000, 3, 53, 0, 2, 1, 0, 24, 1, 20, 1, 21, 'A google.com'),"
    " (4, 1773525780000000000, 2, 3, 300, 300, 1, 50001, 3, 53, 0, 3, 1, 0, 24, 1, 22, 1, 23, 'AAAA missing.example'),"
    " (5, 1773525840000000000, 3, 200, 4000, 4100, 2, 41000, 4, 443, 5, 4, 1, 0, 28, 1, 30, 1, 33, 'SayHello'),"
    " (6, 1773525900000000000, 4, 0, 0, 0, 1, 40001, 2, 8080, 0, 1, 1, 0, 1, 0, 0, 0, 0, 'TCP'),"
    " (7, 1773525960000000000, 1, 200, 50, 60, 5, 3333, 2, 8080, 4, 5, 0, 2, 8, 1, 40, 0, 0, 'GET /health'),"
    " (8, 1773526020000000000, 1, 404, 7000, 7100, 1, 40002, 2, 80, 3, 6, 1, 0, 24, 1, 50, 1, 51, 'GET /api/v2/users 404');"
    "INSERT INTO http(id, method, url, host, query, path_segments, query_string, version, request_headers, request_cookies, response_headers, request_body_size, response_body_size, response_body) VALUES"
    " (1, 'GET', '/api/users?id=1', 'pay', 'id=1', '[\"api\",\"users\"]', '{\"id\":\"1\"}', '1.1', '{\"accept\":\"*/*\",\"user-agent\":\"Mozilla/4.0\"}', '{\"session\":\"s1\"}', '{\"content-type\":\"application/json\"}', 0, 20000, '{\"ok\":1}'),"
    " (2, 'POST', '/api/orders/charge', 'pay', '', '[\"api\",\"orders\",\"charge\"]', '{}', '1.1', '{\"authorization\":\"Bearer [redacted]\",\"content-type\":\"application/json\"}', '{}', '{}', 300, 12, 'caf\xc3\xa9'),"
    " (7, 'GET', '/health', 'pay', '', '[\"health\"]', '{}', '1.0', '{\"x-\\\"quoted\\\"\":\"tab\\there\"}', '{}', '{}', 0, 2, ''),"
    " (8, 'GET', '/api/v2/users', 'pay', '', '[\"api\",\"v2\",\"users\"]', '{}', '2', '{}', '{}', '{}', 0, 0, '');"
    "INSERT INTO http(id, method, url, host, version, grpc_method, grpc_status) VALUES(5, 'POST', '/hello.Greeter/SayHello', 'api.example.com', '2', 'SayHello', 5);"
    "INSERT INTO dns(id, questions, answers, question_types, request, response) VALUES(3, '[\"google.com\"]', '[\"1.2.3.4\",\"5.6.7.8\"]', '[\"A\"]', 1, 1), (4, '[\"missing.example\"]', '[]', '[\"AAAA\"]', 1, 1);"
    "INSERT INTO connection(id, state, local_packets, local_bytes, remote_packets, remote_bytes, l7_detected) VALUES(6, 'closed', 40, 5000000, 30, 20000, '[\"HTTP\"]');"
    "INSERT INTO zone SELECT 1, 1, 8, MIN(timestamp), MAX(timestamp), MIN(status), MAX(status), MIN(elapsed), MAX(elapsed), MIN(duration), MAX(duration), MIN(src), MAX(src), MIN(dst), MAX(dst), MIN(path), MAX(path),"
    " MIN(connection), MAX(connection), 30 FROM entry;"
    "INSERT INTO info VALUES('schema_version', 1), ('entries', 8), ('part', 1), ('parts', 1);";

/* path: a file to be, or ":memory:". Fails the test where it cannot. */
static inline sqlite3 *small_database(const char *path)
{
    struct schema schema;
    char *ddl = NULL, *why = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(schema_make(small_protocols, SMALL_PROTOCOLS, &schema), 0);
    assert_int_equal(schema_sql(&schema, true, &ddl), 0);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, ddl, NULL, NULL, &why), SQLITE_OK);
    if (sqlite3_exec(db, small_rows, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    free(ddl);
    return db;
}
#endif
