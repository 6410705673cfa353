/* Golden bytes of every encoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "capfile/pcap_classic.h"
#include "capfile/pcapng.h"

static uint8_t out[PCAPNG_HEADER_BLOCK_BYTES_MAX + 512];

static void sections_are_golden(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x0a, 0x0d, 0x0d, 0x0a, 52, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        1, 0, 5, 0, 'i', 'd', ' ', '1', '2', 0, 0, 0, 4, 0, 4, 0, 't', 'a', 'p', 'e', 0, 0, 0, 0, 52, 0, 0, 0,
    };
    memset(out, 0xee, sizeof out);
    size_t size = pcapng_put_section(out, "id 12", NULL, NULL, "tape");
    assert_int_equal(size, sizeof want);
    assert_memory_equal(out, want, sizeof want);
}

static void interfaces_are_golden(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        1, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0, 0, 4, 0, 2, 0, 4, 0, 'e', 't', 'h', '0', 3, 0, 1, 0, 'x', 0, 0, 0,
        9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0,
    };
    memset(out, 0xee, sizeof out);
    assert_int_equal(pcapng_put_interface(out, 1, "eth0", "x"), sizeof want);
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(out[sizeof want], 0xee);
}

static void packets_are_golden(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        6, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 3, 0, 0, 0, 9, 0, 0, 0, 'a', 'b', 'c', 0,
        2, 0, 4, 0, 1, 2, 0, 0, 4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0,
    };
    assert_int_equal(pcapng_epb_bytes(3, true), sizeof want);
    memset(out, 0xee, sizeof out);
    uint8_t *data = pcapng_epb_begin(out, sizeof want, 2, 0x0102030405060708, 3, 9);
    memcpy(data, "abc", 3);
    assert_ptr_equal(pcapng_epb_end(data, sizeof want, 3, PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_CHECKSUM_NOT_READY, 7), out + sizeof want);
    assert_memory_equal(out, want, sizeof want);
}

static void packet_sizes_are_what_is_written(void **state)
{
    (void)state;
    static uint8_t big[PCAPNG_SNAP_LENGTH + PCAPNG_EPB_OVERHEAD_MAX];
    for (uint32_t captured = 0; captured <= PCAPNG_SNAP_LENGTH; captured += captured < 9 ? 1 : 4099)
        for (int drops = 0; drops < 2; drops++) {
            size_t total = pcapng_epb_bytes(captured, drops);
            assert_true(total % 4 == 0 && total <= captured + PCAPNG_EPB_OVERHEAD_MAX && total <= sizeof big);
            uint8_t *data = pcapng_epb_begin(big, (uint32_t)total, 0, 1, captured, captured);
            assert_ptr_equal(pcapng_epb_end(data, (uint32_t)total, captured, 0, (uint64_t)drops), big + total);
        }
}

static void statistics_are_golden(void **state)
{
    (void)state;
    static const uint8_t start[] = { 5, 0, 0, 0, 0x70, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3,
                                     0, 8, 0, 0, 0, 0, 0, 2, 0, 0, 0,
                                     4, 0, 8, 0, 10, 0, 0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 11 };
    struct pcapng_statistics statistics = { .time_ns = 3, .start_ns = INT64_C(1) << 32, .end_ns = 2, .received = 10,
                                            .dropped_interface = 11, .accepted_filter = 12, .dropped_os = 13, .delivered = 14 };
    assert_int_equal(pcapng_put_statistics(out, 1, &statistics, NULL), 0x70);
    assert_memory_equal(out, start, sizeof start);
    static const uint8_t end[] = { 8, 0, 8, 0, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x70, 0, 0, 0 };
    assert_memory_equal(out + 0x70 - sizeof end, end, sizeof end);
}

static void journals_are_golden(void **state)
{
    (void)state;
    static const uint8_t want[] = { 9, 0, 0, 0, 20, 0, 0, 0, 'A', '=', 'b', '\n', 'C', 0, 0, 0, 20, 0, 0, 0 };
    assert_int_equal(pcapng_journal_bytes(5), sizeof want);
    assert_int_equal(pcapng_put_journal(out, "A=b\nC", 5), sizeof want);
    assert_memory_equal(out, want, sizeof want);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct pcapng_statistics statistics = { 0 };
    assert_true(pcapng_put_section(out, text, text, text, text) <= PCAPNG_HEADER_BLOCK_BYTES_MAX);
    assert_true(pcapng_put_interface(out, 1, text, text) <= PCAPNG_HEADER_BLOCK_BYTES_MAX);
    assert_true(pcapng_put_statistics(out, 1, &statistics, text) <= PCAPNG_HEADER_BLOCK_BYTES_MAX);
}

static void classic_files_are_golden(void **state)
{
    (void)state;
    static const uint8_t header[] = { 0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0 };
    static const uint8_t packet[] = { 2, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0, 70, 0, 0, 0 };
    assert_int_equal(pcap_classic_put_header(out, 1, PCAPNG_SNAP_LENGTH), sizeof header);
    assert_memory_equal(out, header, sizeof header);
    assert_int_equal(pcap_classic_put_packet(out, INT64_C(2000000003), 60, 70), sizeof packet);
    assert_memory_equal(out, packet, sizeof packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_golden), cmocka_unit_test(interfaces_are_golden), cmocka_unit_test(packets_are_golden), cmocka_unit_test(packet_sizes_are_what_is_written),
        cmocka_unit_test(statistics_are_golden), cmocka_unit_test(journals_are_golden), cmocka_unit_test(long_texts_are_cut), cmocka_unit_test(classic_files_are_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
