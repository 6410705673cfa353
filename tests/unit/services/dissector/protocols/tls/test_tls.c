#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/protocol_rig.h"
#include "tests/unit/services/dissector/protocols/tls/tls_builder.h"
#include "tests/unit/services/dissector/protocols/tls/tls_certificates.h"

#define SAY(rig, side, message) rig_say(rig, side, (message).data, (ssize_t)(message).size)
#define CHECK(i, field, text) assert_string_equal(rig_text(rig, i, field), text)
#define ADD(b, other) tls_put(b, (other).data, (other).size)

static const uint8_t retry_random[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                          0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };

static struct tls_builder client_hello(size_t session)
{
    struct tls_builder ciphers = TLS_NUMBERS(0x1301, 0xc02f), e = { .size = 0 }, versions = TLS_NUMBERS(0x0304, 0x0303);
    tls_put_server_name(&e, "www.example.org");
    tls_put_alpn(&e, "h2,http/1.1");
    tls_put_number_list(&e, 43, 1, &versions);
    return tls_client_hello(0x0303, 1, session, &ciphers, &e);
}

static struct tls_builder hello_1_2(size_t session)
{
    struct tls_builder e = { .size = 0 };
    tls_put_alpn(&e, "h2");
    return tls_server_hello(0x0303, NULL, session, 0xc02f, &e);
}

static struct tls_builder hello_1_3(bool retry, bool psk)
{
    struct tls_builder e = { .size = 0 };
    tls_put_extension(&e, 43, "\3\4", 2);
    if (psk)
        tls_put_extension(&e, 41, "\0\0", 2);
    return tls_server_hello(0x0303, retry ? retry_random : NULL, 32, 0x1301, &e);
}

static struct tls_builder certificates(const uint8_t *data, size_t size, bool twice)
{
    struct tls_builder list = { .size = 0 }, body = { .size = 0 };
    tls_put_list(&list, 3, data, size);
    if (twice)
        tls_put_list(&list, 3, "x", 1);
    tls_put_list(&body, 3, list.data, list.size);
    return tls_handshake(11, &body);
}
#define SERVER_CERTIFICATES certificates(server_certificate, sizeof server_certificate, true)

static struct tls_builder empty_message(unsigned type)
{
    struct tls_builder none = { .size = 0 };
    return tls_handshake(type, &none);
}

static struct tls_builder record_of(unsigned type, const char *bytes, size_t size)
{
    struct tls_builder b = { .size = 0 };
    tls_put_record(&b, type, bytes, size);
    return b;
}
#define CHANGE_CIPHER record_of(20, "\1", 1)
#define ENCRYPTED(type) record_of(type, "0123456789abcdef0123456789abcdef", 32)

/* What each side says in a full handshake of TLS 1.2, a message per record. */
static void full_1_2(struct tls_builder *client, struct tls_builder *server, struct tls_builder *client_end)
{
    struct tls_builder messages[] = { client_hello(0), hello_1_2(32), SERVER_CERTIFICATES, empty_message(14), empty_message(16) };
    *client = tls_record(22, &messages[0]);
    *server = tls_record(22, &messages[1]);
    tls_put_record(server, 22, messages[2].data, messages[2].size);
    tls_put_record(server, 22, messages[3].data, messages[3].size);
    *client_end = tls_record(22, &messages[4]);
    struct tls_builder change = CHANGE_CIPHER, finished = ENCRYPTED(22);
    ADD(client_end, change);
    ADD(client_end, finished);
}

