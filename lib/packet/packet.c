#include "packet/packet.h"
#include <string.h>
#include "bytes/cursor.h"
#include "packet/wlan.h"

enum { ETHER_PAYLOAD_MIN = 46, ETHER_LENGTH_MAX = 1500, ETHER_IPV4 = 0x0800, ETHER_VLAN = 0x8100, ETHER_IPV6 = 0x86dd, ETHER_QINQ = 0x88a8, ETHER_QINQ_OLD = 0x9100,
       ETHER_TEB = 0x6558, ETHER_MPLS = 0x8847, ETHER_MPLS_MULTICAST = 0x8848, ETHER_PPPOE = 0x8864, ETHER_ERSPAN = 0x88be,
       ETHER_PBB = 0x88e7, ETHER_FABRIC_PATH = 0x8903, ETHER_VN_TAG = 0x8926 };
/* What GRE carries that no EtherType says: PPP of PPTP, what WCCP redirects, and Aruba's Wi-Fi frames. */
enum { GRE_WCCP = 0x883e, GRE_PPP = 0x880b, GRE_ARUBA_FIRST = 0x8200, GRE_ARUBA_LAST = 0x82ff };
enum { PPP_IPV4 = 0x0021, PPP_IPV6 = 0x0057, PPP_MPLS = 0x0281, PPP_MPLS_MULTICAST = 0x0283, PPP_ALL_STATIONS = 0xff03 };
enum { PROTO_HOPOPTS = 0, PROTO_IPIP = 4, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_IPV6 = 41, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44,
       PROTO_GRE = 47, PROTO_AH = 51,
       PROTO_DESTINATION = 60, PROTO_SCTP = 132, PROTO_MOBILITY = 135 };
enum { PORT_VXLAN = 4789, PORT_VXLAN_LINUX = 8472, PORT_GENEVE = 6081, PORT_GTP = 2152, PORT_GRE = 4754 };
enum { GTP_VERSION_1 = 0x30, GTP_EXTENSION = 4, GTP_OPTIONS = 7, GTP_PACKET = 255, NFLOG_PAYLOAD = 9 };
enum { IPV4_FRAGMENT_BITS = 0x3fff, IPV4_OFFSET_BITS = 0x1fff, IPV4_MORE_BIT = 0x2000 };

/* A first fragment may be too short for its ports; it is a fragment all the same. */
static bool view_ports(struct cursor *c, struct packet_view *view)
{
    view->transport_at = (uint32_t)c->at;
    if (!cursor_ok(c) || view->end < view->transport_at) /* a length that ends inside the extension headers */
        return false;
    if (!view->first_fragment || (view->protocol != PROTO_TCP && view->protocol != PROTO_UDP && view->protocol != PROTO_SCTP))
        return true;
    uint16_t source = cursor_be16(c), destination = cursor_be16(c);
    if (!cursor_ok(c))
        return view->fragment;
    view->source_port = source;
    view->destination_port = destination;
    return true;
}

/* Steps over extension headers; leaves view->protocol at what is behind them. */
static bool skip_extensions(struct cursor *c, struct packet_view *view)
{
    for (int i = 0; i < PACKET_EXTENSIONS_MAX; i++) {
        uint8_t at = view->protocol;
        bool version_6 = at == PROTO_HOPOPTS || at == PROTO_ROUTING || at == PROTO_FRAGMENT || at == PROTO_DESTINATION || at == PROTO_MOBILITY;
        if (at != PROTO_AH && !(version_6 && view->version == 6))
            return true;
        view->protocol = cursor_u8(c);
        uint8_t length = cursor_u8(c);
        if (at == PROTO_FRAGMENT) {
            uint16_t offset = cursor_be16(c);
            view->fragment_id = cursor_be32(c);
            view->fragment = (offset & ~6u) != 0; /* an atomic fragment is a whole packet */
            view->first_fragment = offset >> 3 == 0;
            view->more_fragments = (offset & 1) != 0;
            view->fragment_offset = offset & ~7u;
            view->fragment_protocol = view->protocol;
            view->fragment_at = (uint32_t)c->at;
        } else {
            cursor_skip(c, at == PROTO_AH ? length * 4u + 6u : length * 8u + 6u);
        }
        if (!cursor_ok(c) || !view->first_fragment)
            return cursor_ok(c);
    }
    return false;
}

