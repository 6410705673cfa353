#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "packet/packet.h"
#include "packet_builder.h"
#include "services/dissector/flow/decode.h"

static struct input_packet packet_of(uint32_t link_type, const struct built *b)
{
    return (struct input_packet){ .data = built_data(b), .captured = built_size(b), .length = built_size(b), .time_ns = 5, .point = 77, .link_type = link_type, .frame = 9, .input = 3, .node = 2 };
}

static bool decode_once(const struct input_packet *packet, struct shard_packet *ret)
{
    struct decoder *decoder = NULL;
    assert_int_equal(decoder_new(&decoder), 0);
    bool found = decode_packet(decoder, packet, ret);
    const struct decode_counters *c = decoder_counters(decoder);
    assert_int_equal(c->packets, 1);
    assert_int_equal(c->tcp + c->udp + c->fragments + c->other_ip + c->not_ip + c->malformed, 1);
    assert_int_equal(c->tcp + c->udp, found);
    decoder_free(decoder);
    return found;
}

/* Cut anywhere, it says the same or nothing; the payload that is missing is known. Under ASan nothing behind the end is read. */
static void check_cuts(const struct input_packet *whole, const struct shard_packet *truth)
{
    for (uint32_t cut = 0; cut < whole->captured; cut++) {
        uint8_t *copy = malloc(cut + !cut);
        memcpy(copy, whole->data, cut);
        struct input_packet packet = *whole;
        struct shard_packet part;
        packet.data = copy;
        packet.captured = cut;
        if (decode_once(&packet, &part) && memcmp(&part.tuple, &truth->tuple, sizeof part.tuple) == 0) {
            assert_int_equal(part.payload, truth->payload);
            assert_true(part.captured <= part.payload && part.captured <= truth->captured);
            assert_memory_equal(part.data, truth->data, part.captured);
        }
        free(copy);
    }
}

static void check(uint32_t link_type, const struct built *b, const char *payload)
{
    struct input_packet packet = packet_of(link_type, b);
    struct shard_packet found;
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.payload, strlen(payload));
    assert_int_equal(found.captured, found.payload);
    assert_memory_equal(found.data, payload, found.captured);
    assert_int_equal(found.hash, shard_hash(&found.tuple));
    assert_int_equal(found.time_ns, 5);
    assert_int_equal(found.point, 77);
    assert_int_equal(found.place.input, 3);
    assert_int_equal(found.place.frame, 9);
    assert_int_equal(found.node, 2);
    check_cuts(&packet, &found);
}

static struct built b;

static void tcp_ipv4(const char *payload)
{
    built_clear(&b);
    built_text(&b, payload);
    built_tcp(&b, 40000, 80, 1000, 2000, 0x18);
    built_ipv4(&b, 6, 1, 2, 1, 0x4000);
}

static void plain_tcp(void **state)
{
    (void)state;
    struct shard_packet found;
    tcp_ipv4("hello");
    built_ethernet(&b, 0x0800);
    check(1, &b, "hello");
    struct input_packet packet = packet_of(1, &b);
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.tuple.source_port, 40000);
    assert_int_equal(found.tuple.destination_port, 80);
    assert_int_equal(found.tuple.version, 4);
    assert_int_equal(found.tuple.transport, 6);
    assert_int_equal(found.tuple.source[3], 1);
    assert_int_equal(found.tuple.destination[3], 2);
    assert_int_equal(found.seq, 1000);
    assert_int_equal(found.ack, 2000);
    assert_int_equal(found.flags, 0x18);
    assert_int_equal(found.window, 0x2000);
    assert_int_equal(found.window_scale, 255);
}

