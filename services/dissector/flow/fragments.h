/* IP datagrams from their fragments (RFC 791, 815, 8200 section 4.5, 5722). IPv4: of bytes that overlap, those that came first stay. IPv6: a datagram with any overlap other than an exact copy is dropped, and so is all that
 * comes of it later.
 *
 * Time is the packets' own. A datagram is given up FRAGMENTS_TIMEOUT_NS after its first fragment, or when there is no room: the oldest first. Depends on the order of packets alone. Not shared between threads. */
#ifndef DISSECTOR_FLOW_FRAGMENTS_H
#define DISSECTOR_FLOW_FRAGMENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENTS_TIMEOUT_NS INT64_C(30000000000)
#define FRAGMENTS_DATAGRAMS_MAX 4096u   /* waiting at once; Linux' own limit (4 MiB) holds no more of any usual size */
#define FRAGMENTS_BYTES_MAX (16u * 1024 * 1024)
#define FRAGMENTS_PARTS_MAX 128u        /* of one datagram: 64 KiB in parts of 576 bytes is 119 */
#define FRAGMENTS_DATAGRAM_MAX 65535u   /* bytes behind the IP header */

struct fragment_key {
    uint8_t source[16], destination[16];
    uint64_t point;                     /* fragments seen at two places are not mixed */
    uint32_t id, vni;
    uint8_t version, protocol;          /* protocol: IPv4 alone (RFC 8200: not part of the key) */
    uint8_t depth;                      /* of tunnels around it */
    uint8_t zero[5];
};
_Static_assert(sizeof(struct fragment_key) == 56, "no holes: compared and hashed as bytes");

struct fragment {
    struct fragment_key key;
    int64_t time_ns;
    uint32_t offset, length;            /* in the datagram; length as the IP header says */
    const uint8_t *data; uint32_t captured; /* less than length where the capture cut it */
    uint8_t protocol;                   /* of what the fragment with offset 0 holds */
    bool more;
};
struct fragment_counters {
    uint64_t datagrams;                 /* made whole */
    uint64_t parts, bytes;              /* taken */
    uint64_t timed_out, evicted, overlapping, too_many, malformed, failed; /* datagrams given up: late; no room; RFC 5722; parts; beyond the end or 64 KiB; no memory */
    uint64_t duplicates;                /* parts that brought nothing new */
};
struct fragments;
int fragments_new(struct fragments **ret); /* -ENOMEM */
void fragments_free(struct fragments *fragments);
/* True: the datagram is whole: *ret_data, *ret_size bytes (behind its IP header), of which *ret_captured are there (to the first byte that the capture cut); *ret_protocol is its first fragment's. Borrowed until the next call. */
bool fragments_add(struct fragments *fragments, const struct fragment *fragment, const uint8_t **ret_data, uint32_t *ret_captured, uint32_t *ret_size, uint8_t *ret_protocol);
uint32_t fragments_waiting(const struct fragments *fragments);
const struct fragment_counters *fragments_counters(const struct fragments *fragments);
#endif