static bool view_ipv4(struct cursor *c, struct packet_view *view)
{
    uint32_t at = (uint32_t)c->at;
    uint8_t version = cursor_u8(c);
    cursor_skip(c, 1);
    uint32_t total = cursor_be16(c), head = (version & 15u) * 4u;
    uint16_t id = cursor_be16(c), fragment = cursor_be16(c);
    cursor_skip(c, 1);
    uint8_t protocol = cursor_u8(c);
    cursor_skip(c, 2);
    const uint8_t *source = cursor_take(c, 4), *destination = cursor_take(c, 4);
    if (!destination || version >> 4 != 4 || head < 20 || (total != 0 && total < head))
        return false;
    cursor_skip(c, head - 20);
    *view = (struct packet_view){ .version = 4, .protocol = protocol, .ip_at = at, .end = (uint32_t)c->size, .ip_length = total };
    view->fragment = (fragment & IPV4_FRAGMENT_BITS) != 0;
    view->first_fragment = (fragment & IPV4_OFFSET_BITS) == 0;
    view->more_fragments = (fragment & IPV4_MORE_BIT) != 0;
    view->fragment_offset = (fragment & IPV4_OFFSET_BITS) * 8u;
    view->fragment_id = id;
    view->fragment_protocol = protocol;
    view->fragment_at = (uint32_t)c->at;
    memcpy(view->source, source, 4);
    memcpy(view->destination, destination, 4);
    if (total != 0 && at + total < view->end) /* 0: a super-packet longer than 65535 */
        view->end = at + total;
    if (view->first_fragment && protocol == PROTO_AH && !view->fragment && !skip_extensions(c, view))
        return false;
    return view_ports(c, view);
}

static bool view_ipv6(struct cursor *c, struct packet_view *view)
{
    uint32_t at = (uint32_t)c->at;
    uint32_t version = cursor_be32(c), payload = cursor_be16(c);
    uint8_t next = cursor_u8(c);
    cursor_skip(c, 1);
    const uint8_t *source = cursor_take(c, 16), *destination = cursor_take(c, 16);
    if (!destination || version >> 28 != 6)
        return false;
    *view = (struct packet_view){ .version = 6, .protocol = next, .first_fragment = true, .ip_at = at, .end = (uint32_t)c->size,
                                  .ip_length = payload ? 40 + payload : 0 };
    memcpy(view->source, source, 16);
    memcpy(view->destination, destination, 16);
    if (payload != 0 && at + 40 + payload < view->end) /* 0: a jumbogram */
        view->end = at + 40 + payload;
    return skip_extensions(c, view) && view_ports(c, view);
}

static bool view_ip(struct cursor *c, struct packet_view *view)
{
    if (cursor_left(c) == 0)
        return false;
    return c->data[c->at] >> 4 == 4 ? view_ipv4(c, view) : view_ipv6(c, view);
}

/* Labels, then IP by its first bits, for the last label does not say. */
static bool view_mpls(struct cursor *c, struct packet_view *view)
{
    for (int i = 0; i < PACKET_MPLS_LABELS_MAX; i++)
        if (cursor_be32(c) & 0x100) /* bottom of the stack */
            return view_ip(c, view);
    return false;
}

static bool view_ppp(struct cursor *c, struct packet_view *view)
{
    uint16_t protocol = cursor_be16(c);
    if (protocol == PPP_ALL_STATIONS)
        protocol = cursor_be16(c);
    switch (protocol) {
    case PPP_IPV4: return view_ipv4(c, view);
    case PPP_IPV6: return view_ipv6(c, view);
    case PPP_MPLS: case PPP_MPLS_MULTICAST: return view_mpls(c, view);
    default: return false;
    }
}

