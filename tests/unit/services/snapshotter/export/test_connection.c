/* Packets of one connection, plain and inside of tunnels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "services/snapshotter/export/connection.h"

#define ETHERNET 1u
struct bytes { uint8_t data[512]; uint32_t size; };
static void add(struct bytes *b, const void *data, uint32_t size)
{
    memcpy(b->data + b->size, data, size);
    b->size += size;
}
#define ADD(b, ...) do { static const uint8_t literal[] = { __VA_ARGS__ }; add(b, literal, sizeof literal); } while (0)

static void add_ethernet(struct bytes *b) { ADD(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0); }
static void add_ipv4(struct bytes *b, uint8_t protocol, uint8_t from, uint8_t to, uint16_t fragment)
{
    uint8_t head[20] = { 0x45, 0, 0, 0, 0, 9, (uint8_t)(fragment >> 8), (uint8_t)fragment, 64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to };
    add(b, head, sizeof head);
}
static void add_ports(struct bytes *b, uint16_t source, uint16_t destination)
{
    uint8_t head[20] = { (uint8_t)(source >> 8), (uint8_t)source, (uint8_t)(destination >> 8), (uint8_t)destination, [12] = 0x50 };
    add(b, head, sizeof head);
}

/* From 10.0.0.1:1000 to 10.0.0.2:80 is the connection. */
static bool is_ours_at(struct connection_fragments *fragments, const struct bytes *b, int64_t time_ns)
{
    struct connection connection;
    const struct connection_packet packet = { ETHERNET, b->size, b->data, time_ns };
    assert_int_equal(connection_parse("10.0.0.1", "10.0.0.2", 1000, 80, &connection), 0);
    return connection_match(&connection, fragments, &packet);
}
static bool is_ours(const struct bytes *b)
{
    struct connection_fragments *fragments;
    assert_int_equal(connection_fragments_new(&fragments), 0);
    bool ours = is_ours_at(fragments, b, 0);
    connection_fragments_free(fragments);
    return ours;
}
static bool inner(struct bytes *b, uint8_t from, uint8_t to, uint16_t source, uint16_t destination)
{
    add_ipv4(b, 6, from, to, 0);
    add_ports(b, source, destination);
    return is_ours(b);
}
static struct bytes ethernet(void)
{
    struct bytes b = { .size = 0 };
    add_ethernet(&b);
    return b;
}

static void both_directions(void **state)
{
    (void)state;
    struct bytes b = ethernet();
    assert_true(inner(&b, 1, 2, 1000, 80));
    b = ethernet();
    assert_true(inner(&b, 2, 1, 80, 1000));
    b = ethernet();
    assert_false(inner(&b, 1, 2, 80, 1000));
    b = ethernet();
    assert_false(inner(&b, 1, 3, 1000, 80));
    b = ethernet();
    assert_false(inner(&b, 2, 1, 81, 1000));
    b = ethernet();
    add_ipv4(&b, 1, 1, 2, 0); /* ICMP */
    add_ports(&b, 1000, 80);
    assert_false(is_ours(&b));
    for (uint32_t size = 0; size < b.size; size++) {
        struct bytes cut = b;
        cut.size = size;
        assert_false(is_ours(&cut));
    }
}

static void tunnels(void **state)
{
    (void)state;
    struct bytes b = ethernet();
    add_ipv4(&b, 17, 8, 9, 0);
    ADD(&b, 0xc0, 0, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0); /* VXLAN */
    add_ethernet(&b);
    assert_true(inner(&b, 1, 2, 1000, 80));
    b = ethernet();
    add_ipv4(&b, 17, 8, 9, 0);
    ADD(&b, 0xc0, 0, 0x17, 0xc1, 0, 0, 0, 0, 0, 0, 0x65, 0x58, 0, 0, 7, 0); /* Geneve */
    add_ethernet(&b);
    assert_true(inner(&b, 2, 1, 80, 1000));
    b = ethernet();
    add_ipv4(&b, 47, 8, 9, 0);
    ADD(&b, 0, 0, 8, 0); /* GRE */
    assert_true(inner(&b, 1, 2, 1000, 80));
    b = ethernet();
    add_ipv4(&b, 4, 8, 9, 0); /* IP in IP, twice */
    add_ipv4(&b, 4, 7, 6, 0);
    assert_true(inner(&b, 1, 2, 1000, 80));
    b = ethernet();
    add_ipv4(&b, 4, 1, 2, 0); /* ours is outside alone */
    assert_false(inner(&b, 3, 4, 1000, 80));
    b.size = 12;
    ADD(&b, 0x81, 0, 0, 5, 8, 0); /* a VLAN tag */
    assert_true(inner(&b, 1, 2, 1000, 80));
}

static void fragments(void **state)
{
    (void)state;
    struct bytes b = ethernet();
    add_ipv4(&b, 17, 1, 2, 0x2000);
    add_ports(&b, 1000, 80);
    assert_true(is_ours(&b));
    b = ethernet();
    add_ipv4(&b, 17, 1, 2, 0x2000);
    add_ports(&b, 1001, 80);
    assert_false(is_ours(&b));
    b = ethernet();
    add_ipv4(&b, 17, 2, 1, 100); /* a later one: whose ports, nobody knows */
    add_ports(&b, 1, 2);
    assert_true(is_ours(&b));
}

