/* The kernel filter's decision over hand-made frames, run in the kernel by BPF_PROG_TEST_RUN. Needs root and eBPF. */
#include "services/capturer/capture/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "services/capturer/capture/capture.h"

#define TAPE_ID UINT64_C(0x1122334455667788)
#define SLOT 5u
#define LO 1u

static struct capture_filter *filter;

/* A frame is written as pieces of hexadecimal text; */
#define MAC "020000000002" "020000000001"
struct case_of { const char *what, *hex; bool raw, admitted; };

#define IP4(protocol) "0800" "450000200000000040" protocol "0000" "0a000001" "0a000002"
#define IP4_BARE(protocol) "450000200000000040" protocol "0000" "0a000001" "0a000002"
#define IP4_LATER(protocol) "0800" "450000200000006440" protocol "0000" "0a000001" "0a000002"
#define IP4_FIRST(protocol) "0800" "450000200000200040" protocol "0000" "0a000001" "0a000002"
#define IP6_BARE(next) "600000000010" next "40" "20010db8000000000000000000000001" "20010db8000000000000000000000002"
#define IP6(next) "86dd" IP6_BARE(next)
#define PORTS "03e807d0" "000c0000" "00000000"

static const struct case_of cases[] = {
    { "TCP over IPv4", MAC IP4("06") PORTS, false, true },
    { "UDP over IPv4", MAC IP4("11") PORTS, false, true },
    { "ICMP", MAC IP4("01") PORTS, false, false },
    { "SCTP", MAC IP4("84") PORTS, false, false },
    { "GRE", MAC IP4("2f") PORTS, false, false },
    { "IPv4 with options", MAC "0800" "470000280000000040" "06" "0000" "0a000001" "0a000002" "0101010101010100" PORTS, false, true },
    { "IPv4 with a header shorter than its least", MAC "0800" "440000200000000040" "06" "0000" "0a000001" "0a000002" PORTS, false, false },
    { "IPv6's number in an IPv4 frame", MAC "0800" "650000200000000040" "06" "0000" "0a000001" "0a000002" PORTS, false, false },
    { "IPv4 without payload", MAC IP4("11"), false, true },
    { "VLAN, IPv4 cut after its protocol", MAC "8100" "002a" "0800" "45000020000000004011", false, true },
    { "VLAN, IPv4 cut before its protocol", MAC "8100" "002a" "0800" "450000200000000040", false, false },
    { "first fragment of UDP", MAC IP4_FIRST("11") PORTS, false, true },
    { "later fragment of UDP", MAC IP4_LATER("11") PORTS, false, true },
    { "later fragment of ICMP", MAC IP4_LATER("01") PORTS, false, false },
    { "later fragment of IP in IP: cannot be told", MAC IP4_LATER("04") PORTS, false, true },
    { "IPv4 BIG TCP: length 0", MAC "0800" "450000000000000040" "06" "0000" "0a000001" "0a000002" PORTS, false, true },
    { "TCP over IPv6", MAC IP6("06") PORTS, false, true },
    { "UDP over IPv6", MAC IP6("11") PORTS, false, true },
    { "ICMPv6", MAC IP6("3a") "8000000000000000", false, false },
    { "no next header", MAC IP6("3b") "8000000000000000", false, false },
    { "hop-by-hop, then TCP", MAC IP6("00") "0600050200000100" PORTS, false, true },
    { "BIG TCP: jumbo header", MAC "86dd" "600000000000" "00" "40" "20010db8000000000000000000000001" "20010db8000000000000000000000002" "0600c20400020000" PORTS, false, true },
    { "hop-by-hop, then ICMPv6 (MLD)", MAC IP6("00") "3a00050200000100" "8f00000000000000", false, false },
    { "hop-by-hop of 16 bytes, routing, destination, then UDP", MAC IP6("00") "2b01050200000100" "0000000000000000" "3c00000000000000" "1100010400000000" PORTS, false, true },
    { "authentication header, then TCP", MAC IP6("33") "0604000000000001" "00000001" "000000000000000000000000" PORTS, false, true },
    { "authentication header, then ICMPv6", MAC IP6("33") "3a04000000000001" "00000001" "000000000000000000000000" PORTS, false, false },
    { "first fragment of UDP over IPv6", MAC IP6("2c") "1100000100000001" PORTS, false, true },
    { "later fragment of UDP over IPv6", MAC IP6("2c") "1100006400000001" PORTS, false, true },
    { "later fragment of ICMPv6", MAC IP6("2c") "3a00006400000001" PORTS, false, false },
    { "later fragment behind destination options: cannot be told", MAC IP6("2c") "3c00006400000001" PORTS, false, true },
    { "atomic fragment of ICMPv6", MAC IP6("2c") "3a00000000000001" PORTS, false, false },
    { "IPv6 cut inside an extension header", MAC IP6("00") "06", false, false },
    { "ESP", MAC IP6("32") PORTS, false, false },
    { "twelve extension headers and more: cannot be told", MAC IP6("3c") "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000"
      "3c00010400000000" "3c00010400000000" "3c00010400000000" "3c00010400000000" "3a00010400000000", false, true },
    { "TCP in IPv4 in IPv4", MAC IP4("04") IP4_BARE("06") PORTS, false, true },
    { "ICMP in IPv4 in IPv4", MAC IP4("04") IP4_BARE("01") PORTS, false, false },
    { "UDP in IPv6 in IPv4", MAC IP4("29") IP6_BARE("11") PORTS, false, true },
    { "TCP in IPv4 in IPv6", MAC IP6("04") IP4_BARE("06") PORTS, false, true },
    { "VLAN", MAC "8100" "002a" IP4("06") PORTS, false, true },
    { "VLAN with ICMP", MAC "8100" "002a" IP4("01") PORTS, false, false },
    { "QinQ", MAC "88a8" "0007" "8100" "002a" IP6("11") PORTS, false, true },
    { "old QinQ", MAC "9100" "0007" "8100" "002a" IP4("11") PORTS, false, true },
    { "four tags", MAC "8100" "0001" "8100" "0002" "8100" "0003" "8100" "0004" IP4("11") PORTS, false, true },
    { "five tags", MAC "8100" "0001" "8100" "0002" "8100" "0003" "8100" "0004" "8100" "0005" IP4("11") PORTS, false, false },
    { "VLAN cut in its tag", MAC "8100" "00", false, false },
    { "ARP", MAC "0806" "0001080006040001" "020000000001" "0a000001" "000000000000" "0a000002", false, false },
    { "LLDP", MAC "88cc" "0207040200000000010403020000", false, false },
    { "802.3 with length", MAC "0026" "4242030000000000000000000000", false, false },
    { "raw IPv4 with TCP", IP4_BARE("06") PORTS, true, true },
    { "raw IPv4 with ICMP", IP4_BARE("01") PORTS, true, false },
    { "raw IPv6 with UDP", IP6_BARE("11") PORTS, true, true },
    { "raw IPv6 with ICMPv6", IP6_BARE("3a") PORTS, true, false },
    { "raw, neither", "00000000000000000000000000000000", true, false },
};