static void handshake_of_1_2(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, end);
    struct tls_builder change = CHANGE_CIPHER, finished = ENCRYPTED(22), data = ENCRYPTED(23);
    SAY(rig, SIDE_SERVER, change);
    SAY(rig, SIDE_SERVER, finished);
    SAY(rig, SIDE_CLIENT, data);
    SAY(rig, SIDE_SERVER, data);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "TLS");
    CHECK(0, "incomplete", "");
    CHECK(0, "summary", "ClientHello www.example.org");
    CHECK(0, "tls_summary", "ClientHello www.example.org");
    CHECK(0, "tls_info", "TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, h2");
    CHECK(0, "tls_sni", "www.example.org");
    CHECK(0, "tls_alpn_offered", "h2, http/1.1");
    CHECK(0, "tls_alpn", "h2");
    CHECK(0, "tls_version", "TLS 1.2");
    CHECK(0, "tls_cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    CHECK(0, "tls_resumed", "0");
    CHECK(0, "tls_certificate", "CN=www.example.org,O=Beispiel\\, \xc3\x84rzte,C=DE");
    CHECK(0, "tls_certificate_names", "www.example.org, *.example.org, 192.0.2.1, 2001:db8::1, https://example.org/");
    CHECK(0, "tls_certificate_issuer", "CN=Example CA");
    CHECK(0, "tls_certificate_not_after", "2060-01-02T03:04:05Z");
    CHECK(0, "tls_certificate_sha256", SERVER_CERTIFICATE_SHA256);
    CHECK(0, "tls_certificates", "2");
    CHECK(0, "tls_alert", "");
    assert_int_equal(strlen(rig_text(rig, 0, "tls_ja3")), 32);
    assert_int_equal(strlen(rig_text(rig, 0, "tls_ja3s")), 32);
    assert_int_equal(strlen(rig_text(rig, 0, "tls_ja4")), 36);
    char sizes[3][16];
    snprintf(sizes[0], sizeof sizes[0], "%zu", client.size - 5);
    snprintf(sizes[1], sizeof sizes[1], "%zu", server.size - 15);
    snprintf(sizes[2], sizeof sizes[2], "%zu", client.size + server.size - 20);
    CHECK(0, "tls_request_size", sizes[0]);
    CHECK(0, "tls_response_size", sizes[1]);
    CHECK(0, "tls_total_size", sizes[2]);
    assert_int_equal(rig_record(rig, 0)->elapsed_ns, RIG_STEP_NS);
    rig_free(rig);
}

static void cut_anywhere(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    char *whole = NULL;
    for (size_t cut = 0; cut < server.size; cut++) {
        struct rig *rig = rig_new(cut % 2 ? 443 : 9999, REDACT_ON);
        rig_say_split(rig, SIDE_CLIENT, client.data, client.size, cut % client.size);
        rig_say_split(rig, SIDE_SERVER, server.data, server.size, cut);
        rig_say_split(rig, SIDE_CLIENT, end.data, end.size, cut % end.size);
        rig_finish(rig);
        char *dump = rig_dump(rig);
        assert_int_equal(rig_count(rig), 1);
        if (whole)
            assert_string_equal(dump, whole);
        else
            whole = strdup(dump);
        free(dump);
        rig_free(rig);
    }
    for (size_t piece = 1; piece < 40; piece++) {
        struct rig *rig = rig_new(443, REDACT_ON);
        rig_say_cut(rig, SIDE_CLIENT, client.data, client.size, piece);
        rig_say_cut(rig, SIDE_SERVER, server.data, server.size, piece);
        rig_say_cut(rig, SIDE_CLIENT, end.data, end.size, piece);
        rig_finish(rig);
        char *dump = rig_dump(rig);
        assert_string_equal(dump, whole);
        free(dump);
        rig_free(rig);
    }
    free(whole);
}

/* All messages in one record, or a record for so many bytes of them. */
static void fragmented_and_coalesced(void **state)
{
    (void)state;
    struct tls_builder messages[] = { hello_1_2(32), SERVER_CERTIFICATES, empty_message(14) }, all = { .size = 0 }, m = client_hello(0);
    for (size_t i = 0; i < 3; i++)
        ADD(&all, messages[i]);
    for (size_t fragment = 1; fragment <= all.size; fragment += fragment < 50 ? 1 : 97) {
        struct rig *rig = rig_new(443, REDACT_ON);
        struct tls_builder client = { .size = 0 }, server = { .size = 0 };
        for (size_t at = 0; at < m.size; at += fragment)
            tls_put_record(&client, 22, m.data + at, m.size - at < fragment ? m.size - at : fragment);
        for (size_t at = 0; at < all.size; at += fragment)
            tls_put_record(&server, 22, all.data + at, all.size - at < fragment ? all.size - at : fragment);
        SAY(rig, SIDE_CLIENT, client);
        SAY(rig, SIDE_SERVER, server);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 1);
        CHECK(0, "tls_sni", "www.example.org");
        CHECK(0, "tls_certificate_serial", "0123abcd");
        CHECK(0, "tls_version", "TLS 1.2");
        CHECK(0, "incomplete", "");
        rig_free(rig);
    }
}