static void set_id(struct bytes *b, uint32_t ip_at, uint16_t id)
{
    b->data[ip_at + 4] = (uint8_t)(id >> 8);
    b->data[ip_at + 5] = (uint8_t)id;
}
/* The first fragment of a VXLAN packet between 10.0.0.8 and 10.0.0.`to`, with a packet to `port` inside. */
static struct bytes first_around(uint8_t to, uint16_t id, uint16_t port)
{
    struct bytes b = ethernet();
    add_ipv4(&b, 17, 8, to, 0x2000);
    set_id(&b, 14, id);
    ADD(&b, 0xc0, 0, 0x12, 0xb5, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 7, 0);
    add_ethernet(&b);
    add_ipv4(&b, 6, 1, 2, 0);
    add_ports(&b, 1000, port);
    return b;
}
static struct bytes later_around(uint8_t to, uint16_t id, uint8_t protocol)
{
    struct bytes b = ethernet();
    add_ipv4(&b, protocol, 8, to, 100);
    set_id(&b, 14, id);
    ADD(&b, 1, 2, 3, 4, 5, 6, 7, 8);
    return b;
}
#define S INT64_C(1000000000)

/* Later fragments of the packet around ours belong to it, and to no other one. */
static void fragments_of_what_is_around(void **state)
{
    (void)state;
    struct connection_fragments *f;
    assert_int_equal(connection_fragments_new(&f), 0);
    struct bytes first = first_around(9, 77, 80), other = first_around(9, 78, 81), rest = later_around(9, 77, 17), of_other = later_around(9, 78, 17), elsewhere = later_around(7, 77, 17), gre = later_around(9, 77, 47);
    assert_false(is_ours_at(f, &rest, 40 * S)); /* before its first one */
    assert_true(is_ours_at(f, &first, 40 * S));
    assert_false(is_ours_at(f, &other, 40 * S));
    assert_true(is_ours_at(f, &rest, 41 * S));
    assert_true(is_ours_at(f, &rest, 41 * S)); /* any number of them, seen in several places */
    assert_true(is_ours_at(f, &rest, 40 * S - 1000));
    assert_false(is_ours_at(f, &of_other, 41 * S));
    assert_false(is_ours_at(f, &elsewhere, 41 * S));
    assert_false(is_ours_at(f, &gre, 41 * S));
    assert_true(is_ours_at(f, &rest, 70 * S));
    assert_false(is_ours_at(f, &rest, 70 * S + 1)); /* the number is another packet's */
    assert_false(is_ours_at(f, &rest, 9 * S));
    assert_true(is_ours_at(f, &first, 80 * S));
    assert_true(is_ours_at(f, &rest, 81 * S));
    connection_fragments_free(f);
}

/* A tunnel whose packets came in fragments, in one whose packets did, too. */
static void fragments_around_fragments(void **state)
{
    (void)state;
    struct connection_fragments *f;
    assert_int_equal(connection_fragments_new(&f), 0);
    struct bytes first = first_around(9, 5, 80), rest = later_around(9, 5, 17), head = ethernet(), tail = ethernet(), middle = ethernet();
    add_ipv4(&head, 4, 20, 21, 0x2000);
    set_id(&head, 14, 600);
    add(&head, first.data + 14, first.size - 14);
    assert_true(is_ours_at(f, &head, S));
    add_ipv4(&middle, 4, 20, 21, 0x2000); /* the inner one's rest, again in fragments */
    set_id(&middle, 14, 601);
    add(&middle, rest.data + 14, rest.size - 14);
    assert_true(is_ours_at(f, &middle, S));
    add_ipv4(&tail, 4, 20, 21, 200);
    set_id(&tail, 14, 600);
    assert_true(is_ours_at(f, &tail, S));
    set_id(&tail, 14, 601);
    assert_true(is_ours_at(f, &tail, S));
    set_id(&tail, 14, 602);
    assert_false(is_ours_at(f, &tail, S));
    connection_fragments_free(f);
}

/* With more first fragments than are remembered, the newest are. */
static void remembered_fragments_are_bounded(void **state)
{
    (void)state;
    struct connection_fragments *f;
    unsigned found = 0;
    assert_int_equal(connection_fragments_new(&f), 0);
    for (uint32_t i = 0; i < 60000; i++) {
        struct bytes first = first_around(9, (uint16_t)i, 80);
        assert_true(is_ours_at(f, &first, i));
    }
    for (uint32_t i = 0; i < 60000; i++) {
        struct bytes rest = later_around(9, (uint16_t)i, 17);
        bool ours = is_ours_at(f, &rest, 60000);
        assert_true(ours || i < 60000 - 100);
        found += ours;
    }
    assert_in_range(found, CONNECTION_FRAGMENTS_MAX / 2, CONNECTION_FRAGMENTS_MAX);
    connection_fragments_free(f);
}

static void addresses(void **state)
{
    (void)state;
    struct connection c;
    assert_int_equal(connection_parse("fd00::1", "fd00::2", 1, 65535, &c), 0);
    assert_int_equal(c.version, 6);
    assert_int_equal(c.addresses[1][15], 2);
    static const struct { const char *source, *destination; uint32_t port; } wrong[] = { { "", "", 1 }, { "10.0.0.1", "fd00::1", 1 }, { "10.0.0.1", "10.0.0.256", 1 }, { "10.0.0.1", "10.0.0.2", 65536 }, { "fd00::1", "10.0.0.1", 1 } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(connection_parse(wrong[i].source, wrong[i].destination, 1, wrong[i].port, &c), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_directions), cmocka_unit_test(tunnels), cmocka_unit_test(fragments), cmocka_unit_test(fragments_of_what_is_around), cmocka_unit_test(fragments_around_fragments),
                                        cmocka_unit_test(remembered_fragments_are_bounded), cmocka_unit_test(addresses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
