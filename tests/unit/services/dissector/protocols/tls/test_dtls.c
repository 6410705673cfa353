/* protocols/tls/dtls.c through the engine: datagrams of both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/protocol_rig.h"
#include "tests/unit/services/dissector/protocols/tls/tls_builder.h"

#define SAY(rig, side, message) rig_say(rig, side, (message).data, (ssize_t)(message).size)
#define CHECK(i, field, text) assert_string_equal(rig_text(rig, i, field), text)
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, VERIFY_REQUEST = 3 };

/* A record of one handshake message, or of `here` bytes of it from `offset` on. */
static struct tls_builder record(unsigned type, unsigned number, const struct tls_builder *body, size_t offset, size_t here)
{
    struct tls_builder b = { .size = 0 };
    tls_put_number(&b, 1, 22);
    tls_put_number(&b, 2, 0xfefd);
    tls_put_number(&b, 2, 0); /* epoch */
    tls_put(&b, "\0\0\0\0\0\1", 6);
    tls_put_number(&b, 2, (unsigned)here + 12);
    tls_put_number(&b, 1, type);
    tls_put_number(&b, 3, (unsigned)body->size);
    tls_put_number(&b, 2, number);
    tls_put_number(&b, 3, (unsigned)offset);
    tls_put_number(&b, 3, (unsigned)here);
    tls_put(&b, body->data + offset, here);
    return b;
}
#define WHOLE(type, number, body) record(type, number, &(body), 0, (body).size)

static struct tls_builder client_hello(const char *cookie)
{
    struct tls_builder b = { .size = 0 }, ciphers = TLS_NUMBERS(0xc02f, 0xc030), e = { .size = 0 };
    tls_put_number(&b, 2, 0xfefd);
    tls_put(&b, "0123456789abcdef0123456789abcdef", 32);
    tls_put_list(&b, 1, NULL, 0);
    tls_put_list(&b, 1, cookie, strlen(cookie));
    tls_put_list(&b, 2, ciphers.data, ciphers.size);
    tls_put_list(&b, 1, "\0", 1);
    tls_put_server_name(&e, "turn.example.org");
    tls_put_alpn(&e, "webrtc");
    tls_put_list(&b, 2, e.data, e.size);
    return b;
}

static struct tls_builder server_hello(void)
{
    struct tls_builder b = { .size = 0 }, e = { .size = 0 };
    tls_put_number(&b, 2, 0xfefd);
    tls_put(&b, "0123456789abcdef0123456789abcdef", 32);
    tls_put_list(&b, 1, NULL, 0);
    tls_put_number(&b, 2, 0xc02f);
    tls_put_number(&b, 1, 0);
    tls_put_alpn(&e, "webrtc");
    tls_put_list(&b, 2, e.data, e.size);
    return b;
}

static void a_handshake(void **state)
{
    (void)state;
    struct rig *rig = rig_new_udp(5349, REDACT_ON);
    struct tls_builder first = client_hello(""), second = client_hello("cookie"), hello = server_hello(), verify = { .size = 0 };
    tls_put_number(&verify, 2, 0xfeff);
    tls_put_list(&verify, 1, "cookie", 6);
    struct tls_builder a = WHOLE(CLIENT_HELLO, 0, first), b = WHOLE(VERIFY_REQUEST, 0, verify), c = WHOLE(CLIENT_HELLO, 1, second), d = WHOLE(SERVER_HELLO, 1, hello);
    SAY(rig, SIDE_CLIENT, a);
    SAY(rig, SIDE_CLIENT, a); /* sent again */
    SAY(rig, SIDE_SERVER, b);
    SAY(rig, SIDE_CLIENT, c);
    SAY(rig, SIDE_SERVER, d);
    rig_say(rig, SIDE_CLIENT, "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\1x", 14);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_string_equal(rig_protocol(rig, 0), "TLS");
    CHECK(0, "tls_sni", "turn.example.org");
    CHECK(0, "tls_hello_retry", "1");
    CHECK(0, "incomplete", "");
    CHECK(1, "tls_sni", "turn.example.org");
    CHECK(1, "summary", "ClientHello turn.example.org");
    CHECK(1, "tls_alpn_offered", "webrtc");
    CHECK(1, "tls_version", "DTLS 1.2");
    CHECK(1, "tls_cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    CHECK(1, "tls_info", "DTLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, webrtc");
    assert_memory_equal(rig_text(rig, 1, "tls_ja4"), "dd2d0202wc_", 11);
    CHECK(1, "incomplete", "");
    rig_free(rig);
}

/* What stands behind the hello that ends a handshake's open part is no second response, not even in the same datagram. */
static void two_hellos_in_a_datagram(void **state)
{
    (void)state;
    struct tls_builder asks = client_hello(""), hello = server_hello(), ask = WHOLE(CLIENT_HELLO, 0, asks), answer = WHOLE(SERVER_HELLO, 0, hello), twice = answer;
    tls_put(&twice, answer.data, answer.size);
    struct rig *rig = rig_new_udp(5349, REDACT_ON);
    SAY(rig, SIDE_CLIENT, ask);
    SAY(rig, SIDE_SERVER, twice);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_version", "DTLS 1.2");
    CHECK(0, "incomplete", "");
    rig_free(rig);
}

/* The first part of a hello says what it holds; another part by itself is none. */
static void a_hello_in_parts(void **state)
{
    (void)state;
    struct tls_builder hello = client_hello("a cookie"), first = record(CLIENT_HELLO, 0, &hello, 0, 90), second = record(CLIENT_HELLO, 0, &hello, 90, hello.size - 90);
    struct rig *rig = rig_new_udp(5349, REDACT_ON);
    SAY(rig, SIDE_CLIENT, first);
    SAY(rig, SIDE_CLIENT, second);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_sni", "turn.example.org");
    CHECK(0, "incomplete", "truncated");
    rig_free(rig);
    rig = rig_new_udp(5349, REDACT_ON);
    SAY(rig, SIDE_CLIENT, second);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 0);
    rig_free(rig);
}

static void what_is_cut_or_none(void **state)
{
    (void)state;
    struct tls_builder hello = client_hello(""), whole = WHOLE(CLIENT_HELLO, 0, hello), other = whole;
    for (size_t size = 1; size < whole.size; size++) {
        struct rig *rig = rig_new_udp(5349, REDACT_ON);
        rig_say(rig, SIDE_CLIENT, whole.data, (ssize_t)size);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 0);
        rig_free(rig);
    }
    other.data[14] = 0xff; /* a length that the record does not hold */
    struct rig *rig = rig_new_udp(5349, REDACT_ON);
    SAY(rig, SIDE_CLIENT, other);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_handshake), cmocka_unit_test(two_hellos_in_a_datagram), cmocka_unit_test(a_hello_in_parts), cmocka_unit_test(what_is_cut_or_none) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