static void every_link_type(void **state)
{
    (void)state;
    static const struct { uint32_t link_type; uint32_t size; uint8_t head[32]; } heads[] = {
        { PACKET_LINK_NULL, 4, { 2, 0, 0, 0 } }, { PACKET_LINK_NULL, 4, { 0, 0, 0, 2 } }, { PACKET_LINK_LOOP, 4, { 0, 0, 0, 2 } },
        { PACKET_LINK_ETHERNET, 14, { [12] = 8 } },
        { PACKET_LINK_ETHERNET, 18, { [12] = 0x81, [16] = 8 } },
        { PACKET_LINK_ETHERNET, 22, { [12] = 0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 8 } },
        { PACKET_LINK_ETHERNET, 22, { [12] = 0x88, 0x64, 0x11, 0, 0, 1, 0, 49, 0, 0x21 } },
        { PACKET_LINK_ETHERNET, 22, { [12] = 0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64 } },
        { PACKET_LINK_ETHERNET, 22, { [13] = 53, 0xaa, 0xaa, 3, 0, 0, 0, 8 } },
        { PACKET_LINK_PPP, 2, { 0, 0x21 } }, { PACKET_LINK_PPP_HDLC, 4, { 0xff, 3, 0, 0x21 } }, { PACKET_LINK_PPP_ETHER, 8, { 0x11, 0, 0, 1, 0, 49, 0, 0x21 } },
        { PACKET_LINK_CISCO_HDLC, 4, { 0x0f, 0, 8 } },
        { PACKET_LINK_RAW, 0, { 0 } }, { PACKET_LINK_RAW_BSD, 0, { 0 } }, { PACKET_LINK_RAW_OPENBSD, 0, { 0 } }, { PACKET_LINK_IPV4, 0, { 0 } },
        { PACKET_LINK_LINUX_SLL, 16, { [14] = 8 } }, { PACKET_LINK_LINUX_SLL, 20, { [14] = 0x81, [18] = 8 } },
        { PACKET_LINK_LINUX_SLL2, 20, { 8 } }, { PACKET_LINK_LINUX_SLL2, 24, { 0x81, [22] = 8 } },
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        tcp_ipv4("seven b");
        built_put(&b, heads[i].head, heads[i].size);
        assert_true(packet_knows_link(heads[i].link_type));
        check(heads[i].link_type, &b, "seven b");
    }
    tcp_ipv4("x");
    struct input_packet packet = packet_of(10, &b);
    struct shard_packet found;
    assert_false(decode_once(&packet, &found));
}

static void lengths_are_honoured(void **state)
{
    (void)state;
    struct shard_packet found;
    built_clear(&b);
    BUILT_PUT(&b, 0, 0, 0, 0, 0, 0); /* Ethernet's padding */
    struct built inner = b;
    tcp_ipv4("");
    struct built tcp = b;
    b = inner;
    built_put(&b, built_data(&tcp), built_size(&tcp));
    built_ethernet(&b, 0x0800);
    struct input_packet packet = packet_of(1, &b);
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.payload, 0);
    assert_int_equal(found.captured, 0);
    /* Length 0: all of it. */
    tcp_ipv4("super");
    b.bytes[b.at + 2] = b.bytes[b.at + 3] = 0;
    built_ethernet(&b, 0x0800);
    check(1, &b, "super");
    /* Cut by the snap length. */
    tcp_ipv4("0123456789");
    built_ethernet(&b, 0x0800);
    packet = packet_of(1, &b);
    packet.captured -= 6;
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.payload, 10);
    assert_int_equal(found.captured, 4);
    /* UDP ends where it says. */
    built_clear(&b);
    built_text(&b, "data and more");
    BUILT_PUT(&b, 0, 1, 0, 2, 0, 12, 0, 0);
    built_ipv4(&b, 17, 1, 2, 1, 0);
    check(101, &b, "data");
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct shard_packet found;
    tcp_ipv4("x");
    b.bytes[b.at + 20 + 12] = 0x40; /* shorter than TCP's head */
    struct input_packet packet = packet_of(101, &b);
    assert_false(decode_once(&packet, &found));
    b.bytes[b.at + 20 + 12] = 0xf0; /* longer than the packet */
    assert_false(decode_once(&packet, &found));
    tcp_ipv4("x");
    b.bytes[b.at + 9] = 1; /* ICMP */
    assert_false(decode_once(&packet, &found));
    built_clear(&b);
    BUILT_PUT(&b, 0, 1, 0, 2, 0, 7, 0, 0); /* shorter than UDP's head */
    built_ipv4(&b, 17, 1, 2, 1, 0);
    packet = packet_of(101, &b);
    assert_false(decode_once(&packet, &found));
}

