#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/query/json_scan.h"

static struct json_piece piece(const char *text) { return (struct json_piece){ text, strlen(text) }; }

/* The elements with a bar between them, keys with an equals sign; "!" behind where the text is broken. */
static void check_elements(const char *text, const char *want)
{
    struct json_scan scan;
    struct json_piece key, value;
    char got[256] = "";
    assert_true(json_scan_open(text, strlen(text), &scan));
    while (json_scan_next(&scan, &key, &value)) {
        size_t at = strlen(got);
        if (scan.map)
            snprintf(got + at, sizeof got - at, "%.*s=%.*s|", (int)key.size, key.data, (int)value.size, value.data);
        else
            snprintf(got + at, sizeof got - at, "%.*s|", (int)value.size, value.data);
    }
    if (scan.bad)
        strncat(got, "!", 2);
    assert_string_equal(got, want);
}

static void elements_are_found(void **state)
{
    struct json_scan scan;
    (void)state;
    check_elements("[]", "");
    check_elements("{}", "");
    check_elements(" [ 1 , \"a,]\" , [2, [3]] , {\"x\": \"}\"} ] ", "1|\"a,]\"|[2, [3]]|{\"x\": \"}\"}|");
    check_elements("{\"a\":\"b\", \"c\\\"d\" : -1.5e3}", "\"a\"=\"b\"|\"c\\\"d\"=-1.5e3|");
    check_elements("[", "!");
    check_elements("[1", "1|!");
    check_elements("[\"a", "!");
    check_elements("[\"a\\", "!");
    check_elements("[[1]", "[1]|!");
    check_elements("{\"a\"", "!");
    check_elements("{\"a\":", "!");
    check_elements("{a:1}", "!");
    check_elements("[,", "!");
    assert_false(json_scan_open("", 0, &scan));
    assert_false(json_scan_open(" ", 1, &scan));
    assert_false(json_scan_open("\"a\"", 3, &scan));
}

static void strings_mean_texts(void **state)
{
    static const struct { const char *json, *text; } samples[] = {
        { "\"\"", "" }, { "\"abc\"", "abc" }, { "\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r" }, { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" }, { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" }, { "\"\\u12\"", "\xef\xbf\xbd" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[64];
        size_t size = json_unescape(piece(samples[i].json), text);
        assert_true(size == strlen(samples[i].text) && memcmp(text, samples[i].text, size) == 0);
        assert_true(json_is_text(piece(samples[i].json), samples[i].text, size));
        assert_false(json_is_text(piece(samples[i].json), "other", 5));
        assert_true(size == 0 || !json_is_text(piece(samples[i].json), samples[i].text, size - 1));
    }
    assert_false(json_is_text(piece("5"), "5", 1));
}

static void values_are_compared(void **state)
{
    static const struct { const char *a, *b; bool same; } samples[] = {
        { "1", "1", true }, { "1", "1.0", true }, { "1", "2", false }, { "\"1\"", "1", false }, { "\"a\"", "\"\\u0061\"", true }, { "[1,2]", "[1, 2]", true }, { "[1,2]", "[2,1]", false }, { "[1]", "[1,2]", false }, { "[]", "{}", false },
        { "{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}", true }, { "{\"a\":1}", "{\"a\":2}", false }, { "{\"a\":1}", "{\"a\":1,\"b\":2}", false }, { "{\"a\":1,\"b\":2}", "{\"a\":1}", false }, { "[1", "[1", false }, { "[9007199254740992]", "[9007199254740993]", false }, { "-9223372036854775808", "-9223372036854775807", false }, { "1e3", "1000", true }, { "1", "1.5", false }, { "[[[[1]]]]", "[[[[1]]]]", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (json_same(piece(samples[i].a), piece(samples[i].b), 3) != samples[i].same)
            fail_msg("%s %s", samples[i].a, samples[i].b);
}

static void texts_are_written(void **state)
{
    struct json_made made = { 0 };
    (void)state;
    json_append_string(&made, "a\"b\\c\n\x01", 7);
    json_append(&made, "", 1);
    assert_string_equal(made.data, "\"a\\\"b\\\\c\\u000a\\u0001\"");
    made.size = JSON_TEXT_BYTES_MAX;
    json_append(&made, "x", 1);
    assert_true(made.failed);
    free(made.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(elements_are_found), cmocka_unit_test(strings_mean_texts), cmocka_unit_test(values_are_compared), cmocka_unit_test(texts_are_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
