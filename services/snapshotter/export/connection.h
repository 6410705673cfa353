/* The packets of one TCP or UDP connection, both directions, by the innermost addresses and ports: also inside VXLAN, Geneve, GRE, ERSPAN and IP in IP, and behind VLAN tags and MPLS labels, where a BPF expression would have to
 * know what is around them. Fragments behind the first of a datagram have no ports: those between the two addresses belong to it. Of a packet around it that came in fragments, the first alone says what is inside: later ones
 * belong to it where they follow it within CONNECTION_FRAGMENTS_NS; those that come before it are left out. */
#ifndef SNAPSHOTTER_EXPORT_CONNECTION_H
#define SNAPSHOTTER_EXPORT_CONNECTION_H
#include <stdbool.h>
#include <stdint.h>

#define CONNECTION_TUNNELS_MAX 4 /* inside each other */
#define CONNECTION_FRAGMENTS_MAX 4096u /* first fragments remembered, of the connection alone; with more, the oldest give way */
#define CONNECTION_FRAGMENTS_NS INT64_C(30000000000) /* in packets' time: as long as systems wait for the rest; the identification comes again later */

struct connection { uint8_t version, addresses[2][16]; uint16_t ports[2]; };
/* The first fragments that carried packets of a connection. One thread. */
struct connection_fragments;
/* Addresses as text, of one family. -EINVAL. */
int connection_parse(const char *source, const char *destination, uint32_t source_port, uint32_t destination_port, struct connection *ret);
/* -ENOMEM. */
int connection_fragments_new(struct connection_fragments **ret);
void connection_fragments_free(struct connection_fragments *fragments); /* NULL is fine */
/* A packet as it was captured, borrowed: data has `captured` bytes. */
struct connection_packet { uint32_t link_type, captured; const uint8_t *data; int64_t time_ns; };
bool connection_match(const struct connection *connection, struct connection_fragments *fragments, const struct connection_packet *packet);
#endif
