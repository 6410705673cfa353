#include <zlib.h>

#include "tests/support/protocol_script.h"

#define PORT 80
#define UPGRADE "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCHED(extensions) "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" extensions "\r\n"
#define DEFLATE SWITCHED("Sec-WebSocket-Extensions: permessage-deflate\r\n")

static void expect(struct rig *rig, size_t i, const char *pairs)
{
    char *copy = strdup(pairs), *rest = copy;
    for (char *pair; (pair = strsep(&rest, "|"));) {
        char *equals = strchr(pair, '=');
        assert_non_null(equals);
        *equals = '\0';
        if (strcmp(rig_text(rig, i, pair), equals + 1) != 0)
            fail_msg("entry %zu: %s is \"%s\", not \"%s\"", i, pair, rig_text(rig, i, pair), equals + 1);
    }
    free(copy);
}

#define CHECK(script, ...)                                                                                \
    do {                                                                                                  \
        static const char *const expected[] = { "status_code=101", __VA_ARGS__ };                         \
        struct rig *played = script_play(PORT, REDACT_ON, script, LINES(script));                         \
        assert_int_equal(rig_count(played), sizeof expected / sizeof *expected);                          \
        for (size_t e = 0; e < rig_count(played); e++)                                                    \
            expect(played, e, expected[e]);                                                               \
        rig_free(played);                                                                                 \
        script_check_cuts(PORT, script, LINES(script));                                                   \
    } while (0)

static void messages_are_entries(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(UPGRADE), SERVER(SWITCHED("") "\x81\x05hello"),
        CLIENT("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), /* RFC 6455 section 5.7 */
        SERVER("\x82\x03\x00\xff\x01"), SERVER("\x81\x00"),
        CLIENT("\x88\x84\0\0\0\0\x03\xe8ok"),
    };
    CHECK(script, "ws_opcode=text|ws_response=1|ws_request=0|ws_response_payload_data=hello|ws_response_payload_length=5|summary=text, 5 bytes|incomplete=",
          "ws_opcode=text|ws_request=1|ws_response=0|ws_request_payload_data=Hello|ws_request_payload_length=5", "ws_opcode=binary|ws_response_payload_data=AP8B|ws_response_payload_encoding=base64",
          "ws_opcode=text|ws_response_payload_length=0|ws_response=1", "ws_opcode=close|ws_close_code=1000|ws_request_payload_data=ok|ws_request_payload_length=4");
    struct rig *rig = script_play(PORT, REDACT_ON, script, LINES(script));
    assert_int_equal(rig_record(rig, 1)->flags & (RECORD_ONE_WAY | RECORD_FROM_SERVER), RECORD_ONE_WAY | RECORD_FROM_SERVER);
    assert_int_equal(rig_record(rig, 2)->flags & (RECORD_ONE_WAY | RECORD_FROM_SERVER), RECORD_ONE_WAY);
    assert_string_equal(rig_protocol(rig, 1), "WS");
    rig_free(rig);
}

/* A client that does not mask, a server that does, a control frame that is too long: shown as they are. */
static void what_is_not_allowed_is_shown(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(UPGRADE), SERVER(SWITCHED("")), CLIENT("\x81\x02hi"), SERVER("\x81\x82\x01\x02\x03\x04iq"),
        SERVER("\x88\x7e\x00\x80\x03\xe8" "012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"),
    };
    CHECK(script, "ws_request_payload_data=hi", "ws_response_payload_data=hs", "ws_opcode=close|ws_close_code=1000|ws_response_payload_length=128");
}

static void fragments_are_put_together(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(UPGRADE), SERVER(SWITCHED("")),
        SERVER("\x01\x03one\x89\x02pi\x00\x03two\x8a\x00\x80\x05three"),
        SERVER("\x81\x7e\x00\x81{\"password\":\"x\",\"padding\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"}"),
    };
    CHECK(script, "ws_opcode=ping|ws_response_payload_data=pi", "ws_opcode=pong|ws_response_payload_length=0", "ws_opcode=text|ws_response_payload_data=onetwothree|ws_response_payload_length=11",
          "ws_response_payload_length=129|"
          "ws_response_payload_data={\"password\":\"[redacted]\",\"padding\":\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"}");
}

