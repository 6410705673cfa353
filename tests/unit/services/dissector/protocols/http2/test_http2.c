/* protocols/http2*.c through the engine: everything seen from the start. What was lost: test_http2_calls.c. */
#include "tests/support/protocol_script.h"
#include "http2_builder.h"
#include "services/dissector/protocols/http2/grpc.h"
#include "services/dissector/protocols/http2/http2.h"

#define PORT 8080
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, field), value)
#define MORE(...) ((const char *[]){ __VA_ARGS__, NULL })

/* Both sides of a connection; h2_send() puts on the wire what has been added since. */
struct peers { struct h2 client, server; size_t client_at, server_at; struct rig *rig; };
static struct peers peers_new(enum redact_level redact)
{
    struct peers p = { .client = h2_new(), .server = h2_new(), .rig = rig_new(PORT, redact) };
    h2_preface(&p.client);
    h2_setting(&p.client, 3, 100);
    h2_setting(&p.server, 3, 128);
    h2_frame(&p.server, HTTP2_SETTINGS, HTTP2_ACK, 0, NULL, 0);
    return p;
}
static void flush(struct peers *p)
{
    p->client_at = h2_send(p->rig, SIDE_CLIENT, &p->client, p->client_at);
    p->server_at = h2_send(p->rig, SIDE_SERVER, &p->server, p->server_at);
}
static struct rig *finish(struct peers *p)
{
    flush(p);
    rig_finish(p->rig);
    return p->rig;
}
static void peers_free(struct peers *p)
{
    h2_free(&p->client);
    h2_free(&p->server);
    rig_free(p->rig);
}

static void test_request_and_response(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_headers(&p.client, 1, HTTP2_END_STREAM, "GET /a/b?x=1&token=abc www.example.com", MORE("user-agent", "t/1", "cookie", "s=1", "cookie", "u=2"));
    h2_respond(&p.server, 1, 0, 200, MORE("content-type", "text/plain", "set-cookie", "k=v; Path=/"));
    h2_data(&p.server, 1, 0, "hello ", 6);
    h2_data(&p.server, 1, HTTP2_END_STREAM, "world", 5);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "HTTP");
    assert_field(rig, 0, "method", "GET");
    assert_field(rig, 0, "path", "/a/b");
    assert_field(rig, 0, "query_string", "x=1, token=[redacted]");
    assert_field(rig, 0, "host", "www.example.com");
    assert_field(rig, 0, "http_version", "2");
    assert_field(rig, 0, "status_code", "200");
    assert_field(rig, 0, "incomplete", "");
    assert_field(rig, 0, "request.cookies", "s=[redacted], u=[redacted]");
    assert_field(rig, 0, "response.cookies", "k=[redacted]");
    assert_field(rig, 0, "response.headers", "content-type=text/plain");
    assert_field(rig, 0, "response.body", "hello world");
    assert_field(rig, 0, "response_body_size", "11");
    assert_field(rig, 0, "grpc_status", "-1");
    const struct record *r = rig_record(rig, 0);
    assert_int_equal(r->timestamp_ns, RIG_START_NS + 3 * RIG_STEP_NS);
    assert_int_equal(r->elapsed_ns, RIG_STEP_NS);
    assert_int_equal(r->request_at.frame, 4);
    assert_int_equal(r->response_at.frame, 5);
    peers_free(&p);
}

