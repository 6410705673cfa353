/* The generator's packets. Packet `index` of a run is a pure function of the plan, so that the checker can make each one again and compare byte for byte.
 *
 *   Ethernet 14 | IPv4 20 or IPv6 40 | TCP 20 or UDP 8 | be64 number in its flow | bytes from (seed, flow, number)
 *
 * Packet index i belongs to flow i % flows and is number i / flows in it. Flow kinds go round: TCP and UDP over IPv4, then TCP and UDP over IPv6 (the latter two not with ipv4_only).
 * The flow is in the source address; addresses belong to nobody, so nothing answers. Frames are size_min to size_max bytes long, but never shorter than their headers and the number;
 * a skew of k takes the least of k even draws, so that the mean falls to about size_max / (k + 1) while every size still occurs. */
#ifndef TRAFFIC_PLAN_H
#define TRAFFIC_PLAN_H
#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TRAFFIC_FRAME_BYTES_MAX 65536
#define TRAFFIC_FLOWS_MAX 65536
#define TRAFFIC_NUMBER_BYTES 8

struct traffic_plan { uint64_t seed; uint32_t flows, size_min, size_max, skew; bool ipv4_only; };

static inline uint64_t traffic_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

struct traffic_kind { bool ipv6, tcp; };
static inline struct traffic_kind traffic_kind_of(const struct traffic_plan *plan, uint32_t flow)
{
    uint32_t k = flow % (plan->ipv4_only ? 2 : 4);
    return (struct traffic_kind){ .ipv6 = k >= 2, .tcp = (k & 1) == 0 };
}

static inline uint32_t traffic_header_bytes(struct traffic_kind kind) { return 14u + (kind.ipv6 ? 40u : 20u) + (kind.tcp ? 20u : 8u); }

static inline uint32_t traffic_size_of(const struct traffic_plan *plan, uint64_t index)
{
    uint32_t flow = (uint32_t)(index % plan->flows);
    uint64_t span = plan->size_max - plan->size_min + 1u, least = UINT64_MAX;
    uint64_t draw = traffic_mix(plan->seed ^ traffic_mix(index));
    for (uint32_t k = 0; k < plan->skew; k++, draw = traffic_mix(draw))
        least = draw % span < least ? draw % span : least;
    uint32_t size = plan->size_min + (uint32_t)least;
    uint32_t floor = traffic_header_bytes(traffic_kind_of(plan, flow)) + TRAFFIC_NUMBER_BYTES;
    return size < floor ? floor : size;
}

static inline void traffic_put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline void traffic_put32(uint8_t *p, uint32_t v) { traffic_put16(p, v >> 16); traffic_put16(p + 2, v & 0xffff); }
static inline uint32_t traffic_get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* Internet checksum, RFC 1071, over little-endian words: the sum is the same after a byte swap. */
static inline uint64_t traffic_sum(const uint8_t *p, size_t n, uint64_t sum)
{
    for (; n >= 4; p += 4, n -= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
    }
    uint32_t rest = 0;
    memcpy(&rest, p, n);
    return sum + rest;
}
static inline uint16_t traffic_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static inline void traffic_put_network(uint8_t *ip, struct traffic_kind kind, uint32_t flow, uint32_t length)
{
    uint8_t protocol = kind.tcp ? 6 : 17;
    if (kind.ipv6) {
        traffic_put32(ip, 0x60000000u);
        traffic_put16(ip + 4, length - 40);
        ip[6] = protocol;
        ip[7] = 64;
        memset(ip + 8, 0, 32);
        ip[8] = ip[24] = 0xfd;
        ip[9] = 0x77;
        ip[25] = 0x78;
        traffic_put32(ip + 20, flow);
        traffic_put32(ip + 36, flow);
        return;
    }
    memset(ip, 0, 20);
    ip[0] = 0x45;
    traffic_put16(ip + 2, length);
    ip[8] = 64;
    ip[9] = protocol;
    traffic_put32(ip + 12, 0x0a4d0000u + flow);
    traffic_put32(ip + 16, 0x0a4e0000u + flow);
    uint16_t sum = traffic_fold(traffic_sum(ip, 20, 0));
    memcpy(ip + 10, &sum, sizeof sum);
}