static void window_scales(void **state)
{
    (void)state;
    struct shard_packet found;
    built_clear(&b);
    BUILT_PUT(&b, 2, 4, 5, 0xb4, 1, 3, 3, 7);
    BUILT_PUT(&b, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0x70, 2, 0xff, 0xff, 0, 0, 0, 0);
    built_ipv4(&b, 6, 1, 2, 1, 0);
    struct input_packet packet = packet_of(101, &b);
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.window_scale, 7);
    assert_int_equal(found.payload, 0);
    assert_int_equal(found.flags, 2);
}

static void tunnels(void **state)
{
    (void)state;
    struct shard_packet found;
    tcp_ipv4("inside");
    built_ethernet(&b, 0x0800);
    built_vxlan(&b, 4711);
    built_udp(&b, 1, 4789);
    built_ipv4(&b, 17, 8, 9, 1, 0);
    built_ethernet(&b, 0x0800);
    check(1, &b, "inside");
    struct input_packet packet = packet_of(1, &b);
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.tuple.vni, 4711);
    assert_int_equal(found.tuple.source[3], 1);
    tcp_ipv4("inside");
    built_ipv4(&b, 4, 3, 4, 1, 0); /* IP in IP inside Geneve: the VNI stays */
    built_geneve(&b, 0x0800, 99);
    built_udp(&b, 1, 6081);
    built_ipv6(&b, 17, 8, 9);
    packet = packet_of(229, &b);
    assert_true(decode_once(&packet, &found));
    assert_int_equal(found.tuple.vni, 99);
    assert_int_equal(found.tuple.version, 4);
    tcp_ipv4("inside");
    for (unsigned i = 0; i < DECODE_TUNNELS_MAX + 1; i++)
        built_ipv4(&b, 4, 3, 4, 1, 0);
    packet = packet_of(101, &b);
    assert_false(decode_once(&packet, &found)); /* too many inside each other */
    built_clear(&b);
    built_text(&b, "no tunnel at all");
    built_udp(&b, 1, 4789);
    built_ipv4(&b, 17, 8, 9, 1, 0);
    check(101, &b, "no tunnel at all");
}

/* The first `cut` bytes of what stands in b behind its IPv4 head become one fragment, the rest another. */
static void feed_two(struct decoder *decoder, uint8_t protocol, uint32_t cut, uint16_t id, bool swap, struct shard_packet *found)
{
    struct built rest = b, parts[2];
    built_clear(&parts[0]);
    built_put(&parts[0], built_data(&rest), cut);
    built_ipv4(&parts[0], protocol, 8, 9, id, 0x2000);
    built_clear(&parts[1]);
    built_put(&parts[1], built_data(&rest) + cut, built_size(&rest) - cut);
    built_ipv4(&parts[1], protocol, 8, 9, id, (uint16_t)(cut / 8));
    struct input_packet packets[2] = { packet_of(101, &parts[swap]), packet_of(101, &parts[!swap]) };
    packets[1].frame = 10;
    assert_false(decode_packet(decoder, &packets[0], found));
    assert_true(decode_packet(decoder, &packets[1], found));
    assert_int_equal(found->place.frame, 10);
}

/* What two recordings of one place have seen is not put together. */
static void fragments_of_two_lanes_stay_apart(void **state)
{
    (void)state;
    struct decoder *decoder = NULL;
    struct shard_packet found;
    struct built parts[2];
    assert_int_equal(decoder_new(&decoder), 0);
    built_clear(&b);
    built_text(&b, "a datagram in two parts");
    built_udp(&b, 5, 6);
    for (unsigned i = 0; i < 2; i++) {
        built_clear(&parts[i]);
        built_put(&parts[i], built_data(&b) + i * 16, i ? built_size(&b) - 16 : 16);
        built_ipv4(&parts[i], 17, 8, 9, 1, i ? 2 : 0x2000);
    }
    struct input_packet first = packet_of(101, &parts[0]), second = packet_of(101, &parts[1]);
    first.watched = second.watched = true;
    second.lane = 1;
    assert_false(decode_packet(decoder, &first, &found));
    assert_false(decode_packet(decoder, &second, &found));
    second.lane = 0;
    assert_true(decode_packet(decoder, &second, &found));
    assert_int_equal(found.payload, 23);
    assert_false(found.watched); /* its parts may be of two inputs */
    decoder_free(decoder);
}

