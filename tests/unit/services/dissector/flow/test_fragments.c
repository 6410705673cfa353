#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "services/dissector/flow/fragments.h"

#define SECOND INT64_C(1000000000)
static const char text[] = "0123456789abcdefghijklmnopqrstuv"; /* 32 bytes */

static struct fragment part(uint8_t version, uint32_t id, uint32_t offset, uint32_t length, bool more)
{
    return (struct fragment){ .key = { .id = id, .version = version, .protocol = version == 4 ? 17 : 0 }, .offset = offset, .length = length, .captured = length,
                              .data = (const uint8_t *)text + offset, .protocol = 17, .more = more };
}

static struct fragments *make(void)
{
    struct fragments *f = NULL;
    assert_int_equal(fragments_new(&f), 0);
    return f;
}

static bool add(struct fragments *f, struct fragment fragment, struct datagram *ret)
{
    return fragments_add(f, &fragment, ret);
}

static void in_any_order(void **state)
{
    (void)state;
    static const uint32_t orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    for (int version = 4; version <= 6; version += 2) {
        struct fragments *f = make();
        for (uint32_t o = 0; o < 6; o++) {
            struct datagram whole;
            const struct fragment parts[3] = { part((uint8_t)version, o, 0, 8, true), part((uint8_t)version, o, 8, 16, true), part((uint8_t)version, o, 24, 8, false) };
            assert_false(add(f, parts[orders[o][0]], &whole));
            assert_false(add(f, parts[orders[o][0]], &whole)); /* once more: nothing new */
            assert_false(add(f, parts[orders[o][1]], &whole));
            assert_true(add(f, parts[orders[o][2]], &whole));
            assert_int_equal(whole.length, 32);
            assert_int_equal(whole.captured, 32);
            assert_int_equal(whole.protocol, 17);
            assert_memory_equal(whole.data, text, 32);
        }
        assert_int_equal(fragments_counters(f)->datagrams, 6);
        assert_int_equal(fragments_counters(f)->duplicates, 6);
        assert_int_equal(fragments_waiting(f), 0);
        fragments_free(f);
    }
}

static void overlaps(void **state)
{
    (void)state;
    struct fragments *f = make();
    struct datagram whole;
    struct fragment other = part(4, 1, 0, 24, true);
    other.data = (const uint8_t *)"XXXXXXXXXXXXXXXXXXXXXXXX";
    assert_false(add(f, part(4, 1, 8, 8, true), &whole)); /* IPv4: what came first stays */
    assert_false(add(f, other, &whole));
    assert_true(add(f, part(4, 1, 16, 16, false), &whole));
    assert_memory_equal(whole.data, "XXXXXXXX89abcdefXXXXXXXXopqrstuv", 32);
    other.key = part(6, 1, 0, 8, true).key;
    assert_false(add(f, part(6, 1, 8, 8, true), &whole)); /* IPv6: the datagram is dropped, and what comes of it later */
    assert_false(add(f, other, &whole));
    assert_false(add(f, part(6, 1, 0, 8, true), &whole));
    assert_false(add(f, part(6, 1, 16, 16, false), &whole));
    assert_int_equal(fragments_counters(f)->overlapping, 1);
    fragments_free(f);
}

static void keys_are_kept_apart(void **state)
{
    (void)state;
    struct fragments *f = make();
    struct datagram whole;
    struct fragment last = part(4, 1, 8, 24, false);
    assert_false(add(f, part(4, 1, 0, 8, true), &whole));
    last.key.point = 1;
    assert_false(add(f, last, &whole));
    last.key.point = 0;
    last.key.depth = 1;
    assert_false(add(f, last, &whole));
    assert_int_equal(fragments_waiting(f), 3);
    fragments_free(f);
}

static void nonsense(void **state)
{
    (void)state;
    struct fragments *f = make();
    struct datagram whole;
    static const uint8_t zeros[128];
    struct fragment far = part(4, 1, 0, 64, false);
    far.data = zeros;
    far.offset = 65528; /* reaches past 65535 */
    assert_false(add(f, far, &whole));
    assert_false(add(f, part(4, 1, 0, 7, true), &whole)); /* no multiple of 8, and not the last */
    assert_false(add(f, part(4, 1, 0, 0, false), &whole));
    assert_int_equal(fragments_waiting(f), 0);
    assert_false(add(f, part(4, 1, 8, 8, false), &whole));
    assert_false(add(f, part(4, 1, 16, 8, true), &whole)); /* behind the end */
    assert_false(add(f, part(4, 1, 16, 8, false), &whole)); /* another end */
    assert_int_equal(fragments_counters(f)->malformed, 5);
    assert_true(add(f, part(4, 1, 0, 8, true), &whole));
    assert_int_equal(whole.length, 16);
    fragments_free(f);
}