static inline void traffic_put_transport(uint8_t *l4, struct traffic_kind kind, uint32_t flow, uint64_t number, uint32_t length)
{
    memset(l4, 0, kind.tcp ? 20 : 8);
    traffic_put16(l4, 20000 + flow % 20000);
    traffic_put16(l4 + 2, 40000 + flow % 20000);
    if (!kind.tcp) {
        traffic_put16(l4 + 4, length);
        return;
    }
    traffic_put32(l4 + 4, (uint32_t)number);
    traffic_put32(l4 + 8, 1);
    l4[12] = 0x50;
    l4[13] = 0x18; /* PSH, ACK */
    traffic_put16(l4 + 14, 0xffff);
}

static inline void traffic_put_checksum(uint8_t *ip, uint8_t *l4, struct traffic_kind kind, uint32_t length)
{
    uint64_t sum = kind.ipv6 ? traffic_sum(ip + 8, 32, 0) : traffic_sum(ip + 12, 8, 0);
    sum += htobe16((uint16_t)length);
    sum += htobe16(kind.tcp ? 6 : 17);
    uint16_t folded = traffic_fold(traffic_sum(l4, length, sum));
    if (!kind.tcp && folded == 0)
        folded = 0xffff;
    memcpy(l4 + (kind.tcp ? 16 : 6), &folded, sizeof folded);
}

/* Writes the frame behind the 12 bytes of Ethernet addresses, which are the caller's. frame has TRAFFIC_FRAME_BYTES_MAX + 8. Returns its length. */
static inline uint32_t traffic_build(const struct traffic_plan *plan, uint64_t index, uint8_t *frame)
{
    uint32_t flow = (uint32_t)(index % plan->flows), size = traffic_size_of(plan, index);
    uint64_t number = index / plan->flows;
    struct traffic_kind kind = traffic_kind_of(plan, flow);
    uint32_t head = traffic_header_bytes(kind);
    assert(size <= TRAFFIC_FRAME_BYTES_MAX && size >= head + TRAFFIC_NUMBER_BYTES);
    uint8_t *ip = frame + 14, *l4 = ip + (kind.ipv6 ? 40 : 20), *payload = frame + head;
    traffic_put16(frame + 12, kind.ipv6 ? 0x86dd : 0x0800);
    traffic_put_network(ip, kind, flow, size - 14);
    uint32_t l4_length = size - (uint32_t)(l4 - frame);
    traffic_put_transport(l4, kind, flow, number, l4_length);
    uint64_t big = htobe64(number), state = traffic_mix(plan->seed + flow) ^ traffic_mix(number);
    memcpy(payload, &big, sizeof big);
    for (uint32_t at = head + TRAFFIC_NUMBER_BYTES; at < size; at += 8) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t out = state ^ (state >> 29);
        memcpy(frame + at, &out, sizeof out); /* may run up to 7 bytes past the frame */
    }
    traffic_put_checksum(ip, l4, kind, l4_length);
    return size;
}

/* Which packet a frame claims to be. False: none of ours. */
static inline bool traffic_claim(const struct traffic_plan *plan, const uint8_t *frame, uint32_t size, uint64_t *ret_index)
{
    if (size < 14 + 20 + 8 + TRAFFIC_NUMBER_BYTES)
        return false;
    bool ipv6 = frame[12] == 0x86 && frame[13] == 0xdd;
    if (!ipv6 && !(frame[12] == 8 && frame[13] == 0))
        return false;
    const uint8_t *ip = frame + 14;
    if (ipv6 ? ip[8] != 0xfd || ip[9] != 0x77 || ip[24] != 0xfd || ip[25] != 0x78 : ip[12] != 10 || ip[13] != 0x4d || ip[16] != 10 || ip[17] != 0x4e)
        return false;
    uint32_t flow = ipv6 ? traffic_get32(ip + 20) : traffic_get32(ip + 12) & 0xffff;
    struct traffic_kind kind = { .ipv6 = ipv6, .tcp = (ipv6 ? ip[6] : ip[9]) == 6 };
    uint32_t head = traffic_header_bytes(kind);
    if (flow >= plan->flows || size < head + TRAFFIC_NUMBER_BYTES)
        return false;
    uint64_t big;
    memcpy(&big, frame + head, sizeof big);
    if (be64toh(big) > (UINT64_MAX - flow) / plan->flows)
        return false;
    *ret_index = be64toh(big) * plan->flows + flow;
    return true;
}
#endif
