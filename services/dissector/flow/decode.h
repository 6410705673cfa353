/* From a captured packet to the TCP segment or UDP datagram in it: link header, tags and labels, tunnels, fragments.
 *
 *   link type -> IP -> fragment? wait for the others -> tunnel? its IP, up to DECODE_TUNNELS_MAX times -> TCP or UDP
 *
 * The innermost is what counts; a VXLAN's or Geneve's number goes with it. A UDP datagram to a tunnel's port whose content is no tunnel is a datagram. What the capture cut off is counted in payload but not in captured.
 * Bytes behind the IP packet's end (Ethernet's padding, trailers) are none of it; an IPv4 length of 0 (a segment that the sender's network card cuts up later) reaches to the end of the packet.
 * Nothing is allocated but for fragments. A decoder belongs to one thread. Source: RFC 9293, 7323, 768; lib/packet and fragments.h have theirs. */
#ifndef DISSECTOR_FLOW_DECODE_H
#define DISSECTOR_FLOW_DECODE_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/flow/fragments.h"
#include "services/dissector/input/input.h"

#define DECODE_TUNNELS_MAX 4u           /* inside each other; more are nobody's network */

struct decode_counters {
    uint64_t packets;                   /* = tcp + udp + fragments + other_ip + not_ip + malformed */
    uint64_t tcp, udp;                  /* given out; with those that fragments made whole */
    uint64_t fragments;                 /* that wait, or were given up; the one that made a datagram whole counts as what that is */
    uint64_t other_ip;                  /* IP, but neither TCP nor UDP */
    uint64_t not_ip;                    /* no IP packet, or its header is cut or nonsense */
    uint64_t malformed;                 /* TCP or UDP headers that are cut or contradict themselves */
    uint64_t unknown_link_type;         /* of not_ip */
    uint64_t tunnelled, truncated;      /* of tcp and udp: inside a tunnel; with payload that was not captured */
};
struct decoder;
int decoder_new(struct decoder **ret);  /* -ENOMEM */
void decoder_free(struct decoder *decoder);
static inline void decoder_free_p(struct decoder **decoder) { decoder_free(*decoder); }
/* True: *ret is a packet for shard_packet(), hash and all. Its data is borrowed from the packet, or from the decoder until its next call. False: there is none (a fragment that waits, another protocol ...); it was counted. */
bool decode_packet(struct decoder *decoder, const struct input_packet *packet, struct shard_packet *ret);
/* The same for a fragment that another decoder had left (fragments_on_left). Of packet only time_ns, frame, input, node and point are looked at. Counted as a packet. */
bool decode_fragment(struct decoder *decoder, const struct input_packet *packet, const struct fragment *fragment, struct shard_packet *ret);
const struct decode_counters *decoder_counters(const struct decoder *decoder);
void decode_counters_add(struct decode_counters *to, const struct decode_counters *more);
/* Those that wait; the decoder's. */
struct fragments *decoder_fragments(struct decoder *decoder);
#endif