static void handshake_of_1_3(void **state)
{
    (void)state;
    struct tls_builder m1 = client_hello(32), m2 = hello_1_3(false, false), client = tls_record(22, &m1), server = tls_record(22, &m2), change = CHANGE_CIPHER, data = ENCRYPTED(23);
    ADD(&server, change);
    ADD(&server, data);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, change);
    SAY(rig, SIDE_CLIENT, data);
    for (int i = 0; i < 100; i++)
        SAY(rig, SIDE_SERVER, data);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_version", "TLS 1.3");
    CHECK(0, "tls_info", "TLS 1.3, TLS_AES_128_GCM_SHA256");
    CHECK(0, "tls_resumed", "0");
    CHECK(0, "tls_alpn", "");
    CHECK(0, "tls_certificate", "");
    CHECK(0, "incomplete", "");
    rig_free(rig);
}

static void resumption(void **state)
{
    (void)state;
    struct { struct tls_builder client, server; bool change; const char *resumed; } cases[] = {
        { client_hello(32), hello_1_2(32), true, "1" }, { client_hello(0), hello_1_2(0), true, "1" }, { client_hello(32), hello_1_2(16), false, "0" }, { client_hello(32), hello_1_3(false, true), false, "1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = rig_new(443, REDACT_ON);
        struct tls_builder client = tls_record(22, &cases[i].client), server = tls_record(22, &cases[i].server), change = CHANGE_CIPHER, finished = ENCRYPTED(22);
        SAY(rig, SIDE_CLIENT, client);
        SAY(rig, SIDE_SERVER, server);
        if (cases[i].change) {
            SAY(rig, SIDE_SERVER, change);
            SAY(rig, SIDE_SERVER, finished);
            SAY(rig, SIDE_CLIENT, change);
            SAY(rig, SIDE_CLIENT, finished);
        }
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 1);
        CHECK(0, "tls_resumed", cases[i].resumed);
        rig_free(rig);
    }
}

static void hello_retry(void **state)
{
    (void)state;
    struct tls_builder m = client_hello(32), retry = hello_1_3(true, false), hello = hello_1_3(false, false), change = CHANGE_CIPHER, client = tls_record(22, &m), r = tls_record(22, &retry), server = tls_record(22, &hello);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    ADD(&r, change);
    SAY(rig, SIDE_SERVER, r);
    ADD(&change, client);
    SAY(rig, SIDE_CLIENT, change);
    SAY(rig, SIDE_SERVER, server);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(0, "tls_hello_retry", "1");
    CHECK(1, "tls_hello_retry", "0");
    for (size_t i = 0; i < 2; i++) {
        CHECK(i, "tls_sni", "www.example.org");
        CHECK(i, "tls_version", "TLS 1.3");
        CHECK(i, "incomplete", "");
    }
    rig_free(rig);
}

static void alerts(void **state)
{
    (void)state;
    struct tls_builder m = client_hello(0), h = hello_1_2(0), client = tls_record(22, &m), server = tls_record(22, &h);
    const struct tls_builder fatal = record_of(21, "\2\50", 2), warning = record_of(21, "\1\160", 2), unknown = record_of(21, "\2\xff", 2), hidden = record_of(21, "0123456789", 10);
    struct rig *rig = rig_new(443, REDACT_ON); /* in place of a hello */
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, fatal);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_alert", "fatal handshake_failure");
    CHECK(0, "tls_sni", "www.example.org");
    CHECK(0, "incomplete", "");
    rig_free(rig);

    rig = rig_new(443, REDACT_ON); /* a warning before the hello, another alert after it */
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, warning);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, unknown);
    SAY(rig, SIDE_CLIENT, hidden);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    CHECK(1, "tls_alert", "warning unrecognized_name");
    CHECK(1, "tls_version", "TLS 1.2");
    CHECK(0, "tls_alert", "fatal 255");
    CHECK(0, "tls_summary", "Alert fatal 255");
    assert_int_equal(rig_record(rig, 0)->flags & (RECORD_ONE_WAY | RECORD_FROM_SERVER), RECORD_ONE_WAY);
    rig_free(rig);

    rig = rig_new(443, REDACT_ON); /* only a warning */
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, warning);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_alert", "warning unrecognized_name");
    CHECK(0, "incomplete", "");
    rig_free(rig);

    rig = rig_new(443, REDACT_ON); /* the client does not like the certificate */
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, fatal);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_alert", "fatal handshake_failure");
    CHECK(0, "tls_version", "TLS 1.2");
    rig_free(rig);
}

