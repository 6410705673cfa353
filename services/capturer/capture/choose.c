#include "services/capturer/capture/choose.h"

#include <fnmatch.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include "packet/packet.h"

#define DEPTH_MAX 8                              /* VLAN on bond on bridge ...: the kernel nests no deeper */
#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519                         /* linux/if_arp.h */
#endif

struct net { const struct choose_link *links; size_t count; };

static const struct choose_link *by_index(const struct net *net, uint32_t ifindex)
{
    for (size_t i = 0; ifindex && i < net->count; i++)
        if (net->links[i].ifindex == ifindex)
            return &net->links[i];
    return NULL;
}

static bool is_kind(const struct choose_link *link, const char *const *kinds)
{
    for (; *kinds; kinds++)
        if (strcmp(link->kind, *kinds) == 0)
            return true;
    return false;
}

static const char *const bonds[] = { "bond", "team", NULL };
static const char *const bridges[] = { "bridge", "openvswitch", NULL };
static const char *const children[] = { "vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec", "hsr", NULL };
static const char *const tunnels[] = { "vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan", "ipip", "ip6tnl", "sit", "vti", "vti6", "xfrm", "wireguard", "bareudp", "gtp", "fou",
                                       "ppp", "l2tp", "batadv", "amt", "ovpn", NULL };
static const char *const carries_nothing[] = { "dummy", "ifb", "nlmon", "vcan", "vxcan", "vsockmon", "vrf", "veth-mon", NULL };

/* False: the tape cannot hold what the device carries. */
static bool link_type_of(const struct choose_link *link, struct choose_decision *decision)
{
    switch (link->type) {
    case ARPHRD_ETHER:
    case ARPHRD_LOOPBACK:
        decision->link_type = PACKET_LINK_ETHERNET;
        return true;
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
    case ARPHRD_PPP:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
        decision->link_type = PACKET_LINK_RAW;
        decision->raw_ip = true;
        return true;
    default:
        return false;
    }
}

static bool auto_takes(const struct net *net, const struct choose_link *link, unsigned depth, char *why);

static bool has_recorded_member(const struct net *net, const struct choose_link *master, unsigned depth)
{
    char ignored[CHOOSE_WHY_BYTES];
    for (size_t i = 0; i < net->count; i++)
        if (net->links[i].master == master->ifindex && auto_takes(net, &net->links[i], depth + 1, ignored))
            return true;
    return false;
}

/* The packets of a child pass its parent too, if the parent is here and recorded, or is a bridge whose members are. */
static bool child_is_covered(const struct net *net, const struct choose_link *child, unsigned depth)
{
    char ignored[CHOOSE_WHY_BYTES];
    const struct choose_link *parent = child->lower_elsewhere ? NULL : by_index(net, child->lower);
    if (!parent)
        return false;
    return auto_takes(net, parent, depth + 1, ignored) || (is_kind(parent, bridges) && has_recorded_member(net, parent, depth + 1));
}

static bool refuse(char *why, const char *reason)
{
    (void)snprintf(why, CHOOSE_WHY_BYTES, "%s", reason);
    return false;
}

static bool auto_takes(const struct net *net, const struct choose_link *link, unsigned depth, char *why)
{
    struct choose_decision ignored;
    why[0] = '\0';
    if (depth > DEPTH_MAX)
        return refuse(why, "nested too deep");
    if (!link_type_of(link, &ignored))
        return refuse(why, "neither Ethernet nor IP");
    const struct choose_link *master = by_index(net, link->master);
    if (master && is_kind(master, bonds) && !is_kind(link, bonds)) {
        (void)snprintf(why, CHOOSE_WHY_BYTES, "member of %.31s, which is recorded", master->name);
        return false;
    }
    if (is_kind(link, tunnels))
        return refuse(why, "tunnel: its packets are recorded on the interface below");
    if (strcmp(link->kind, "tun") == 0 && link->type != ARPHRD_ETHER)
        return refuse(why, "tun device: what it carries leaves by another interface");
    if (is_kind(link, carries_nothing))
        return refuse(why, "carries no packets of its own");
    if (is_kind(link, children) && child_is_covered(net, link, depth))
        return refuse(why, "its packets are recorded on its parent");
    if (is_kind(link, bridges) && has_recorded_member(net, link, depth))
        return refuse(why, "bridge whose members are recorded");
    return true;
}

