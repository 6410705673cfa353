#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/database/dictionary.h"
#include "services/dissector/database/radix.h"

static uint32_t add(struct dictionary *d, const char *text)
{
    uint32_t id;
    assert_int_equal(dictionary_add(d, text, strlen(text), &id), 0);
    return id;
}

static void the_same_text_is_the_same_number(void **state)
{
    (void)state;
    struct dictionary d = { 0 };
    assert_int_equal(add(&d, ""), 0);
    assert_int_equal(add(&d, "b"), 1);
    assert_int_equal(add(&d, "a"), 2);
    assert_int_equal(add(&d, "b"), 1);
    uint32_t size;
    assert_memory_equal(dictionary_text(&d, 2, &size), "a", 1);
    assert_int_equal(size, 1);
    assert_non_null(dictionary_text(&d, 0, &size));
    assert_int_equal(size, 0);
    dictionary_clear(&d);
    assert_int_equal(add(&d, "a"), 1);
    dictionary_close(&d);
}

static void many_texts(void **state)
{
    (void)state;
    struct dictionary d = { 0 };
    char text[64];
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 20000; i++) {
            snprintf(text, sizeof text, "/a/longer/path/%u/of/its/own", i);
            assert_int_equal(add(&d, text), i + 1);
        }
    dictionary_close(&d);
}

static void sorted_by_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = { "b", "a", "/long/path/b", "/long/path/a", "/long/path", "\xff", "/long/pa", "ab", "/long/path/a/" }, *const sorted[] = { "/long/pa", "/long/path", "/long/path/a", "/long/path/a/",
                                         "/long/path/b", "a", "ab", "b", "\xff" };
    struct dictionary d = { 0 };
    uint32_t order[9], ranks[10], size;
    for (unsigned i = 0; i < 9; i++)
        add(&d, texts[i]);
    assert_int_equal(dictionary_sort(&d, order, ranks), 0);
    assert_int_equal(ranks[0], 0);
    for (unsigned i = 0; i < 9; i++) {
        const char *text = dictionary_text(&d, order[i], &size);
        assert_int_equal(size, strlen(sorted[i]));
        assert_memory_equal(text, sorted[i], size);
        assert_int_equal(ranks[order[i]], i + 1);
    }
    dictionary_close(&d);
}

static void pairs_sorted_by_number(void **state)
{
    (void)state;
    static const uint32_t masks[] = { 0, 1, 0xff, 0x7ff, 0xffff, 0x3ff800, UINT32_MAX };
    for (size_t k = 0; k < sizeof masks / sizeof *masks; k++) {
        struct radix_pair pairs[3000], scratch[3000];
        uint32_t random = 1;
        for (uint32_t i = 0; i < 3000; i++) {
            random = random * 1664525u + 1013904223u;
            pairs[i] = (struct radix_pair){ (random ^ random >> 16) & masks[k], i };
        }
        radix_sort(pairs, scratch, 3000);
        for (uint32_t i = 1; i < 3000; i++)
            assert_true(pairs[i - 1].number < pairs[i].number || (pairs[i - 1].number == pairs[i].number && pairs[i - 1].place < pairs[i].place));
        radix_sort(pairs, scratch, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_text_is_the_same_number), cmocka_unit_test(many_texts), cmocka_unit_test(sorted_by_bytes), cmocka_unit_test(pairs_sorted_by_number) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