/* A list of no fields, as some end a stream with, and a block whose first frame has nothing of it. */
static void test_empty_blocks(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    uint8_t *block;
    h2_headers(&p.client, 1, 0, "POST /a h", H2_NONE);
    h2_data(&p.client, 1, 0, "abc", 3);
    h2_frame(&p.client, HTTP2_HEADERS, HTTP2_END_STREAM | HTTP2_END_HEADERS, 1, NULL, 0);
    size_t size = h2_block(&p.server, MORE(":status", "200", "a", "b"), &block);
    h2_frame(&p.server, HTTP2_HEADERS, 0, 1, NULL, 0);
    h2_frame(&p.server, HTTP2_CONTINUATION, HTTP2_END_HEADERS, 1, block, size);
    h2_data(&p.server, 1, 0, "def", 3);
    h2_frame(&p.server, HTTP2_HEADERS, HTTP2_END_STREAM | HTTP2_END_HEADERS, 1, NULL, 0);
    flush(&p);
    h2_headers(&p.client, 3, HTTP2_END_STREAM, "GET /b h", H2_NONE);
    h2_respond(&p.server, 3, HTTP2_END_STREAM, 204, H2_NONE);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 0, "request.body", "abc");
    assert_field(rig, 0, "response.headers", "a=b");
    assert_field(rig, 0, "response.body", "def");
    assert_field(rig, 0, "incomplete", "");
    assert_field(rig, 1, "status_code", "204");
    assert_field(rig, 1, "incomplete", "");
    free(block);
    peers_free(&p);
}

/* Said first of all streams, then of the last one that will be answered, then once more: what is beyond it is given up each time. */
static void test_goaway_again(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    for (uint32_t id = 1; id <= 5; id += 2)
        h2_headers(&p.client, id, HTTP2_END_STREAM, "GET /a h", H2_NONE);
    h2_goaway(&p.server, 0x7fffffff);
    flush(&p);
    assert_int_equal(rig_count(p.rig), 0);
    h2_goaway(&p.server, 3);
    flush(&p);
    assert_int_equal(rig_count(p.rig), 1);
    h2_headers(&p.client, 7, HTTP2_END_STREAM, "GET /b h", H2_NONE);
    flush(&p);
    h2_goaway(&p.server, 3);
    h2_respond(&p.server, 1, HTTP2_END_STREAM, 204, H2_NONE);
    flush(&p);
    assert_int_equal(rig_count(p.rig), 3);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 0, "incomplete", "no_response");
    assert_field(rig, 1, "path", "/b");
    assert_field(rig, 1, "incomplete", "no_response");
    assert_field(rig, 2, "status_code", "204");
    peers_free(&p);
}

/* Many at a time, answered in another order. */
static void test_streams_interleaved(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    char line[64], body[16];
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(line, sizeof line, "POST /p%u example.com", i);
        h2_headers(&p.client, 2 * i + 1, 0, line, MORE("content-type", "text/plain"));
    }
    for (uint32_t i = 50; i-- > 0;)
        h2_data(&p.client, 2 * i + 1, HTTP2_END_STREAM, line, 5);
    for (uint32_t i = 50; i-- > 0;)
        h2_respond(&p.server, 2 * i + 1, 0, 200 + (int)i, H2_NONE);
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(body, sizeof body, "b%u", i);
        h2_data(&p.server, 2 * i + 1, HTTP2_END_STREAM, body, strlen(body));
    }
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 50);
    for (uint32_t i = 0; i < 50; i++) {
        snprintf(line, sizeof line, "/p%u", i);
        snprintf(body, sizeof body, "b%u", i);
        assert_field(rig, i, "path", line);
        assert_field(rig, i, "response.body", body);
        assert_int_equal(rig_record(rig, i)->status, 200 + (int)i);
        assert_field(rig, i, "request_body_size", "5");
        assert_field(rig, i, "incomplete", "");
    }
    peers_free(&p);
}

