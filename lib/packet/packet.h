/* Where the addresses and ports of a packet are: link header, VLAN tags, IPv4 or IPv6 with its extension headers, TCP, UDP or SCTP ports;
 * and one step into a tunnel.
 *
 * Reads nothing outside the captured bytes; borrows them. Thread-safe. Source: RFC 791, 8200, 2675 (jumbograms), 7348 (VXLAN), 8926
 * (Geneve), 2003 and 4213 (IP in IP), 2784 (GRE), IEEE 802.1Q. */
#ifndef PACKET_PACKET_H
#define PACKET_PACKET_H
#include <stdbool.h>
#include <stdint.h>

#define PACKET_VLAN_TAGS_MAX 4        /* QinQ has two */
#define PACKET_EXTENSIONS_MAX 16      /* headers of IPv6; more are an attack */

/* LINKTYPE_ values whose header this parser knows; others give false. */
#define PACKET_LINK_NULL 0u
#define PACKET_LINK_ETHERNET 1u
#define PACKET_LINK_RAW 101u
#define PACKET_LINK_LINUX_SLL 113u
#define PACKET_LINK_IPV4 228u
#define PACKET_LINK_IPV6 229u
#define PACKET_LINK_LINUX_SLL2 276u

struct packet_view {
    uint8_t version;                  /* 4 or 6 */
    uint8_t protocol;                 /* behind the extension headers */
    bool fragment;                    /* one of several; ports are read from the first alone */
    bool first_fragment;              /* or the packet is whole */
    uint8_t source[16], destination[16]; /* IPv4 in the first four bytes, zeros behind */
    uint16_t source_port, destination_port; /* 0 where there are none */
    uint32_t ip_at, transport_at, end;/* offsets in the captured bytes; end: of the IP packet, as far as it was captured */
};
/* False: no IP packet, or its headers are cut or nonsense. */
bool packet_parse(uint32_t link_type, const uint8_t *data, uint32_t captured, struct packet_view *ret);
/* The IP packet inside a tunnel (VXLAN, Geneve, GRE, IP in IP) that outer carries; false where it carries none. */
bool packet_parse_inner(const struct packet_view *outer, const uint8_t *data, struct packet_view *ret);
#endif
