#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/protocols/http/http_message.h"

static struct http_headers h;

static void add(const char *name, const char *value) { http_headers_add(&h, name, strlen(name), value, strlen(value)); }

static void names_become_lower_case(void **state)
{
    (void)state;
    static const char *const names[] = { "A", "Host", "CONTENT-TYPE", "content-length", "X-[@]{`}~Z", "\xc0\xda\x5a\xff", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" };
    http_headers_begin(&h);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *exact = malloc(strlen(names[i])); /* nothing behind it may be read */
        memcpy(exact, names[i], strlen(names[i]));
        http_headers_add(&h, exact, strlen(names[i]), "v", 1);
        free(exact);
    }
    assert_int_equal(h.count, sizeof names / sizeof *names);
    for (size_t i = 0; i < h.count; i++) {
        assert_int_equal(h.at[i].name_size, strlen(names[i]));
        for (size_t k = 0; k < h.at[i].name_size; k++) {
            char c = names[i][k];
            assert_int_equal(h.at[i].name[k], c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    assert_string_equal(http_headers_get(&h, HTTP_KNOWN_HOST)->value, "v");
    assert_non_null(http_headers_get(&h, HTTP_KNOWN_CONTENT_LENGTH));
    assert_null(http_headers_get(&h, HTTP_KNOWN_COOKIE));
}

static void repeated_names_are_linked(void **state)
{
    (void)state;
    http_headers_begin(&h);
    for (int i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "X-%d", i % 50);
        add(name, "v");
    }
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(h.at[i].again, i >= 50);
        assert_int_equal(h.at[i].next, i < 50 ? i + 51 : 0);
    }
}

static void tokens_are_found(void **state)
{
    (void)state;
    http_headers_begin(&h);
    add("Connection", "keep-alive , UPGRADE");
    add("Host", "h");
    add("connection", ",,x,");
    assert_true(http_headers_has_token(&h, HTTP_KNOWN_CONNECTION, "upgrade"));
    assert_true(http_headers_has_token(&h, HTTP_KNOWN_CONNECTION, "keep-alive"));
    assert_true(http_headers_has_token(&h, HTTP_KNOWN_CONNECTION, "x"));
    assert_false(http_headers_has_token(&h, HTTP_KNOWN_CONNECTION, "close"));
    assert_false(http_headers_has_token(&h, HTTP_KNOWN_CONNECTION, "keep"));
    assert_false(http_headers_has_token(&h, HTTP_KNOWN_UPGRADE, "x"));
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    http_headers_begin(&h);
    for (unsigned i = 0; i < HTTP_HEADERS_MAX; i++)
        add("a", "b");
    assert_false(h.full);
    add("a", "b");
    assert_true(h.full);
    assert_int_equal(h.count, HTTP_HEADERS_MAX);
    static char large[CONVERSATION_HEADERS_MAX + 1];
    http_headers_begin(&h);
    http_headers_add(&h, large, sizeof large, "v", 1);
    assert_true(h.full && h.count == 0);
    http_headers_begin(&h);
    http_headers_add_copy(&h, "a", 1, large, CONVERSATION_HEADERS_MAX - 8);
    assert_false(h.full);
    http_headers_add_copy(&h, "b", 1, large, 1);
    assert_true(h.full && h.count == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_become_lower_case), cmocka_unit_test(repeated_names_are_linked), cmocka_unit_test(tokens_are_found), cmocka_unit_test(what_does_not_fit_is_said) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
