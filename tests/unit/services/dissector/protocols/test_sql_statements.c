/* protocols/sql_statements.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/dissector/protocols/sql_statements.h"

static void put(struct sql_statements *statements, const char *name, size_t name_size, const char *data, size_t size)
{
    struct sql_text *text = sql_text_new(name, name_size, data, size);
    assert_non_null(text);
    sql_statements_put(statements, name, name_size, text);
    sql_text_drop(text);
}

static void test_put_and_get(void **state)
{
    (void)state;
    struct sql_statements statements = { 0 };
    assert_null(sql_statements_get(&statements, "", 0));
    put(&statements, "", 0, "select 1", 8);
    put(&statements, "a", 1, "select 2", 8);
    put(&statements, "a", 1, "select 33", 9);
    assert_int_equal(statements.count, 2);
    assert_int_equal(statements.bytes, 17);
    const struct sql_text *text = sql_statements_get(&statements, "a", 1);
    assert_memory_equal(text->data, "select 33", 9);
    assert_int_equal(text->name_size, 1);
    sql_statements_put(&statements, "a", 1, NULL);
    assert_null(sql_statements_get(&statements, "a", 1));
    assert_non_null(sql_statements_get(&statements, "", 0));
    sql_statements_free(&statements);
    assert_int_equal(statements.bytes, 0);
}

static void test_bounds(void **state)
{
    (void)state;
    struct sql_statements statements = { 0 };
    static char large[SQL_STATEMENT_TEXT_MAX + 1];
    char name[32];
    for (unsigned i = 0; i < 2 * SQL_STATEMENTS_MAX; i++)
        put(&statements, name, (size_t)snprintf(name, sizeof name, "s%u", i), "x", 1);
    assert_int_equal(statements.count, SQL_STATEMENTS_MAX);
    assert_null(sql_statements_get(&statements, "s0", 2));
    assert_non_null(sql_statements_get(&statements, name, strlen(name)));
    for (unsigned i = 0; i < 40; i++)
        put(&statements, name, (size_t)snprintf(name, sizeof name, "l%u", i), large, sizeof large);
    assert_true(statements.bytes <= SQL_STATEMENTS_BYTES_MAX);
    assert_int_equal(sql_statements_get(&statements, "l39", 3)->size, SQL_STATEMENT_TEXT_MAX);
    uint32_t count = statements.count;
    put(&statements, large, SQL_STATEMENT_NAME_MAX + 1, "x", 1);
    assert_int_equal(statements.count, count);
    sql_statements_free(&statements);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_put_and_get), cmocka_unit_test(test_bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