/* The session's length says where its packet ends (RFC 2516, 4), even where the packet claims more: what is behind it is Ethernet's padding, which some senders count as part of the packet. */
static bool view_pppoe(struct cursor *c, struct packet_view *view)
{
    cursor_skip(c, 4);
    uint32_t length = cursor_be16(c), end = (uint32_t)c->at + length;
    bool padded = end < c->size && c->size - end <= ETHER_PAYLOAD_MIN; /* more is no padding, but a length that is wrong */
    if (padded)
        c->size = end;
    if (!view_ppp(c, view))
        return false;
    if (padded && view->ip_length > end - view->ip_at)
        view->ip_length = end - view->ip_at;
    return true;
}

/* Bytes between the EtherType of a tag and the next type: behind the tags of a backbone and of FabricPath lie another two addresses. 0: no tag. */
static size_t tag_bytes(uint16_t type)
{
    switch (type) {
    case ETHER_VLAN: case ETHER_QINQ: case ETHER_QINQ_OLD: return 2;
    case ETHER_VN_TAG: return 4;
    case ETHER_FABRIC_PATH: return 2 + 12;
    case ETHER_PBB: return 4 + 12;
    default: return 0;
    }
}

/* Behind an EtherType: tags, labels, a session, then IP. A length instead of a type has its type behind an LLC and SNAP header. */
static bool view_ether_type(struct cursor *c, uint16_t type, struct packet_view *view)
{
    size_t tag;
    for (int i = 0; i < PACKET_VLAN_TAGS_MAX && (tag = tag_bytes(type)) > 0; i++) {
        cursor_skip(c, tag);
        type = cursor_be16(c);
    }
    if (type <= ETHER_LENGTH_MAX) {
        static const uint8_t snap[6] = { 0xaa, 0xaa, 3, 0, 0, 0 };
        const uint8_t *head = cursor_take(c, sizeof snap);
        if (!head || memcmp(head, snap, sizeof snap) != 0)
            return false;
        type = cursor_be16(c);
    }
    switch (type) {
    case ETHER_IPV4: return view_ipv4(c, view);
    case ETHER_IPV6: return view_ipv6(c, view);
    case ETHER_MPLS: case ETHER_MPLS_MULTICAST: return view_mpls(c, view);
    case ETHER_PPPOE: return view_pppoe(c, view);
    default: return false;
    }
}

static bool view_ethernet(struct cursor *c, struct packet_view *view)
{
    cursor_skip(c, 12);
    return view_ether_type(c, cursor_be16(c), view);
}

/* The address family before BSD's loopback packets, in the order of the writer's machine; IPv6 has another number on each system. */
static bool view_loopback(struct cursor *c, struct packet_view *view)
{
    uint32_t family = cursor_le32(c);
    if (family > UINT16_MAX)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2: return view_ipv4(c, view);
    case 10: case 24: case 28: case 30: return view_ipv6(c, view);
    default: return false;
    }
}

static bool view_wlan(struct cursor *c, struct packet_view *view)
{
    uint16_t type;
    return wlan_payload(c, &type) && view_ether_type(c, type, view);
}

static bool view_radiotap(struct cursor *c, struct packet_view *view)
{
    uint8_t version = cursor_u8(c);
    cursor_skip(c, 1);
    uint16_t length = cursor_le16(c);
    cursor_skip(c, length > 4 ? length - 4u : 0);
    return version == 0 && view_wlan(c, view);
}

/* Attributes, each with its length (its own four bytes with it) and padded to a multiple of four, in the order of the writer's machine: the small byte of a type is not 0. */
static bool view_nflog(struct cursor *c, struct packet_view *view)
{
    cursor_skip(c, 4);
    while (cursor_left(c) > 0) {
        uint16_t length = cursor_le16(c), type = cursor_le16(c);
        if (type > 255) {
            length = __builtin_bswap16(length);
            type = __builtin_bswap16(type);
        }
        if (length < 4)
            return false;
        if (type == NFLOG_PAYLOAD) {
            if (length - 4u < cursor_left(c))
                c->size = c->at + length - 4u;
            return view_ip(c, view);
        }
        cursor_skip(c, ((length + 3u) & ~3u) - 4u);
    }
    return false;
}

