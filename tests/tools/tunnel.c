/* Puts every packet of a capture (pcap, Ethernet with IP) into a tunnel between two hosts of its own, 192.0.2.1 and 192.0.2.2, which side it is by the sender's address.
 *
 *   tunnel KIND IN OUT [MTU]    KIND: vxlan (VNI 7), geneve (VNI 8), gre, gretap, ipip; with MTU, what is longer goes in fragments */
#include "bytes/put.h"
#include "capfile/pcap_classic.h"
#include "tests/tools/capture_reader.h"

#define HEAD_MAX 96u
#define ETHERNET_HEAD 14u
#define IP_HEAD 20u
#define PACKET_MAX 65535u
enum { PROTO_IPIP = 4, PROTO_UDP = 17, PROTO_GRE = 47 };

struct head { uint8_t bytes[HEAD_MAX]; uint32_t size; };
static void put(struct head *h, const void *bytes, uint32_t size)
{
    memcpy(h->bytes + h->size, bytes, size);
    h->size += size;
}
static void put16(struct head *h, unsigned v) { put(h, (uint8_t[]){ (uint8_t)(v >> 8), (uint8_t)v }, 2); }

/* What stands before `inner` bytes: Ethernet, IPv4, and what the tunnel has. swapped: the other host sends. */
static void make_head(struct head *h, const char *kind, uint16_t id, uint32_t inner, bool swapped)
{
    static const uint8_t ethernet[ETHERNET_HEAD] = { 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0 }, hosts[2][4] = { { 192, 0, 2, 1 }, { 192, 0, 2, 2 } };
    bool vxlan = strcmp(kind, "vxlan") == 0, udp = vxlan || strcmp(kind, "geneve") == 0, gre = strncmp(kind, "gre", 3) == 0;
    uint32_t between = udp ? 16 : gre ? 4 : 0;
    h->size = 0;
    put(h, ethernet, sizeof ethernet);
    put16(h, 0x4500);
    put16(h, IP_HEAD + between + inner);
    put16(h, id);
    put16(h, 0);
    put16(h, 64u << 8 | (udp ? PROTO_UDP : gre ? PROTO_GRE : PROTO_IPIP));
    put16(h, 0);
    put(h, hosts[swapped], 4);
    put(h, hosts[!swapped], 4);
    if (udp) {
        put16(h, 50000);
        put16(h, vxlan ? 4789 : 6081);
        put16(h, 8 + 8 + inner);
        put16(h, 0);
        put(h, vxlan ? "\10\0\0\0\0\0\7" : "\0\0\145\130\0\0\10", 7);
        put(h, "", 1);
    } else if (gre) {
        put16(h, 0);
        put16(h, strcmp(kind, "gretap") == 0 ? 0x6558 : 0x0800);
    }
}

/* The frame, whole or in fragments of at most mtu bytes. */
static void write_frame(FILE *out, int64_t time_ns, uint8_t *frame, uint32_t size, uint32_t mtu)
{
    const uint32_t headers = ETHERNET_HEAD + IP_HEAD, body = size - headers, most = body + IP_HEAD <= mtu ? body : (mtu - IP_HEAD) / 8 * 8;
    for (uint32_t at = 0; at < body; at += most) {
        uint8_t head[PCAP_CLASSIC_HEADER_BYTES];
        uint32_t part = body - at < most ? body - at : most, bits = at / 8 | (at + part < body ? 0x2000 : 0);
        frame[ETHERNET_HEAD + 2] = (uint8_t)((IP_HEAD + part) >> 8);
        frame[ETHERNET_HEAD + 3] = (uint8_t)(IP_HEAD + part);
        frame[ETHERNET_HEAD + 6] = (uint8_t)(bits >> 8);
        frame[ETHERNET_HEAD + 7] = (uint8_t)bits;
        fwrite(head, pcap_classic_put_packet(head, time_ns, headers + part, headers + part), 1, out);
        fwrite(frame, headers, 1, out);
        fwrite(frame + headers + at, part, 1, out);
    }
}

int main(int argc, char **argv)
{
    struct capture_reader *reader = malloc(sizeof *reader);
    struct capture_packet packet;
    uint8_t head[PCAP_CLASSIC_HEADER_BYTES];
    static uint8_t frame[HEAD_MAX + PACKET_MAX];
    uint16_t id = 0;
    uint32_t mtu = argc == 5 ? (uint32_t)strtoul(argv[4], NULL, 10) : PACKET_MAX;
    FILE *out = (argc == 4 || argc == 5) && mtu >= 100 ? fopen(argv[3], "wb") : NULL;
    if (!reader || !out || !capture_open(reader, argv[2])) {
        fprintf(stderr, "tunnel: usage: tunnel vxlan|geneve|gre|gretap|ipip IN OUT [MTU]\n");
        return 2;
    }
    bool whole = strcmp(argv[1], "gre") != 0 && strcmp(argv[1], "ipip") != 0; /* with the Ethernet header */
    fwrite(head, pcap_classic_put_header(head, 1, 262144), 1, out);
    while (capture_next(reader, &packet)) {
        uint32_t skip = whole ? 0 : ETHERNET_HEAD;
        if (packet.captured < ETHERNET_HEAD + IP_HEAD || packet.captured > PACKET_MAX - HEAD_MAX)
            continue;
        struct head outer;
        make_head(&outer, argv[1], mtu < PACKET_MAX ? ++id : 0, packet.captured - skip, memcmp(packet.data + ETHERNET_HEAD + 12, packet.data + ETHERNET_HEAD + 16, 4) > 0);
        memcpy(frame, outer.bytes, outer.size);
        memcpy(frame + outer.size, packet.data + skip, packet.captured - skip);
        write_frame(out, packet.time_ns, frame, outer.size + packet.captured - skip, mtu);
    }
    bool bad = reader->problem || fclose(out) != 0;
    capture_close(reader);
    free(reader);
    return bad;
}
