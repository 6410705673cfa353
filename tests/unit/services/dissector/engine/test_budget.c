/* The shard's memory budget: whatever protocols hold of unfinished messages counts in it, the heap stays below it, and what was given up is counted. */
#include "services/dissector/engine/internal.h"
#include "tests/support/protocol_rig.h"
#include "tests/unit/services/dissector/protocols/http2/http2_builder.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define BUDGET_BYTES (2u * 1024 * 1024)
#define SLACK_BYTES (2u * 1024 * 1024)      /* of the heap beyond the budget: spare messages, records that the test itself keeps, what the allocator adds */
#define CONNECTIONS 400u
#define PIECE_BYTES 1400u

static size_t heap_bytes(void) { return mallinfo2().uordblks; } /* 0 under a sanitizer, whose heap is another one */

/* One connection of many, up to where it stops in the middle of something; each holds some ten KiB and more. */
typedef void say_half(struct rig *rig);

static void pour(struct rig *rig, enum side side, const void *data, size_t size)
{
    rig_say_cut(rig, side, data, size, PIECE_BYTES);
}

static void http1_bodies(struct rig *rig)
{
    static char body[40000];
    memset(body, 'b', sizeof body);
    rig_say(rig, SIDE_CLIENT, "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", -1);
    pour(rig, SIDE_CLIENT, body, sizeof body);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", -1);
    pour(rig, SIDE_SERVER, body, sizeof body);
}

static void http1_heads(struct rig *rig)
{
    static char head[30000];
    memset(head, 'h', sizeof head);
    rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", -1);
    pour(rig, SIDE_CLIENT, head, sizeof head);
}

static void http1_unanswered(struct rig *rig)
{
    char line[600];
    for (unsigned i = 0; i < 50; i++) {
        int n = snprintf(line, sizeof line, "GET /%u/%0400u HTTP/1.1\r\nHost: h\r\n\r\n", i, i);
        rig_say(rig, SIDE_CLIENT, line, n);
    }
}

static void http2_bodies(struct rig *rig)
{
    static char body[10000];
    struct h2 c = h2_new();
    h2_preface(&c);
    h2_setting(&c, 3, 100);
    for (uint32_t stream = 1; stream < 12; stream += 2) {
        h2_headers(&c, stream, 0, "POST /upload h", H2_NONE);
        h2_data(&c, stream, 0, body, sizeof body);
    }
    pour(rig, SIDE_CLIENT, c.data, c.size);
    h2_free(&c);
}

/* Whole bodies that wait for what the other side says: in their messages already. */
static void http2_whole_bodies(struct rig *rig)
{
    static char body[16000];
    memset(body, 'b', sizeof body);
    struct h2 c = h2_new();
    h2_preface(&c);
    h2_setting(&c, 3, 100);
    rig_say(rig, SIDE_CLIENT, c.data, (ssize_t)c.size);
    for (uint32_t stream = 1; stream < 12; stream += 2) {
        size_t at = c.size;
        h2_headers(&c, stream, 0, "POST /upload h", H2_NONE);
        h2_data(&c, stream, HTTP2_END_STREAM, body, sizeof body);
        rig_say(rig, SIDE_CLIENT, c.data + at, (ssize_t)(c.size - at));
    }
    h2_free(&c);
}

static void http2_tables(struct rig *rig)
{
    struct h2 c = h2_new();
    char value[101], path[64];
    h2_preface(&c);
    h2_setting(&c, 3, 100);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(value, sizeof value, "%0100u", i);
        snprintf(path, sizeof path, "GET /%u h", i);
        h2_headers(&c, 1 + 2 * i, HTTP2_END_STREAM, path, (const char *[]){ "x-value", value, NULL });
    }
    pour(rig, SIDE_CLIENT, c.data, c.size);
    h2_free(&c);
}

static void websocket_messages(struct rig *rig)
{
    static uint8_t frame[20000] = { 0x02, 126, 0x4e, 0x00 }; /* binary, not the last, 19968 bytes */
    rig_say(rig, SIDE_CLIENT, "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", -1);
    pour(rig, SIDE_SERVER, frame, 4 + 19968);
}

static void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

static void postgresql_statements(struct rig *rig)
{
    static const char startup[] = "\0\0\0\x11\0\3\0\0user\0me\0"; /* with its last zero 17 bytes */
    static uint8_t parse[5 + 8 + 2000];
    rig_say(rig, SIDE_CLIENT, startup, sizeof startup - 1);
    rig_say(rig, SIDE_SERVER, "R\0\0\0\10\0\0\0\0Z\0\0\0\5I", 15);
    for (unsigned i = 0; i < 30; i++) {
        memset(parse, ' ', sizeof parse);
        parse[0] = 'P';
        put_be32(parse + 1, sizeof parse - 1);
        snprintf((char *)parse + 5, 8, "s%05u", i);
        memcpy(parse + 12, "select 1", 8);
        parse[sizeof parse - 3] = parse[sizeof parse - 2] = parse[sizeof parse - 1] = 0;
        pour(rig, SIDE_CLIENT, parse, sizeof parse);
        rig_say(rig, SIDE_CLIENT, "S\0\0\0\4", 5);
        rig_say(rig, SIDE_SERVER, "1\0\0\0\4Z\0\0\0\5I", 11);
    }
}

