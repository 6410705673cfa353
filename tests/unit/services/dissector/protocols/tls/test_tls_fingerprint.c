#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/protocols/tls/tls_fingerprint.h"
#include "services/dissector/protocols/tls/tls_hello.h"
#include "services/dissector/protocols/tls/tls_names.h"
#include "tests/unit/services/dissector/protocols/tls/tls_builder.h"

/* The example of JA4's specification: a browser's lists, with GREASE thrown in. */
static struct tls_builder example(const char *alpn)
{
    struct tls_builder ciphers = TLS_NUMBERS(0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035), e = { .size = 0 };
    struct tls_builder signatures = TLS_NUMBERS(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601), groups = TLS_NUMBERS(0x2a2a, 29, 23, 24), versions = TLS_NUMBERS(0x3a3a, 0x0304, 0x0303);
    tls_put_extension(&e, 0x4a4a, "", 0);
    tls_put_extension(&e, 0x001b, "", 0);
    tls_put_server_name(&e, "example.org");
    tls_put_extension(&e, 0x0033, "", 0);
    tls_put_alpn(&e, alpn);
    tls_put_extension(&e, 0x4469, "", 0);
    tls_put_extension(&e, 0x0017, "", 0);
    tls_put_extension(&e, 0x002d, "", 0);
    tls_put_number_list(&e, 0x000d, 2, &signatures);
    tls_put_extension(&e, 0x0005, "", 0);
    tls_put_extension(&e, 0x0023, "", 0);
    tls_put_extension(&e, 0x0012, "", 0);
    tls_put_number_list(&e, 0x002b, 1, &versions);
    tls_put_extension(&e, 0xff01, "", 0);
    tls_put_extension(&e, 0x000b, "\1\0", 2);
    tls_put_number_list(&e, 0x000a, 2, &groups);
    tls_put_extension(&e, 0x0015, "", 0);
    return tls_client_hello(0x0303, 7, 32, &ciphers, &e);
}

static const char *ja4(const struct tls_builder *message)
{
    static char text[TLS_JA4_TEXT_MAX];
    struct tls_hello h;
    assert_true(tls_hello_read(message->data + 4, message->size - 4, true, &h));
    tls_ja4(&h, text);
    return text;
}

static const char *ja3(const struct tls_builder *message)
{
    static char text[TLS_JA3_TEXT_MAX];
    struct tls_hello h;
    assert_true(tls_hello_read(message->data + 4, message->size - 4, true, &h));
    tls_ja3(&h, text);
    return text;
}

static void the_examples_of_the_specification(void **state)
{
    (void)state;
    struct tls_builder m = example("h2,http/1.1");
    assert_string_equal(ja4(&m), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    /* MD5 of "771,4865-...-53,27-0-51-...-21,29-23-24,0". */
    assert_string_equal(ja3(&m), "c000e2caf3a25423f9de6c8a4b12a975");
}

static void alpn_characters(void **state)
{
    (void)state;
    static const struct { const char *alpn, *digits; } cases[] = { { "http/1.1", "h1" }, { "x", "xx" }, { "\xab", "ab" }, { "\xab\xcd", "ad" }, { "0\xab", "3b" }, { "01\xab\xcd", "3d" }, { "0\xab\xcd" "1", "01" }, { "", "00" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_builder m = example(cases[i].alpn);
        assert_memory_equal(ja4(&m) + 8, cases[i].digits, 2);
    }
}

static void what_is_missing(void **state)
{
    (void)state;
    struct tls_builder none = { .size = 0 }, only_sni = { .size = 0 }, unsigned_ones = { .size = 0 }, one = TLS_NUMBERS(0x002f);
    struct tls_builder bare = tls_client_hello(0x0301, 7, 0, &none, NULL);
    assert_string_equal(ja4(&bare), "t10i000000_000000000000_000000000000");
    tls_put_server_name(&only_sni, "a.test");
    struct tls_builder named = tls_client_hello(0x0300, 7, 0, &one, &only_sni);
    assert_memory_equal(ja4(&named), "ts3d010100_", 11);
    assert_string_equal(ja4(&named) + 24, "000000000000");
    static const int types[] = { 0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0x0d, 5, 0x23, 0x12, 0x2b, 0xff01, 0x0b, 0x0a, 0x15 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        tls_put_extension(&unsigned_ones, (unsigned)types[i], "", 0);
    struct tls_builder m = tls_client_hello(0x0303, 7, 0, &one, &unsigned_ones);
    assert_string_equal(ja4(&m) + 24, "6d807ffa2a79"); /* the specification's, without signatures */
    m.size -= 3;
    assert_string_equal(ja4(&m), "");
    assert_string_equal(ja3(&m), "");
}

static void lists_longer_than_any_client(void **state)
{
    (void)state;
    struct tls_builder many = { .size = 0 };
    for (unsigned i = 0; i < TLS_FINGERPRINT_LIST_MAX; i++)
        tls_put_number(&many, 2, i);
    struct tls_builder most = tls_client_hello(0x0303, 7, 0, &many, NULL);
    assert_memory_equal(ja4(&most), "t12i990000_", 11);
    tls_put_number(&many, 2, 1);
    struct tls_builder more = tls_client_hello(0x0303, 7, 0, &many, NULL);
    assert_string_equal(ja4(&more), "");
    assert_string_equal(ja3(&more), "");
}

static void servers(void **state)
{
    (void)state;
    struct tls_builder e = { .size = 0 };
    tls_put_extension(&e, 0xff01, "\0", 1);
    tls_put_extension(&e, 0, "", 0);
    struct tls_builder m = tls_server_hello(0x0303, NULL, 0, 0xc02f, &e);
    struct tls_hello h;
    char text[TLS_JA3_TEXT_MAX];
    assert_true(tls_hello_read(m.data + 4, m.size - 4, false, &h));
    tls_ja3s(&h, text);
    assert_string_equal(text, "ebc4d9674023776e56b32a2cd3cb5e97"); /* MD5 of "771,49199,65281-0" */
}

static void names(void **state)
{
    (void)state;
    static const struct { uint16_t number; const char *text; } ciphers[] = { { 0, "TLS_NULL_WITH_NULL_NULL" }, { 0x1301, "TLS_AES_128_GCM_SHA256" }, { 0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" }, { 0xfefe, "0xfefe" } },
        versions[] = { { 0x0300, "SSL 3.0" }, { 0x0301, "TLS 1.0" }, { 0x0304, "TLS 1.3" }, { 0x7f17, "TLS 1.3 draft 23" }, { 0x0505, "0x0505" } };
    char room[64];
    for (size_t i = 0; i < 4; i++) {
        struct text_buffer t = text_buffer_over(room, sizeof room);
        tls_cipher_text(ciphers[i].number, &t);
        assert_int_equal(t.size, strlen(ciphers[i].text));
        assert_memory_equal(room, ciphers[i].text, t.size);
    }
    for (size_t i = 0; i < 5; i++) {
        struct text_buffer t = text_buffer_over(room, sizeof room);
        tls_version_text(versions[i].number, &t);
        assert_int_equal(t.size, strlen(versions[i].text));
        assert_memory_equal(room, versions[i].text, t.size);
    }
    assert_string_equal(tls_alert_name(40), "handshake_failure");
    assert_null(tls_alert_name(2));
    assert_null(tls_alert_name(255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_specification), cmocka_unit_test(alpn_characters), cmocka_unit_test(what_is_missing), cmocka_unit_test(lists_longer_than_any_client), cmocka_unit_test(servers),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