bool packet_knows_link(uint32_t link_type)
{
    switch (link_type) {
    case PACKET_LINK_NULL: case PACKET_LINK_ETHERNET: case PACKET_LINK_PPP: case PACKET_LINK_RAW_BSD: case PACKET_LINK_RAW_OPENBSD:
    case PACKET_LINK_PPP_HDLC: case PACKET_LINK_PPP_ETHER: case PACKET_LINK_RAW: case PACKET_LINK_CISCO_HDLC: case PACKET_LINK_LOOP:
    case PACKET_LINK_LINUX_SLL: case PACKET_LINK_IPV4: case PACKET_LINK_IPV6: case PACKET_LINK_LINUX_SLL2:
    case PACKET_LINK_WLAN: case PACKET_LINK_WLAN_RADIOTAP: case PACKET_LINK_NFLOG:
        return true;
    default:
        return false;
    }
}

static bool view_link(uint32_t link_type, struct cursor *c, struct packet_view *view)
{
    switch (link_type) {
    case PACKET_LINK_ETHERNET: return view_ethernet(c, view);
    case PACKET_LINK_RAW: case PACKET_LINK_RAW_BSD: case PACKET_LINK_RAW_OPENBSD: case PACKET_LINK_IPV4: case PACKET_LINK_IPV6: return view_ip(c, view);
    case PACKET_LINK_NULL: case PACKET_LINK_LOOP: return view_loopback(c, view);
    case PACKET_LINK_PPP: case PACKET_LINK_PPP_HDLC: return view_ppp(c, view);
    case PACKET_LINK_PPP_ETHER: return view_pppoe(c, view);
    case PACKET_LINK_CISCO_HDLC:
        cursor_skip(c, 2);
        return view_ether_type(c, cursor_be16(c), view);
    case PACKET_LINK_LINUX_SLL:
        cursor_skip(c, 14);
        return view_ether_type(c, cursor_be16(c), view);
    case PACKET_LINK_LINUX_SLL2: {
        uint16_t type = cursor_be16(c);
        cursor_skip(c, 18);
        return view_ether_type(c, type, view);
    }
    case PACKET_LINK_WLAN: return view_wlan(c, view);
    case PACKET_LINK_WLAN_RADIOTAP: return view_radiotap(c, view);
    case PACKET_LINK_NFLOG: return view_nflog(c, view);
    default: return false;
    }
}

bool packet_parse(uint32_t link_type, const uint8_t *data, uint32_t captured, struct packet_view *ret)
{
    struct cursor c = cursor_over(data, captured);
    struct packet_view view;
    bool found = view_link(link_type, &c, &view);
    if (found)
        *ret = view;
    return found;
}

static bool inner_vxlan(struct cursor *c, struct packet_view *view)
{
    uint32_t flags = cursor_be32(c), vni = cursor_be32(c) >> 8;
    bool found = (flags & 0x08000000) != 0 && view_ethernet(c, view); /* the bit says that there is a VNI, and is always set */
    if (found)
        view->vni = vni;
    return found;
}

static bool inner_geneve(struct cursor *c, struct packet_view *view)
{
    uint8_t head = cursor_u8(c);
    cursor_skip(c, 1);
    uint16_t type = cursor_be16(c);
    uint32_t vni = cursor_be32(c) >> 8;
    cursor_skip(c, (head & 0x3fu) * 4u);
    bool found = head >> 6 == 0 && (type == ETHER_TEB ? view_ethernet(c, view) : view_ether_type(c, type, view));
    if (found)
        view->vni = vni;
    return found;
}

