#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/protocols/tls/tls_hello.h"
#include "tests/unit/services/dissector/protocols/tls/tls_builder.h"

static struct tls_builder client(void)
{
    struct tls_builder ciphers = TLS_NUMBERS(0x1301, 0xc02f), e = { .size = 0 }, groups = TLS_NUMBERS(29, 23), versions = TLS_NUMBERS(0x0304);
    tls_put_server_name(&e, "a.test");
    tls_put_alpn(&e, "h2,x");
    tls_put_number_list(&e, 10, 2, &groups);
    tls_put_number_list(&e, 43, 1, &versions);
    tls_put_extension(&e, 11, "\1\0", 2);
    tls_put_extension(&e, 41, "", 0);
    return tls_client_hello(0x0303, 9, 32, &ciphers, &e);
}

static void a_client(void **state)
{
    (void)state;
    struct tls_builder m = client();
    struct tls_hello h;
    assert_true(tls_hello_read(m.data + 4, m.size - 4, true, &h));
    assert_true(h.whole && h.psk && h.has_alpn && h.has_server_name);
    assert_int_equal(h.version, 0x0303);
    assert_int_equal(h.session.size, 32);
    assert_int_equal(h.ciphers.size, 4);
    assert_int_equal(tls_number_at(&h.ciphers, 1), 0xc02f);
    assert_memory_equal(h.server_name.data, "a.test", h.server_name.size);
    assert_int_equal(tls_number_at(&h.groups, 0), 29);
    assert_int_equal(tls_number_at(&h.versions, 0), 0x0304);
    assert_int_equal(h.point_formats.size, 1);
    struct cursor list = cursor_over(h.alpn.data, h.alpn.size);
    struct tls_bytes name;
    assert_true(tls_alpn_next(&list, &name) && name.size == 2);
    assert_true(tls_alpn_next(&list, &name) && name.size == 1);
    assert_false(tls_alpn_next(&list, &name));
}

/* Cut anywhere, it is refused or known not to be whole; what was read lies inside. */
static void cut_anywhere(void **state)
{
    (void)state;
    struct tls_builder m = client();
    for (size_t cut = 0; cut < m.size - 4; cut++) {
        uint8_t *copy = malloc(cut + !cut);
        memcpy(copy, m.data + 4, cut);
        struct tls_hello h;
        bool read = tls_hello_read(copy, cut, true, &h);
        assert_int_equal(read, cut >= 34);
        if (read) {
            assert_true(!h.whole || cut == 2 + 32 + 33 + 6 + 2); /* without extensions it is one, too */
            assert_true(h.ciphers.size == 0 || h.ciphers.data + h.ciphers.size <= copy + cut);
            assert_true(h.extensions.size == 0 || h.extensions.data + h.extensions.size <= copy + cut);
        }
        free(copy);
    }
}

static void lists_that_lie(void **state)
{
    (void)state;
    static const struct { unsigned type; const char *bytes; size_t size; } cases[] = {
        { 0, "\0\12\0\0\6a", 6 }, { 0, "\0", 1 }, { 0, "\0\4\1\0\1a", 6 }, { 16, "\0\5\4h2", 5 }, { 10, "\0\3\0\35\0", 5 }, { 43, "\5\3\4", 3 }, { 11, "\2\0", 2 }, { 13, "\0\1\4", 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tls_builder ciphers = TLS_NUMBERS(0x1301), e = { .size = 0 };
        tls_put_extension(&e, cases[i].type, cases[i].bytes, cases[i].size);
        struct tls_builder m = tls_client_hello(0x0303, 9, 0, &ciphers, &e);
        struct tls_hello h;
        assert_true(tls_hello_read(m.data + 4, m.size - 4, true, &h));
        assert_true(h.whole);
        assert_int_equal(h.server_name.size, 0);
        assert_int_equal(h.groups.size % 2 + h.versions.size % 2 + h.signatures.size % 2, 0);
        struct cursor list = cursor_over(h.alpn.data, h.alpn.size);
        struct tls_bytes name;
        assert_false(tls_alpn_next(&list, &name));
    }
}

static void servers(void **state)
{
    (void)state;
    struct tls_builder e = { .size = 0 }, draft = { .size = 0 };
    struct tls_hello h;
    tls_put_extension(&e, 43, "\3\4", 2);
    struct tls_builder m = tls_server_hello(0x0303, NULL, 32, 0x1301, &e);
    assert_true(tls_hello_read(m.data + 4, m.size - 4, false, &h));
    assert_int_equal(tls_hello_server_version(&h), 0x0304);
    assert_false(tls_hello_is_retry(&h));
    m = tls_server_hello(0x0301, NULL, 0, 0x002f, NULL);
    assert_true(tls_hello_read(m.data + 4, m.size - 4, false, &h));
    assert_true(h.whole);
    assert_int_equal(tls_hello_server_version(&h), 0x0301);
    tls_put_number(&draft, 2, 0x7f12); /* neither session nor compression */
    tls_put(&draft, m.data + 6, 32);
    tls_put_number(&draft, 2, 0x1302);
    tls_put_list(&draft, 2, e.data, e.size);
    assert_true(tls_hello_read(draft.data, draft.size, false, &h));
    assert_true(h.whole);
    assert_int_equal(tls_number_at(&h.ciphers, 0), 0x1302);
    assert_false(tls_hello_read(draft.data, draft.size, true, &h));
    draft.data[0] = 2;
    assert_false(tls_hello_read(draft.data, draft.size, false, &h));
}

static void grease(void **state)
{
    (void)state;
    unsigned count = 0;
    for (unsigned i = 0; i < 65536; i++)
        count += tls_is_grease(i);
    assert_int_equal(count, 16);
    assert_true(tls_is_grease(0x0a0a) && tls_is_grease(0xfafa) && !tls_is_grease(0x0a1a));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_client), cmocka_unit_test(cut_anywhere), cmocka_unit_test(lists_that_lie), cmocka_unit_test(servers), cmocka_unit_test(grease) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