static void cut_by_the_capture(void **state)
{
    (void)state;
    struct fragments *f = make();
    struct datagram whole;
    struct fragment first = part(4, 1, 0, 16, true);
    first.captured = 10;
    assert_false(add(f, first, &whole));
    assert_true(add(f, part(4, 1, 16, 16, false), &whole));
    assert_int_equal(whole.length, 32);
    assert_int_equal(whole.captured, 10);
    assert_memory_equal(whole.data, text, 10);
    fragments_free(f);
}

static void late_ones_are_given_up(void **state)
{
    (void)state;
    struct fragments *f = make();
    struct datagram whole;
    struct fragment last = part(4, 1, 8, 24, false);
    assert_false(add(f, part(4, 1, 0, 8, true), &whole));
    last.time_ns = FRAGMENTS_TIMEOUT_NS + 1;
    assert_false(add(f, last, &whole));
    assert_int_equal(fragments_counters(f)->timed_out, 1);
    assert_int_equal(fragments_waiting(f), 1);
    fragments_free(f);
}

static void bounded(void **state)
{
    (void)state;
    static const uint8_t zeros[65536];
    struct fragments *f = make();
    struct datagram whole;
    for (uint32_t i = 0; i < FRAGMENTS_DATAGRAMS_MAX + 10; i++)
        assert_false(add(f, part(4, i, 0, 8, true), &whole));
    assert_int_equal(fragments_waiting(f), FRAGMENTS_DATAGRAMS_MAX);
    assert_int_equal(fragments_counters(f)->evicted, 10);
    for (uint32_t i = 0; i < 2000; i++) { /* 64 KiB of room each */
        struct fragment far = part(4, 1000000 + i, 0, 8, true);
        far.offset = 65520;
        far.data = zeros;
        assert_false(add(f, far, &whole));
    }
    assert_true(fragments_waiting(f) <= FRAGMENTS_BYTES_MAX / 65536);
    fragments_free(f);
    f = make();
    for (uint32_t i = 0; i <= FRAGMENTS_PARTS_MAX; i++) {
        struct fragment piece = part(4, 1, 0, 8, true);
        piece.offset = i * 16;
        assert_false(add(f, piece, &whole));
    }
    assert_int_equal(fragments_waiting(f), 0);
    assert_int_equal(fragments_counters(f)->evicted, 1);
    fragments_free(f);
}

struct left { struct fragments *to; unsigned count; bool whole; };
static void pass_on(void *context, const struct fragment *fragment)
{
    struct left *left = context;
    struct datagram whole;
    left->count++;
    if (fragments_add(left->to, fragment, &whole)) {
        left->whole = true;
        assert_int_equal(whole.length, 32);
        assert_memory_equal(whole.data, text, 32);
        assert_int_equal(whole.protocol, 17);
    }
}

static void what_is_left_is_told(void **state)
{
    (void)state;
    struct fragments *one = make(), *two = make(), *both = make();
    struct datagram whole;
    struct left left = { .to = both };
    fragments_on_left(one, pass_on, &left);
    fragments_on_left(two, pass_on, &left);
    assert_false(add(one, part(4, 1, 0, 8, true), &whole));
    assert_false(add(one, part(4, 1, 16, 8, true), &whole));
    assert_false(add(two, part(4, 1, 24, 8, false), &whole));
    assert_false(add(two, part(4, 1, 8, 8, true), &whole));
    fragments_leave(one);
    assert_false(left.whole);
    fragments_leave(two);
    assert_true(left.whole);
    assert_int_equal(left.count, 4);
    /* Given up late: told then. */
    struct fragment late = part(4, 2, 0, 8, true);
    late.time_ns = 100 * SECOND;
    assert_false(add(one, late, &whole));
    assert_int_equal(left.count, 6);
    fragments_free(one);
    fragments_free(two);
    fragments_free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_order), cmocka_unit_test(overlaps), cmocka_unit_test(keys_are_kept_apart), cmocka_unit_test(nonsense), cmocka_unit_test(cut_by_the_capture),
        cmocka_unit_test(late_ones_are_given_up), cmocka_unit_test(bounded), cmocka_unit_test(what_is_left_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