/* Every kind of frame in both directions. */
static void build_everything(struct h2 *c, struct h2 *s)
{
    static const uint8_t priority[5] = { 0, 0, 0, 3, 16 }, padded[16] = { 10, 'b', 'o', 'd', 'y', '!' }, ping[8] = { 1 }, only_padding[4] = { 3 };
    h2_preface(c);
    h2_setting(c, 1, 8192);
    h2_u32(c, HTTP2_WINDOW_UPDATE, 0, 1 << 20);
    h2_frame(c, HTTP2_PRIORITY, 0, 3, priority, 5);
    h2_block_frames(c, HTTP2_HEADERS, HTTP2_WITH_PRIORITY, 1, priority, 5, MORE(":method", "POST", ":scheme", "http", ":path", "/first", ":authority", "a", "x-long", "0123456789012345678901234567890123456789"), 4);
    h2_frame(c, HTTP2_DATA, HTTP2_PADDED, 1, padded, sizeof padded);
    h2_frame(c, HTTP2_DATA, HTTP2_PADDED, 1, only_padding, sizeof only_padding);
    h2_frame(c, 0x10, 0, 0, "extension", 9);
    h2_fields(c, 1, HTTP2_END_STREAM, MORE("x-checksum", "1"));
    h2_headers(c, 3, HTTP2_END_STREAM, "GET /second a", H2_NONE);
    h2_frame(c, HTTP2_PING, 0, 0, ping, 8);
    h2_headers(c, 5, HTTP2_END_STREAM, "GET /third a", H2_NONE);
    h2_setting(s, 1, 0);
    h2_frame(s, HTTP2_SETTINGS, HTTP2_ACK, 0, NULL, 0);
    h2_frame(s, HTTP2_PING, HTTP2_ACK, 0, ping, 8);
    h2_respond(s, 1, 0, 100, H2_NONE);
    h2_respond(s, 1, 0, 103, MORE("link", "</x.css>"));
    static const uint8_t promised[4] = { 0, 0, 0, 2 };
    h2_block_frames(s, HTTP2_PUSH_PROMISE, 0, 1, promised, 4, MORE(":method", "GET", ":scheme", "http", ":path", "/pushed", ":authority", "a"), 2);
    h2_respond(s, 1, 0, 201, MORE("server", "s"));
    h2_data(s, 1, 0, "created", 7);
    h2_respond(s, 2, 0, 200, H2_NONE);
    h2_data(s, 2, HTTP2_END_STREAM, "css", 3);
    h2_fields(s, 1, HTTP2_END_STREAM, MORE("x-trailer", "t"));
    h2_respond(s, 3, 0, 200, H2_NONE);
    h2_data(s, 3, 0, "half", 4);
    h2_u32(s, HTTP2_RST_STREAM, 3, 2);
    h2_goaway(s, 3);
}

static void check_everything(struct rig *rig)
{
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 0, "path", "/pushed");
    assert_field(rig, 0, "response.body", "css");
    assert_field(rig, 0, "incomplete", "");
    assert_field(rig, 1, "path", "/first");
    assert_field(rig, 1, "method", "POST");
    assert_field(rig, 1, "request.body", "body!");
    assert_field(rig, 1, "request_body_size", "5");
    assert_field(rig, 1, "status_code", "201");
    assert_field(rig, 1, "response.body", "created");
    assert_field(rig, 1, "response.headers", "server=s");
    assert_field(rig, 1, "request.trailers", "x-checksum=1");
    assert_field(rig, 1, "response.trailers", "x-trailer=t");
    assert_field(rig, 0, "response.trailers", "");
    assert_field(rig, 1, "incomplete", "");
    assert_field(rig, 2, "path", "/second");
    assert_field(rig, 2, "incomplete", "truncated");
    assert_field(rig, 2, "response.body", "half");
    assert_field(rig, 3, "path", "/third");
    assert_field(rig, 3, "incomplete", "no_response");
}

/* The client's bytes, then the server's, the first `first` bytes of one side in a segment of their own. */
static struct rig *play_cut(const struct h2 *c, const struct h2 *s, enum side side, size_t first)
{
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say_split(rig, SIDE_CLIENT, c->data, c->size, side == SIDE_CLIENT ? first : c->size);
    rig_say_split(rig, SIDE_SERVER, s->data, s->size, side == SIDE_SERVER ? first : s->size);
    rig_finish(rig);
    return rig;
}

