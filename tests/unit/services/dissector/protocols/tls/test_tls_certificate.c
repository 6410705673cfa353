#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "services/dissector/protocols/tls/tls_certificate.h"
#include "tests/unit/services/dissector/protocols/tls/tls_certificates.h"

typedef void part(const struct tls_certificate *certificate, struct text_buffer *t);
static void check(const struct tls_certificate *certificate, part *write, const char *text)
{
    char room[512];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    write(certificate, &t);
    assert_int_equal(t.size, strlen(text));
    assert_memory_equal(room, text, t.size);
}

static void what_it_says(void **state)
{
    (void)state;
    static const char *const names[] = { "www.example.org", "*.example.org", "192.0.2.1", "2001:db8::1", "https://example.org/" };
    struct tls_certificate *certificate = tls_certificate_read(server_certificate, sizeof server_certificate);
    assert_non_null(certificate);
    check(certificate, tls_certificate_subject, "CN=www.example.org,O=Beispiel\\, \xc3\x84rzte,C=DE");
    check(certificate, tls_certificate_issuer, "CN=Example CA");
    check(certificate, tls_certificate_not_before, "2026-01-01T00:00:00Z");
    check(certificate, tls_certificate_not_after, "2060-01-02T03:04:05Z");
    check(certificate, tls_certificate_serial, "0123abcd");
    for (unsigned i = 0; i < 6; i++) {
        char room[64];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        assert_int_equal(tls_certificate_name(certificate, i, &t), i < 5);
        if (i < 5)
            assert_memory_equal(room, names[i], strlen(names[i]));
    }
    tls_certificate_free(certificate);
    tls_certificate_free(NULL);
}

static void without_alternative_names(void **state)
{
    (void)state;
    struct tls_certificate *certificate = tls_certificate_read(client_certificate, sizeof client_certificate);
    struct text_buffer t = { .size = 0 };
    assert_non_null(certificate);
    check(certificate, tls_certificate_subject, "CN=alice");
    assert_false(tls_certificate_name(certificate, 0, &t));
    tls_certificate_free(certificate);
}

/* Cut anywhere, and with each byte changed: refused, or read without harm. */
static void damaged(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof server_certificate; cut++)
        assert_null(tls_certificate_read(server_certificate, cut));
    for (size_t i = 0; i < sizeof server_certificate; i++) {
        uint8_t *copy = malloc(sizeof server_certificate);
        memcpy(copy, server_certificate, sizeof server_certificate);
        copy[i] ^= 0x55;
        struct tls_certificate *certificate = tls_certificate_read(copy, sizeof server_certificate);
        free(copy);
        if (!certificate)
            continue;
        char room[4096];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        tls_certificate_subject(certificate, &t);
        tls_certificate_issuer(certificate, &t);
        tls_certificate_not_before(certificate, &t);
        tls_certificate_not_after(certificate, &t);
        tls_certificate_serial(certificate, &t);
        for (unsigned k = 0; tls_certificate_name(certificate, k, &t); k++)
            assert_true(k < TLS_CERTIFICATE_NAMES_MAX);
        tls_certificate_free(certificate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_it_says), cmocka_unit_test(without_alternative_names), cmocka_unit_test(damaged) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
