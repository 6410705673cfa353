#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "packet/packet.h"

struct bytes { uint8_t data[400]; uint32_t size; };

static void add(struct bytes *b, const void *data, uint32_t size)
{
    memcpy(b->data + b->size, data, size);
    b->size += size;
}
#define ADD(b, ...) do { static const uint8_t literal[] = { __VA_ARGS__ }; add(b, literal, sizeof literal); } while (0)

static void add_ethernet(struct bytes *b) { ADD(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2); }
static void add_ipv4(struct bytes *b, uint8_t protocol, uint16_t total, uint16_t fragment)
{
    uint8_t head[20] = { 0x45, 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 1, (uint8_t)(fragment >> 8), (uint8_t)fragment, 64, protocol,
                         0, 0, 10, 0, 0, 1, 10, 0, 0, 2 };
    add(b, head, sizeof head);
}
static void add_ipv6(struct bytes *b, uint8_t next, uint16_t payload)
{
    uint8_t head[40] = { 0x60, 0, 0, 0, (uint8_t)(payload >> 8), (uint8_t)payload, next, 64, [8] = 0xfd, [23] = 1, [24] = 0xfd, [39] = 2 };
    add(b, head, sizeof head);
}
static void add_udp(struct bytes *b, uint16_t destination)
{
    uint8_t head[8] = { 0x30, 0x39, (uint8_t)(destination >> 8), (uint8_t)destination, 0, 8 };
    add(b, head, sizeof head);
}

static void check_ports(uint32_t link_type, const struct bytes *b, uint8_t version, uint8_t protocol, uint16_t destination)
{
    struct packet_view view;
    assert_true(packet_parse(link_type, b->data, b->size, &view));
    assert_int_equal(view.version, version);
    assert_int_equal(view.protocol, protocol);
    assert_int_equal(view.destination_port, destination);
    assert_int_equal(view.source_port, destination ? 12345 : 0);
    assert_int_equal(view.destination[version == 4 ? 3 : 15], 2);
    /* Cut anywhere, it is refused or says the same; under ASan it reads nothing behind. */
    for (uint32_t cut = 0; cut < b->size; cut++) {
        uint8_t *copy = malloc(cut + !cut);
        memcpy(copy, b->data, cut);
        struct packet_view part;
        if (packet_parse(link_type, copy, cut, &part)) {
            assert_true(part.destination_port == destination || (part.fragment && part.destination_port == 0)); /* a fragment is one without its ports too */
            assert_true(part.end <= cut && part.transport_at <= cut);
        }
        free(copy);
    }
}

static void plain_packets(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    add_ethernet(&b);
    ADD(&b, 8, 0);
    add_ipv4(&b, 17, 28, 0x4000);
    add_udp(&b, 53);
    ADD(&b, 0, 0, 0, 0); /* Ethernet's padding is not the packet's */
    check_ports(1, &b, 4, 17, 53);
    struct packet_view view;
    assert_true(packet_parse(1, b.data, b.size, &view));
    assert_int_equal(view.end, b.size - 4);
    assert_false(view.fragment);
    b = (struct bytes){ 0 };
    add_ipv6(&b, 17, 8);
    add_udp(&b, 443);
    check_ports(101, &b, 6, 17, 443);
    check_ports(229, &b, 6, 17, 443);
}

static void link_headers(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    ADD(&b, 2, 0, 0, 0);
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    check_ports(0, &b, 4, 17, 53);
    b = (struct bytes){ .size = 14 };
    ADD(&b, 8, 0);
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    check_ports(113, &b, 4, 17, 53);
    b = (struct bytes){ .size = 0 };
    ADD(&b, 8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0);
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    check_ports(276, &b, 4, 17, 53);
    struct packet_view view;
    assert_false(packet_parse(10, b.data, b.size, &view));
}

/* Some senders count Ethernet's padding as part of the packet; the session's length does not. A length that leaves out more than padding is wrong itself. */
static void session_length_ends_the_packet(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    add_ethernet(&b);
    ADD(&b, 0x88, 0x64, 0x11, 0, 0, 1, 0, 30, 0, 0x21);
    add_ipv4(&b, 17, 34, 0);
    add_udp(&b, 53);
    ADD(&b, 0, 0, 0, 0, 0, 0);
    check_ports(1, &b, 4, 17, 53);
    struct packet_view view;
    assert_true(packet_parse(1, b.data, b.size, &view));
    assert_int_equal(view.end, b.size - 6);
    assert_int_equal(view.ip_length, 28);
    b.data[19] = 22; /* inside the packet's own headers */
    assert_false(packet_parse(1, b.data, b.size, &view));
    b.data[19] = 30;
    b.size += 41; /* 47 bytes behind the session's end */
    b.data[25] = 75;
    assert_true(packet_parse(1, b.data, b.size, &view));
    assert_int_equal(view.end, b.size);
    assert_int_equal(view.ip_length, 75);
}

