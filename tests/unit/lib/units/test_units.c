#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "units/units.h"

struct sample { const char *text; int64_t value; int rc; };

static void check_size(const char *text, int rc, uint64_t want)
{
    uint64_t got = 77;
    assert_int_equal(units_parse_size(text, &got), rc);
    assert_true(got == (rc ? 77 : want));
}

static void sizes_are_read(void **state)
{
    (void)state;
    check_size("0", 0, 0);
    check_size("4096", 0, 4096);
    check_size("1Gi", 0, UINT64_C(1) << 30);
    check_size("1.5Gi", 0, UINT64_C(3) << 29);
    check_size("500M", 0, 500000000);
    check_size("2k", 0, 2000);
    check_size("7Ti", 0, UINT64_C(7) << 40);
    check_size("0.1Ki", 0, 103); /* rounded up */
    check_size("9223372036854775807", 0, INT64_MAX);
}

static void bad_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "x", "Gi", "1 Gi", " 1", "1Gi ", "1GiB", "-1", "+1", "1.", ".5", "1.5", "1e3", "0x10", "1.0000000001Gi", "1mi" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_size(bad[i], -EINVAL, 0);
    check_size("9223372036854775808", -ERANGE, 0);
    check_size("99999999999999999999999999", -ERANGE, 0);
    check_size("9000Pi", -ERANGE, 0);
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "0", 0, 0 }, { "0s", 0, 0 }, { "30s", 30 * UNITS_NS_PER_S, 0 }, { "1h30m", 5400 * UNITS_NS_PER_S, 0 }, { "250ms", 250 * UNITS_NS_PER_MS, 0 },
        { "1.5h", 5400 * UNITS_NS_PER_S, 0 }, { "2d", 172800 * UNITS_NS_PER_S, 0 }, { "7ns", 7, 0 }, { "3us", 3000, 0 }, { "1m1m", 120 * UNITS_NS_PER_S, 0 },
        { "9223372036854775807ns", INT64_MAX, 0 },
        { "", 0, -EINVAL }, { "30", 0, -EINVAL }, { "s", 0, -EINVAL }, { "-1s", 0, -EINVAL }, { "1s ", 0, -EINVAL }, { "1 s", 0, -EINVAL }, { "1w", 0, -EINVAL },
        { "1h30", 0, -EINVAL }, { "300y", 0, -EINVAL }, { "9223372036854775808ns", 0, -ERANGE }, { "106752d", 0, -ERANGE }, { "106751d1d", 0, -ERANGE },
        { "99999999999999999999s1s", 0, -ERANGE },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        int64_t got = 77;
        assert_int_equal(units_parse_duration(samples[i].text, &got), samples[i].rc);
        assert_true(got == (samples[i].rc ? 77 : samples[i].value));
    }
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        { "1970-01-01T00:00:00Z", 0, 0 }, { "1969-12-31T23:59:59.999999999Z", -1, 0 }, { "2000-02-29T12:00:00Z", INT64_C(951825600) * UNITS_NS_PER_S, 0 },
        { "2026-01-02T03:04:05.123456789Z", INT64_C(1767323045123456789), 0 }, { "2026-01-02 03:04:05z", INT64_C(1767323045) * UNITS_NS_PER_S, 0 },
        { "2026-01-02T04:04:05+01:00", INT64_C(1767323045) * UNITS_NS_PER_S, 0 }, { "2026-01-01T21:34:05-05:30", INT64_C(1767323045) * UNITS_NS_PER_S, 0 },
        { "2016-12-31T23:59:60Z", INT64_C(1483228800) * UNITS_NS_PER_S, 0 }, { "2262-04-11T23:47:16.854775807Z", INT64_MAX, 0 },
        { "2262-04-11T23:47:16.854775808Z", 0, -ERANGE }, { "1600-01-01T00:00:00Z", 0, -ERANGE },
        { "", 0, -EINVAL }, { "now", 0, -EINVAL }, { "2026-01-02", 0, -EINVAL }, { "2026-01-02T03:04:05", 0, -EINVAL }, { "2026-02-29T00:00:00Z", 0, -EINVAL },
        { "1900-02-29T00:00:00Z", 0, -EINVAL }, { "2026-13-01T00:00:00Z", 0, -EINVAL }, { "2026-00-01T00:00:00Z", 0, -EINVAL }, { "2026-01-32T00:00:00Z", 0, -EINVAL },
        { "2026-01-02T24:00:00Z", 0, -EINVAL }, { "2026-01-02T23:60:00Z", 0, -EINVAL }, { "2026-01-02T23:00:61Z", 0, -EINVAL }, { "2026-01-02T23:00:00.Z", 0, -EINVAL },
        { "2026-01-02T23:00:00.1234567890Z", 0, -EINVAL }, { "2026-01-02T23:00:00+24:00", 0, -EINVAL }, { "2026-01-02T23:00:00+0100", 0, -EINVAL },
        { "2026-01-02T23:00:00Zx", 0, -EINVAL }, { "26-01-02T23:00:00Z", 0, -EINVAL },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        int64_t got = 77;
        assert_int_equal(units_parse_time(samples[i].text, &got), samples[i].rc);
        assert_true(got == (samples[i].rc ? 77 : samples[i].value));
    }
}

