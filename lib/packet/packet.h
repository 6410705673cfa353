/* Where the addresses and ports of a packet are: link header, VLAN and other tags, MPLS labels, PPPoE, IPv4 or IPv6 with its extension headers, TCP,
 * UDP or SCTP ports; and one step into a tunnel.
 *
 * Reads nothing outside the captured bytes; borrows them. Thread-safe. Source: RFC 791, 8200, 2675 (jumbograms), 4302 (AH), 7348 (VXLAN),
 * 8926 (Geneve), 2003 and 4213 (IP in IP), 2784 (GRE), 2637 (PPTP), 8086 (GRE in UDP), 3032 (MPLS), 2516 (PPPoE), IEEE 802.1Q and 802.1ah, draft-foschiano-erspan,
 * draft-mclaggan-wccp-v2rev1, 3GPP TS 29.281 (GTP-U); link types: tcpdump.org/linktypes.html. */
#ifndef PACKET_PACKET_H
#define PACKET_PACKET_H
#include <stdbool.h>
#include <stdint.h>

#define PACKET_VLAN_TAGS_MAX 4        /* QinQ has two */
#define PACKET_MPLS_LABELS_MAX 16
#define PACKET_EXTENSIONS_MAX 16      /* headers of IPv6; more are an attack */

/* LINKTYPE_ values whose header this parser knows; others give false. */
#define PACKET_LINK_NULL 0u
#define PACKET_LINK_ETHERNET 1u
#define PACKET_LINK_PPP 9u
#define PACKET_LINK_RAW_BSD 12u       /* the two numbers of raw IP that some systems write as they are */
#define PACKET_LINK_RAW_OPENBSD 14u
#define PACKET_LINK_PPP_HDLC 50u
#define PACKET_LINK_PPP_ETHER 51u
#define PACKET_LINK_RAW 101u
#define PACKET_LINK_CISCO_HDLC 104u
#define PACKET_LINK_WLAN 105u
#define PACKET_LINK_LOOP 108u
#define PACKET_LINK_LINUX_SLL 113u
#define PACKET_LINK_WLAN_RADIOTAP 127u
#define PACKET_LINK_IPV4 228u
#define PACKET_LINK_IPV6 229u
#define PACKET_LINK_NFLOG 239u
#define PACKET_LINK_LINUX_SLL2 276u

struct packet_view {
    uint8_t version;                  /* 4 or 6 */
    uint8_t protocol;                 /* behind the extension headers */
    bool fragment;                    /* one of several; ports are read from the first alone */
    bool first_fragment;              /* or the packet is whole */
    uint8_t source[16], destination[16]; /* IPv4 in the first four bytes, zeros behind */
    uint16_t source_port, destination_port; /* 0 where there are none */
    uint32_t ip_at, transport_at, end;/* offsets in the captured bytes; end: of the IP packet, as far as it was captured */
    uint32_t ip_length;               /* of the IP packet, as its header says; 0: it does not (a super-packet, a jumbogram) */
    uint32_t vni;                     /* of the VXLAN or Geneve around it, the innermost; 0 */
    /* of a fragment: its bytes, which lie behind the IP header or the fragment header; where they belong; what the first of them is */
    uint32_t fragment_at, fragment_offset, fragment_id;
    uint8_t fragment_protocol;
    bool more_fragments;
};
/* Whether the parser knows the header of this link type. */
bool packet_knows_link(uint32_t link_type);
/* False: no IP packet, or its headers are cut or nonsense. */
bool packet_parse(uint32_t link_type, const uint8_t *data, uint32_t captured, struct packet_view *ret);
/* The IP packet inside a tunnel (VXLAN, Geneve, GRE, ERSPAN, PPTP, WCCP, GTP, IP in IP) that outer carries; false where it carries none. */
bool packet_parse_inner(const struct packet_view *outer, const uint8_t *data, struct packet_view *ret);
/* A datagram put together from fragments: data is what lies behind its IP header (and fragment header), protocol what that begins with;
 * addresses and VNI are any fragment's. The offsets of *ret are in data. */
bool packet_parse_datagram(const struct packet_view *fragment, uint8_t protocol, const uint8_t *data, uint32_t captured, struct packet_view *ret);
#endif
