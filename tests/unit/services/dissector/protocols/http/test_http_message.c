/* Targets, queries and cookies into fields, by requests of a client. */
#include "tests/support/protocol_script.h"

static struct rig *ask(const char *request)
{
    struct rig *rig = rig_new(80, REDACT_OFF);
    rig_say(rig, SIDE_CLIENT, request, -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    return rig;
}

static void targets_have_parts(void **state)
{
    (void)state;
    static const struct { const char *request, *url, *path, *query, *host, *segments; } samples[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "/", "", "a", "" },
        { "GET /a//b/?x=/y HTTP/1.1\r\nHost: a:1\r\n\r\n", "/a//b/?x=/y", "/a//b/", "x=/y", "a:1", "a, b" },
        { "GET http://b/c?d=http://e HTTP/1.1\r\n\r\n", "http://b/c?d=http://e", "/c", "d=http://e", "b", "c" },
        { "GET http://u@b HTTP/1.1\r\nHost: a\r\n\r\n", "http://u@b", "", "", "a", "" },
        { "GET http://u@b?q HTTP/1.1\r\n\r\n", "http://u@b?q", "", "q", "b", "" },
        { "GET /c?d=http://e HTTP/1.1\r\n\r\n", "/c?d=http://e", "/c", "d=http://e", "", "c" },
        { "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", "*", "", "a", "" },
        { "CONNECT b:443 HTTP/1.1\r\n\r\n", "b:443", "", "", "b:443", "" },
        { "GET /a?b#c?d HTTP/1.1\r\n\r\n", "/a?b#c?d", "/a", "b", "", "a" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct rig *rig = ask(samples[i].request);
        assert_string_equal(rig_text(rig, 0, "url"), samples[i].url);
        assert_string_equal(rig_text(rig, 0, "path"), samples[i].path);
        assert_string_equal(rig_text(rig, 0, "query"), samples[i].query);
        assert_string_equal(rig_text(rig, 0, "host"), samples[i].host);
        assert_string_equal(rig_text(rig, 0, "path_segments"), samples[i].segments);
        rig_free(rig);
    }
}

static void queries_are_decoded(void **state)
{
    (void)state;
    static const struct { const char *request, *expected; } samples[] = {
        { "GET /?a=b&c=d HTTP/1.1\r\n\r\n", "a=b, c=d" }, { "GET /?a&=b&&c= HTTP/1.1\r\n\r\n", "a=, =b, c=" }, { "GET /?a%3Db=c%26d+e HTTP/1.1\r\n\r\n", "a=b=c&d e" },
        { "GET /?a=%4&b=%zz&c=% HTTP/1.1\r\n\r\n", "a=%4, b=%zz, c=%" }, { "GET /?a=1&b=2&a=3 HTTP/1.1\r\n\r\n", "a=1, 3, b=2" }, { "GET /?a=b=c HTTP/1.1\r\n\r\n", "a=b=c" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct rig *rig = ask(samples[i].request);
        assert_string_equal(rig_text(rig, 0, "query_string"), samples[i].expected);
        rig_free(rig);
    }
}

/* Whichever field tells a URL, and whatever is nested in it. */
static void secrets_leave_every_field(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET /a?next=/login?token=sesame&b=1;secret=sesame HTTP/1.1\r\n\r\n", "GET /a?to=https://u:sesame@h/?x=y HTTP/1.1\r\n\r\n", "GET /a?to=https%3A%2F%2Fh%2F%3Fx%3Dy%26X-Amz-Signature%3Dsesame HTTP/1.1\r\n\r\n",
        "GET token=sesame HTTP/1.1\r\n\r\n", "GET /a%3Fb=c%26token%3Dsesame HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nCookie: sesame; a=sesame; =sesame\r\n\r\n", "GET /a?u:p@h&token=sesame HTTP/1.1\r\n\r\n", "CONNECT u:sesame@h:443 HTTP/1.1\r\n\r\n", "GET http://u:sesame@h/ HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct rig *rig = rig_new(80, REDACT_ON);
        rig_say(rig, SIDE_CLIENT, requests[i], -1);
        rig_say(rig, SIDE_SERVER, "HTTP/1.1 407 No\r\nSet-Cookie: sesame; Path=/\r\nSet-Cookie: =sesame\r\nContent-Length: 0\r\n\r\n", -1);
        rig_finish(rig);
        char *text = rig_dump(rig);
        if (strstr(text, "sesame") || !strstr(text, "[redacted]"))
            fail_msg("%s: %s", requests[i], text);
        free(text);
        rig_free(rig);
    }
}

static void cookies_are_read(void **state)
{
    (void)state;
    struct rig *rig = ask("GET / HTTP/1.1\r\nCookie: a=b; c=\"d\";e ;; =f\r\nCookie: a=2\r\n\r\n");
    assert_string_equal(rig_text(rig, 0, "request.cookies"), "a=b, 2, c=\"d\", =e , f");
    assert_string_equal(rig_text(rig, 0, "request.headers"), "cookie=a=b; c=\"d\";e ;; =f; a=2");
    rig_free(rig);
}

/* Thousands of pairs in one query, of which each but the last is the same. */
static void many_pairs_are_bounded(void **state)
{
    (void)state;
    enum { PAIRS = 10000 };
    char *request = malloc(PAIRS * 4 + 64), *p = request;
    memcpy(p, "GET /?", 6);
    p += 6;
    for (int i = 0; i < PAIRS; i++, p += 4)
        memcpy(p, "a=b&", 4);
    memcpy(p, " HTTP/1.1\r\n\r\n", 14);
    struct rig *rig = ask(request);
    assert_int_equal(strlen(rig_text(rig, 0, "query_string")), 2 + 256 * 3 - 2);
    assert_int_equal(strlen(rig_text(rig, 0, "query")), PAIRS * 4);
    rig_free(rig);
    free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(targets_have_parts), cmocka_unit_test(queries_are_decoded), cmocka_unit_test(secrets_leave_every_field), cmocka_unit_test(cookies_are_read), cmocka_unit_test(many_pairs_are_bounded) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
