#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/dissector/protocols/text_buffer.h"

static void what_does_not_fit_is_left_out(void **state)
{
    (void)state;
    char room[8];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text_buffer_string(&t, "abcdef");
    assert_false(t.cut);
    text_buffer_string(&t, "ghi");
    assert_true(t.cut);
    text_buffer_char(&t, 'g');
    text_buffer_char(&t, 'h');
    text_buffer_char(&t, 'i');
    assert_int_equal(t.size, 8);
    assert_memory_equal(room, "abcdefgh", 8);
    text_buffer_put(&t, NULL, 0);
    assert_int_equal(t.size, 8);
}

static void numbers(void **state)
{
    (void)state;
    char room[64];
    struct text_buffer t = text_buffer_over(room, sizeof room);
    text_buffer_number(&t, 0);
    text_buffer_char(&t, ' ');
    text_buffer_number(&t, UINT64_MAX);
    text_buffer_char(&t, ' ');
    text_buffer_hex16(&t, 0xc02f);
    text_buffer_char(&t, ' ');
    text_buffer_hex(&t, (const uint8_t *)"\0\xff", 2);
    assert_memory_equal(room, "0 18446744073709551615 c02f 00ff", t.size);
}

static void bytes(void **state)
{
    (void)state;
    static const struct { const char *bytes, *escaped, *text; } cases[] = {
        { "plain \"text\"", "", "plain \"text\"" }, { "a\"b\\c", "\"\\", "a\\\"b\\\\c" }, { "a.b", ".", "a\\.b" }, { "\x01\x7f", "", "\\001\\127" }, { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xc3", "", "\\195" }, { "\xc0\x80", "", "\\192\\128" }, { "\xe0\x80\x80", "", "\\224\\128\\128" }, { "\xed\xa0\x80", "", "\\237\\160\\128" }, { "\xf0\x80\x80\x80", "", "\\240\\128\\128\\128" },
        { "\xf4\x90\x80\x80", "", "\\244\\144\\128\\128" }, { "\xf5\x80\x80\x80", "", "\\245\\128\\128\\128" }, { "\xe2\x82", "", "\\226\\130" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char room[64];
        struct text_buffer t = text_buffer_over(room, sizeof room);
        text_buffer_bytes(&t, (const uint8_t *)cases[i].bytes, strlen(cases[i].bytes), cases[i].escaped);
        assert_int_equal(t.size, strlen(cases[i].text));
        assert_memory_equal(room, cases[i].text, t.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_does_not_fit_is_left_out), cmocka_unit_test(numbers), cmocka_unit_test(bytes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
