/* Which packets enter the ring. Runs as a socket filter, where offset 0 is the first byte that the ring gets: the link header, or the IP header on devices without one (tun, wireguard). bpf_skb_load_bytes also
 * reaches bytes that the driver left in fragments, which header-relative loads do not.
 *
 *   Ethernet: destination 6 | source 6 | (tag: TPID 2, TCI 2)* | type 2
 *   IPv4 (RFC 791): version.ihl 1 | tos 1 | length 2 | id 2 | flags.offset 2 | ttl 1 | protocol 1 | ...
 *   IPv6 (RFC 8200): version.. 4 | payload 2 | next 1 | hops 1 | 16 | 16;  extension: next 1 | length 1 | ...
 *
 * No length field is trusted or needed: BIG TCP sends 0 in them. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "filter.h"

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define TYPE_VLAN 0x8100
#define TYPE_QINQ 0x88a8
#define TYPE_QINQ_OLD 0x9100
#define PACKET_OUTGOING 4    /* linux/if_packet.h */

#define NEXT_HOP_BY_HOP 0
#define NEXT_IPV4 4
#define NEXT_TCP 6
#define NEXT_UDP 17
#define NEXT_IPV6 41
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION 60
#define NEXT_MOBILITY 135
#define NEXT_HIP 139
#define NEXT_SHIM6 140

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, FILTER_INTERFACES_MAX);
    __type(key, __u32);
    __type(value, struct filter_interface);
} interfaces SEC(".maps");

/* Row by CPU, column by slot; the loader makes it as long as there are CPUs. Mapped by user space, so that reading it is no system call. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FILTER_SLOTS_MAX);
    __type(key, __u32);
    __type(value, struct filter_counter);
} counters SEC(".maps");

const volatile __u64 own_tape_id = 0;
volatile __u32 opened = 0;

static __always_inline void count(struct __sk_buff *skb, __u32 slot)
{
    __u32 place = bpf_get_smp_processor_id() * FILTER_SLOTS_MAX + slot;
    struct filter_counter *counter = bpf_map_lookup_elem(&counters, &place);
    if (!counter)
        return;
    counter->packets++;
    counter->bytes += skb->len + (skb->vlan_present ? 4 : 0); /* the stripped tag is put back on the tape */
}

enum verdict { NOT_A_CANARY, OWN_CANARY, FOREIGN_CANARY };

static __always_inline enum verdict judge_canary(struct __sk_buff *skb)
{
    struct { __be16 source, destination, length, check; __u64 magic[2], tape_id; } udp;
    if (skb->len != FILTER_CANARY_BYTES || bpf_skb_load_bytes(skb, 14 + 20, &udp, sizeof udp) < 0)
        return NOT_A_CANARY;
    const char text[16] __attribute__((aligned(8))) = { 'T', 'A', 'P', 'E', 'L', 'O', 'O', 'P', '-', 'C', 'A', 'N', 'A', 'R', 'Y', '1' };
    const __u64 *magic = (const __u64 *)text;
    if (udp.destination != bpf_htons(9) || udp.magic[0] != magic[0] || udp.magic[1] != magic[1])
        return NOT_A_CANARY;
    return udp.tape_id == own_tape_id ? OWN_CANARY : FOREIGN_CANARY;
}

static __always_inline bool is_extension(__u8 next)
{
    return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_DESTINATION || next == NEXT_AUTHENTICATION || next == NEXT_MOBILITY || next == NEXT_HIP || next == NEXT_SHIM6;
}

/* From an IP header at `at` (next says which) to TCP or UDP, through extension headers and IP in IP. What cannot be decided (a later fragment of a header chain) is admitted: rather kept than missed. */
static __always_inline bool reaches_tcp_or_udp(struct __sk_buff *skb, __u32 at, __u8 next)
{
    for (int i = 0; i < FILTER_HEADERS_MAX; i++) {
        if (next == NEXT_TCP || next == NEXT_UDP)
            return true;
        if (next == NEXT_IPV4) {
            __u8 head[10];
            if (bpf_skb_load_bytes(skb, at, head, sizeof head) < 0 || head[0] >> 4 != 4 || (head[0] & 15) < 5)
                return false;
            next = head[9];
            at += (head[0] & 15) * 4;
            if (((head[6] & 0x1f) | head[7]) != 0)
                return next == NEXT_TCP || next == NEXT_UDP || next == NEXT_IPV4 || next == NEXT_IPV6;
        } else if (next == NEXT_IPV6) {
            __u8 head[7];
            if (bpf_skb_load_bytes(skb, at, head, sizeof head) < 0 || head[0] >> 4 != 6)
                return false;
            next = head[6];
            at += 40;
        } else if (next == NEXT_FRAGMENT) {
            __u8 head[4];
            if (bpf_skb_load_bytes(skb, at, head, sizeof head) < 0)
                return false;
            next = head[0];
            at += 8;
            if ((head[2] | (head[3] & 0xf8)) != 0)
                return next == NEXT_TCP || next == NEXT_UDP || next == NEXT_IPV4 || next == NEXT_IPV6 || is_extension(next);
        } else if (is_extension(next)) {
            __u8 head[2];
            if (bpf_skb_load_bytes(skb, at, head, sizeof head) < 0)
                return false;
            at += next == NEXT_AUTHENTICATION ? (head[1] + 2) * 4 : (head[1] + 1) * 8;
            next = head[0];
        } else {
            return false;
        }
    }
    return true;
}

static __always_inline bool is_wanted(struct __sk_buff *skb, __u32 flags)
{
    if (flags & FILTER_RAW_IP) {
        __u8 version;
        if (bpf_skb_load_bytes(skb, 0, &version, sizeof version) < 0)
            return false;
        return reaches_tcp_or_udp(skb, 0, version >> 4 == 6 ? NEXT_IPV6 : NEXT_IPV4);
    }
    __be16 type;
    __u32 at = 12;
    if (bpf_skb_load_bytes(skb, at, &type, sizeof type) < 0)
        return false;
    for (int i = 0; i < FILTER_TAGS_MAX; i++) {
        if (type != bpf_htons(TYPE_VLAN) && type != bpf_htons(TYPE_QINQ) && type != bpf_htons(TYPE_QINQ_OLD))
            break;
        at += 4;
        if (bpf_skb_load_bytes(skb, at, &type, sizeof type) < 0)
            return false;
    }
    if (type == bpf_htons(TYPE_IPV4))
        return reaches_tcp_or_udp(skb, at + 2, NEXT_IPV4);
    if (type == bpf_htons(TYPE_IPV6))
        return reaches_tcp_or_udp(skb, at + 2, NEXT_IPV6);
    return false;
}

SEC("socket")
int admit(struct __sk_buff *skb)
{
    if (!opened)
        return 0;
    __u32 ifindex = skb->ifindex;
    if (ifindex == FILTER_LOOPBACK) {
        if (skb->pkt_type == PACKET_OUTGOING)
            return 0;            /* the same packet comes again inbound */
        enum verdict verdict = judge_canary(skb);
        if (verdict == FOREIGN_CANARY)
            return 0;
        if (verdict == OWN_CANARY) {
            count(skb, FILTER_SLOT_CANARY);
            return FILTER_SNAP_BYTES;
        }
    }
    struct filter_interface *interface = bpf_map_lookup_elem(&interfaces, &ifindex);
    if (!interface || !is_wanted(skb, interface->flags))
        return 0;
    count(skb, interface->slot);
    return FILTER_SNAP_BYTES;
}

char filter_license[] SEC("license") = "Dual MIT/GPL";