static void test_every_frame_cut_everywhere(void **state)
{
    (void)state;
    struct h2 c = h2_new(), s = h2_new();
    build_everything(&c, &s);
    struct rig *whole = play_cut(&c, &s, SIDE_CLIENT, c.size);
    check_everything(whole);
    char *expected = rig_dump(whole);
    rig_free(whole);
    for (size_t at = 1; at < c.size; at++)
        script_compare(play_cut(&c, &s, SIDE_CLIENT, at), expected);
    for (size_t at = 1; at < s.size; at++)
        script_compare(play_cut(&c, &s, SIDE_SERVER, at), expected);
    for (size_t piece = 1; piece <= 16; piece *= 4) {
        struct rig *rig = rig_new(PORT, REDACT_ON);
        rig_say_cut(rig, SIDE_CLIENT, c.data, c.size, piece);
        rig_say_cut(rig, SIDE_SERVER, s.data, s.size, piece);
        rig_finish(rig);
        script_compare(rig, expected);
    }
    free(expected);
    h2_free(&c);
    h2_free(&s);
}

/* A table that shrinks, grows beyond the default and is emptied: the deflater says so in its blocks. */
static void test_table_sizes(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_setting(&p.server, 1, 65536);
    flush(&p);
    static const size_t sizes[] = { 4096, 65536, 0, 100, 16384 };
    char line[64], value[200];
    uint32_t stream = 1;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(nghttp2_hd_deflate_change_table_size(p.client.deflater, sizes[i]), 0);
        for (unsigned k = 0; k < 60; k++, stream += 2) {
            snprintf(line, sizeof line, "GET /%u/%u h%u", i, k % 20, k % 7);
            snprintf(value, sizeof value, "%0150u", k % 30);
            h2_headers(&p.client, stream, HTTP2_END_STREAM, line, MORE("x-value", value));
            h2_respond(&p.server, stream, HTTP2_END_STREAM, 204, H2_NONE);
            flush(&p);
        }
    }
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 300);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(line, sizeof line, "/%u/%u", i / 60, i % 60 % 20);
        snprintf(value, sizeof value, "x-value=%0150u", i % 60 % 30);
        assert_field(rig, i, "path", line);
        assert_field(rig, i, "request.headers", value);
        assert_field(rig, i, "incomplete", "");
    }
    peers_free(&p);
}

/* The request is over with the frame that says so, although that one brings nothing. */
static void test_empty_last_frame(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_headers(&p.client, 1, 0, "POST /upload a", H2_NONE);
    h2_data(&p.client, 1, 0, "abc", 3);
    flush(&p);
    h2_data(&p.client, 1, HTTP2_END_STREAM, "", 0);
    flush(&p);
    h2_respond(&p.server, 1, HTTP2_END_STREAM, 200, H2_NONE);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 1);
    const struct record *r = rig_record(rig, 0);
    assert_int_equal(r->request_at.frame, 6);
    assert_int_equal(r->response_at.frame, 7);
    assert_field(rig, 0, "request.body", "abc");
    assert_field(rig, 0, "incomplete", "");
    peers_free(&p);
}

static void test_request_still_going_when_answered(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_headers(&p.client, 1, 0, "POST /upload a", H2_NONE);
    h2_data(&p.client, 1, 0, "abc", 3);
    flush(&p);
    h2_respond(&p.server, 1, HTTP2_END_STREAM, 413, H2_NONE);
    h2_u32(&p.server, HTTP2_RST_STREAM, 1, 0);
    flush(&p);
    assert_int_equal(rig_count(p.rig), 1);
    h2_data(&p.client, 1, HTTP2_END_STREAM, "late", 4); /* on its way when the reset came */
    h2_respond(&p.server, 1, HTTP2_END_STREAM, 500, H2_NONE);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "status_code", "413");
    assert_field(rig, 0, "request.body", "abc");
    assert_field(rig, 0, "incomplete", "truncated");
    peers_free(&p);
}

static void test_end_of_the_capture(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_headers(&p.client, 1, HTTP2_END_STREAM, "GET /waits a", H2_NONE);
    h2_headers(&p.client, 3, HTTP2_END_STREAM, "GET /begun a", H2_NONE);
    h2_respond(&p.server, 3, 0, 200, H2_NONE);
    h2_data(&p.server, 3, 0, "beg", 3);
    flush(&p);
    rig_stop(p.rig);
    assert_int_equal(rig_count(p.rig), 2);
    assert_field(p.rig, 0, "incomplete", "ends_after");
    assert_field(p.rig, 1, "incomplete", "ends_after");
    assert_field(p.rig, 1, "response.body", "beg");
    peers_free(&p);
}

