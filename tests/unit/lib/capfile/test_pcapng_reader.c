#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "capfile/pcapng.h"

static uint8_t file[1 << 16];

static struct pcapng_reader *reader_over_header(size_t *ret_size)
{
    struct pcapng_reader *reader = pcapng_reader_new();
    struct pcapng_block block;
    size_t needed;
    assert_non_null(reader);
    size_t size = pcapng_put_section(file, "c", NULL, NULL, NULL);
    assert_int_equal(pcapng_next(reader, file, size, &block, &needed), size);
    assert_int_equal(block.type, PCAPNG_SHB);
    *ret_size = size;
    return reader;
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    size_t size, needed = 0;
    struct pcapng_reader *reader = reader_over_header(&size);
    struct pcapng_block block;
    size_t n = pcapng_put_interface(file, 276, "eth0", NULL);
    assert_int_equal(pcapng_next(reader, file, n, &block, &needed), n);
    n = pcapng_put_interface(file, 1, "lo", PCAPNG_CANARY_DESCRIPTION);
    assert_int_equal(pcapng_next(reader, file, n, &block, &needed), n);
    assert_int_equal(pcapng_reader_interfaces(reader), 2);
    const struct pcapng_interface *first = pcapng_reader_interface(reader, 0), *second = pcapng_reader_interface(reader, 1);
    assert_string_equal(first->name, "eth0");
    assert_int_equal(first->link_type, 276);
    assert_int_equal(first->snap_length, PCAPNG_SNAP_LENGTH);
    assert_int_equal(first->ticks_per_s, 1000000000);
    assert_false(first->canary);
    assert_true(second->canary);
    assert_null(pcapng_reader_interface(reader, 2));
    uint32_t total = (uint32_t)pcapng_epb_bytes(5, true);
    uint8_t *data = pcapng_epb_begin(file, total, 1, 1700000000123456789u, 5, 99);
    memcpy(data, "hello", 5);
    pcapng_epb_end(data, total, 5, 0x201, UINT64_C(1) << 40);
    assert_int_equal(pcapng_next(reader, file, sizeof file, &block, &needed), total);
    assert_true(block.has_packet);
    assert_int_equal(block.packet.interface, 1);
    assert_true(block.packet.time_ns == INT64_C(1700000000123456789));
    assert_int_equal(block.packet.captured, 5);
    assert_int_equal(block.packet.length, 99);
    assert_int_equal(block.packet.flags, 0x201);
    assert_true(block.packet.drops == UINT64_C(1) << 40);
    assert_memory_equal(block.packet.data, "hello", 5);
    for (size_t cut = 1; cut < total; cut++) {
        assert_int_equal(pcapng_next(reader, file, cut, &block, &needed), -EAGAIN);
        assert_int_equal(needed, cut < 12 ? 12 : total);
    }
    assert_int_equal(pcapng_next(reader, file, 0, &block, &needed), 0);
    pcapng_reader_free(reader);
}

static uint8_t *be32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, 4);
    return p + 4;
}