static void tags_and_extension_headers(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    add_ethernet(&b);
    ADD(&b, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 0x86, 0xdd);
    add_ipv6(&b, 0, 8 + 16 + 8 + 8);
    ADD(&b, 43, 0, 0, 0, 0, 0, 0, 0);                          /* hop by hop */
    ADD(&b, 60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);  /* routing, 16 bytes */
    ADD(&b, 17, 0, 0, 0, 0, 0, 0, 0);                          /* destination */
    add_udp(&b, 53);
    check_ports(1, &b, 6, 17, 53);
}

static void fragments_and_super_packets(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    struct packet_view view;
    add_ipv4(&b, 17, 28, 0x2000);
    add_udp(&b, 53);
    check_ports(101, &b, 4, 17, 53);
    b = (struct bytes){ 0 };
    add_ipv4(&b, 17, 28, 0x0010);
    add_udp(&b, 53);
    check_ports(101, &b, 4, 17, 0);
    assert_true(packet_parse(101, b.data, b.size, &view));
    assert_true(view.fragment && !view.first_fragment);
    b = (struct bytes){ 0 };
    add_ipv6(&b, 44, 16);
    ADD(&b, 17, 0, 0, 8, 0, 0, 0, 1);
    add_udp(&b, 53);
    check_ports(101, &b, 6, 17, 0);
    b = (struct bytes){ 0 };
    add_ipv4(&b, 17, 0, 0); /* longer than 65535: BIG TCP's total length is 0 */
    add_udp(&b, 53);
    check_ports(101, &b, 4, 17, 53);
}

static void tunnels_are_entered(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    struct packet_view outer, inner;
    add_ipv4(&b, 17, 28 + 8 + 14 + 28, 0);
    add_udp(&b, 8472);
    ADD(&b, 8, 0, 0, 0, 0, 0, 1, 0);
    add_ethernet(&b);
    ADD(&b, 8, 0);
    uint32_t at = b.size;
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    assert_true(packet_parse(101, b.data, b.size, &outer));
    assert_true(packet_parse_inner(&outer, b.data, &inner));
    assert_int_equal(inner.ip_at, at);
    assert_int_equal(inner.destination_port, 53);
    assert_false(packet_parse_inner(&inner, b.data, &outer));
    b = (struct bytes){ 0 };
    add_ipv4(&b, 47, 20 + 8 + 48, 0);
    ADD(&b, 0x20, 0, 0x86, 0xdd, 0, 0, 0, 9); /* GRE with a key */
    add_ipv6(&b, 17, 8);
    add_udp(&b, 53);
    assert_true(packet_parse(101, b.data, b.size, &outer));
    assert_true(packet_parse_inner(&outer, b.data, &inner));
    assert_int_equal(inner.version, 6);
    b = (struct bytes){ 0 };
    add_ipv4(&b, 17, 28 + 12 + 28, 0);
    add_udp(&b, 6081);
    ADD(&b, 1, 0, 8, 0, 0, 0, 1, 0, 1, 2, 3, 4); /* Geneve with one option word */
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    assert_true(packet_parse(101, b.data, b.size, &outer));
    assert_true(packet_parse_inner(&outer, b.data, &inner));
    assert_int_equal(inner.destination_port, 53);
    b = (struct bytes){ 0 };
    add_ipv4(&b, 4, 48, 0);
    add_ipv4(&b, 17, 28, 0);
    add_udp(&b, 53);
    assert_true(packet_parse(101, b.data, b.size, &outer));
    assert_true(packet_parse_inner(&outer, b.data, &inner));
    assert_int_equal(inner.ip_at, 20);
}

#define WLAN_HEADER 0x88, 1, 0, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 3, 0x10, 0, 0, 0, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0
static void add_datagram(struct bytes *b)
{
    add_ipv4(b, 17, 28, 0);
    add_udp(b, 53);
}

static void wireless_and_logged_packets(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    ADD(&b, WLAN_HEADER);
    add_datagram(&b);
    check_ports(105, &b, 4, 17, 53);
    b = (struct bytes){ 0 };
    ADD(&b, 0, 0, 10, 0, 0, 0, 0, 0, 1, 2, WLAN_HEADER); /* radiotap of ten bytes */
    add_datagram(&b);
    check_ports(127, &b, 4, 17, 53);
    b = (struct bytes){ 0 };
    ADD(&b, 2, 0, 0, 42, 5, 0, 10, 0, 1, 0, 0, 0, 32, 0, 9, 0); /* NFLOG: a prefix of one byte with its padding, the packet, and what is behind it */
    add_datagram(&b);
    ADD(&b, 8, 0, 5, 0, 0, 0, 0, 2);
    check_ports(239, &b, 4, 17, 53);
    struct packet_view view;
    assert_true(packet_parse(239, b.data, b.size, &view));
    assert_int_equal(view.end, 44);
    b = (struct bytes){ 0 };
    ADD(&b, 2, 0, 0, 42, 0, 32, 0, 9); /* written by a machine of the other order */
    add_datagram(&b);
    check_ports(239, &b, 4, 17, 53);
    b.data[5] = 3; /* an attribute shorter than its header */
    assert_false(packet_parse(239, b.data, b.size, &view));
}