/* Nothing is said for so long that the connection is given up. */
static void test_idle(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    h2_headers(&p.client, 1, HTTP2_END_STREAM, "GET /waits a", H2_NONE);
    h2_headers(&p.client, 3, HTTP2_END_STREAM, "GET /begun a", H2_NONE);
    h2_respond(&p.server, 3, 0, 200, H2_NONE);
    flush(&p);
    p.rig->now_ns += INT64_C(1000000000) * 3600;
    p.rig->tuple.source_port++; /* time goes on by another connection */
    rig_packet(p.rig, SIDE_CLIENT, 2, NULL, 0, 0);
    rig_stop(p.rig);
    assert_int_equal(rig_count(p.rig), 2);
    assert_field(p.rig, 0, "incomplete", "no_response");
    assert_field(p.rig, 1, "incomplete", "evicted");
    peers_free(&p);
}

/* Bodies beyond what is kept, and more of them than are kept together. */
static void test_large_bodies(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_OFF);
    enum { STREAMS = 80, PIECE = 16384, PIECES = 8 };
    char *piece = malloc(PIECE);
    assert_non_null(piece);
    memset(piece, 'x', PIECE);
    for (uint32_t i = 0; i < STREAMS; i++)
        h2_headers(&p.client, 2 * i + 1, HTTP2_END_STREAM, "GET /big a", H2_NONE);
    for (uint32_t i = 0; i < STREAMS; i++)
        h2_respond(&p.server, 2 * i + 1, 0, 200, H2_NONE);
    for (unsigned k = 0; k < PIECES; k++)
        for (uint32_t i = 0; i < STREAMS; i++) {
            h2_data(&p.server, 2 * i + 1, k + 1 == PIECES ? HTTP2_END_STREAM : 0, piece, PIECE);
            flush(&p);
        }
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), STREAMS);
    unsigned whole = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_field(rig, i, "response_body_size", "131072");
        whole += strlen(rig_text(rig, i, "response.body")) == CONVERSATION_BODY_MAX;
    }
    assert_in_range(whole, 32, 64);
    free(piece);
    peers_free(&p);
}

/* More streams than the table holds: the oldest go out. */
static void test_too_many_streams(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    for (uint32_t i = 0; i < 1100; i++)
        h2_headers(&p.client, 2 * i + 1, HTTP2_END_STREAM, "GET / a", H2_NONE);
    flush(&p);
    assert_int_equal(rig_count(p.rig), 1100 - 1024);
    assert_field(p.rig, 0, "incomplete", "evicted");
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 1100);
    assert_field(rig, 1099, "incomplete", "no_response");
    peers_free(&p);
}

/* A header list beyond what is kept, and a block beyond what is read. */
static void test_large_blocks(void **state)
{
    (void)state;
    struct peers p = peers_new(REDACT_ON);
    enum { VALUE = 8000, FIELDS = 12 };
    char *values[FIELDS];
    const char *more[2 * FIELDS + 1] = { NULL };
    for (unsigned i = 0; i < FIELDS; i++) {
        values[i] = malloc(VALUE + 1);
        assert_non_null(values[i]);
        memset(values[i], "{}|~^<>"[i % 7], VALUE); /* Huffman does not shorten these */
        values[i][VALUE] = '\0';
        more[2 * i] = "x-large";
        more[2 * i + 1] = values[i];
    }
    char room[512];
    const char *fields[2 * H2_FIELDS_MAX];
    h2_request_fields("GET /long a", more, room, sizeof room, fields);
    h2_block_frames(&p.client, HTTP2_HEADERS, HTTP2_END_STREAM, 1, NULL, 0, fields, 16);
    h2_headers(&p.client, 3, HTTP2_END_STREAM, "GET /next a", H2_NONE);
    static const uint8_t zeros[16000];
    h2_frame(&p.client, HTTP2_HEADERS, HTTP2_END_STREAM, 5, zeros, sizeof zeros);
    for (unsigned i = 0; i < 20; i++)
        h2_frame(&p.client, HTTP2_CONTINUATION, i == 19 ? HTTP2_END_HEADERS : 0, 5, zeros, sizeof zeros);
    h2_headers(&p.client, 7, HTTP2_END_STREAM, "GET /after a", H2_NONE);
    struct rig *rig = finish(&p);
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 0, "path", "/long");
    assert_field(rig, 0, "incomplete", "truncated");
    assert_field(rig, 1, "path", "/next");
    assert_field(rig, 1, "incomplete", "no_response");
    assert_field(rig, 2, "incomplete", "hpack");
    assert_field(rig, 2, "path", "");
    assert_field(rig, 3, "incomplete", "hpack"); /* what the long block did to the table is not known: "a" is a reference into it */
    assert_field(rig, 3, "path", "/after");
    assert_field(rig, 3, "host", "");
    for (unsigned i = 0; i < FIELDS; i++)
        free(values[i]);
    peers_free(&p);
}

