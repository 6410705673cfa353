#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/query/groups.h"

struct seen { char text[1024]; uint64_t rows, entries; };

static bool note(void *context, const struct query_value *v, size_t count)
{
    struct seen *s = context;
    size_t at = strlen(s->text);
    assert_int_equal(count, 1 + GROUPS_COLUMNS);
    assert_string_equal(v[5].name, "elapsed_p99");
    snprintf(s->text + at, sizeof s->text - at, "%.*s %lld %lld %lld %lld %lld;", (int)v[0].size, v[0].text, (long long)v[1].number, (long long)v[2].number, (long long)v[3].number, (long long)v[4].number, (long long)v[5].number);
    s->rows++;
    s->entries += (uint64_t)v[1].number;
    return true;
}

static struct query_value text_value(const char *text) { return (struct query_value){ .name = "method", .type = TYPE_STRING, .text = text, .size = strlen(text) }; }

/* 1..100: the percentiles are the very numbers. */
static void percentiles_are_values_of_entries(void **state)
{
    struct groups *g;
    struct seen seen = { 0 };
    struct query_value get = text_value("GET"), put = text_value("PUT");
    (void)state;
    assert_int_equal(groups_make(&g), 0);
    for (int i = 100; i >= 1; i--)
        assert_int_equal(groups_add(g, &get, 1, i, i % 10 == 0), 0);
    assert_int_equal(groups_add(g, &get, 1, 0, true), 0); /* without a response */
    assert_int_equal(groups_add(g, &put, 1, 7, false), 0);
    assert_int_equal(groups_give(g, &get, 1, 10, note, &seen), 2);
    assert_string_equal(seen.text, "GET 101 11 50 90 99;PUT 1 0 7 7 7;");
    memset(&seen, 0, sizeof seen);
    assert_int_equal(groups_give(g, &get, 1, 1, note, &seen), 1);
    assert_string_equal(seen.text, "GET 101 11 50 90 99;");
    groups_free(g);
}

static void too_many_groups_are_counted_apart(void **state)
{
    struct groups *g;
    struct seen seen = { 0 };
    (void)state;
    assert_int_equal(groups_make(&g), 0);
    for (unsigned i = 0; i < QUERY_GROUPS_MAX + 5; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        struct query_value value = text_value(text);
        assert_int_equal(groups_add(g, &value, 1, 1, false), 0);
        assert_int_equal(groups_add(g, &value, 1, 2, false), 0);
    }
    assert_int_equal(groups_left_out(g), 10);
    struct query_value name = text_value("");
    assert_int_equal(groups_give(g, &name, 1, UINT32_MAX, note, &seen), QUERY_GROUPS_MAX);
    assert_true(seen.entries == 2 * QUERY_GROUPS_MAX);
    groups_free(g);
    groups_free(NULL);
}

static void long_values_are_cut(void **state)
{
    struct groups *g;
    static char text[GROUPS_KEY_BYTES_MAX * 2];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    struct query_value values[QUERY_GROUP_BY_MAX];
    for (unsigned i = 0; i < QUERY_GROUP_BY_MAX; i++)
        values[i] = text_value(text);
    assert_int_equal(groups_make(&g), 0);
    assert_int_equal(groups_add(g, values, QUERY_GROUP_BY_MAX, 1, false), 0);
    assert_int_equal(groups_add(g, values, 1, 1, false), 0);
    groups_free(g);
}

static bool take_one(void *context, const struct query_value *values, size_t count)
{
    (void)context, (void)values, (void)count;
    return false;
}

/* By the limit, or by the receiver, whose message is full. */
static void what_is_not_given_is_left_out(void **state)
{
    static const char *const names[] = { "a", "b", "b", "c", "c", "c" };
    struct query_value name = text_value("");
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct groups *g;
        struct seen seen = { 0 };
        assert_int_equal(groups_make(&g), 0);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct query_value value = text_value(names[i]);
            assert_int_equal(groups_add(g, &value, 1, 1, false), 0);
        }
        assert_int_equal(groups_give(g, &name, 1, round == 0 ? 10 : round == 1 ? 2 : 10, round == 2 ? take_one : note, &seen), 3 - round);
        assert_int_equal(groups_left_out(g), round == 0 ? 0 : round == 1 ? 1 : 3);
        groups_free(g);
    }
}

struct cut { const char *begin, *end; size_t least; };

static bool note_cut(void *context, const struct query_value *v, size_t count)
{
    const struct cut *cut = context;
    size_t begin = strlen(cut->begin), end = strlen(cut->end);
    assert_int_equal(count, 2 + GROUPS_COLUMNS);
    assert_true(v[0].size <= GROUPS_KEY_BYTES_MAX && v[0].size >= cut->least);
    assert_memory_equal(v[0].text, cut->begin, begin);
    assert_memory_equal(v[0].text + v[0].size - end, cut->end, end);
    assert_true(v[1].size == 2 && memcmp(v[1].text, "[]", 2) == 0); /* there is room for this at least */
    return true;
}

/* What is cut is text, a list or a map still. */
static void cut_values_are_whole(void **state)
{
    static char text[GROUPS_KEY_BYTES_MAX * 3];
    static const struct { query_type type; const char *first, *further, *last; struct cut cut; } samples[] = {
        { TYPE_STRING, "", "\xe2\x82\xac", "", { "\xe2\x82\xac", "\xe2\x82\xac", GROUPS_KEY_BYTES_MAX - 30 } },
        { TYPE_STRING, "a", "\xe2\x82\xac", "", { "a\xe2\x82\xac", "\xe2\x82\xac", GROUPS_KEY_BYTES_MAX - 30 } },
        { TYPE_STRING, "ab", "\xe2\x82\xac", "", { "ab\xe2\x82\xac", "\xe2\x82\xac", GROUPS_KEY_BYTES_MAX - 30 } },
        { TYPE_LIST | TYPE_STRING << 4, "[\"a\"", ",\"],\\\"\"", "]", { "[\"a\",", ",\"],\\\"\"]", GROUPS_KEY_BYTES_MAX - 40 } },
        { TYPE_MAP | TYPE_STRING << 4 | TYPE_STRING << 8, "{\"a\":\"b\"", ",\"c\":\"d\"", "}", { "{\"a\":\"b\",", ",\"c\":\"d\"}", GROUPS_KEY_BYTES_MAX - 40 } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct groups *g;
        size_t size = (size_t)snprintf(text, sizeof text, "%s", samples[i].first);
        while (size < GROUPS_KEY_BYTES_MAX * 2)
            size += (size_t)snprintf(text + size, sizeof text - size, "%s", samples[i].further);
        (void)snprintf(text + size, sizeof text - size, "%s", samples[i].last);
        struct query_value values[2] = { text_value(text), text_value("[\"longer than what is left\"]") };
        values[0].type = samples[i].type;
        values[1].type = TYPE_LIST | TYPE_STRING << 4;
        assert_int_equal(groups_make(&g), 0);
        assert_int_equal(groups_add(g, values, 2, 1, false), 0);
        struct cut cut = samples[i].cut;
        assert_int_equal(groups_give(g, values, 2, 10, note_cut, &cut), 1);
        groups_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(percentiles_are_values_of_entries), cmocka_unit_test(too_many_groups_are_counted_apart), cmocka_unit_test(long_values_are_cut), cmocka_unit_test(what_is_not_given_is_left_out), cmocka_unit_test(cut_values_are_whole) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
