#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "capfile/pcap_classic.h"

static void what_was_written_is_read(void **state)
{
    (void)state;
    uint8_t bytes[100] = { 0 };
    struct pcap_classic_file file;
    struct pcap_classic_packet packet;
    size_t needed = 0, size = pcap_classic_put_header(bytes, 276, 4096);
    assert_true(pcap_classic_is_magic(bytes));
    assert_int_equal(pcap_classic_get_header(bytes, &file), 0);
    assert_int_equal(file.link_type, 276);
    assert_int_equal(file.snap_length, 4096);
    size_t at = size;
    size += pcap_classic_put_packet(bytes + size, PCAP_CLASSIC_TIME_NS_MAX, 5, 9);
    size += 5;
    for (size_t cut = at; cut < size; cut++) {
        assert_int_equal(pcap_classic_next(&file, bytes + at, cut - at, &packet, &needed), -EAGAIN);
        assert_int_equal(needed, cut - at < PCAP_CLASSIC_PACKET_BYTES ? PCAP_CLASSIC_PACKET_BYTES : PCAP_CLASSIC_PACKET_BYTES + 5);
    }
    assert_int_equal(pcap_classic_next(&file, bytes + at, size - at, &packet, &needed), PCAP_CLASSIC_PACKET_BYTES + 5);
    assert_int_equal(packet.time_ns, PCAP_CLASSIC_TIME_NS_MAX);
    assert_int_equal(packet.captured, 5);
    assert_int_equal(packet.length, 9);
    assert_ptr_equal(packet.data, bytes + at + PCAP_CLASSIC_PACKET_BYTES);
}

static void kinds(void **state)
{
    (void)state;
    struct pcap_classic_file file;
    static const uint8_t big[24] = { 0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4, [16] = 0, 0, 1, 0, 0, 0, 0, 113 };
    static const uint8_t kuznetzov[24] = { 0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4, 0, [20] = 1, 0, 0, 0xf4 /* a checksum follows each packet */ };
    static const uint8_t other[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 3, 0, 4, 0 };
    static const uint8_t swapped_lengths[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 3, 0, [20] = 1 };
    assert_int_equal(pcap_classic_get_header(big, &file), 0);
    assert_true(file.swapped);
    assert_int_equal(file.tick_ns, 1000);
    assert_int_equal(file.link_type, 113);
    assert_int_equal(pcap_classic_get_header(kuznetzov, &file), 0);
    assert_int_equal(file.head_bytes, 24);
    assert_int_equal(file.link_type, 1);
    assert_int_equal(pcap_classic_get_header(other, &file), -EBADMSG);
    assert_int_equal(pcap_classic_get_header(swapped_lengths, &file), 0);
    static const uint8_t head[20] = { [8] = 60, [12] = 4 };
    struct pcap_classic_packet packet;
    size_t needed = 0;
    assert_int_equal(pcap_classic_next(&file, head, sizeof head, &packet, &needed), 20);
    assert_int_equal(packet.captured, 4);
    assert_int_equal(packet.length, 60);
    static const uint8_t huge[16] = { [10] = 4, 1, [14] = 4, 2 };
    assert_int_equal(pcap_classic_next(&file, huge, sizeof huge, &packet, &needed), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_written_is_read), cmocka_unit_test(kinds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