static void fragments_inside_and_outside_of_tunnels(void **state)
{
    (void)state;
    for (int swap = 0; swap < 2; swap++) {
        struct decoder *decoder = NULL;
        struct shard_packet found;
        assert_int_equal(decoder_new(&decoder), 0);
        built_clear(&b);
        built_text(&b, "a datagram in two parts");
        built_udp(&b, 5, 6);
        feed_two(decoder, 17, 16, 1, swap, &found);
        assert_int_equal(found.payload, 23);
        assert_memory_equal(found.data, "a datagram in two parts", 23);
        assert_int_equal(found.tuple.destination_port, 6);
        assert_int_equal(found.tuple.source[3], 8);
        /* A tunnel in fragments. */
        tcp_ipv4("inside");
        built_ethernet(&b, 0x0800);
        built_vxlan(&b, 5);
        built_udp(&b, 1, 8472);
        feed_two(decoder, 17, 40, 2, swap, &found);
        assert_memory_equal(found.data, "inside", 6);
        assert_int_equal(found.tuple.vni, 5);
        assert_int_equal(found.tuple.source[3], 1);
        /* Fragments in a tunnel that is in fragments itself: the one that makes the outer whole makes the inner whole. */
        built_clear(&b);
        built_text(&b, "deep inside");
        built_udp(&b, 7, 8);
        struct built whole = b, second;
        built_clear(&b);
        built_put(&b, built_data(&whole), 8);
        built_ipv4(&b, 17, 1, 2, 3, 0x2000);
        built_ipv4(&b, 4, 8, 9, 4, 0);
        struct input_packet first = packet_of(101, &b);
        assert_false(decode_packet(decoder, &first, &found));
        built_clear(&second);
        built_put(&second, built_data(&whole) + 8, built_size(&whole) - 8);
        built_ipv4(&second, 17, 1, 2, 3, 1);
        b = second;
        feed_two(decoder, 4, 16, 5, swap, &found);
        assert_int_equal(found.payload, 11);
        assert_memory_equal(found.data, "deep inside", 11);
        const struct decode_counters *c = decoder_counters(decoder);
        assert_int_equal(c->packets, 7);
        assert_int_equal(c->fragments, 4);
        assert_int_equal(c->udp, 2);
        assert_int_equal(c->tcp, 1);
        assert_int_equal(c->tunnelled, 2);
        decoder_free(decoder);
    }
}

static void fragments_are_taken_over(void **state)
{
    (void)state;
    struct decoder *decoder = NULL;
    struct shard_packet found;
    assert_int_equal(decoder_new(&decoder), 0);
    struct fragment part = { .key = { .source = { 1 }, .destination = { 2 }, .point = 4, .id = 1, .version = 4, .protocol = 17 }, .length = 8, .captured = 8,
                             .data = (const uint8_t[]){ 0, 1, 0, 2, 0, 12, 0, 0 }, .protocol = 17, .more = true };
    struct input_packet place = { .time_ns = 1, .frame = 3, .input = 1 };
    assert_false(decode_fragment(decoder, &place, &part, &found));
    part.offset = 8;
    part.length = part.captured = 4;
    part.data = (const uint8_t *)"next";
    part.more = false;
    place.input = 2;
    assert_true(decode_fragment(decoder, &place, &part, &found));
    assert_int_equal(found.payload, 4);
    assert_memory_equal(found.data, "next", 4);
    assert_int_equal(found.place.input, 2);
    decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_tcp), cmocka_unit_test(every_link_type), cmocka_unit_test(lengths_are_honoured), cmocka_unit_test(nonsense_is_refused), cmocka_unit_test(window_scales),
        cmocka_unit_test(tunnels), cmocka_unit_test(fragments_inside_and_outside_of_tunnels), cmocka_unit_test(fragments_of_two_lanes_stay_apart), cmocka_unit_test(fragments_are_taken_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
