/* The packets of one TCP or UDP connection, both directions, by the innermost addresses and ports: also inside VXLAN, Geneve, GRE, ERSPAN and IP in IP, and behind VLAN tags and MPLS labels, where a BPF expression would have to
 * know what is around them. Fragments behind the first of a datagram have no ports: those between the two addresses belong to it. */
#ifndef SNAPSHOTTER_EXPORT_CONNECTION_H
#define SNAPSHOTTER_EXPORT_CONNECTION_H
#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_TUNNELS_MAX 4 /* inside each other */

struct connection { uint8_t version, addresses[2][16]; uint16_t ports[2]; };
/* Addresses as text, of one family. -EINVAL. */
int connection_parse(const char *source, const char *destination, uint32_t source_port, uint32_t destination_port, struct connection *ret);
/* data: the captured bytes of a packet. */
bool connection_match(const struct connection *connection, uint32_t link_type, const uint8_t *data, uint32_t captured);
#endif
