#include "services/capturer/tape/catalogue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static struct catalogue_entry entry_of(uint64_t ordinal)
{
    return (struct catalogue_entry){ .segment = { .ordinal = ordinal, .sequence = ordinal * 2, .lane = 1, .opened_ns = 1000, .first_ns = 1100, .last_ns = 1900 }, .closed_ns = 2000 };
}

static void order_is_kept_under_random_use(void **state)
{
    (void)state;
    struct catalogue catalogue = { 0 };
    bool there[500] = { false };
    size_t count = 0;
    unsigned seed = 3;
    for (int i = 0; i < 20000; i++) {
        uint64_t ordinal = 1 + (uint64_t)rand_r(&seed) % 499;
        if (rand_r(&seed) % 2) {
            struct catalogue_entry entry = entry_of(ordinal);
            assert_int_equal(catalogue_add(&catalogue, &entry), there[ordinal] ? -EEXIST : 0);
            count += !there[ordinal];
            there[ordinal] = true;
        } else if (count > 0) {
            size_t at = rand_r(&seed) % 3 ? 0 : (size_t)rand_r(&seed) % count;
            there[catalogue_at(&catalogue, at)->segment.ordinal] = false;
            catalogue_remove(&catalogue, at);
            count--;
        }
        assert_int_equal(catalogue.count, count);
        for (size_t k = 0; k < count; k++) {
            assert_true(there[catalogue_at(&catalogue, k)->segment.ordinal]);
            assert_true(k == 0 || catalogue_at(&catalogue, k)->segment.ordinal > catalogue_at(&catalogue, k - 1)->segment.ordinal);
        }
        size_t after = catalogue_after(&catalogue, ordinal);
        assert_true(after == count || catalogue_at(&catalogue, after)->segment.ordinal > ordinal);
        assert_true(after == 0 || catalogue_at(&catalogue, after - 1)->segment.ordinal <= ordinal);
        assert_int_equal(catalogue_find(&catalogue, 1, ordinal * 2) != NULL, there[ordinal]);
        assert_null(catalogue_find(&catalogue, 0, ordinal * 2));
    }
    catalogue_free(&catalogue);
}

static void overlap_counts_packets_and_recording(void **state)
{
    (void)state;
    struct catalogue_entry entry = entry_of(1);
    assert_true(catalogue_entry_overlaps(&entry, 0, 1000));
    assert_false(catalogue_entry_overlaps(&entry, 0, 999));
    assert_true(catalogue_entry_overlaps(&entry, 2000, 3000));
    assert_false(catalogue_entry_overlaps(&entry, 2001, 3000));
    assert_true(catalogue_entry_overlaps(&entry, 1500, 1500));
    entry.segment.first_ns = 900;                /* a packet that waited in the ring */
    assert_true(catalogue_entry_overlaps(&entry, 0, 900));
    entry.segment.first_ns = 0;                  /* none at all */
    assert_false(catalogue_entry_overlaps(&entry, 0, 999));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(order_is_kept_under_random_use), cmocka_unit_test(overlap_counts_packets_and_recording) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
