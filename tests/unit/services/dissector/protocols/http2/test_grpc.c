/* protocols/grpc.c, by itself and through the engine. */
#include "tests/support/protocol_script.h"
#include "http2_builder.h"
#include "services/dissector/protocols/http2/grpc.h"

#define PORT 50051
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, field), value)
#define MORE(...) ((const char *[]){ __VA_ARGS__, NULL })
#define GRPC_REQUEST MORE("content-type", "application/grpc", "te", "trailers", "authorization", "Bearer secret", "x-id", "7")
#define GRPC_RESPONSE MORE("content-type", "application/grpc+proto")

struct call { struct h2 client, server; struct rig *rig; };
static struct call call_new(void)
{
    struct call c = { h2_new(), h2_new(), rig_new(PORT, REDACT_ON) };
    h2_preface(&c.client);
    h2_setting(&c.client, 3, 1);
    h2_setting(&c.server, 3, 1);
    return c;
}
static struct rig *call_over(struct call *c)
{
    h2_send(c->rig, SIDE_CLIENT, &c->client, 0);
    h2_send(c->rig, SIDE_SERVER, &c->server, 0);
    rig_finish(c->rig);
    return c->rig;
}
static void call_free(struct call *c)
{
    h2_free(&c->client);
    h2_free(&c->server);
    rig_free(c->rig);
}

/* A message of `size` zeros. */
static void add_message(struct h2 *b, uint32_t stream, uint8_t flags, uint32_t size)
{
    uint8_t *p = calloc(1, size + 5);
    assert_non_null(p);
    p[1] = (uint8_t)(size >> 24);
    p[2] = (uint8_t)(size >> 16);
    p[3] = (uint8_t)(size >> 8);
    p[4] = (uint8_t)size;
    size_t whole = (size_t)size + 5;
    for (size_t at = 0; at < whole; at += 16384)
        h2_data(b, stream, at + 16384 < whole ? 0 : flags, p + at, whole - at < 16384 ? whole - at : 16384);
    free(p);
}

static void test_unary(void **state)
{
    (void)state;
    struct call c = call_new();
    h2_headers(&c.client, 1, 0, "POST /shop.v1.Cart/AddItem shop:50051", GRPC_REQUEST);
    add_message(&c.client, 1, HTTP2_END_STREAM, 12);
    h2_respond(&c.server, 1, 0, 200, GRPC_RESPONSE);
    add_message(&c.server, 1, 0, 3);
    h2_fields(&c.server, 1, HTTP2_END_STREAM, MORE("grpc-status", "0"));
    struct rig *rig = call_over(&c);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "GRPC");
    assert_field(rig, 0, "grpc_method", "AddItem");
    assert_field(rig, 0, "path", "/shop.v1.Cart/AddItem");
    assert_field(rig, 0, "grpc_status", "0");
    assert_field(rig, 0, "status_code", "200");
    assert_field(rig, 0, "grpc_message", "");
    assert_field(rig, 0, "grpc_request_messages", "12");
    assert_field(rig, 0, "grpc_response_messages", "3");
    assert_field(rig, 0, "request_body_size", "17");
    assert_field(rig, 0, "incomplete", "");
    assert_non_null(strstr(rig_text(rig, 0, "request.headers"), "authorization=Bearer [redacted]"));
    call_free(&c);
}

