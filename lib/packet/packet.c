#include "packet/packet.h"
#include <string.h>
#include "bytes/cursor.h"

enum { ETHER_IPV4 = 0x0800, ETHER_VLAN = 0x8100, ETHER_IPV6 = 0x86dd, ETHER_QINQ = 0x88a8, ETHER_QINQ_OLD = 0x9100, ETHER_TEB = 0x6558 };
enum { PROTO_HOPOPTS = 0, PROTO_IPIP = 4, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_IPV6 = 41, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44,
       PROTO_GRE = 47, PROTO_AH = 51,
       PROTO_DESTINATION = 60, PROTO_SCTP = 132, PROTO_MOBILITY = 135 };
enum { PORT_VXLAN = 4789, PORT_VXLAN_LINUX = 8472, PORT_GENEVE = 6081 };
enum { IPV4_FRAGMENT_BITS = 0x3fff, IPV4_OFFSET_BITS = 0x1fff };

static bool view_ports(struct cursor *c, struct packet_view *view)
{
    view->transport_at = (uint32_t)c->at;
    if (view->first_fragment && (view->protocol == PROTO_TCP || view->protocol == PROTO_UDP || view->protocol == PROTO_SCTP)) {
        view->source_port = cursor_be16(c);
        view->destination_port = cursor_be16(c);
    }
    return cursor_ok(c);
}

static bool view_ipv4(struct cursor *c, struct packet_view *view)
{
    uint32_t at = (uint32_t)c->at;
    uint8_t version = cursor_u8(c);
    cursor_skip(c, 1);
    uint32_t total = cursor_be16(c), head = (version & 15u) * 4u;
    cursor_skip(c, 2);
    uint16_t fragment = cursor_be16(c);
    cursor_skip(c, 1);
    uint8_t protocol = cursor_u8(c);
    cursor_skip(c, 2);
    const uint8_t *source = cursor_take(c, 4), *destination = cursor_take(c, 4);
    if (!destination || version >> 4 != 4 || head < 20 || (total != 0 && total < head))
        return false;
    cursor_skip(c, head - 20);
    *view = (struct packet_view){ .version = 4, .protocol = protocol, .ip_at = at, .end = (uint32_t)c->size };
    view->fragment = (fragment & IPV4_FRAGMENT_BITS) != 0;
    view->first_fragment = (fragment & IPV4_OFFSET_BITS) == 0;
    memcpy(view->source, source, 4);
    memcpy(view->destination, destination, 4);
    if (total != 0 && at + total < view->end) /* 0: a super-packet longer than 65535 */
        view->end = at + total;
    return view_ports(c, view);
}

/* Steps over extension headers; leaves view->protocol at what is behind them. */
static bool skip_extensions(struct cursor *c, struct packet_view *view)
{
    for (int i = 0; i < PACKET_EXTENSIONS_MAX; i++) {
        uint8_t at = view->protocol;
        if (at != PROTO_HOPOPTS && at != PROTO_ROUTING && at != PROTO_FRAGMENT && at != PROTO_DESTINATION && at != PROTO_AH &&
            at != PROTO_MOBILITY)
            return true;
        view->protocol = cursor_u8(c);
        uint8_t length = cursor_u8(c);
        if (at == PROTO_FRAGMENT) {
            uint16_t offset = cursor_be16(c);
            cursor_skip(c, 4);
            view->fragment = (offset & ~6u) != 0; /* an atomic fragment is a whole packet */
            view->first_fragment = offset >> 3 == 0;
        } else {
            cursor_skip(c, at == PROTO_AH ? length * 4u + 6u : length * 8u + 6u);
        }
        if (!cursor_ok(c) || !view->first_fragment)
            return cursor_ok(c);
    }
    return false;
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
    *view = (struct packet_view){ .version = 6, .protocol = next, .first_fragment = true, .ip_at = at, .end = (uint32_t)c->size };
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

/* Behind an EtherType: VLAN tags, then IP. */
static bool view_ether_type(struct cursor *c, uint16_t type, struct packet_view *view)
{
    for (int i = 0; i < PACKET_VLAN_TAGS_MAX && (type == ETHER_VLAN || type == ETHER_QINQ || type == ETHER_QINQ_OLD); i++) {
        cursor_skip(c, 2);
        type = cursor_be16(c);
    }
    return (type == ETHER_IPV4 && view_ipv4(c, view)) || (type == ETHER_IPV6 && view_ipv6(c, view));
}

static bool view_ethernet(struct cursor *c, struct packet_view *view)
{
    cursor_skip(c, 12);
    return view_ether_type(c, cursor_be16(c), view);
}

bool packet_parse(uint32_t link_type, const uint8_t *data, uint32_t captured, struct packet_view *ret)
{
    struct cursor c = cursor_over(data, captured);
    struct packet_view view;
    bool found = false;
    switch (link_type) {
    case PACKET_LINK_ETHERNET: found = view_ethernet(&c, &view); break;
    case PACKET_LINK_RAW: case PACKET_LINK_IPV4: case PACKET_LINK_IPV6: found = view_ip(&c, &view); break;
    case PACKET_LINK_NULL:
        cursor_skip(&c, 4);
        found = view_ip(&c, &view);
        break;
    case PACKET_LINK_LINUX_SLL:
        cursor_skip(&c, 14);
        found = view_ether_type(&c, cursor_be16(&c), &view);
        break;
    case PACKET_LINK_LINUX_SLL2: {
        uint16_t type = cursor_be16(&c);
        cursor_skip(&c, 18);
        found = view_ether_type(&c, type, &view);
        break;
    }
    default: break;
    }
    if (found)
        *ret = view;
    return found;
}

static bool inner_udp(struct cursor *c, uint16_t port, struct packet_view *view)
{
    cursor_skip(c, 8);
    if (port == PORT_VXLAN || port == PORT_VXLAN_LINUX) {
        cursor_skip(c, 8);
        return view_ethernet(c, view);
    }
    if (port != PORT_GENEVE)
        return false;
    uint8_t head = cursor_u8(c);
    cursor_skip(c, 1);
    uint16_t type = cursor_be16(c);
    cursor_skip(c, 4u + (head & 0x3fu) * 4u);
    return type == ETHER_TEB ? view_ethernet(c, view) : view_ether_type(c, type, view);
}

static bool inner_gre(struct cursor *c, struct packet_view *view)
{
    uint16_t flags = cursor_be16(c), type = cursor_be16(c);
    if ((flags & 7) != 0) /* version 0 alone carries packets so */
        return false;
    cursor_skip(c, (flags & 0x8000 ? 4u : 0u) + (flags & 0x2000 ? 4u : 0u) + (flags & 0x1000 ? 4u : 0u));
    return type == ETHER_TEB ? view_ethernet(c, view) : view_ether_type(c, type, view);
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
    if (found)
        *ret = view;
    return found;
}
