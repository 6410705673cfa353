#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/redact/redact.h"
#include "tests/unit/services/dissector/redact/redaction.h"

#define JSON "application/json"
#define FORM "application/x-www-form-urlencoded; charset=utf-8"
#define PARTS "multipart/form-data; boundary=xyz"

static char dst[4096];

static void secrets_leave_bodies(void **state)
{
    (void)state;
    static const struct { const char *type, *text, *expected; } samples[] = {
        { JSON, "{}", "{}" }, { JSON, "{\"a\":1}", "{\"a\":1}" }, { JSON, "{\"password\":\"x\"}", "{\"password\":\"[redacted]\"}" }, { JSON, "{\"a\":\"password\",\"b\":2}", "{\"a\":\"password\",\"b\":2}" },
        { JSON, "{ \"Token\" : \"a\\\"b\", \"c\": 1 }", "{ \"Token\" : \"[redacted]\", \"c\": 1 }" }, { JSON, "{\"key\":\"a\\\\\",\"b\":\"c\"}", "{\"key\":\"[redacted]\",\"b\":\"c\"}" },
        { JSON, "{\"code\":404,\"x\":1}", "{\"code\":\"[redacted]\",\"x\":1}" }, { JSON, "[{\"secret\":true},{\"secret\":null}]", "[{\"secret\":\"[redacted]\"},{\"secret\":null}]" },
        { JSON, "{\"key\":{\"a\":[1,\"}\"]},\"b\":1}", "{\"key\":\"[redacted]\",\"b\":1}" }, { JSON, "{\"key\":[1,2]}", "{\"key\":\"[redacted]\"}" }, { JSON, "{\"a\":{\"sig\":\"x\"}}", "{\"a\":{\"sig\":\"[redacted]\"}}" },
        { JSON, "{\"pass\\u0077ord\":\"x\"}", "{\"pass\\u0077ord\":\"[redacted]\"}" }, { JSON, "{\"accessToken\":\"x\"}", "{\"accessToken\":\"[redacted]\"}" },
        { JSON, "{\"password\":\"cut of", "{\"password\":\"[redacted]" }, { JSON, "{\"password\":12", "{\"password\":\"[redacted]\"" }, { JSON, "{\"password\":", "{\"password\":" }, { JSON, "{\"passw", "{\"passw" },
        { JSON, "{\"key\":\"a\"}\n{\"key\":\"b\"}\n", "{\"key\":\"[redacted]\"}\n{\"key\":\"[redacted]\"}\n" }, { "text/plain", " {\"key\":\"a\"}", " {\"key\":\"[redacted]\"}" },
        { "application/vnd.api+json", "{\"key\":\"a\"}", "{\"key\":\"[redacted]\"}" }, { "", "{\"key\":\"a\"}", "{\"key\":\"[redacted]\"}" }, { JSON, "{\"key\":\"\"}", "{\"key\":\"\"}" },
        { "text/event-stream", "data: {\"token\":\"x\",\"a\":1}\n\n", "data: {\"token\":\"[redacted]\",\"a\":1}\n\n" }, { "", "\x06key=\xff", "\x06key=\xff" },
        { FORM, "a=b", "a=b" }, { FORM, "user=u&password=p%20q&x=1", "user=u&password=[redacted]&x=1" }, { FORM, "password=p;q&x=1", "password=[redacted]&x=1" }, { FORM, "user%5Bpassword%5D=p", "user%5Bpassword%5D=[redacted]" },
        { FORM, "grant_type=authorization_code&code=c&client_secret=s", "grant_type=authorization_code&code=[redacted]&client_secret=[redacted]" }, { "", "password=p", "password=[redacted]" },
        { "text/plain", "password=p", "password=p" }, { "text/html", "<a href='?token=b'>", "<a href='?token=b'>" },
        { PARTS, "--xyz\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\np1\r\np2\r\n--xyz\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nu\r\n--xyz--\r\n",
          "--xyz\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--xyz\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nu\r\n--xyz--\r\n" },
        { PARTS, "--xyz\r\nContent-Disposition: form-data; filename=\"key\"; name=key\r\n\r\np", "--xyz\r\nContent-Disposition: form-data; filename=\"key\"; name=key\r\n\r\n[redacted]" },
        { PARTS, "--xyz\r\nContent-Disposition: form-data; filename=\"key\"; name=file\r\n\r\np", "--xyz\r\nContent-Disposition: form-data; filename=\"key\"; name=file\r\n\r\np" },
        { JSON, "{\"a\":\"{\\\"token\\\":\\\"x\\\",\\\"b\\\":\\\"y\\\"}\",\"key\":\"z\"}", "{\"a\":\"{\\\"token\\\":\\\"[redacted]\\\",\\\"b\\\":\\\"y\\\"}\",\"key\":\"[redacted]\"}" },
        { JSON, "[\"{ \\\"code\\\" : 12, \\\"key\\\":null}\"]", "[\"{ \\\"code\\\" : \\\"[redacted]\\\", \\\"key\\\":null}\"]" },
        { JSON, "[\"{\\\"key\\\":\\\"x\\\\\\\"y\\\\\\\\\\\",\\\"b\\\":\\\"c\\\"}\"]", "[\"{\\\"key\\\":\\\"[redacted]\\\",\\\"b\\\":\\\"c\\\"}\"]" },
        { JSON, "{\"a\":\"{\\\"key\\\":\\\"cut of", "{\"a\":\"{\\\"key\\\":\\\"[redacted]" }, { JSON, "{\"a\":\"say \\\"key\\\": no\"}", "{\"a\":\"say \\\"key\\\": \\\"[redacted]\\\"\"}" }, { JSON, "{\"a\":\"b\\\"c\"}", "{\"a\":\"b\\\"c\"}" },
        { JSON, "{\"a\":\"\\\"key\\\":\"}", "{\"a\":\"\\\"key\\\":\"}" }, { JSON, "{\"a\":\"\\\"\\\":1", "{\"a\":\"\\\"\\\":1" }, { JSON, "{\"a\":\"\\\"", "{\"a\":\"\\\"" },
        { PARTS, "\r\n--xyz\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\np\r\n--xyz--\r\n", "\r\n--xyz\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n[redacted]\r\n--xyz--\r\n" },
        { PARTS, "for old readers\r\n--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\np", "for old readers\r\n--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n[redacted]" },
        { PARTS, "\n", "\n" }, { PARTS, "\n--", "\n--" }, { "", "42[\"log-in\",{\"password\":\"p\"}]", "42[\"log-in\",{\"password\":\"[redacted]\"}]" }, { "", "say \"password\"", "say \"password\"" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect_text(samples[i].text, dst, redact_body(samples[i].type, strlen(samples[i].type), samples[i].text, strlen(samples[i].text), false, dst, sizeof dst), samples[i].expected);
}

static void strict_drops_bodies(void **state)
{
    (void)state;
    assert_int_equal(redact_body("", 0, "abc", 3, true, dst, sizeof dst), 0);
    assert_int_equal(redact_body(JSON, sizeof JSON - 1, "{}", 2, true, dst, sizeof dst), 0);
    assert_int_equal(redact_body(JSON, sizeof JSON - 1, "", 0, true, dst, sizeof dst), REDACT_SAME);
}

static void depth_costs_nothing(void **state)
{
    (void)state;
    enum { DEPTH = 60000 };
    char *text = malloc(DEPTH + 16), *room = malloc(REDACT_ROOM(DEPTH + 16));
    memcpy(text, "{\"key\":", 7);
    memset(text + 7, '[', DEPTH);
    assert_int_equal(redact_body(JSON, sizeof JSON - 1, text, DEPTH + 7, false, room, REDACT_ROOM(DEPTH + 16)), 7 + 12);
    free(text);
    free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(secrets_leave_bodies), cmocka_unit_test(strict_drops_bodies), cmocka_unit_test(depth_costs_nothing) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