static void every_cut_of_a_time_is_refused(void **state)
{
    (void)state;
    const char *whole = "2026-01-02T03:04:05.123456789+01:00";
    char cut[64];
    for (size_t length = 0; length < strlen(whole); length++) {
        int64_t got;
        memcpy(cut, whole, length);
        cut[length] = '\0';
        assert_int_equal(units_parse_time(cut, &got), -EINVAL);
    }
}

static void formats_are_as_documented(void **state)
{
    (void)state;
    char buf[64];
    assert_string_equal(units_format_size(512, buf, sizeof buf), "512");
    assert_string_equal(units_format_size(1023, buf, sizeof buf), "1023");
    assert_string_equal(units_format_size(1024, buf, sizeof buf), "1Ki");
    assert_string_equal(units_format_size(UINT64_C(3) << 29, buf, sizeof buf), "1.5Gi");
    assert_string_equal(units_format_size((UINT64_C(1) << 30) - 1, buf, sizeof buf), "1Gi");
    assert_string_equal(units_format_size(UINT64_MAX, buf, sizeof buf), "16Ei");
    assert_string_equal(units_format_duration(0, buf, sizeof buf), "0s");
    assert_string_equal(units_format_duration(5400 * UNITS_NS_PER_S, buf, sizeof buf), "1h30m");
    assert_string_equal(units_format_duration(250 * UNITS_NS_PER_MS, buf, sizeof buf), "250ms");
    assert_string_equal(units_format_duration(1500000, buf, sizeof buf), "1.5ms");
    assert_string_equal(units_format_duration(1000000001, buf, sizeof buf), "1.000000001s");
    assert_string_equal(units_format_duration(-1500 * UNITS_NS_PER_MS, buf, sizeof buf), "-1.5s");
    assert_string_equal(units_format_duration(INT64_MIN, buf, sizeof buf), "-106751d23h47m16.854775808s");
    assert_string_equal(units_format_time(0, buf, sizeof buf), "1970-01-01T00:00:00.000000000Z");
    assert_string_equal(units_format_time(-1, buf, sizeof buf), "1969-12-31T23:59:59.999999999Z");
    assert_string_equal(units_format_time(INT64_MAX, buf, sizeof buf), "2262-04-11T23:47:16.854775807Z");
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252u; /* xorshift: the same values each run */
    for (int i = 0; i < 100000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int64_t value = (int64_t)(x >> (1 + i % 60)), back;
        char buf[64];
        assert_int_equal(units_parse_duration(units_format_duration(value, buf, sizeof buf), &back), 0);
        assert_true(back == value);
        assert_int_equal(units_parse_time(units_format_time(i % 2 ? value : -value, buf, UNITS_TIME_TEXT_MAX), &back), 0);
        assert_true(back == (i % 2 ? value : -value));
    }
}

static void the_cap_is_kept(void **state)
{
    (void)state;
    char buf[4] = "xyz";
    assert_string_equal(units_format_time(0, buf, sizeof buf), "197");
    assert_string_equal(units_format_size(UINT64_C(1023) << 20, buf, sizeof buf), "102");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read), cmocka_unit_test(bad_sizes_are_refused), cmocka_unit_test(durations_are_read), cmocka_unit_test(times_are_read),
        cmocka_unit_test(every_cut_of_a_time_is_refused), cmocka_unit_test(formats_are_as_documented), cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_cap_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