/* Stock Wireshark knows a hello when its record is there: so do we, or the frames would differ. */
/* The server does not like what the client sent last: its alert comes in place of its change of ciphers. */
static void an_alert_at_the_end(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    struct tls_builder fatal = record_of(21, "\2\50", 2);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, end);
    SAY(rig, SIDE_SERVER, fatal);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_alert", "fatal handshake_failure");
    CHECK(0, "tls_certificate_serial", "0123abcd");
    rig_free(rig);
}

static void the_response_ends_with_its_record(void **state)
{
    (void)state;
    struct tls_builder m = client_hello(0), all = hello_1_2(0), certificate = SERVER_CERTIFICATES, client = tls_record(22, &m);
    ADD(&all, certificate);
    struct tls_builder server = tls_record(22, &all);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    rig_say_cut(rig, SIDE_SERVER, server.data, server.size, server.size / 3 + 1);
    uint32_t last = rig->frame;
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_int_equal(rig_record(rig, 0)->response_at.frame, last);
    rig_free(rig);
}

static void client_certificates(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    struct tls_builder m = certificates(client_certificate, sizeof client_certificate, false), certificate = tls_record(22, &m);
    struct rig *rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_SERVER, server);
    SAY(rig, SIDE_CLIENT, certificate);
    SAY(rig, SIDE_CLIENT, end);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_client_certificate", "CN=alice");
    CHECK(0, "tls_certificate_issuer", "CN=Example CA");
    rig_free(rig);
}

static void one_side_only(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    struct tls_builder data = ENCRYPTED(23);
    struct rig *rig = rig_new_without_handshake(443, REDACT_ON, 6);
    SAY(rig, SIDE_SERVER, server);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_summary", "ServerHello TLS 1.2");
    CHECK(0, "tls_certificate_serial", "0123abcd");
    CHECK(0, "incomplete", "started_before");
    rig_free(rig);
    rig = rig_new(443, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    SAY(rig, SIDE_CLIENT, end);
    for (int i = 0; i < 100; i++)
        SAY(rig, SIDE_CLIENT, data);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_sni", "www.example.org");
    CHECK(0, "tls_version", "");
    rig_free(rig);
}

static void from_the_middle_nothing_is_guessed(void **state)
{
    (void)state;
    struct tls_builder data = ENCRYPTED(23), finished = ENCRYPTED(22), alert = record_of(21, "0123456789", 10);
    struct rig *rig = rig_new_without_handshake(443, REDACT_ON, 6);
    for (int i = 0; i < 20; i++) {
        SAY(rig, SIDE_CLIENT, data);
        SAY(rig, SIDE_SERVER, data);
    }
    SAY(rig, SIDE_CLIENT, finished);
    SAY(rig, SIDE_SERVER, alert);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 0);
    rig_free(rig);
}

/* Bytes of the server's flight are lost, from anywhere on, as many as you like: what was said before is told, and nothing wrong. */
static void gaps_of_the_server(void **state)
{
    (void)state;
    static struct tls_builder client, server, end;
    full_1_2(&client, &server, &end);
    for (size_t from = 0; from < server.size; from += 3) {
        for (size_t bytes = 1; from + bytes <= server.size; bytes += 11) {
            struct rig *rig = rig_new(443, REDACT_ON);
            SAY(rig, SIDE_CLIENT, client);
            if (from)
                rig_say(rig, SIDE_SERVER, server.data, (ssize_t)from);
            rig_lose(rig, SIDE_SERVER, (uint32_t)bytes);
            if (from + bytes < server.size)
                rig_say(rig, SIDE_SERVER, server.data + from + bytes, (ssize_t)(server.size - from - bytes));
            SAY(rig, SIDE_CLIENT, end);
            rig_finish(rig);
            assert_int_equal(rig_count(rig), 1);
            CHECK(0, "tls_sni", "www.example.org");
            const char *version = rig_text(rig, 0, "tls_version"), *serial = rig_text(rig, 0, "tls_certificate_serial");
            assert_true(!*version || strcmp(version, "TLS 1.2") == 0);
            assert_true(!*serial || strcmp(serial, "0123abcd") == 0);
            if (from + bytes < server.size - 9)
                CHECK(0, "incomplete", "gap");
            rig_free(rig);
        }
    }
}