static bool is_named(const char *name, const char *const *patterns, size_t count, bool *ret_auto)
{
    bool named = false;
    *ret_auto = false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(patterns[i], "auto") == 0)
            *ret_auto = true;
        else if (fnmatch(patterns[i], name, 0) == 0)
            named = true;
    }
    return named;
}

static void say_doubles(const struct net *net, struct choose_decision *decisions)
{
    for (size_t i = 0; i < net->count; i++) {
        const struct choose_link *link = &net->links[i];
        if (!decisions[i].recorded || strcmp(link->kind, "veth") != 0 || link->lower_elsewhere)
            continue;
        for (size_t j = 0; j < net->count; j++)
            if (j != i && decisions[j].recorded && net->links[j].ifindex == link->lower)
                (void)snprintf(decisions[i].why, CHOOSE_WHY_BYTES, "its peer %.31s is recorded too: every packet is on the tape twice", net->links[j].name);
    }
}

void choose_interfaces(const struct choose_link *links, size_t count, const char *const *patterns, size_t patterns_count, struct choose_decision *decisions)
{
    const struct net net = { links, count };
    for (size_t i = 0; i < count; i++) {
        struct choose_decision *decision = &decisions[i];
        *decision = (struct choose_decision){ 0 };
        bool automatic, named = is_named(links[i].name, patterns, patterns_count, &automatic), known = link_type_of(&links[i], decision);
        if (named && known)
            decision->recorded = true;
        else if (named)
            (void)snprintf(decision->why, sizeof decision->why, "neither Ethernet nor IP (ARPHRD %u)", links[i].type);
        else if (automatic)
            decision->recorded = auto_takes(&net, &links[i], 0, decision->why);
        else
            (void)snprintf(decision->why, sizeof decision->why, "not named");
    }
    say_doubles(&net, decisions);
}

/* "eth0, eth1 and 3 more" of the links of a kind; returns how many. */
static size_t name_all(const struct net *net, const char *const *kinds, char *names, size_t room)
{
    size_t found = 0, length = 0;
    for (size_t i = 0; i < net->count; i++) {
        if (!is_kind(&net->links[i], kinds))
            continue;
        if (found++ < 2)
            length += (size_t)snprintf(names + length, room - length, "%s%.20s", found > 1 ? ", " : "", net->links[i].name);
    }
    if (found > 2)
        (void)snprintf(names + length, room - length, " and %zu more", found - 2);
    return found;
}

size_t choose_not_visible(const struct choose_link *links, size_t count, char (*texts)[CHOOSE_TEXT_BYTES], size_t most)
{
    static const char *const netkits[] = { "netkit", NULL };
    static const char *const shared[] = { "macvlan", "macvtap", "ipvlan", "ipvtap", NULL };
    const struct net net = { links, count };
    size_t found = 0;
    char names[64];
    if (found < most && name_all(&net, netkits, names, sizeof names))
        (void)snprintf(texts[found++], CHOOSE_TEXT_BYTES, "pods on netkit devices (%s): their packets can go from pod to NIC or pod past the host's end", names);
    if (found < most && name_all(&net, shared, names, sizeof names))
        (void)snprintf(texts[found++], CHOOSE_TEXT_BYTES, "macvlan or ipvlan (%s): packets between children of one parent do not pass it", names);
    for (size_t i = 0; i < count && found < most; i++)
        if (links[i].virtual_functions)
            (void)snprintf(texts[found++], CHOOSE_TEXT_BYTES, "%u SR-IOV functions of %.31s: what a pod sends through its own one does not pass this kernel's interfaces", links[i].virtual_functions, links[i].name);
    for (size_t i = 0; i < count && found < most; i++)
        if (strcmp(links[i].name, "cilium_host") == 0)
            (void)snprintf(texts[found++], CHOOSE_TEXT_BYTES, "pods behind Cilium: with bpf_redirect_peer packets enter a pod without passing the host's end of its veth");
    return found;
}
