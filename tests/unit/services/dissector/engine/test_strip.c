/* Bytes by place: pieces that overlap, in any order, with a byte that differs, and their memory. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>
#include "services/dissector/engine/strip.h"

#define START (UINT64_C(1) << 40)
static uint8_t stream[256];

static void add(struct strip *strip, uint64_t from, uint32_t size, uint8_t source)
{
    struct piece head = { .offset = START + from, .size = size, .source = source };
    uint8_t *copy = malloc(size); /* its end is the end of an allocation */
    memcpy(copy, stream + from, size);
    assert_int_equal(strip_add(strip, &head, copy), 0);
    free(copy);
}

static void the_first_copy_stays(void **state)
{
    (void)state;
    struct strip strip = { 0 };
    assert_int_equal(strip_end(&strip), 0);
    assert_null(strip_find(&strip, START));
    add(&strip, 10, 10, 1);
    add(&strip, 30, 10, 1);
    add(&strip, 5, 50, 2); /* before, between and behind */
    assert_int_equal(strip.count, 5);
    static const struct { uint64_t at, from; uint32_t size; uint8_t source; } expected[] = { { 0, 5, 5, 2 }, { 5, 5, 5, 2 }, { 10, 10, 10, 1 }, { 19, 10, 10, 1 }, { 20, 20, 10, 2 }, { 39, 30, 10, 1 }, { 54, 40, 15, 2 } };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct piece *piece = strip_find(&strip, START + expected[i].at);
        assert_true(piece->offset == START + expected[i].from && piece->size == expected[i].size && piece->source == expected[i].source);
        assert_memory_equal(piece->data, stream + expected[i].from, piece->size);
    }
    assert_null(strip_find(&strip, START + 55));
    assert_int_equal(strip_end(&strip), START + 55);
    strip_free(&strip);
    assert_int_equal(strip.bytes, 0);
}

static void a_byte_that_differs_is_seen(void **state)
{
    (void)state;
    struct strip strip = { 0 };
    uint64_t equal = 0;
    uint8_t other[64];
    add(&strip, 10, 10, 0);
    add(&strip, 30, 10, 1);
    memcpy(other, stream, sizeof other);
    assert_false(strip_differs(&strip, START, other, 64, &equal));
    assert_int_equal(equal, 10); /* of source 0 */
    for (uint32_t at = 0; at < 64; at++) {
        other[at] ^= 1;
        bool has = (at >= 10 && at < 20) || (at >= 30 && at < 40);
        assert_int_equal(strip_differs(&strip, START, other, 64, NULL), has);
        assert_int_equal(strip_differs(&strip, START + at, other + at, 1, NULL), has);
        other[at] ^= 1;
    }
    strip_free(&strip);
}

static void a_source_is_forgotten(void **state)
{
    (void)state;
    struct strip strip = { 0 };
    for (uint32_t i = 0; i < 20; i++)
        add(&strip, i * 10, 10, (uint8_t)(i % 3));
    strip_drop(&strip, START + 20);
    strip_forget(&strip, 1);
    assert_int_equal(strip.count, 12);
    assert_int_equal(strip_find(&strip, START + 40)->offset, START + 50);
    strip_forget(&strip, 0);
    strip_forget(&strip, 2);
    assert_true(strip.count == 0 && strip.bytes == 0 && !strip_find(&strip, START));
    add(&strip, 0, 10, 1);
    strip_free(&strip);
}

static void what_is_behind_is_forgotten(void **state)
{
    (void)state;
    struct strip strip = { 0 };
    for (unsigned turn = 0; turn < 100; turn++)
        for (uint32_t at = 0; at < 200; at += 2) {
            struct piece head = { .offset = START + turn * 200 + at, .size = 2 };
            assert_int_equal(strip_add(&strip, &head, stream + at), 0);
            strip_drop(&strip, head.offset > START + 20 ? head.offset - 20 : START);
            assert_true(strip.count <= 12);
        }
    assert_true(strip.room <= 64);
    uint64_t bytes = strip.bytes;
    strip_drop(&strip, strip_end(&strip) - 1);
    assert_int_equal(strip.count, 1);
    add(&strip, 0, 100, 0);
    strip_shrink(&strip, bytes);
    assert_true(strip.bytes <= bytes);
    strip_shrink(&strip, 0);
    assert_int_equal(strip.count, 0);
    strip_free(&strip);
}

int main(void)
{
    for (unsigned i = 0; i < sizeof stream; i++)
        stream[i] = (uint8_t)(i * 7);
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_first_copy_stays), cmocka_unit_test(a_byte_that_differs_is_seen), cmocka_unit_test(a_source_is_forgotten), cmocka_unit_test(what_is_behind_is_forgotten) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
