/* Tells later copies of a packet: the same IP packet, seen on another interface or node less than EXPORT_DEDUP_NS before.
 *
 * Compared are addresses, protocol, IPv4 id and fragment, transport header and payload of the innermost IP packet; not the link header,
 * tags, tunnels, TTL and the checksums, which change on the way through a host. A packet that is no IP is compared as a whole. A table of
 * fixed size remembers the packets, the oldest forgotten first. */
#ifndef SNAPSHOTTER_EXPORT_COPIES_H
#define SNAPSHOTTER_EXPORT_COPIES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COPIES_BYTES_MAX (24u * 1024 * 1024) /* a million packets: 100 ms at ten million a second */

struct copies;
/* -ENOMEM. */
int copies_new(uint64_t bytes, struct copies **ret);
void copies_free(struct copies *copies);
/* True: leave it out. To be asked once for each packet, in the order of time. */
bool copies_seen(struct copies *copies, int64_t time_ns, uint32_t interface, uint32_t link_type, const uint8_t *data, uint32_t captured);
#endif
