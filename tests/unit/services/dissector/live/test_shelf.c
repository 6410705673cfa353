/* The live databases' folder, and the numbers of views within a group. */
#include "services/dissector/live/shelf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "services/dissector/live/numbers.h"
#include "services/dissector/output/publish.h"
#include "tests/support/nats_server.h"

static void put(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (size_t i = 0; i < bytes; i++)
        fputc('x', file);
    fclose(file);
}

static void add(struct shelf *shelf, size_t bytes, bool part)
{
    char path[SHELF_PATH_MAX], more[SHELF_PATH_MAX + 8];
    shelf_next(shelf, path);
    put(path, bytes);
    snprintf(more, sizeof more, "%s-2", path);
    if (part)
        put(more, bytes);
    assert_int_equal(shelf_add(shelf), 0);
}

static void the_oldest_make_room(void **state)
{
    (void)state;
    char folder[64] = "/tmp/tapeloop-shelf-XXXXXX", path[SHELF_PATH_MAX], hidden[128];
    struct shelf *shelf = NULL;
    struct shelf_status status;
    uint32_t number = 0;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(shelf_open(folder, 1000, &shelf), 0);
    assert_false(shelf_find(shelf, 0, &number, path));
    add(shelf, 300, false);
    add(shelf, 300, true);
    shelf_status(shelf, &status);
    assert_int_equal(status.bytes, 900);
    assert_int_equal(status.files, 2);
    assert_true(shelf_find(shelf, 2, &number, path));
    assert_int_equal(number, 2);
    add(shelf, 300, false); /* 1200: the first goes */
    assert_true(shelf_find(shelf, 0, &number, path));
    assert_int_equal(number, 2);
    assert_int_equal(access(path, R_OK), 0);
    add(shelf, 2000, false); /* larger than all: it alone stays */
    shelf_status(shelf, &status);
    assert_int_equal(status.first, 4);
    assert_int_equal(status.files, 1);
    snprintf(hidden, sizeof hidden, "%s/.writing-calls-0000005.sqlite", folder);
    put(hidden, 5);
    shelf_close(shelf);
    /* A later life goes on behind the last one, and clears away what was half written. */
    assert_int_equal(shelf_open(folder, 5000, &shelf), 0);
    assert_int_equal(access(hidden, F_OK), -1);
    add(shelf, 10, false);
    assert_true(shelf_find(shelf, 5, &number, path));
    assert_int_equal(number, 5);
    assert_false(shelf_find(shelf, 6, &number, path));
    shelf_close(shelf);
    support_remove_folder(folder);
}

static void numbers_are_dense(void **state)
{
    (void)state;
    struct numbers numbers = { 0 };
    assert_int_equal(numbers_find(&numbers, 7), NUMBERS_NONE);
    for (uint32_t i = 0; i < 5000; i++)
        assert_int_equal(numbers_take(&numbers, i * 977), i);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(numbers_take(&numbers, i * 977), i);
        assert_int_equal(numbers_find(&numbers, i * 977), i);
    }
    assert_int_equal(numbers_find(&numbers, 1), NUMBERS_NONE);
    numbers_clear(&numbers);
    assert_int_equal(numbers_take(&numbers, 1), 0);
    numbers_clear(&numbers);
}

/* What an output that died was writing has one more hidden name. */
static void what_was_half_written_goes(void **state)
{
    (void)state;
    char folder[64] = "/tmp/tapeloop-shelf-XXXXXX", path[SHELF_PATH_MAX], error[OUTPUT_ERROR_TEXT_MAX];
    static struct publish publish;
    struct shelf *shelf = NULL;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(shelf_open(folder, 1000, &shelf), 0);
    shelf_next(shelf, path);
    assert_int_equal(publish_open(&publish, path, error), 0);
    close(publish.fd);
    shelf_close(shelf);
    assert_int_equal(access(publish.hidden, F_OK), 0);
    assert_int_equal(shelf_open(folder, 1000, &shelf), 0);
    assert_int_equal(access(publish.hidden, F_OK), -1);
    shelf_close(shelf);
    support_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_oldest_make_room), cmocka_unit_test(numbers_are_dense), cmocka_unit_test(what_was_half_written_goes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
