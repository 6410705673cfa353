/* Lists are freed only when no lane can hold them: one publisher against readers on threads (made for SAN=thread and SAN=address). */
#include "services/capturer/capture/table.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define READERS 3u
#define LISTS 20000u

static struct table *table;
static _Atomic bool done;

static void publish(uint64_t mark)
{
    struct table_list *list = calloc(1, sizeof *list + 2 * sizeof list->interfaces[0]);
    assert_non_null(list);
    list->count = 2;
    list->interfaces[0].serial = list->interfaces[1].serial = mark;
    table_publish(table, list);
}

static void *read_lists(void *argument)
{
    uint32_t lane = *(const uint32_t *)argument;
    uint64_t newest = 0, wrong = 0;
    while (!atomic_load(&done)) {
        const struct table_list *list = table_take(table, lane);
        for (uint32_t i = 1; i < list->count; i++)
            wrong += list->interfaces[i].serial != list->interfaces[0].serial;
        wrong += list->generation < newest;
        newest = list->generation;
    }
    return (void *)(uintptr_t)wrong;
}

static size_t kept(void)
{
    size_t count = 0;
    for (const struct table_list *list = atomic_load(&table->current); list; list = list->older)
        count++;
    return count;
}

static void frees_what_nobody_holds(void **state)
{
    (void)state;
    assert_int_equal(table_new(2, &table), 0);
    assert_int_equal(table_take(table, 0)->count, 0);
    const struct table_list *held = table_take(table, 1);
    for (uint64_t i = 0; i < 10; i++)
        publish(i);
    assert_int_equal(kept(), 11);                /* both lanes still hold the first */
    assert_int_equal(held->count, 0);
    (void)table_take(table, 0);
    (void)table_take(table, 1);
    publish(10);
    assert_int_equal(kept(), 2);
    table_free(table);
}

static void readers_never_see_freed_lists(void **state)
{
    (void)state;
    static uint32_t lanes[READERS];
    pthread_t readers[READERS];
    assert_int_equal(table_new(READERS, &table), 0);
    atomic_store(&done, false);
    for (uint32_t i = 0; i < READERS; i++) {
        lanes[i] = i;
        assert_int_equal(pthread_create(&readers[i], NULL, read_lists, &lanes[i]), 0);
    }
    for (uint64_t i = 0; i < LISTS; i++)
        publish(i);
    atomic_store(&done, true);
    for (uint32_t i = 0; i < READERS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    table_free(table);
    table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(frees_what_nobody_holds), cmocka_unit_test(readers_never_see_freed_lists) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
