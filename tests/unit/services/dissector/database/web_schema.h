/* Two small protocols for the tests of the database, with a field of every type. */
#ifndef TESTS_DATABASE_WEB_SCHEMA_H
#define TESTS_DATABASE_WEB_SCHEMA_H
#include <sqlite3.h>
#include <stdio.h>
#include "tests/support/entry_maker.h"

enum { WEB_METHOD, WEB_PATH, WEB_HEADERS, WEB_BODY, WEB_SIZE, WEB_STATUS, WEB_FINE, WEB_PARTS };
static const struct field web_fields[] = {
    [WEB_METHOD] = { .name = "method", .column = "method" },
    [WEB_PATH] = { .name = "path", .column = "path" },
    [WEB_HEADERS] = { .name = "request.headers", .type = FIELD_MAP, .column = "request_headers" },
    [WEB_BODY] = { .name = "request.body", .column = "request_body", .redaction = REDACT_BODY },
    [WEB_SIZE] = { .name = "request_body_size", .type = FIELD_INT, .column = "request_body_size" },
    [WEB_STATUS] = { .name = "grpc_status", .type = FIELD_INT, .fallback = -1, .column = "grpc_status" },
    [WEB_FINE] = { .name = "fine", .type = FIELD_BOOL, .fallback = 1, .column = "fine" },
    [WEB_PARTS] = { .name = "parts", .type = FIELD_LIST, .column = "parts" },
};
static const struct field names_fields[] = { { .name = "dns_id", .type = FIELD_INT, .column = "message_id" } };
static const struct detail web_detail = { "web", web_fields, 8 }, names_detail = { "names", names_fields, 1 };
static const struct protocol web_http = { .name = "HTTP", .detail = &web_detail }, web_grpc = { .name = "GRPC", .detail = &web_detail }, web_dns = { .name = "DNS", .detail = &names_detail };
static const struct protocol *const web_protocols[] = { &web_dns, &web_http, &web_grpc };
enum { WEB_DNS, WEB_HTTP, WEB_GRPC, WEB_PROTOCOLS };

static inline void web_begin(struct entry_maker *m, uint8_t protocol, uint64_t id) { maker_begin(m, web_protocols[protocol], protocol, id); }

/* All rows as one text: columns by "|", rows by newlines. */
static inline void web_expect(sqlite3 *db, const char *sql, const char *expected)
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
#endif