static void test_errors(void **state)
{
    (void)state;
    struct call c = call_new();
    for (uint32_t stream = 1; stream <= 9; stream += 2) {
        h2_headers(&c.client, stream, 0, "POST /a.B/C h", GRPC_REQUEST);
        add_message(&c.client, stream, HTTP2_END_STREAM, 0);
    }
    h2_respond(&c.server, 1, HTTP2_END_STREAM, 200, MORE("content-type", "application/grpc", "grpc-status", "5", "grpc-message", "no%20caf%C3%A9 100%25 %zz%4"));
    h2_respond(&c.server, 3, HTTP2_END_STREAM, 502, MORE("content-type", "text/html"));
    h2_respond(&c.server, 5, 0, 200, GRPC_RESPONSE);
    h2_fields(&c.server, 5, HTTP2_END_STREAM, MORE("grpc-status", "x"));
    h2_respond(&c.server, 7, 0, 200, MORE("content-type", "application/grpc", "grpc-status", "13"));
    h2_fields(&c.server, 7, HTTP2_END_STREAM, MORE("grpc-status", "14"));
    h2_respond(&c.server, 9, 0, 200, GRPC_RESPONSE);
    h2_u32(&c.server, HTTP2_RST_STREAM, 9, 8);
    struct rig *rig = call_over(&c);
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 0, "grpc_status", "5");
    assert_field(rig, 0, "grpc_message", "no caf\xc3\xa9 100% %zz%4");
    assert_field(rig, 0, "grpc_request_messages", "0");
    assert_string_equal(rig_protocol(rig, 1), "GRPC");
    assert_field(rig, 1, "status_code", "502");
    assert_field(rig, 1, "grpc_status", "-1");
    assert_field(rig, 2, "grpc_status", "-1");
    assert_field(rig, 3, "grpc_status", "13");
    assert_field(rig, 4, "incomplete", "truncated");
    assert_field(rig, 4, "grpc_status", "-1");
    call_free(&c);
}

/* The client's deadline and the server's answer cross; a call is cancelled and nothing comes, or too late; one is cancelled while the server speaks; one by both. */
static void test_given_up(void **state)
{
    (void)state;
    struct call c = call_new();
    for (uint32_t stream = 1; stream <= 11; stream += 2) {
        h2_headers(&c.client, stream, (uint8_t)(stream == 9 ? 0 : HTTP2_END_STREAM), "POST /a.B/C h", GRPC_REQUEST);
        if (stream < 11)
            h2_u32(&c.client, HTTP2_RST_STREAM, stream, 8);
    }
    h2_u32(&c.client, HTTP2_RST_STREAM, 1, 8);
    h2_send(c.rig, SIDE_CLIENT, &c.client, 0);
    assert_int_equal(rig_count(c.rig), 0);
    h2_respond(&c.server, 1, HTTP2_END_STREAM, 200, MORE("content-type", "application/grpc", "grpc-status", "4"));
    h2_respond(&c.server, 5, 0, 200, GRPC_RESPONSE);
    h2_u32(&c.server, HTTP2_RST_STREAM, 7, 8);
    h2_respond(&c.server, 9, HTTP2_END_STREAM, 200, MORE("content-type", "application/grpc", "grpc-status", "0"));
    size_t said = h2_send(c.rig, SIDE_SERVER, &c.server, 0);
    assert_int_equal(rig_count(c.rig), 3);
    assert_field(c.rig, 0, "grpc_status", "4");
    assert_field(c.rig, 0, "incomplete", "");
    assert_field(c.rig, 1, "grpc_status", "-1");
    assert_field(c.rig, 1, "incomplete", "no_response");
    assert_field(c.rig, 2, "grpc_status", "0");
    assert_field(c.rig, 2, "incomplete", "truncated"); /* its request was not at its end */
    c.rig->now_ns += INT64_C(5000000000);
    h2_respond(&c.server, 11, HTTP2_END_STREAM, 200, MORE("content-type", "application/grpc", "grpc-status", "0"));
    h2_respond(&c.server, 3, HTTP2_END_STREAM, 200, MORE("content-type", "application/grpc", "grpc-status", "1")); /* too late */
    h2_send(c.rig, SIDE_SERVER, &c.server, said);
    assert_int_equal(rig_count(c.rig), 6);
    assert_field(c.rig, 3, "incomplete", "no_response");
    assert_field(c.rig, 3, "status_code", "0");
    assert_field(c.rig, 4, "incomplete", "truncated");
    assert_field(c.rig, 4, "status_code", "200");
    assert_field(c.rig, 5, "grpc_status", "0");
    rig_finish(c.rig);
    assert_int_equal(rig_count(c.rig), 6);
    call_free(&c);
}

