/* Bodies from their parts to their fields, by responses of a server. */
#include <zlib.h>

#include "tests/support/protocol_script.h"

static uint8_t packed[1 << 16], text[1 << 18];

static size_t gzip(const void *data, size_t size)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = packed, .avail_out = sizeof packed };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return sizeof packed - z.avail_out;
}

/* A response with these header lines and body, until the connection's end. */
static struct rig *respond(const char *headers, const void *body, size_t size, enum redact_level redact)
{
    struct rig *rig = rig_new(80, redact);
    rig_say(rig, SIDE_CLIENT, "GET / HTTP/1.1\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\n", -1);
    if (headers[0])
        rig_say(rig, SIDE_SERVER, headers, -1);
    rig_say(rig, SIDE_SERVER, "\r\n", -1);
    rig_say_cut(rig, SIDE_SERVER, body, size, 1000);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    return rig;
}

static void check(const char *headers, const void *body, size_t size, const char *expected, const char *encoding)
{
    struct rig *rig = respond(headers, body, size, REDACT_ON);
    char number[32];
    (void)snprintf(number, sizeof number, "%zu", size);
    assert_string_equal(rig_text(rig, 0, "response.body"), expected);
    assert_string_equal(rig_text(rig, 0, "response.body_encoding"), encoding);
    assert_string_equal(rig_text(rig, 0, "response_body_size"), number);
    rig_free(rig);
}

static void bodies_are_decoded(void **state)
{
    (void)state;
    check("", "text", 4, "text", "");
    check("", "\xff\0\1", 3, "/wAB", "base64");
    check("", "a\0b", 3, "YQBi", "base64");
    check("", "0123456\0" "8901234567", 18, "MDEyMzQ1NgA4OTAxMjM0NTY3", "base64");
    check("", "\1\2\3\4\5\6\7\x10", 8, "\1\2\3\4\5\6\7\x10", "");
    check("", "ab\xff", 3, "YWL/", "base64"); /* no character that was cut: the body ends here */
    check("", "ab\xc3", 3, "YWLD", "base64");
    check("", "", 0, "", "");
    size_t size = gzip("hello", 5);
    check("Content-Encoding: gzip\r\n", packed, size, "hello", "");
    check("Transfer-Encoding: gzip\r\n", packed, size, "hello", "");
    check("Content-Encoding: identity, X-GZIP\r\n", packed, size, "hello", "");
    check("Content-Encoding: gzip\r\n", "plain", 5, "plain", ""); /* it only says so */
    check("Content-Encoding: compress, gzip\r\n", "plain", 5, "plain", "");
    check("Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n", "plain", 5, "plain", "");
    uint8_t once[256];
    memcpy(once, packed, size);
    size = gzip(once, size);
    check("Content-Encoding: gzip\r\nTransfer-Encoding: gzip\r\n", packed, size, "hello", "");
    check("Content-Encoding: gzip, gzip\r\n", packed, size, "hello", "");
}

static void the_first_part_is_kept(void **state)
{
    (void)state;
    memset(text, 'x', sizeof text);
    struct rig *rig = respond("", text, sizeof text, REDACT_ON);
    assert_int_equal(strlen(rig_text(rig, 0, "response.body")), CONVERSATION_BODY_MAX);
    assert_string_equal(rig_text(rig, 0, "response_body_size"), "262144");
    assert_string_equal(rig_text(rig, 0, "incomplete"), "");
    rig_free(rig);
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    rig = respond("", text + 1, sizeof text - 1, REDACT_OFF); /* is no text from its first byte on */
    assert_string_equal(rig_text(rig, 0, "response.body_encoding"), "base64");
    rig_free(rig);
    text[0] = ' ';
    text[1] = ' ';
    text[2] = ' ';
    memmove(text + 3, text + 4, sizeof text - 4);
    rig = respond("", text, sizeof text - 1, REDACT_OFF); /* the last character is cut */
    assert_int_equal(strlen(rig_text(rig, 0, "response.body")), CONVERSATION_BODY_MAX - 1);
    assert_string_equal(rig_text(rig, 0, "response.body_encoding"), "");
    rig_free(rig);
    memset(text, 'x', sizeof text);
    rig = respond("Content-Encoding: gzip\r\n", packed, gzip(text, sizeof text), REDACT_ON); /* more comes out than went in */
    assert_int_equal(strlen(rig_text(rig, 0, "response.body")), CONVERSATION_BODY_MAX);
    rig_free(rig);
}

static void secrets_are_found_behind_codings(void **state)
{
    (void)state;
    static const char json[] = "{\"access_token\":\"x\",\"a\":1}";
    size_t size = gzip(json, sizeof json - 1);
    check("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", packed, size, "{\"access_token\":\"[redacted]\",\"a\":1}", "");
    check("Content-Type: application/json\r\n", "{\"key\":\"x\",\"a\":\"\xff\"}", 19, "eyJrZXkiOiJbcmVkYWN0ZWRdIiwiYSI6Iv8ifQ==", "base64");
    struct rig *rig = respond("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", packed, size, REDACT_OFF);
    assert_string_equal(rig_text(rig, 0, "response.body"), json);
    rig_free(rig);
    rig = respond("", "anything", 8, REDACT_STRICT);
    assert_string_equal(rig_text(rig, 0, "response.body"), "");
    assert_string_equal(rig_text(rig, 0, "response_body_size"), "8");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bodies_are_decoded), cmocka_unit_test(the_first_part_is_kept), cmocka_unit_test(secrets_are_found_behind_codings) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