static void gaps_of_the_client(void **state)
{
    (void)state;
    struct tls_builder m = client_hello(0), h = hello_1_2(0), client = tls_record(22, &m), server = tls_record(22, &h);
    for (size_t from = 1; from < client.size; from++) {
        struct rig *rig = rig_new(443, REDACT_ON);
        rig_say(rig, SIDE_CLIENT, client.data, (ssize_t)from);
        rig_lose(rig, SIDE_CLIENT, (uint32_t)(client.size - from));
        SAY(rig, SIDE_SERVER, server);
        rig_finish(rig);
        for (size_t i = 0; i < rig_count(rig); i++) {
            CHECK(i, "tls_ja3", "");
            CHECK(i, "tls_ja4", "");
        }
        if (from > 5 + 4 + 34) { /* enough to know that it is one */
            assert_int_equal(rig_count(rig), 1);
            CHECK(0, "incomplete", "gap");
            CHECK(0, "tls_version", "TLS 1.2");
        }
        rig_free(rig);
    }
}

static void a_message_too_long(void **state)
{
    (void)state;
    struct tls_builder m = client_hello(0), client = tls_record(22, &m);
    struct rig *rig = rig_new(443, REDACT_ON);
    struct tls_builder list = { .size = 0 }, server = { .size = 0 }, done = empty_message(14), h = hello_1_2(0), part = { .size = 0 };
    SAY(rig, SIDE_CLIENT, client);
    tls_put_number(&list, 1, 11);
    tls_put_number(&list, 3, 300 * 1024); /* passed over */
    tls_put_record(&server, 22, h.data, h.size);
    tls_put_record(&server, 22, list.data, list.size);
    SAY(rig, SIDE_SERVER, server);
    static const uint8_t zeros[10240];
    tls_put_record(&part, 22, zeros, sizeof zeros);
    for (int i = 0; i < 30; i++)
        SAY(rig, SIDE_SERVER, part);
    struct tls_builder last = tls_record(22, &done), again = record_of(21, "\2\50", 2);
    SAY(rig, SIDE_SERVER, last);
    SAY(rig, SIDE_SERVER, again);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_alert", "fatal handshake_failure");
    CHECK(0, "tls_certificates", "0");
    rig_free(rig);
}

static void what_is_none(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t size; enum detected detected; } cases[] = {
        { "GET / HTTP/1.1\r\n", 16, DETECT_NO }, { "\x16", 1, DETECT_MORE }, { "\x16\x03", 2, DETECT_MORE }, { "\x16\x03\x01\x02\x00", 5, DETECT_MORE }, { "\x16\x03\x01\x02\x00\x01", 6, DETECT_MORE },
        { "\x16\x03\x05\x02\x00\x01", 6, DETECT_NO }, { "\x16\x03\x01\x02\x00\x03", 6, DETECT_NO }, { "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", 10, DETECT_CLIENT },
        { "\x16\x03\x01\x02\x00\x02\x00\x01\xfc\x03", 10, DETECT_SERVER }, { "\x16\x03\x01\x02\x00\x02\x00\x01\xfc\x7f", 10, DETECT_SERVER }, { "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x02", 10, DETECT_NO },
        { "\x16\x03\x01\x02\x00\x01\x02\x01\xfc\x03", 10, DETECT_NO }, { "\x16\x03\x01\xff\xff\x01\x00\x01\xfc\x03", 10, DETECT_NO }, { "\x17\x03\x03\x00\x20", 5, DETECT_NO }, { "\x16\x03\x01\x02\x00\x01\x00\x00\x05\x03", 10, DETECT_NO },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sniff sniff = { .data = (const uint8_t *)cases[i].bytes, .size = cases[i].size, .port = true };
        assert_int_equal(protocol_find("TLS", 3)->detect(&sniff), cases[i].detected);
    }
    /* A client that speaks TLS to a server that does not. */
    struct tls_builder m = client_hello(0), client = tls_record(22, &m);
    struct rig *rig = rig_new(80, REDACT_ON);
    SAY(rig, SIDE_CLIENT, client);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 400 Bad Request\r\n\r\n", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    CHECK(0, "tls_sni", "www.example.org");
    CHECK(0, "tls_version", "");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_of_1_2), cmocka_unit_test(cut_anywhere), cmocka_unit_test(fragmented_and_coalesced), cmocka_unit_test(handshake_of_1_3), cmocka_unit_test(resumption),
        cmocka_unit_test(hello_retry), cmocka_unit_test(alerts), cmocka_unit_test(an_alert_at_the_end), cmocka_unit_test(the_response_ends_with_its_record), cmocka_unit_test(client_certificates), cmocka_unit_test(one_side_only), cmocka_unit_test(from_the_middle_nothing_is_guessed),
        cmocka_unit_test(gaps_of_the_server), cmocka_unit_test(gaps_of_the_client), cmocka_unit_test(a_message_too_long), cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