/* One byte of a frame that cannot be, and the frames behind it in later packets. */
static void test_broken_frames(void **state)
{
    (void)state;
    static const struct { const char *name; uint8_t bytes[14]; size_t size; } broken[] = {
        { "DATA on the connection", { 0, 0, 1, 0, 0, 0, 0, 0, 0, 'x' }, 10 },
        { "SETTINGS of five bytes", { 0, 0, 5, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5 }, 14 },
        { "PING of one byte", { 0, 0, 1, 6, 0, 0, 0, 0, 0, 1 }, 10 },
        { "padding longer than the frame", { 0, 0, 2, 0, 8, 0, 0, 0, 1, 9, 'x' }, 11 },
        { "a header block's padding", { 0, 0, 2, 1, 12, 0, 0, 0, 9, 9, 'x' }, 11 },
        { "HEADERS too short for its priority", { 0, 0, 2, 1, 0x24, 0, 0, 0, 9, 9, 'x' }, 11 },
        { "WINDOW_UPDATE of 16 MiB", { 0xff, 0xff, 0xff, 8, 0, 0, 0, 0, 0 }, 9 },
        { "PING of 16 MiB", { 0xff, 0xff, 0xff, 6, 0, 0, 0, 0, 0 }, 9 },
        { "HEADERS of 16 MiB", { 0xff, 0xff, 0xff, 1, 4, 0, 0, 0, 9 }, 9 },
        { "SETTINGS of 12 MiB", { 0xc0, 0, 0, 4, 0, 0, 0, 0, 0 }, 9 },
    };
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct peers p = peers_new(REDACT_ON);
        h2_headers(&p.client, 1, HTTP2_END_STREAM, "GET /before a", H2_NONE);
        h2_respond(&p.server, 1, HTTP2_END_STREAM, 204, H2_NONE);
        flush(&p);
        rig_say(p.rig, SIDE_CLIENT, broken[i].bytes, (ssize_t)broken[i].size);
        for (uint32_t k = 3; k < 9; k += 2)
            h2_headers(&p.client, k, HTTP2_END_STREAM, "GET /after b", H2_NONE);
        flush(&p);
        for (uint32_t k = 3; k < 9; k += 2)
            h2_respond(&p.server, k, HTTP2_END_STREAM, 204, H2_NONE);
        struct rig *rig = finish(&p);
        if (rig_count(rig) != 4)
            fail_msg("%s: %zu entries", broken[i].name, rig_count(rig));
        assert_field(rig, 0, "path", "/before");
        for (unsigned k = 1; k < 4; k++) {
            assert_string_equal(rig_text(rig, k, "path"), "/after");
            assert_field(rig, k, "status_code", "204");
        }
        peers_free(&p);
    }
}

