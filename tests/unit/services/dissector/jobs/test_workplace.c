/* Work folders and what was published go away whole, whoever is at work in them. */
#include "services/dissector/jobs/workplace.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "services/dissector/jobs/item.h"
#include "tests/support/nats_server.h"

#define ROUNDS 40
#define WRITERS 2

static struct store *store;
static char folder[64];

static int setup(void **state)
{
    (void)state;
    char error[512] = "", path[128];
    snprintf(folder, sizeof folder, "/tmp/tapeloop-workplace-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/shop", folder);
    return mkdir(path, 0755) < 0 ? -1 : store_open(folder, "me", &store, error);
}
static int teardown(void **state)
{
    (void)state;
    store_close(store);
    support_remove_folder(folder);
    return 0;
}

static void make(uint64_t sequence, struct workplace *ret)
{
    assert_int_equal(workplace_find(store, "shop", "default", sequence, true, ret), 0);
    assert_int_equal(workplace_make(ret), 0);
}

struct writer { const struct workplace *place; uint32_t number; atomic_int written; int end; };

/* As a worker does that nobody has told yet. */
static void *write_on(void *context)
{
    struct writer *writer = context;
    Tapeloop__V1__DissectItem item = TAPELOOP__V1__DISSECT_ITEM__INIT;
    for (uint32_t n = writer->number; (writer->end = item_write(writer->place, PLAN_MAP, n, &item)) == 0; n += WRITERS)
        atomic_fetch_add(&writer->written, 1);
    return NULL;
}

static void a_work_folder_goes_under_the_hands_of_workers(void **state)
{
    (void)state;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct workplace place;
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];
        make(round, &place);
        for (uint32_t i = 0; i < WRITERS; i++) {
            writers[i] = (struct writer){ .place = &place, .number = i };
            assert_int_equal(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
        }
        for (uint32_t i = 0; i < WRITERS; i++)
            support_wait(atomic_load(&writers[i].written) > 3);
        int r = workplace_clear(&place);
        int left = access(place.work, F_OK);
        for (uint32_t i = 0; r == 0 && i < WRITERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(writers[i].end, -ENOENT);
        }
        assert_int_equal(r, 0);
        assert_int_equal(left, -1);
        assert_int_equal(rmdir(place.annex), 0); /* nothing else is left either */
    }
}

static void what_is_not_there_is_no_failure_to_clear(void **state)
{
    (void)state;
    struct workplace place;
    assert_int_equal(workplace_find(store, "shop", "default", 1, true, &place), 0);
    assert_int_equal(workplace_clear(&place), 0);
    assert_int_equal(workplace_remove(&place), -ENOENT);
    make(1, &place);
    assert_int_equal(workplace_clear(&place), 0);
    assert_int_equal(workplace_clear(&place), 0);
}

static void the_published_one_goes_and_the_next_request_stays(void **state)
{
    (void)state;
    char path[WORKPLACE_PATH_MAX];
    struct workplace place, next;
    make(1, &place);
    workplace_path(&place, WORKPLACE_RESULT "/" WORKPLACE_MANIFEST, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(workplace_publish(&place), 0);
    assert_true(workplace_is_published(&place));
    make(2, &next);
    assert_int_equal(workplace_remove(&place), 0);
    assert_false(workplace_is_published(&place));
    assert_int_equal(access(next.work, F_OK), 0);
    assert_int_equal(workplace_remove(&place), -ENOENT);
    assert_int_equal(workplace_clear(&next), 0);
    assert_int_equal(access(next.work, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_work_folder_goes_under_the_hands_of_workers),
        cmocka_unit_test(what_is_not_there_is_no_failure_to_clear),
        cmocka_unit_test(the_published_one_goes_and_the_next_request_stays),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