/* RFC 7692 section 7.2.3. */
static void deflated_messages_are_read(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(UPGRADE), SERVER(DEFLATE),
        SERVER("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), SERVER("\xc1\x05\xf2\x00\x11\x00\x00"), /* "Hello", and again by the window */
        SERVER("\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00"), SERVER("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), SERVER("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        CLIENT("\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00"), SERVER("\x81\x05plain"),
    };
    CHECK(script, "ws_response_payload_data=Hello|ws_response_payload_length=7", "ws_response_payload_data=Hello|ws_response_payload_length=5|incomplete=", "ws_response_payload_data=Hello|ws_response_payload_length=7",
          "ws_response_payload_data=Hello|ws_response_payload_length=11", "ws_response_payload_data=Hello|ws_response_payload_length=8", "ws_request_payload_data=Hello", "ws_response_payload_data=plain");
}

static void a_bomb_does_not_go_off(void **state)
{
    (void)state;
    enum { ZEROS = 20 * 1024 * 1024 };
    uint8_t *zeros = malloc(ZEROS), *packed = malloc(65536);
    memset(zeros, '0', ZEROS);
    z_stream z = { .next_in = zeros, .avail_in = ZEROS, .next_out = packed, .avail_out = 65536 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    size_t size = 65536 - z.avail_out;
    deflateEnd(&z);
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, UPGRADE, -1);
    rig_say(rig, SIDE_SERVER, DEFLATE, -1);
    uint8_t header[] = { 0xc2, 126, (uint8_t)(size >> 8), (uint8_t)size };
    rig_say(rig, SIDE_SERVER, header, sizeof header);
    rig_say_cut(rig, SIDE_SERVER, packed, size, 1400);
    rig_say(rig, SIDE_SERVER, "\x81\x02hi\xc1\x05\xf2\x00\x11\x00\x00", -1 + 4 + 8);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 4);
    expect(rig, 1, "incomplete=truncated|ws_opcode=binary");
    assert_int_equal(strlen(rig_text(rig, 1, "ws_response_payload_data")), 65536);
    rig_free(rig);
    free(zeros);
    free(packed);
}

static void gaps_are_said(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, UPGRADE, -1);
    rig_say(rig, SIDE_SERVER, SWITCHED(""), -1);
    rig_say(rig, SIDE_SERVER, "\x81\x0a" "abc", -1);
    rig_lose(rig, SIDE_SERVER, 4);
    rig_say(rig, SIDE_SERVER, "hij\x81\x02ok", -1);
    rig_say(rig, SIDE_SERVER, "\x81\x0a" "abc", -1);
    rig_lose(rig, SIDE_SERVER, 40);
    rig_say(rig, SIDE_SERVER, "middle of something", -1);
    rig_say(rig, SIDE_SERVER, "\x81\x05" "again", -1);
    rig_say(rig, SIDE_CLIENT, "\x81\x82\x01\x02\x03\x04iq", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 6);
    expect(rig, 1, "ws_response_payload_data=abc|ws_response_payload_length=10|incomplete=gap");
    expect(rig, 2, "ws_response_payload_data=ok|incomplete=");
    expect(rig, 3, "ws_response_payload_data=abc|incomplete=gap");
    expect(rig, 4, "ws_response_payload_data=again|incomplete=");
    expect(rig, 5, "ws_request_payload_data=hs");
    rig_free(rig);
}

/* What was compressed with a window that is not known any more is not guessed; without context takeover the next message is whole again. */
static void a_lost_window_is_said(void **state)
{
    (void)state;
    for (int fresh = 0; fresh < 2; fresh++) {
        struct rig *rig = rig_new(PORT, REDACT_ON);
        rig_say(rig, SIDE_CLIENT, UPGRADE, -1);
        rig_say(rig, SIDE_SERVER, fresh ? SWITCHED("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover ; client_max_window_bits=12\r\n") : DEFLATE, -1);
        rig_say(rig, SIDE_SERVER, "\xc1\x07\xf2\x48", 4);
        rig_lose(rig, SIDE_SERVER, 5);
        rig_say(rig, SIDE_SERVER, "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 9);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 3);
        expect(rig, 1, "incomplete=gap|ws_response_payload_length=7");
        expect(rig, 2, fresh ? "incomplete=|ws_response_payload_data=Hello" : "incomplete=gap|ws_response_payload_data=|ws_response_payload_length=7");
        rig_free(rig);
    }
}

/* The 101 was not captured; the client's frames tell that there was one. */
static void a_lost_answer_is_guessed(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, UPGRADE, -1);
    rig_lose(rig, SIDE_SERVER, 150);
    rig_say(rig, SIDE_SERVER, "\x81\x05" "first", -1);
    rig_say(rig, SIDE_CLIENT, "\x81\x82\x01\x02\x03\x04iq", -1);
    rig_say(rig, SIDE_CLIENT, "\x81\x82\x01\x02\x03\x04iq", -1);
    rig_say(rig, SIDE_SERVER, "\x81\x05" "again\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", 16);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 4);
    expect(rig, 0, "path=/ws|incomplete=gap");
    expect(rig, 1, "ws_request_payload_data=hs|incomplete=");
    expect(rig, 2, "ws_response_payload_data=again|incomplete=");
    expect(rig, 3, "ws_response_payload_data=|ws_response_payload_length=7|incomplete=gap");
    rig_free(rig);
}

static void the_end_is_said(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, UPGRADE, -1);
    rig_say(rig, SIDE_SERVER, SWITCHED("") "\x01\x03" "abc", -1);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 2);
    expect(rig, 1, "incomplete=ends_after|ws_response_payload_data=abc");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_entries), cmocka_unit_test(what_is_not_allowed_is_shown), cmocka_unit_test(fragments_are_put_together), cmocka_unit_test(deflated_messages_are_read), cmocka_unit_test(a_bomb_does_not_go_off),
        cmocka_unit_test(gaps_are_said), cmocka_unit_test(a_lost_window_is_said), cmocka_unit_test(a_lost_answer_is_guessed), cmocka_unit_test(the_end_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
