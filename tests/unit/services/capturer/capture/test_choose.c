/* The choice of interfaces over tables as rtnetlink gives them on real kinds of nodes. */
#include "services/capturer/capture/choose.h"

#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define ROWS_MAX 16
struct row { struct choose_link link; bool recorded; const char *why; };
#define ETHER .type = ARPHRD_ETHER
#define LO { { .ifindex = 1, .type = ARPHRD_LOOPBACK, .name = "lo", .up = true }, true, "" }

static void check(const struct row *rows, size_t count, const char *const *patterns, size_t patterns_count)
{
    struct choose_link links[ROWS_MAX];
    struct choose_decision decisions[ROWS_MAX];
    assert_true(count <= ROWS_MAX);
    for (int turned = 0; turned < 2; turned++) { /* the order in which the kernel lists them must not matter */
        for (size_t i = 0; i < count; i++)
            links[turned ? count - 1 - i : i] = rows[i].link;
        choose_interfaces(links, count, patterns, patterns_count, decisions);
        for (size_t i = 0; i < count; i++) {
            const struct choose_decision *decision = &decisions[turned ? count - 1 - i : i];
            if (decision->recorded != rows[i].recorded || !strstr(decision->why, rows[i].why))
                fail_msg("%s: recorded %d, \"%s\"", rows[i].link.name, decision->recorded, decision->why);
        }
    }
}
#define CHECK(rows, ...) check(rows, sizeof rows / sizeof rows[0], (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void a_node_with_bond_vlan_and_bridge(void **state)
{
    (void)state;
    const struct row rows[] = {
        LO,
        { { .ifindex = 2, ETHER, .master = 4, .name = "eth0" }, false, "member of bond0" },
        { { .ifindex = 3, ETHER, .master = 4, .name = "eth1" }, false, "member of bond0" },
        { { .ifindex = 4, ETHER, .master = 6, .name = "bond0", .kind = "bond" }, true, "" },
        { { .ifindex = 5, ETHER, .lower = 4, .name = "bond0.100", .kind = "vlan" }, false, "on its parent" },
        { { .ifindex = 6, ETHER, .name = "br0", .kind = "bridge" }, false, "bridge whose members" },
        { { .ifindex = 7, ETHER, .lower = 6, .name = "br0.5", .kind = "vlan" }, false, "on its parent" },
        { { .ifindex = 8, ETHER, .lower = 2, .lower_elsewhere = true, .master = 6, .name = "veth7", .kind = "veth" }, true, "" },
        { { .ifindex = 9, ETHER, .name = "docker0", .kind = "bridge" }, true, "" },
        { { .ifindex = 10, ETHER, .name = "tap0", .kind = "tun", .master = 6 }, true, "" },
        { { .ifindex = 11, ETHER, .name = "dummy0", .kind = "dummy" }, false, "no packets" },
    };
    CHECK(rows, "auto");
}

static void tunnels_are_left_out(void **state)
{
    (void)state;
    const struct row rows[] = {
        { { .ifindex = 2, ETHER, .name = "ens5" }, true, "" },
        { { .ifindex = 3, ETHER, .name = "flannel.1", .kind = "vxlan", .lower = 2 }, false, "tunnel" },
        { { .ifindex = 4, ETHER, .name = "genev_sys_6081", .kind = "geneve" }, false, "tunnel" },
        { { .ifindex = 5, .type = ARPHRD_TUNNEL, .name = "tunl0", .kind = "ipip" }, false, "tunnel" },
        { { .ifindex = 6, .type = ARPHRD_NONE, .name = "wg0", .kind = "wireguard" }, false, "tunnel" },
        { { .ifindex = 7, .type = ARPHRD_NONE, .name = "tun0", .kind = "tun" }, false, "tun device" },
        { { .ifindex = 8, .type = ARPHRD_SIT, .name = "sit0", .kind = "sit" }, false, "tunnel" },
        { { .ifindex = 9, .type = ARPHRD_CAN, .name = "can0" }, false, "neither Ethernet nor IP" },
        { { .ifindex = 10, ETHER, .name = "vlan9", .kind = "vlan", .lower = 40, .lower_elsewhere = true }, true, "" },
        { { .ifindex = 11, ETHER, .name = "mv0", .kind = "macvlan", .lower = 2 }, false, "on its parent" },
        { { .ifindex = 12, ETHER, .name = "vlan.flannel", .kind = "vlan", .lower = 3 }, true, "" },
    };
    CHECK(rows, "auto");
}

