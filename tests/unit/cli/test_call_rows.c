/* Rows of calls as cells and lines: nested names, times, and nothing that a terminal would obey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/call_rows.h"

static json_t *row_of(const char *text)
{
    json_t *row = json_loads(text, 0, NULL);
    assert_non_null(row);
    return row;
}

static void text_is(const json_t *row, const char *name, const char *expected)
{
    char *text = call_value_text(call_row_value(row, name));
    assert_string_equal(text, expected);
    free(text);
}

static void values_by_dotted_names(void **state)
{
    (void)state;
    json_t *row = row_of("{\"src\":{\"pod\":{\"name\":\"cart\"},\"port\":80},\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"headers\":{\"a\":[1]},\"one_way\":true,"
                         "\"summary\":\"GET /\\u001b[2J\\u0007\",\"when\":\"2026-01-02T03:04:05.1+02:00\",\"then\":\"2026-01-02T03:04:05.123456+02:00\"}");
    text_is(row, "when", "2026-01-02T03:04:05.1+02:00"); /* somebody else's words, not a time of ours */
    text_is(row, "then", "2026-01-02T03:04:05.123456+02:00");
    text_is(row, "src.pod.name", "cart");
    text_is(row, "src.port", "80");
    text_is(row, "src.nothing.there", "");
    text_is(row, "timestamp", "2026-01-02T03:04:05.123Z");
    text_is(row, "headers", "{\"a\":[1]}");
    text_is(row, "one_way", "true");
    text_is(row, "summary", "GET /?[2J?");
    json_decref(row);
}

static void what_is_empty_is_not_printed(void **state)
{
    (void)state;
    json_t *row = row_of("{\"id\":7,\"src\":{\"ip\":\"10.0.0.1\",\"name\":\"\"},\"pods\":[],\"request\":{\"headers\":{\"x\\u001b\":\"y\"}}}");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    call_print(row, out);
    fclose(out);
    assert_string_equal(text, "id                         7\nsrc.ip                     10.0.0.1\nrequest.headers.x?         y\n");
    free(text);
    json_decref(row);
}

static void the_usual_columns(void **state)
{
    (void)state;
    json_t *row = row_of("{\"id\":7,\"timestamp\":\"2026-01-02T03:04:05.123456789Z\",\"protocol\":\"HTTP\",\"src\":{\"ip\":\"fd00::1\",\"port\":1},\"dst\":{\"ip\":\"10.0.0.2\",\"port\":80,\"name\":\"shop\"},"
                         "\"status_code\":0,\"elapsed_time\":1500,\"summary\":\"GET /\",\"incomplete\":\"gap\"}");
    static const char *const cells[] = { "7", "2026-01-02T03:04:05.123Z", "HTTP", "[fd00::1]:1", "shop:80", "-", "1.5ms", "GET / (gap)" };
    struct cli_table table = { .columns = CALL_TABLE_COLUMNS };
    call_table_add(&table, row);
    assert_int_equal(table.cells_count, CALL_TABLE_COLUMNS);
    for (size_t i = 0; i < CALL_TABLE_COLUMNS; i++)
        assert_string_equal(table.cells[i], cells[i]);
    cli_table_clear(&table);
    json_decref(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(values_by_dotted_names), cmocka_unit_test(what_is_empty_is_not_printed), cmocka_unit_test(the_usual_columns) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
