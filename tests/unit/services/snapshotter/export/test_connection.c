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
static bool is_ours(const struct bytes *b)
{
    struct connection connection;
    assert_int_equal(connection_parse("10.0.0.1", "10.0.0.2", 1000, 80, &connection), 0);
    return connection_match(&connection, ETHERNET, b->data, b->size);
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(both_directions), cmocka_unit_test(tunnels), cmocka_unit_test(fragments), cmocka_unit_test(addresses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