static void names_and_globs_take_what_they_say(void **state)
{
    (void)state;
    const struct row rows[] = {
        { { .ifindex = 1, .type = ARPHRD_LOOPBACK, .name = "lo" }, false, "not named" },
        { { .ifindex = 2, ETHER, .master = 4, .name = "eth0" }, true, "" },
        { { .ifindex = 3, ETHER, .master = 4, .name = "eth1" }, true, "" },
        { { .ifindex = 4, ETHER, .name = "bond0", .kind = "bond" }, false, "not named" },
        { { .ifindex = 5, .type = ARPHRD_NONE, .name = "wg0", .kind = "wireguard" }, true, "" },
        { { .ifindex = 6, .type = ARPHRD_CAN, .name = "ethcan" }, false, "ARPHRD 280" },
        { { .ifindex = 7, ETHER, .name = "Eth9" }, false, "not named" },
    };
    CHECK(rows, "eth*", "wg[0-9]");
    const struct row both[] = {
        { { .ifindex = 1, .type = ARPHRD_LOOPBACK, .name = "lo" }, true, "" },
        { { .ifindex = 5, .type = ARPHRD_NONE, .name = "wg0", .kind = "wireguard" }, true, "" },
        { { .ifindex = 6, .type = ARPHRD_NONE, .name = "wg1", .kind = "wireguard" }, false, "tunnel" },
    };
    CHECK(both, "auto", "wg0");
}

static void both_ends_of_a_veth_are_said(void **state)
{
    (void)state;
    const struct row rows[] = {
        { { .ifindex = 2, ETHER, .lower = 3, .name = "a", .kind = "veth" }, true, "its peer b is recorded too" },
        { { .ifindex = 3, ETHER, .lower = 2, .name = "b", .kind = "veth" }, true, "its peer a is recorded too" },
        { { .ifindex = 4, ETHER, .lower = 2, .lower_elsewhere = true, .name = "c", .kind = "veth" }, true, "" },
    };
    CHECK(rows, "auto");
    const struct row one[] = {
        { { .ifindex = 2, ETHER, .lower = 3, .name = "a", .kind = "veth" }, true, "" },
        { { .ifindex = 3, ETHER, .lower = 2, .name = "b", .kind = "veth" }, false, "not named" },
    };
    CHECK(one, "a");
}

static void link_types(void **state)
{
    (void)state;
    const struct choose_link links[] = { { .ifindex = 1, .type = ARPHRD_LOOPBACK, .name = "lo" }, { .ifindex = 2, .type = ARPHRD_NONE, .name = "tun0" } };
    struct choose_decision decisions[2];
    choose_interfaces(links, 2, (const char *const[]){ "*" }, 1, decisions);
    assert_int_equal(decisions[0].link_type, 1);
    assert_false(decisions[0].raw_ip);
    assert_int_equal(decisions[1].link_type, 101);
    assert_true(decisions[1].raw_ip);
}

static void a_circle_of_links_ends(void **state)
{
    (void)state;
    const struct choose_link links[] = { { .ifindex = 1, ETHER, .lower = 2, .name = "x", .kind = "macvlan" }, { .ifindex = 2, ETHER, .lower = 1, .name = "y", .kind = "macvlan" } };
    struct choose_decision decisions[2];
    choose_interfaces(links, 2, (const char *const[]){ "auto" }, 1, decisions); /* no kernel makes this; it must not run for ever */
    assert_true(decisions[0].recorded || decisions[1].recorded || decisions[0].why[0]);
}

static void says_what_it_cannot_see(void **state)
{
    (void)state;
    char texts[8][CHOOSE_TEXT_BYTES];
    const struct choose_link plain[] = { { .ifindex = 1, .type = ARPHRD_LOOPBACK, .name = "lo" }, { .ifindex = 2, ETHER, .name = "eth0" } };
    assert_int_equal(choose_not_visible(plain, 2, texts, 8), 0);
    const struct choose_link links[] = {
        { .ifindex = 2, ETHER, .name = "eth0", .virtual_functions = 8 }, { .ifindex = 3, ETHER, .name = "nk1", .kind = "netkit" },      { .ifindex = 4, ETHER, .name = "nk2", .kind = "netkit" },
        { .ifindex = 5, ETHER, .name = "nk3", .kind = "netkit" },        { .ifindex = 6, ETHER, .name = "cilium_host", .kind = "veth" }, { .ifindex = 7, ETHER, .name = "mv", .kind = "macvlan" },
    };
    assert_int_equal(choose_not_visible(links, 6, texts, 8), 4);
    assert_non_null(strstr(texts[0], "nk1, nk2 and 1 more"));
    assert_non_null(strstr(texts[1], "mv"));
    assert_non_null(strstr(texts[2], "8 SR-IOV functions of eth0"));
    assert_non_null(strstr(texts[3], "Cilium"));
    assert_int_equal(choose_not_visible(links, 6, texts, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_with_bond_vlan_and_bridge), cmocka_unit_test(tunnels_are_left_out),   cmocka_unit_test(names_and_globs_take_what_they_say), cmocka_unit_test(both_ends_of_a_veth_are_said),
        cmocka_unit_test(link_types),                       cmocka_unit_test(a_circle_of_links_ends), cmocka_unit_test(says_what_it_cannot_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
