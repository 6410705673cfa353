#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bytes/put.h"
#include "services/dissector/output/json_text.h"
#include "units/units.h"

#define BAD "\xef\xbf\xbd"

/* Copies exactly as much memory as is needed, so that the sanitizer sees a byte read or written beyond. */
static void expect_json(const void *text, size_t size, const char *expected)
{
    char *source = malloc(size ? size : 1), *dst = malloc(JSON_STRING_ROOM(size));
    assert_non_null(source);
    assert_non_null(dst);
    if (size)
        memcpy(source, text, size);
    char *end = json_put_string(dst, source, size);
    assert_int_equal(end - dst, strlen(expected));
    assert_memory_equal(dst, expected, (size_t)(end - dst));
    free(source);
    free(dst);
}
#define EXPECT(text, expected) expect_json((text), sizeof(text) - 1, (expected))

static void strings_are_escaped(void **state)
{
    (void)state;
    EXPECT("", "\"\"");
    EXPECT("a", "\"a\"");
    EXPECT("plain", "\"plain\"");
    EXPECT("\"", "\"\\\"\"");
    EXPECT("C:\\x", "\"C:\\\\x\"");
    EXPECT("\n\r\t\b\x1f\x7f", "\"\\n\\r\\t\\u0008\\u001f\x7f\"");
    EXPECT("/slash", "\"/slash\"");
    EXPECT("a\0b", "\"a" BAD "b\"");
}

static void utf8_is_kept_and_the_rest_replaced(void **state)
{
    (void)state;
    EXPECT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    EXPECT("\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", "\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\"");
    EXPECT("\xff", "\"" BAD "\"");
    EXPECT("\x80", "\"" BAD "\"");
    EXPECT("\xc3", "\"" BAD "\"");                      /* cut short */
    EXPECT("\xe2\x82", "\"" BAD BAD "\"");
    EXPECT("\xf0\x9f\x98", "\"" BAD BAD BAD "\"");
    EXPECT("\xc0\x80", "\"" BAD BAD "\"");              /* overlong */
    EXPECT("\xe0\x9f\xbf", "\"" BAD BAD BAD "\"");
    EXPECT("\xf0\x8f\xbf\xbf", "\"" BAD BAD BAD BAD "\"");
    EXPECT("\xed\xa0\x80", "\"" BAD BAD BAD "\"");      /* a surrogate */
    EXPECT("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* past U+10FFFF */
    EXPECT("\xc3" "a", "\"" BAD "a\"");
}

/* The slow and plain way to write the same. */
static size_t slow_string(char *dst, const unsigned char *s, size_t size)
{
    char *p = dst;
    *p++ = '"';
    for (size_t i = 0; i < size; i++) {
        if (s[i] == '"' || s[i] == '\\') {
            *p++ = '\\';
            *p++ = (char)s[i];
        } else if (s[i] >= 0x80 || s[i] == 0) {
            memcpy(p, BAD, 3);
            p += 3;
        } else {
            *p++ = (char)s[i];
        }
    }
    *p++ = '"';
    return (size_t)(p - dst);
}

/* Every length around the widths of a word and a vector, with something special at every place. */
static void every_length_and_place(void **state)
{
    (void)state;
    static const unsigned char specials[] = { 'x', '"', '\\', 0xff, 0 };
    for (size_t size = 0; size <= 67; size++)
        for (size_t at = 0; at < (size ? size : 1); at++)
            for (size_t k = 0; k < sizeof specials; k++) {
                unsigned char text[67];
                char expected[67 * 3 + 3];
                for (size_t i = 0; i < size; i++)
                    text[i] = (unsigned char)('a' + i % 26);
                if (size)
                    text[at] = specials[k];
                expected[slow_string(expected, text, size)] = '\0';
                expect_json(text, size, expected);
            }
}

static size_t put_item(uint8_t *p, const char *text)
{
    put_le32(p, (uint32_t)strlen(text));
    memcpy(p + 4, text, strlen(text));
    return 4 + strlen(text);
}

static void lists_and_maps(void **state)
{
    (void)state;
    uint8_t data[64];
    size_t size = put_item(data, "a");
    size += put_item(data + size, "");
    size += put_item(data + size, "\"");
    size += put_item(data + size, "d");
    const struct value value = { .data = data, .size = (uint32_t)size }, none = { 0 };
    char *dst = malloc(JSON_VALUES_ROOM(size));
    char *end = json_put_list(dst, &value);
    assert_memory_equal(dst, "[\"a\",\"\",\"\\\"\",\"d\"]", (size_t)(end - dst));
    assert_int_equal(end - dst, 17);
    end = json_put_map(dst, &value);
    assert_memory_equal(dst, "{\"a\":\"\",\"\\\"\":\"d\"}", (size_t)(end - dst));
    assert_int_equal(json_put_list(dst, &none) - dst, 2);
    assert_memory_equal(dst, "[]", 2);
    assert_int_equal(json_put_map(dst, &none) - dst, 2);
    assert_memory_equal(dst, "{}", 2);
    free(dst);
}

static void numbers(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, 1, 9, 10, 99, 100, 101, 12345, 999999999999, INT64_MAX, -1, -10, INT64_MIN };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[32], dst[JSON_NUMBER_ROOM + 1];
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        *json_put_signed(dst, values[i]) = '\0';
        assert_string_equal(dst, expected);
    }
    char dst[JSON_NUMBER_ROOM + 1];
    *json_put_unsigned(dst, UINT64_MAX) = '\0';
    assert_string_equal(dst, "18446744073709551615");
}

static void times(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, 1, 999999999, 1000000000, 1700000000123456789, 1700000000999999999, 1700000001000000000, 951782400000000000 /* 29 February 2000 */, -1, -1000000000, INT64_MAX, INT64_MIN };
    struct json_clock clock = { 0 };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[UNITS_TIME_TEXT_MAX], dst[JSON_TIME_ROOM + 1];
        *json_put_time(dst, &clock, values[i]) = '\0';
        assert_string_equal(dst, units_format_time(values[i], expected, sizeof expected));
    }
}

static void expect_clean(const void *text, size_t size, const char *expected, bool same)
{
    char *source = malloc(size ? size : 1), *dst = malloc(UTF8_CLEAN_ROOM(size));
    if (size)
        memcpy(source, text, size);
    assert_int_equal(utf8_is_clean(source, size), same);
    char *end = utf8_put_clean(dst, source, size);
    assert_int_equal(end - dst, strlen(expected));
    assert_memory_equal(dst, expected, strlen(expected));
    free(source);
    free(dst);
}

static void clean_texts(void **state)
{
    (void)state;
    expect_clean("", 0, "", true);
    expect_clean("plain \"text\"\n", 13, "plain \"text\"\n", true);
    expect_clean("\xc3\xa9 in the middle of a longer one \xe2\x82\xac", 36, "\xc3\xa9 in the middle of a longer one \xe2\x82\xac", true);
    expect_clean("a\0b", 3, "a" BAD "b", false);
    expect_clean("0123456789abcdef\xff", 17, "0123456789abcdef" BAD, false);
    expect_clean("01234567\0", 9, "01234567" BAD, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(strings_are_escaped), cmocka_unit_test(utf8_is_kept_and_the_rest_replaced), cmocka_unit_test(every_length_and_place), cmocka_unit_test(lists_and_maps),
                                        cmocka_unit_test(numbers), cmocka_unit_test(times), cmocka_unit_test(clean_texts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