/* From HTTP/1: two entries for the upgraded request, with 101 and with what came on stream 1. */
static void test_upgrade(void **state)
{
    (void)state;
    struct h2 c = h2_new(), s = h2_new();
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "GET /upgraded HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", -1);
    static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    h2_bytes(&s, switching, sizeof switching - 1);
    h2_setting(&s, 3, 100);
    h2_respond(&s, 1, 0, 200, MORE("content-type", "text/plain"));
    h2_data(&s, 1, HTTP2_END_STREAM, "one", 3);
    h2_send(rig, SIDE_SERVER, &s, 0);
    h2_preface(&c);
    h2_setting(&c, 3, 100);
    h2_headers(&c, 3, HTTP2_END_STREAM, "GET /two a", H2_NONE);
    h2_send(rig, SIDE_CLIENT, &c, 0);
    size_t at = s.size;
    h2_respond(&s, 3, HTTP2_END_STREAM, 204, H2_NONE);
    h2_send(rig, SIDE_SERVER, &s, at);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    assert_field(rig, 0, "status_code", "101");
    assert_field(rig, 1, "path", "/upgraded");
    assert_field(rig, 1, "status_code", "200");
    assert_field(rig, 1, "response.body", "one");
    assert_field(rig, 1, "summary", "GET /upgraded");
    assert_string_equal(rig_protocol(rig, 1), "HTTP");
    assert_int_equal(rig_record(rig, 1)->timestamp_ns, rig_record(rig, 0)->timestamp_ns);
    assert_field(rig, 2, "path", "/two");
    assert_field(rig, 2, "status_code", "204");
    rig_free(rig);
    h2_free(&c);
    h2_free(&s);
}

static void test_detection(void **state)
{
    (void)state;
    static const struct { const char *data; size_t size; bool middle; enum detected expected; } cases[] = {
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, false, DETECT_CLIENT },
        { "PRI * HTTP", 10, false, DETECT_MORE },
        { "PRICE list", 10, false, DETECT_NO },
        { "P", 1, false, DETECT_MORE },
        { "GET / HTTP/1.1\r\n", 16, false, DETECT_NO },
        { "\0\0\0\4\0\0\0\0\0", 9, false, DETECT_SERVER },
        { "\0\0\0\4\1\0\0\0\0", 9, false, DETECT_NO },
        { "\0\0\0\4", 4, false, DETECT_MORE },
        { "\0\0\0\x29", 4, false, DETECT_NO },
        { "\0\0\0\4\1\0\0\0\0\0\0\4\x8\0\0\0\0\0\0\0\0\1\0\0\1\1\4\0\0\0\1\x88", 32, true, DETECT_SERVER },
        { "\0\0\0\4\1\0\0\0\0\0\0\4\x8\0\0\0\0\0\0\0\0\1\0\0\1\1\4\0\0\0\1\x83", 32, true, DETECT_CLIENT },
        { "\0\0\0\4\1\0\0\0\0\0\0\4\x8\0\0\0\0\0\0\0\0\1\0\0\1\1\4\0\0\0\1\xc0", 32, true, DETECT_NO },
        { "\0\0\0\4\1\0\0\0\0\0\0\0\4\1\0\0\0\0", 18, true, DETECT_MORE },
        { "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28, true, DETECT_NO },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sniff sniff = { .data = (const uint8_t *)cases[i].data, .size = cases[i].size, .started_before = cases[i].middle };
        if (protocol_http2.detect(&sniff) != cases[i].expected)
            fail_msg("case %u: %d", i, protocol_http2.detect(&sniff));
    }
    struct sniff datagram = { .data = (const uint8_t *)cases[0].data, .size = 24, .datagram = true };
    assert_int_equal(protocol_http2.detect(&datagram), DETECT_NO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_response),
        cmocka_unit_test(test_empty_blocks), cmocka_unit_test(test_goaway_again), cmocka_unit_test(test_streams_interleaved),
        cmocka_unit_test(test_every_frame_cut_everywhere),
        cmocka_unit_test(test_table_sizes),
        cmocka_unit_test(test_request_still_going_when_answered),
        cmocka_unit_test(test_empty_last_frame),
        cmocka_unit_test(test_end_of_the_capture),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_too_many_streams),
        cmocka_unit_test(test_large_blocks),
        cmocka_unit_test(test_broken_frames),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_detection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