/* A big-endian section with ticks of 2^-20 s and an offset. */
static void other_byte_orders_and_clocks_are_read(void **state)
{
    (void)state;
    struct pcapng_reader *reader = pcapng_reader_new();
    struct pcapng_block block;
    size_t needed, at = 0, sizes[3] = { 28, 48, 36 };
    uint8_t *p = be32(be32(be32(be32(file, PCAPNG_SHB), 28), 0x1a2b3c4d), 0x00010000);
    p = be32(be32(be32(p, UINT32_MAX), UINT32_MAX), 28);
    p = be32(be32(be32(be32(p, PCAPNG_IDB), 48), 0x00010000), 100);
    p = be32(be32(p, 9u << 16 | 1), 0x94u << 24);
    p = be32(be32(be32(p, 14u << 16 | 8), 0), 1000);
    p = be32(be32(be32(p, 1u << 16), 0), 48);
    p = be32(be32(be32(be32(p, PCAPNG_EPB), 36), 0), 1);
    p = be32(be32(be32(p, 1u << 19), 2), 2);
    p = be32(be32(p, 0xaabb0000), 36);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pcapng_next(reader, file + at, (size_t)(p - file) - at, &block, &needed), sizes[i]);
        at += sizes[i];
    }
    assert_true(pcapng_reader_swapped(reader));
    assert_true(block.has_packet);
    assert_true(block.packet.time_ns == INT64_C(1000000000) * (4096 + 1000) + 500000000);
    assert_memory_equal(block.packet.data, "\xaa\xbb", 2);
    pcapng_reader_free(reader);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct { size_t at; uint8_t value; const char *words; } cases[] = {
        { 4, 0, "impossible length" }, { 4, 61, "impossible length" }, { 7, 1, "impossible length" }, { 8, 2, "not described" },
        { 20, 40, "longer than its block" }, { 23, 0xff, "longer than its block" },
        { 56, 56, "two lengths differ" }, { 34, 99, "options run out" }, { 15, 0x80, "out of range" },
    };
    size_t size, needed;
    struct pcapng_block block;
    struct pcapng_reader *reader = reader_over_header(&size);
    size_t n = pcapng_put_interface(file, 1, "e", NULL);
    assert_int_equal(pcapng_next(reader, file, n, &block, &needed), n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t total = (uint32_t)pcapng_epb_bytes(3, true);
        pcapng_epb_end(pcapng_epb_begin(file, total, 0, 5, 3, 3), total, 3, 1, 1);
        file[cases[i].at] = cases[i].value;
        assert_int_equal(pcapng_next(reader, file, total, &block, &needed), -EBADMSG);
        if (!strstr(pcapng_reader_error(reader), cases[i].words))
            fail_msg("case %zu: %s", i, pcapng_reader_error(reader));
    }
    pcapng_reader_free(reader);
    reader = pcapng_reader_new();
    assert_int_equal(pcapng_next(reader, (const uint8_t *)"GET / HTTP/1.1\r\n", 16, &block, &needed), -EBADMSG);
    pcapng_put_section(file, NULL, NULL, NULL, NULL);
    file[8] = 0;
    assert_int_equal(pcapng_next(reader, file, 32, &block, &needed), -EBADMSG);
    pcapng_put_section(file, NULL, NULL, NULL, NULL);
    file[12] = 2;
    assert_int_equal(pcapng_next(reader, file, 32, &block, &needed), -EBADMSG);
    pcapng_reader_free(reader);
}

static void journal_times_are_found(void **state)
{
    (void)state;
    static const char binary[] = "MESSAGE\n\x05\0\0\0\0\0\0\0a\nb=c\n__REALTIME_TIMESTAMP=1700000000000001\n",
                      torn[] = "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff" "a\n__REALTIME_TIMESTAMP=5\n";
    static const struct { const char *text; int64_t want; } cases[] = {
        { "__REALTIME_TIMESTAMP=1700000000000001\n", INT64_C(1700000000000001000) },
        { "A=1\n__REALTIME_TIMESTAMP=7\nB=2\n", 7000 }, { "__REALTIME_TIMESTAMP=7", 7000 },
        { "A=__REALTIME_TIMESTAMP=7\n", 0 }, { "__REALTIME_TIMESTAMP=\n", 0 }, { "__REALTIME_TIMESTAMP=12x\n", 0 },
        { "__REALTIME_TIMESTAMP=9223372036854775807\n", 0 }, { "", 0 }, { "\n\n", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(pcapng_journal_time_ns((const uint8_t *)cases[i].text, strlen(cases[i].text)) == cases[i].want);
    assert_true(pcapng_journal_time_ns((const uint8_t *)binary, sizeof binary - 1) == INT64_C(1700000000000001000));
    assert_true(pcapng_journal_time_ns((const uint8_t *)torn, sizeof torn - 1) == 0);
}

static void sections_begin_anew(void **state)
{
    (void)state;
    size_t size, needed;
    struct pcapng_block block;
    struct pcapng_reader *reader = reader_over_header(&size);
    for (int i = 0; i < 100; i++) {
        size_t n = pcapng_put_interface(file, 1, "e", NULL);
        assert_int_equal(pcapng_next(reader, file, n, &block, &needed), n);
    }
    size = pcapng_put_section(file, NULL, NULL, NULL, NULL);
    assert_int_equal(pcapng_next(reader, file, size, &block, &needed), size);
    assert_int_equal(pcapng_reader_interfaces(reader), 0);
    pcapng_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(other_byte_orders_and_clocks_are_read), cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(journal_times_are_found), cmocka_unit_test(sections_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