static bool inner_gre(struct cursor *c, struct packet_view *view)
{
    uint16_t flags = cursor_be16(c), type = cursor_be16(c);
    unsigned version = flags & 7;
    cursor_skip(c, (flags & 0x8000 ? 4u : 0u) + (flags & 0x2000 ? 4u : 0u) + (flags & 0x1000 ? 4u : 0u));
    if (version == 1 && type == GRE_PPP) { /* PPTP's has an acknowledgement, too */
        cursor_skip(c, flags & 0x0080 ? 4 : 0);
        return view_ppp(c, view);
    }
    if (version != 0)
        return false;
    if (type == ETHER_ERSPAN) {
        cursor_skip(c, flags & 0x1000 ? 8 : 0); /* type II has a header of its own, type I none */
        return view_ethernet(c, view);
    }
    if (type == GRE_WCCP) { /* version 2 has a header of its own, version 1 none */
        cursor_skip(c, cursor_left(c) > 0 && c->data[c->at] >> 4 == 4 ? 0 : 4);
        return view_ipv4(c, view);
    }
    if (type >= GRE_ARUBA_FIRST && type <= GRE_ARUBA_LAST)
        return view_wlan(c, view);
    return type == ETHER_TEB ? view_ethernet(c, view) : view_ether_type(c, type, view);
}

/* Packets of GTP's user plane; its tunnels have an identifier for each direction, which therefore tells nothing of the pair. */
static bool inner_gtp(struct cursor *c, struct packet_view *view)
{
    uint8_t flags = cursor_u8(c), type = cursor_u8(c);
    cursor_skip(c, 6);
    if ((flags & 0xf0) != GTP_VERSION_1 || type != GTP_PACKET)
        return false;
    if (flags & GTP_OPTIONS) {
        cursor_skip(c, 3);
        uint8_t next = cursor_u8(c);
        for (int i = 0; i < PACKET_EXTENSIONS_MAX && flags & GTP_EXTENSION && next != 0; i++) {
            uint8_t length = cursor_u8(c); /* in words, with itself and the type behind it */
            if (length == 0)
                return false;
            cursor_skip(c, length * 4u - 2u);
            next = cursor_u8(c);
        }
    }
    return view_ip(c, view);
}

static bool inner_udp(struct cursor *c, uint16_t port, struct packet_view *view)
{
    cursor_skip(c, 8);
    switch (port) {
    case PORT_VXLAN: case PORT_VXLAN_LINUX: return inner_vxlan(c, view);
    case PORT_GENEVE: return inner_geneve(c, view);
    case PORT_GTP: return inner_gtp(c, view);
    case PORT_GRE: return inner_gre(c, view);
    default: return false;
    }
}

bool packet_parse_inner(const struct packet_view *outer, const uint8_t *data, struct packet_view *ret)
{
    struct cursor c = cursor_over(data, outer->end);
    struct packet_view view;
    bool found = false;
    if (!outer->first_fragment)
        return false;
    cursor_skip(&c, outer->transport_at);
    switch (outer->protocol) {
    case PROTO_UDP: found = inner_udp(&c, outer->destination_port, &view); break;
    case PROTO_GRE: found = inner_gre(&c, &view); break;
    case PROTO_IPIP: found = view_ipv4(&c, &view); break;
    case PROTO_IPV6: found = view_ipv6(&c, &view); break;
    default: break;
    }
    if (!found)
        return false;
    view.vni = view.vni ? view.vni : outer->vni;
    *ret = view;
    return true;
}

bool packet_parse_datagram(const struct packet_view *fragment, uint8_t protocol, const uint8_t *data, uint32_t captured, struct packet_view *ret)
{
    struct cursor c = cursor_over(data, captured);
    struct packet_view view = { .version = fragment->version, .protocol = protocol, .first_fragment = true, .end = captured, .vni = fragment->vni };
    memcpy(view.source, fragment->source, sizeof view.source);
    memcpy(view.destination, fragment->destination, sizeof view.destination);
    if (!skip_extensions(&c, &view) || !view_ports(&c, &view))
        return false;
    if (view.fragment) /* a fragment header inside a datagram that was one already */
        return false;
    *ret = view;
    return true;
}