static void switches_tags(void **state)
{
    (void)state;
    struct bytes b = { 0 };
    add_ethernet(&b);
    ADD(&b, 0x89, 0x26, 0, 1, 0, 2, 0x81, 0, 0, 5, 8, 0); /* VN-Tag, then a VLAN's */
    add_datagram(&b);
    check_ports(1, &b, 4, 17, 53);
    b = (struct bytes){ 0 };
    add_ethernet(&b);
    ADD(&b, 0x88, 0xe7, 0, 1, 2, 3); /* a provider's backbone */
    add_ethernet(&b);
    ADD(&b, 8, 0);
    add_datagram(&b);
    check_ports(1, &b, 4, 17, 53);
    b = (struct bytes){ 0 };
    add_ethernet(&b);
    ADD(&b, 0x89, 3, 0, 1); /* FabricPath */
    add_ethernet(&b);
    ADD(&b, 8, 0);
    add_datagram(&b);
    check_ports(1, &b, 4, 17, 53);
}

/* A head of GRE, or of GTP where its port is given, before a datagram: entered or not, and cut anywhere it is refused or says the same. */
static void check_tunnel(uint16_t port, const uint8_t *head, uint32_t size, bool entered)
{
    struct bytes b = { 0 };
    struct packet_view outer, inner;
    add_ipv4(&b, port ? 17 : 47, (uint16_t)(20 + (port ? 8 : 0) + size + 28), 0);
    if (port)
        add_udp(&b, port);
    add(&b, head, size);
    uint32_t at = b.size;
    add_datagram(&b);
    assert_true(packet_parse(101, b.data, b.size, &outer));
    assert_int_equal(packet_parse_inner(&outer, b.data, &inner), entered);
    if (entered)
        assert_true(inner.ip_at == at && inner.destination_port == 53);
    for (uint32_t cut = 20; cut < b.size; cut++) {
        uint8_t *copy = malloc(cut);
        memcpy(copy, b.data, cut);
        if (packet_parse(101, copy, cut, &outer) && packet_parse_inner(&outer, copy, &inner))
            assert_true(entered && inner.ip_at == at && inner.end <= cut);
        free(copy);
    }
}
#define CHECK_TUNNEL(port, entered, ...) do { static const uint8_t head[] = { __VA_ARGS__ }; check_tunnel(port, head, sizeof head, entered); } while (0)

static void more_tunnels_are_entered(void **state)
{
    (void)state;
    CHECK_TUNNEL(4754, true, 0, 0, 8, 0);
    CHECK_TUNNEL(0, true, 0, 0, 0x82, 0, WLAN_HEADER);
    CHECK_TUNNEL(0, true, 0, 0, 0x88, 0x3e, 5, 0x59, 0, 0x48); /* WCCP */
    CHECK_TUNNEL(0, true, 0, 0, 0x88, 0x3e);
    CHECK_TUNNEL(0, true, 0x30, 0x81, 0x88, 0x0b, 0, 30, 0, 1, 0, 0, 0, 7, 0, 0, 0, 6, 0xff, 3, 0, 0x21); /* PPTP: key, number, acknowledgement */
    CHECK_TUNNEL(0, true, 0x30, 1, 0x88, 0x0b, 0, 30, 0, 1, 0, 0, 0, 7, 0, 0x21);
    CHECK_TUNNEL(0, false, 0, 2, 8, 0);
    CHECK_TUNNEL(2152, true, 0x30, 255, 0, 28, 0, 0, 0, 1);
    CHECK_TUNNEL(2152, true, 0x34, 255, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0xc0, 1, 0, 0, 0); /* two extension headers */
    CHECK_TUNNEL(2152, true, 0x32, 255, 0, 32, 0, 0, 0, 1, 0, 7, 0, 0);
    CHECK_TUNNEL(2152, false, 0x34, 255, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 0, 0); /* one without a length */
    CHECK_TUNNEL(2152, false, 0x30, 26, 0, 28, 0, 0, 0, 1); /* an error indication */
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct packet_view view;
    static const uint8_t short_head[28] = { 0x44 }, arp[60] = { [12] = 8, [13] = 6 };
    uint8_t endless[2000] = { 0x60, 0, 0, 0, 7, 0x80, 60 };
    for (size_t i = 40; i < sizeof endless; i += 8)
        endless[i] = 60;
    assert_false(packet_parse(101, short_head, sizeof short_head, &view));
    assert_false(packet_parse(1, arp, sizeof arp, &view));
    assert_false(packet_parse(101, endless, sizeof endless, &view));
    assert_false(packet_parse(1, endless, 0, &view));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_packets), cmocka_unit_test(link_headers), cmocka_unit_test(session_length_ends_the_packet), cmocka_unit_test(tags_and_extension_headers), cmocka_unit_test(fragments_and_super_packets),
        cmocka_unit_test(tunnels_are_entered), cmocka_unit_test(more_tunnels_are_entered),
        cmocka_unit_test(wireless_and_logged_packets), cmocka_unit_test(switches_tags), cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
