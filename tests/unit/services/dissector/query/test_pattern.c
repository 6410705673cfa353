#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/query/pattern.h"

static void patterns_match_anywhere(void **state)
{
    static const struct { const char *pattern, *text; int found; } samples[] = {
        { "b", "abc", 1 }, { "^b", "abc", 0 }, { "c$", "abc", 1 }, { "", "", 1 }, { "a.c", "a\nc", 0 }, { "(?s)a.c", "a\nc", 1 }, { "abc$", "abc\n", 0 }, { "(?i)ABC", "abc", 1 }, { "(?m)^b$", "a\nb\nc", 1 }, { "(?P<name>a)", "a", 1 },
        { "(?<name>a)", "a", 1 }, { "(?:a|b)+?c", "abac", 1 }, { "[[:alpha:]]+[^]a]", "ab", 1 }, { "[]a]", "]", 1 }, { "\\d{2,3}", "x12", 1 }, { "\\d{3,}", "x12", 0 }, { "a{,2}", "a{,2}", 1 }, { "x{", "x{", 1 }, { "\\pL\\P{Greek}", "ab", 1 },
        { "\\x41\\x{42}", "AB", 1 }, { "\\Qa.b\\E", "a.b", 1 }, { "\\Qa.b\\E", "axb", 0 }, { "a\\.b\\(", "a.b(", 1 }, { "\\bfoo\\b", "a foo b", 1 }, { "(?U)a+", "aa", 1 }, { "(?i-s:a)", "A", 1 }, { "caf\xc3\xa9", "caf\xc3\xa9", 1 },
        { "a", "\xff\xfe" "a", 1 }, { "a\\vb", "a\vb", 1 }, { "a\\vb", "a\nb", 0 }, { "a[\\v]b", "a\rb", 0 }, { "\\\\v", "\\v", 1 }, { "\\Q\\v\\E", "\\v", 1 }, { "\\w+@\\w+", "mail a@b", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct pattern *p;
        size_t at;
        char why[PATTERN_ERROR_TEXT_MAX];
        if (pattern_compile(samples[i].pattern, strlen(samples[i].pattern), &p, &at, why) < 0)
            fail_msg("%s: at %zu: %s", samples[i].pattern, at, why);
        if (pattern_match(p, samples[i].text, strlen(samples[i].text)) != samples[i].found)
            fail_msg("%s: %s", samples[i].pattern, samples[i].text);
        pattern_free(p);
    }
}

static void what_re2_lacks_is_refused(void **state)
{
    static const struct { const char *pattern; size_t at; } samples[] = {
        { "a(?=b)", 1 }, { "a(?!b)", 1 }, { "(?<=a)b", 0 }, { "(?<!a)b", 0 }, { "(a)\\1", 3 }, { "(a)\\k<x>", 3 }, { "(a)\\g1", 3 }, { "(?P<x>a)(?P=x)", 8 }, { "ab(?>c)", 2 }, { "(?|a|b)", 0 }, { "(?R)", 0 }, { "(?1)", 0 }, { "(?C)", 0 },
        { "(?(1)a|b)", 0 }, { "(?#x)", 0 }, { "(?x)a", 0 }, { "(*FAIL)", 0 }, { "a*+", 2 }, { "a++", 2 }, { "a?+", 2 }, { "a**", 2 }, { "a{2}{3}", 4 }, { "a{1001}", 1 }, { "\\K", 0 }, { "\\R", 0 }, { "\\X", 0 }, { "\\h", 0 }, { "\\C", 0 }, { "\\G", 0 },
        { "\\Z", 0 }, { "a\\", 1 }, { "[\\b]", 1 }, { "[[.a.]]", 1 }, { "[a", 0 }, { "(?P<x", 0 }, { "a)", 1 }, { "(a", 2 }, { "*a", 0 }, { "a|*", 2 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct pattern *p;
        size_t at = 99;
        char why[PATTERN_ERROR_TEXT_MAX] = "";
        if (pattern_compile(samples[i].pattern, strlen(samples[i].pattern), &p, &at, why) != -EINVAL)
            fail_msg("%s is taken", samples[i].pattern);
        if (at > samples[i].at + 1 || at < samples[i].at || !why[0])
            fail_msg("%s: at %zu: %s", samples[i].pattern, at, why);
    }
    char large[PATTERN_BYTES_MAX + 2];
    struct pattern *p;
    size_t at;
    char why[PATTERN_ERROR_TEXT_MAX];
    memset(large, 'a', sizeof large);
    assert_int_equal(pattern_compile(large, sizeof large, &p, &at, why), -EINVAL);
}

static void backtracking_is_bounded(void **state)
{
    struct pattern *p;
    size_t at;
    char why[PATTERN_ERROR_TEXT_MAX], text[64];
    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    assert_int_equal(pattern_compile("^(a|aa|a?a)*[b-z]$", 18, &p, &at, why), 0);
    assert_int_equal(pattern_match(p, text, sizeof text), -E2BIG);
    assert_int_equal(pattern_match(p, "b", 1), 1);
    pattern_free(p);
    pattern_free(NULL);
}

/* A body is 64 KiB at most. */
static void a_group_repeats_over_a_whole_body(void **state)
{
    static char text[64 * 1024];
    struct pattern *p;
    size_t at;
    char why[PATTERN_ERROR_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "ab"[i % 2];
    assert_int_equal(pattern_compile("^(ab)+$", 7, &p, &at, why), 0);
    assert_int_equal(pattern_match(p, text, sizeof text), 1);
    assert_int_equal(pattern_match(p, text, sizeof text - 1), 0);
    pattern_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(patterns_match_anywhere), cmocka_unit_test(what_re2_lacks_is_refused), cmocka_unit_test(backtracking_is_bounded), cmocka_unit_test(a_group_repeats_over_a_whole_body) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
