#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/range.h"

static void good_ranges_are_read(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t from, to; } samples[] = {
        { "bytes=0-0", 0, 1 }, { "bytes=0-99", 0, 100 }, { "bytes=100-", 100, RANGE_TO_END }, { "bytes=7-7", 7, 8 }, { "bytes=0-9223372036854775807", 0, UINT64_C(1) << 63 },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint64_t from = 5, to = 5;
        assert_int_equal(range_parse(samples[i].text, &from, &to), 0);
        assert_true(from == samples[i].from && to == samples[i].to);
    }
}

static void other_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "bytes", "bytes=", "bytes=-", "bytes=-5", "bytes=5-4", "bytes=0-1,3-4", "bytes=0-1 ", "bytes= 0-1", "bytes=0 -1", "Bytes=0-1", "items=0-1",
                                       "bytes=0-9223372036854775808", "bytes=99999999999999999999-", "bytes=+1-2", "bytes=0x1-2", "bytes=0--1" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t from = 5, to = 6;
        assert_int_equal(range_parse(bad[i], &from, &to), -EINVAL);
        assert_true(from == 5 && to == 6);
    }
}

static void content_ranges_are_read(void **state)
{
    (void)state;
    static const struct { const char *text; int rc; uint64_t from, to; } samples[] = {
        { "bytes 0-99/1000", 0, 0, 100 }, { "bytes 5-5/6", 0, 5, 6 }, { "bytes 5-9/*", 0, 5, 10 }, { "bytes */1000", -EINVAL, 0, 0 }, { "bytes 0-99/99", -EINVAL, 0, 0 },
        { "bytes 0-99", -EINVAL, 0, 0 }, { "bytes 9-5/10", -EINVAL, 0, 0 }, { "bytes=0-99/100", -EINVAL, 0, 0 }, { "bytes 0-99/100x", -EINVAL, 0, 0 }, { "bytes 0-99/", -EINVAL, 0, 0 },
        { "", -EINVAL, 0, 0 },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint64_t from = 0, to = 0;
        assert_int_equal(range_parse_content(samples[i].text, &from, &to), samples[i].rc);
        assert_true(from == samples[i].from && to == samples[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(good_ranges_are_read), cmocka_unit_test(other_ranges_are_refused), cmocka_unit_test(content_ranges_are_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