static size_t from_hex(const char *hex, uint8_t *frame)
{
    size_t size = 0;
    for (; *hex; hex += 2) {
        unsigned byte;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        frame[size++] = (uint8_t)byte;
    }
    return size;
}

static uint32_t verdict(const uint8_t *frame, size_t size)
{
    struct __sk_buff context = { .ifindex = LO };
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = (__u32)size, .ctx_in = &context, .ctx_size_in = sizeof context, .repeat = 1);
    int done = bpf_prog_test_run_opts(filter_program_fd(filter), &options);
    if (done < 0)                                    /* it refuses an IP frame that is cut in its IP header: such ones stand behind a VLAN tag here */
        fail_msg("test run: %s", strerror(-done));
    return options.retval;
}

static void admits_tcp_and_udp_alone(void **state)
{
    (void)state;
    uint64_t admitted = 0, bytes = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[1024];
        size_t size = from_hex(cases[i].hex, frame);
        if (size < 15) {                         /* the least that the kernel takes for a test */
            memset(frame + size, 0, 15 - size);
            size = 15;
        }
        assert_int_equal(filter_add_interface(filter, LO, (struct filter_interface){ .slot = SLOT, .flags = cases[i].raw ? FILTER_RAW_IP : 0 }), 0);
        uint32_t got = verdict(frame, size);
        if (got != (cases[i].admitted ? FILTER_SNAP_BYTES : 0))
            fail_msg("%s: %u", cases[i].what, got);
        admitted += cases[i].admitted;
        bytes += cases[i].admitted ? size : 0;
    }
    assert_int_equal(filter_count(filter, SLOT).packets, admitted);
    assert_int_equal(filter_count(filter, SLOT).bytes, bytes);
}