static void tls_certificates(struct rig *rig)
{
    static uint8_t record[5 + 16384];
    static const uint8_t hello[] = { 22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3, [43] = 0, [44] = 0, [45] = 2, [46] = 0x13, [47] = 1, [48] = 1, [49] = 0, [50] = 0, [51] = 0 };
    rig_say(rig, SIDE_CLIENT, hello, sizeof hello);
    memset(record, 0, sizeof record);
    record[0] = 22;
    record[1] = record[2] = 3;
    record[3] = 0x40;
    record[5] = 11; /* a Certificate message of 100000 bytes, of which a sixth comes */
    record[6] = 1;
    record[7] = 0x86;
    record[8] = 0xa0;
    pour(rig, SIDE_SERVER, record, sizeof record);
}

static void out_of_order(struct rig *rig)
{
    static char data[30000];
    rig_say(rig, SIDE_CLIENT, "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n", -1);
    uint32_t hole = rig->seq[SIDE_CLIENT];
    rig->seq[SIDE_CLIENT] += 1000;
    for (unsigned at = 0; at < 20 * PIECE_BYTES; at += PIECE_BYTES) {
        rig_say(rig, SIDE_CLIENT, data + at, PIECE_BYTES);
        rig->acked[SIDE_SERVER] = hole;
    }
}

/* A message that is never whole, a byte in each packet: what is kept of the packets outweighs the bytes. */
static void small_packets(struct rig *rig)
{
    rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", -1);
    for (unsigned i = 0; i < 1000; i++)
        rig_say(rig, SIDE_CLIENT, "x", 1);
}

static struct rig *small_rig(uint16_t port)
{
    struct rig *rig = rig_new_without_handshake(port, REDACT_OFF, 6);
    shard_free(rig->shard);
    struct shard_options options = { .limits = { .bytes = BUDGET_BYTES } };
    struct shard_sink sink = { rig_entry, rig_view, rig };
    assert_int_equal(shard_new(0, &options, &sink, &rig->shard), 0);
    return rig;
}

/* Entries that come out are the test's own memory. */
static void forget_entries(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++)
        free(rig->records[i]);
    rig->count = 0;
}

static void begin_connection(struct rig *rig, unsigned i)
{
    rig->tuple.source_port = (uint16_t)(1000 + i);
    rig->seq[0] = rig->acked[1] = 5000;
    rig->seq[1] = rig->acked[0] = 1000;
    rig_packet(rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig_packet(rig, SIDE_SERVER, 18, NULL, 0, 0);
    rig_packet(rig, SIDE_CLIENT, 16, NULL, 0, 0);
}

static void check(const char *name, uint16_t port, uint64_t least_bytes, say_half *say)
{
    struct rig *rig = small_rig(port);
    size_t before = heap_bytes();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        begin_connection(rig, i);
        uint64_t held = rig->shard->held_bytes, evicted = rig->shard->counters.evicted_bytes;
        say(rig);
        if (i == 0 && rig->shard->held_bytes < held + least_bytes)
            fail_msg("%s: one connection counts %llu bytes, %llu at least are kept", name, (unsigned long long)(rig->shard->held_bytes - held), (unsigned long long)least_bytes);
        assert_true(rig->shard->held_bytes <= BUDGET_BYTES);
        assert_true(rig->shard->counters.evicted_bytes >= evicted);
        forget_entries(rig);
        if (heap_bytes() > before + BUDGET_BYTES + SLACK_BYTES)
            fail_msg("%s: %zu bytes of the heap after %u connections", name, heap_bytes() - before, i);
    }
    const struct shard_counters *counters = shard_counters(rig->shard);
    if (counters->evicted_connections == 0 || counters->evicted_bytes < CONNECTIONS * least_bytes - BUDGET_BYTES)
        fail_msg("%s: %llu connections with %llu bytes were given up", name, (unsigned long long)counters->evicted_connections, (unsigned long long)counters->evicted_bytes);
    rig_stop(rig);
    assert_int_equal(rig->shard->held_bytes, 0);
    rig_free(rig);
}

static void every_parser_counts(void **state)
{
    (void)state;
    static const struct { const char *name; uint16_t port; uint64_t least_bytes; say_half *say; } cases[] = {
        { "bodies of HTTP/1", 80, 80000, http1_bodies },
        { "heads of HTTP/1", 80, 30000, http1_heads },
        { "unanswered requests", 80, 50 * 800, http1_unanswered },
        { "bodies of HTTP/2", 80, 60000, http2_bodies },
        { "whole bodies of HTTP/2", 80, 96000, http2_whole_bodies },
        { "tables of HTTP/2", 80, 20000, http2_tables },
        { "messages of WebSocket", 80, 19968, websocket_messages },
        { "statements of PostgreSQL", 5432, 60000, postgresql_statements },
        { "certificates of TLS", 443, 16000, tls_certificates },
        { "segments behind a hole", 80, 28000, out_of_order },
        { "small packets", 80, 32000, small_packets },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].name, cases[i].port, cases[i].least_bytes, cases[i].say);
}

/* One connection alone cannot keep all its requests. */
static void one_connection_is_bounded(void **state)
{
    (void)state;
    static char head[60000];
    struct rig *rig = rig_new(80, REDACT_OFF);
    memset(head, 'h', sizeof head);
    for (unsigned i = 0; i < 200; i++) {
        rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", -1);
        pour(rig, SIDE_CLIENT, head, sizeof head);
        rig_say(rig, SIDE_CLIENT, "\r\n\r\n", -1);
        assert_true(rig->shard->held_bytes <= CONVERSATION_UNANSWERED_BYTES_MAX + SLACK_BYTES);
    }
    assert_true(shard_counters(rig->shard)->requests_evicted > 120);
    assert_string_equal(rig_text(rig, 0, "incomplete"), "evicted");
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 200);
    assert_int_equal(rig->shard->held_bytes, 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_parser_counts), cmocka_unit_test(one_connection_is_bounded) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