/* A cancelled call of which nothing more came is no longer waited for at the connection's end, whatever ended that. */
static void test_given_up_at_the_end(void **state)
{
    (void)state;
    struct call c = call_new();
    h2_headers(&c.client, 1, HTTP2_END_STREAM, "POST /a.B/C h", GRPC_REQUEST);
    h2_u32(&c.client, HTTP2_RST_STREAM, 1, 8);
    h2_send(c.rig, SIDE_CLIENT, &c.client, 0);
    rig_stop(c.rig);
    assert_int_equal(rig_count(c.rig), 1);
    assert_field(c.rig, 0, "incomplete", "no_response");
    call_free(&c);
}

/* Messages of every size, also beyond what is kept of a body, in frames that do not respect them. */
static void test_streaming(void **state)
{
    (void)state;
    struct call c = call_new();
    h2_headers(&c.client, 1, 0, "POST /a.B/Stream h", GRPC_REQUEST);
    static const uint32_t sizes[] = { 1, 0, 100000, 7, 300000, 2 };
    for (unsigned i = 0; i < 6; i++)
        add_message(&c.client, 1, i == 5 ? HTTP2_END_STREAM : 0, sizes[i]);
    h2_respond(&c.server, 1, 0, 200, GRPC_RESPONSE);
    static const uint8_t three[] = { 0, 0, 0, 0, 2, 'a', 'b', 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 'x', 'y', 'z' };
    for (size_t i = 0; i < sizeof three; i++)
        h2_data(&c.server, 1, 0, three + i, 1);
    h2_fields(&c.server, 1, HTTP2_END_STREAM, MORE("grpc-status", "0"));
    struct rig *rig = call_over(&c);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "grpc_request_messages", "1, 0, 100000, 7, 300000, 2");
    assert_field(rig, 0, "grpc_response_messages", "2, 0, 3");
    assert_field(rig, 0, "grpc_method", "Stream");
    assert_field(rig, 0, "grpc_status", "0");
    assert_field(rig, 0, "incomplete", "");
    call_free(&c);
}

/* Trailers are all that was seen of the response. */
static void test_status_alone(void **state)
{
    (void)state;
    struct call c = call_new();
    h2_respond(&c.server, 1, 0, 200, GRPC_RESPONSE);
    size_t from = c.server.size;
    add_message(&c.server, 1, 0, 3);
    h2_fields(&c.server, 1, HTTP2_END_STREAM, MORE("grpc-status", "7", "grpc-message", "denied"));
    struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    h2_setting(&c.server, 3, 2);
    h2_send(rig, SIDE_SERVER, &c.server, from);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "GRPC");
    assert_field(rig, 0, "grpc_status", "7");
    assert_field(rig, 0, "grpc_message", "denied");
    assert_field(rig, 0, "status_code", "0");
    assert_field(rig, 0, "incomplete", "started_before");
    rig_free(rig);
    call_free(&c);
}

static void test_sizes(void **state)
{
    (void)state;
    struct grpc_sizes s = { 0 };
    static const uint8_t four[] = { 0, 0, 0, 0, 4, 1, 2, 3, 4 }, wrong[] = { 2, 0, 0, 0, 0 };
    for (unsigned i = 0; i < 2000; i++)
        grpc_sizes_take(&s, four, sizeof four);
    assert_int_equal(s.count, GRPC_MESSAGES_MAX);
    assert_true(s.more);
    grpc_sizes_free(&s);
    grpc_sizes_take(&s, four, 6);
    grpc_sizes_lost(&s, 2); /* within the message */
    assert_int_equal(s.left, 1);
    grpc_sizes_take(&s, four + 8, 1);
    grpc_sizes_take(&s, four, 6);
    assert_int_equal(s.count, 2);
    grpc_sizes_lost(&s, 4); /* beyond it */
    grpc_sizes_take(&s, four, sizeof four);
    assert_int_equal(s.count, 2);
    grpc_sizes_free(&s);
    grpc_sizes_take(&s, wrong, sizeof wrong);
    assert_true(s.lost);
    assert_int_equal(s.count, 0);
    grpc_sizes_free(&s);
    grpc_sizes_take(&s, four, 3);
    grpc_sizes_lost(&s, 1); /* within the prefix */
    assert_true(s.lost);
    grpc_sizes_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_given_up), cmocka_unit_test(test_given_up_at_the_end),
        cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_status_alone),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