static void asks_whether_the_interface_is_recorded(void **state)
{
    (void)state;
    uint8_t frame[256];
    size_t size = from_hex(MAC IP4("06") PORTS, frame);
    assert_int_equal(filter_add_interface(filter, LO, (struct filter_interface){ .slot = SLOT }), 0);
    assert_int_equal(verdict(frame, size), FILTER_SNAP_BYTES);
    filter_set_open(filter, false);
    assert_int_equal(verdict(frame, size), 0);
    filter_set_open(filter, true);
    assert_int_equal(filter_remove_interface(filter, LO), 0);
    assert_int_equal(filter_remove_interface(filter, LO), 0);
    assert_int_equal(verdict(frame, size), 0);
}

static size_t make_canary(uint8_t *frame, uint64_t tape_id)
{
    struct capture_canary payload = { .tape_id = tape_id };
    memcpy(payload.magic, CAPTURE_CANARY_MAGIC, sizeof payload.magic);
    size_t size = from_hex(MAC IP4("11") "c3500009" "00300000", frame);
    memcpy(frame + size, &payload, sizeof payload);
    return size + sizeof payload;
}

static void always_admits_its_own_canary(void **state)
{
    (void)state;
    uint8_t frame[256];
    size_t size = make_canary(frame, TAPE_ID);
    assert_int_equal(size, FILTER_CANARY_BYTES);
    (void)filter_remove_interface(filter, LO);
    uint64_t before = filter_count(filter, FILTER_SLOT_CANARY).packets;
    assert_int_equal(verdict(frame, size), FILTER_SNAP_BYTES);
    assert_int_equal(filter_count(filter, FILTER_SLOT_CANARY).packets, before + 1);
    (void)make_canary(frame, TAPE_ID + 1);
    assert_int_equal(verdict(frame, size), 0);
    assert_int_equal(filter_add_interface(filter, LO, (struct filter_interface){ .slot = SLOT }), 0);
    assert_int_equal(verdict(frame, size), 0);       /* another tape's, recorded or not */
    frame[37] = 10;                                  /* another port: an ordinary packet */
    assert_int_equal(verdict(frame, size), FILTER_SNAP_BYTES);
    (void)make_canary(frame, TAPE_ID);
    frame[42] = 't';                                 /* not the magic */
    uint64_t canaries = filter_count(filter, FILTER_SLOT_CANARY).packets;
    assert_int_equal(verdict(frame, size), FILTER_SNAP_BYTES);
    assert_int_equal(filter_count(filter, FILTER_SLOT_CANARY).packets, canaries);
    filter_set_open(filter, false);
    (void)make_canary(frame, TAPE_ID);
    assert_int_equal(verdict(frame, size), 0);       /* switched off: the tape stays as it is */
    filter_set_open(filter, true);
}

static void has_a_bound(void **state)
{
    (void)state;
    uint32_t i = 100;
    int done = 0;
    for (; i < 100 + FILTER_INTERFACES_MAX + 1 && done == 0; i++)
        done = filter_add_interface(filter, i, (struct filter_interface){ .slot = SLOT });
    assert_int_equal(done, -E2BIG);
}

int main(void)
{
    char error[256];
    if (geteuid() != 0 || filter_load_for_test(TAPE_ID, &filter, error) < 0) {
        (void)fprintf(stderr, "skipped: needs root and eBPF\n");
        return 77;
    }
    filter_set_open(filter, true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admits_tcp_and_udp_alone), cmocka_unit_test(asks_whether_the_interface_is_recorded), cmocka_unit_test(always_admits_its_own_canary), cmocka_unit_test(has_a_bound),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    filter_free(filter);
    return failed;
}
