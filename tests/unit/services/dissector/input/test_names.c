/* Names of interfaces by point. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "services/dissector/input/names.h"

static void a_point_keeps_its_first_name(void **state)
{
    (void)state;
    struct input_names names = { 0 }, all = { 0 };
    char name[200];
    assert_string_equal(input_names_find(&names, 7), "");
    assert_string_equal(input_names_find(NULL, 7), "");
    for (uint64_t i = 0; i < 100; i++) { /* in no order */
        snprintf(name, sizeof name, "veth%u", (unsigned)(i * 37 % 100));
        assert_int_equal(input_names_add(&names, i * 37 % 100, name), 0);
    }
    assert_int_equal(input_names_add(&names, 5, "other"), 0);
    assert_int_equal(input_names_add(&names, 1000, ""), 0);
    assert_int_equal(names.count, 100);
    assert_int_equal(input_names_add(&all, 5, "eth0"), 0);
    assert_int_equal(input_names_add_all(&all, &names), 0);
    assert_string_equal(input_names_find(&names, 5), "veth5");
    assert_string_equal(input_names_find(&all, 5), "eth0");
    assert_string_equal(input_names_find(&all, 99), "veth99");
    assert_string_equal(input_names_find(&all, 1000), "");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(input_names_add(&all, 1000, name), 0);
    assert_int_equal(strlen(input_names_find(&all, 1000)), PCAPNG_NAME_MAX - 1);
    input_names_free(&names);
    input_names_free(&all);
}

static void the_least_points_stay_in_whatever_order_they_come(void **state)
{
    (void)state;
    const uint32_t all = INPUT_NAMES_MAX + 3001; /* 7919 has no factor in common with it: steps of that length pass through all */
    for (unsigned turn = 0; turn < 3; turn++) {
        struct input_names names = { 0 };
        for (uint32_t i = 0; i < all; i++) {
            uint32_t point = turn == 0 ? i : turn == 1 ? all - 1 - i : (uint32_t)(i * UINT64_C(7919) % all);
            char name[16];
            snprintf(name, sizeof name, "veth%u", (unsigned)point);
            assert_int_equal(input_names_add(&names, point, name), 0);
        }
        assert_int_equal(names.count, INPUT_NAMES_MAX);
        for (uint32_t point = 0; point < all; point++) {
            char name[16];
            snprintf(name, sizeof name, "veth%u", (unsigned)point);
            assert_string_equal(input_names_find(&names, point), point < INPUT_NAMES_MAX ? name : "");
        }
        input_names_free(&names);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_point_keeps_its_first_name), cmocka_unit_test(the_least_points_stay_in_whatever_order_they_come) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
