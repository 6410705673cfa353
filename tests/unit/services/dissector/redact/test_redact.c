#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/redact/redact.h"
#include "tests/unit/services/dissector/redact/redaction.h"

static char dst[4096];

static void names_are_told_apart(void **state)
{
    (void)state;
    static const char *const secret[] = { "token", "access_token", "id_token", "api_key", "key", "sig", "signature", "X-Amz-Signature", "x-amz-credential", "X-Amz-Security-Token", "code", "password", "secret", "Token",
                                          "PASSWORD", "accessToken", "api-key", "apikey", "refresh_token", "client_secret", "user[password]", "login.password", "password[]", "pass%77ord", "X%2DAmz%2DDate",
                                          "X-Goog-Signature", "password[0]", "user[token][12][]", "password%5B3%5D" };
    static const char *const plain[] = { "", "k", "ke", "keys", "keyboard", "tokens", "codec", "status_code", "passwords", "x-am", "monkey", "sign", "user", "page", "token_type", "password[hint]", "grant_type", "0]", "[0]", "]", "[]", "a[0]", "token0]" };
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (!redact_is_secret_name(secret[i], strlen(secret[i])))
            fail_msg("%s is secret", secret[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (redact_is_secret_name(plain[i], strlen(plain[i])))
            fail_msg("%s is not secret", plain[i]);
}

static void urls_lose_their_secrets(void **state)
{
    (void)state;
    static const struct { const char *text, *expected; } samples[] = {
        { "", "" }, { "/", "/" }, { "/a/b?x=1&y=2", "/a/b?x=1&y=2" }, { "*", "*" }, { "example.com:443", "example.com:443" },
        { "/a?token=abc", "/a?token=[redacted]" }, { "/a?x=1&access_token=abc&y=2", "/a?x=1&access_token=[redacted]&y=2" }, { "/a?id_token=a&api_key=b&key=c", "/a?id_token=[redacted]&api_key=[redacted]&key=[redacted]" },
        { "/a?sig=a&signature=b&code=c&password=d&secret=e", "/a?sig=[redacted]&signature=[redacted]&code=[redacted]&password=[redacted]&secret=[redacted]" },
        { "/o?X-Amz-Algorithm=a&X-Amz-Credential=b/c&n=1", "/o?X-Amz-Algorithm=[redacted]&X-Amz-Credential=[redacted]&n=1" },
        { "token=abc&x=1", "token=[redacted]&x=1" }, { "x=1&token=abc", "x=1&token=[redacted]" }, { "?key=1", "?key=[redacted]" },
        { "/a?token=", "/a?token=" }, { "/a?token", "/a?token" }, { "/a?TOKEN=b", "/a?TOKEN=[redacted]" }, { "/a?pass%77ord=b", "/a?pass%77ord=[redacted]" },
        { "/a?password=b;c=d&e=f", "/a?password=[redacted]&e=f" }, { "/a?b=c;password=d", "/a?b=c;password=[redacted]" }, { "/a?password=b?c", "/a?password=[redacted]" },
        { "/a?x=token=b&y=z", "/a?x=token=b&y=z" }, { "/a?=token=b", "/a?=token=b" }, { "/a?==&token=b=c&x==", "/a?==&token=[redacted]&x==" }, { "/a?x=a@b&token=b=c&y=key=d", "/a?x=a@b&token=[redacted]&y=key=d" },
        { "/a;token=b/c", "/a;token=[redacted]" }, { "/cb#access_token=a&x=b", "/cb#access_token=[redacted]&x=b" },
        { "http://h/a?token=b", "http://h/a?token=[redacted]" }, { "http://u:p@h/a", "http://[redacted]@h/a" }, { "https://u@h", "https://[redacted]@h" }, { "http://u:p@w@h/a@b", "http://[redacted]@h/a@b" },
        { "http://u:p;x&y=z@h/?token=b", "http://[redacted]@h/?token=[redacted]" }, { "//u:p@h/", "//[redacted]@h/" }, { "u:p@h:443", "[redacted]@h:443" }, { "mailto:a@b", "mailto:a@b" },
        { "/users/a@b?x=1", "/users/a@b?x=1" }, { "/go?to=http://u:p@h/&x=a@b", "/go?to=http://[redacted]@h/&x=a@b" }, { "/a?mail=a@b", "/a?mail=a@b" }, { "http://@h/", "http://@h/" },
        { "u:p@h&token=abc", "[redacted]@h&token=[redacted]" }, { "http://u@h&token=abc", "http://[redacted]@h&token=[redacted]" },
        { "/a?to=%2Fb%3Ftoken%3Dabc%26c%3Dd&e=f", "/a?to=%2Fb%3Ftoken%3D[redacted]%26c%3Dd&e=f" }, { "/a?to=https%3a%2f%2fb%2f%3fX-Amz-Signature%3dabc", "/a?to=https%3a%2f%2fb%2f%3fX-Amz-Signature%3d[redacted]" },
        { "/a?to=%3Fb%3Dc%26key%3Da%3Db%23x&code=1&d&y=%3Fsig%3De", "/a?to=%3Fb%3Dc%26key%3D[redacted]%23x&code=[redacted]&d&y=%3Fsig%3D[redacted]" }, { "/a?to=%3Ftoken%3Dabc&b&c=d", "/a?to=%3Ftoken%3D[redacted]&b&c=d" },
        { "/a?to=b%3Fkey%3Da&m=a@b", "/a?to=b%3Fkey%3D[redacted]&m=a@b" }, { "/a?to=http://u:p@h/%3Fkey%3Da", "/a?to=http://[redacted]@h/%3Fkey%3D[redacted]" }, { "/a?b=%3&c=%", "/a?b=%3&c=%" }, { "/a?b=%00%3D%3d%3D", "/a?b=%00%3D%3d%3D" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect_text(samples[i].text, dst, redact_url(samples[i].text, strlen(samples[i].text), dst, sizeof dst), samples[i].expected);
}

static void headers_lose_their_secrets(void **state)
{
    (void)state;
    static const struct { const char *name, *text, *expected; } samples[] = {
        { "accept", "*/*", "*/*" }, { "host", "token=1", "token=1" },
        { "authorization", "Bearer abc.def", "Bearer [redacted]" }, { "authorization", "Basic dTpw", "Basic [redacted]" }, { "authorization", "Digest username=\"u\", response=\"r\"", "Digest [redacted]" },
        { "authorization", "AWS4-HMAC-SHA256 Credential=a, Signature=b", "AWS4-HMAC-SHA256 [redacted]" }, { "authorization", "abcdef", "[redacted]" }, { "authorization", "Bearer  ", "Bearer  " },
        { "authorization", "0123abc def", "[redacted]" }, { "authorization", "abcdefghijklmnopqrstuvwxyz def", "[redacted]" }, { "authorization", "a.b c", "[redacted]" }, { "authorization", "", "" },
        { "proxy-authorization", "Basic dTpw", "Basic [redacted]" }, { "x-api-key", "abc", "[redacted]" }, { "x-auth-token", "abc def", "[redacted]" }, { "x-amz-security-token", "abc", "[redacted]" },
        { "x-amz-date", "20200101", "20200101" }, { "authorization-bin", "abcd", "[redacted]" },
        { "cookie", "a=b", "a=[redacted]" }, { "cookie", "a=b; c=d;e=\"f\"", "a=[redacted]; c=[redacted];e=[redacted]" }, { "cookie", "abc", "[redacted]" }, { "cookie", "a=; b=c=d", "a=; b=[redacted]" },
        { "cookie", ";; a=b;", ";; a=[redacted];" }, { "set-cookie", "sid=abc; Path=/; HttpOnly", "sid=[redacted]; Path=/; HttpOnly" }, { "set-cookie", "sid=; Max-Age=0", "sid=; Max-Age=0" },
        { "referer", "http://h/a?token=b", "http://h/a?token=[redacted]" }, { "referer", "http://h/a?b=c", "http://h/a?b=c" }, { "location", "/cb?code=1&state=2", "/cb?code=[redacted]&state=2" },
        { "location", "http://u:p@h/", "http://[redacted]@h/" }, { "x-original-uri", "/a?token=b", "/a?token=[redacted]" }, { "grpcgateway-authorization", "Bearer abc", "Bearer [redacted]" },
        { "sec-websocket-protocol", "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.ZXlK, graphql-ws", "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.[redacted], graphql-ws" },
        { "sec-websocket-protocol", "Bearer, abc", "Bearer, [redacted]" }, { "sec-websocket-protocol", "chat,access_token,abc,  mqtt", "chat,access_token,[redacted],  mqtt" },
        { "sec-websocket-protocol", "eyJh.eyJz.c2ln", "[redacted]" }, { "sec-websocket-protocol", "0123456789012345678901234567890123456789012345678901234567890123, x", "0123456789012345678901234567890123456789012345678901234567890123, x" },
        { "sec-websocket-protocol", "x, 01234567890123456789012345678901234567890123456789012345678901234", "x, [redacted]" }, { "sec-websocket-protocol", " , ,", " , ," },
        { "sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.", "base64url.bearer.authorization.k8s.io." },
        { "grpcgateway-cookie", "a=b", "a=[redacted]" }, { "grpcgateway-", "abc", "abc" }, { "grpcgateway-x-bin", "abc", "abc" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        expect_text(samples[i].text, dst, redact_header(samples[i].name, strlen(samples[i].name), samples[i].text, strlen(samples[i].text), dst, sizeof dst), samples[i].expected);
}

static void a_small_buffer_is_never_left(void **state)
{
    (void)state;
    static const char text[] = "/a?token=b&key=c&x=1";
    char whole[64];
    ssize_t size = redact_url(text, sizeof text - 1, whole, sizeof whole);
    assert_int_equal(size, sizeof "/a?token=[redacted]&key=[redacted]&x=1" - 1);
    for (size_t room = 0; room <= (size_t)size; room++) {
        char *small = malloc(room + 1);
        small[room] = '~';
        assert_int_equal(redact_url(text, sizeof text - 1, small, room), room);
        assert_memory_equal(small, whole, room);
        assert_int_equal(small[room], '~');
        free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_told_apart), cmocka_unit_test(urls_lose_their_secrets), cmocka_unit_test(headers_lose_their_secrets), cmocka_unit_test(a_small_buffer_is_never_left) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
