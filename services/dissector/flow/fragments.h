/* IP datagrams from their fragments (RFC 791, 815, 8200 section 4.5, 5722). IPv4: of bytes that overlap, those that came first stay. IPv6: a datagram with any overlap other than an exact copy is dropped, and so is all that
 * comes of it later.
 *
 * Time is the packets' own. A datagram is given up FRAGMENTS_TIMEOUT_NS after its first fragment, or when there is no room: the oldest first. What happens depends on the order of packets alone. Not shared between threads. */
#ifndef DISSECTOR_FLOW_FRAGMENTS_H
#define DISSECTOR_FLOW_FRAGMENTS_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAGMENTS_TIMEOUT_NS INT64_C(30000000000)
#define FRAGMENTS_DATAGRAMS_MAX 4096u   /* waiting at once: Linux' own limit (4 MiB) holds no more of any usual size */
#define FRAGMENTS_BYTES_MAX (16u * 1024 * 1024)
#define FRAGMENTS_PARTS_MAX 128u        /* of one datagram: 64 KiB in parts of 576 bytes is 119 */
#define FRAGMENTS_DATAGRAM_MAX 65535u   /* bytes behind the IP header */

struct fragment_key {
    uint8_t source[16], destination[16];
    uint64_t point;                     /* fragments seen at two places are not mixed */
    uint32_t id, vni;
    uint8_t version;
    uint8_t protocol;                   /* of IPv4; 0 with IPv6, where it is no part of the key */
    uint8_t depth;                      /* tunnels around it */
    uint8_t zero;
    uint16_t lane;                      /* input_packet.lane: neither are those of two captures of one place, which may overlap */
    uint16_t zero2;
};
static_assert(sizeof(struct fragment_key) == 56, "no holes: compared and hashed as bytes");

struct fragment {
    struct fragment_key key;
    int64_t time_ns, order_ns;          /* see input_packet */
    uint32_t frame;
    uint32_t offset, length;            /* in the datagram; length as the IP header says */
    uint32_t captured;                  /* bytes at data: less than length where the capture cut them off */
    const uint8_t *data;
    uint8_t protocol;                   /* what the datagram begins with; looked at where offset is 0 */
    bool more;                          /* it is not the last */
};
struct fragment_counters {
    uint64_t taken;
    uint64_t datagrams;                 /* made whole */
    uint64_t duplicates, malformed;     /* fragments that brought nothing new; that lie beyond the end or 64 KiB, or are no multiple of 8 */
    uint64_t timed_out, evicted, overlapping, failed; /* datagrams given up: late; no room or too many parts; RFC 5722; no memory */
};
struct fragments;
int fragments_new(struct fragments **ret); /* -ENOMEM */
void fragments_free(struct fragments *fragments);
/* Called with each part of every datagram that is given up incomplete, and by fragments_leave for those that wait: whoever has the fragments before or behind may make it whole. data is borrowed for the call. IPv4's
 * overlaps are cut away already; a datagram that RFC 5722 dropped is not told. */
typedef void fragments_left(void *context, const struct fragment *part);
void fragments_on_left(struct fragments *fragments, fragments_left *left, void *context);
void fragments_leave(struct fragments *fragments);

struct datagram { const uint8_t *data; uint32_t captured, length; uint8_t protocol; };
/* True: the fragment made its datagram whole. Its data, what lies behind the IP header, is borrowed until the next call but one (so that a fragment of a tunnel in it can be given here). captured: up to the first byte that
 * was not captured. */
bool fragments_add(struct fragments *fragments, const struct fragment *fragment, struct datagram *ret);
uint32_t fragments_waiting(const struct fragments *fragments);
const struct fragment_counters *fragments_counters(const struct fragments *fragments);
#endif
