/* Writes two pcap files of hand-made frames: one of each kind that must be recorded, one of each kind that must not. usage: craft KEPT OTHER
 *
 * Each row of the tables is the frame in words: layers from the outside in. Payloads carry the row's number, so no two frames are alike. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 16384
#define LAYERS_MAX 8

struct frame { uint8_t bytes[FRAME_BYTES_MAX]; size_t size; };

/* Words: v=0x8100 tag, q=0x88a8 tag, 4=IPv4, o=IPv4 with options, f=IPv4 first fragment, l=IPv4 later fragment, 6=IPv6, then IPv6 extension headers:
 * h=hop-by-hop, r=routing, d=destination options, a=authentication, F=first fragment, L=later fragment, A=atomic fragment; and what is inside:
 * t=TCP, u=UDP, i=ICMP, j=ICMPv6, s=SCTP, g=GRE, e=ESP, m=IGMP, n=no next header, x=ARP, y=LLDP; 4 and 6 again are IP in IP; capital B in front of a transport: 8 KiB of payload. */
static const char *const kept[] = {
    "4t", "4u", "6t", "6u", "ot", "ou", "ft", "lt", "fu", "lu",
    "v4t", "v4u", "v6t", "v6u", "q4u", "qv4t", "qv6u", "vv4t", "vv6t", "vot", "vlu", "qvlu",
    "6ht", "6hu", "6rt", "6dt", "6du", "6at", "6hrdu", "6hdrdt", "6hrdau",
    "6Ft", "6Fu", "6Lt", "6Lu", "6At", "6Au", "6hFt", "6hrFdu", "6hLu", "6hrLt",
    "v6ht", "qv6hdu", "44t", "46u", "64u", "66t", "6h4t", "v44u", "v6Lu", "qv6hFt", "4Bt", "4Bu", "6Bt", "v6hBu", "qv4Bt",
};
static const char *const other[] = {
    "x", "y", "vx", "qvx", "4i", "v4i", "4s", "4g", "4e", "4m", "li", "vlm",
    "6j", "6hj", "6s", "6e", "6n", "6dn", "6hn", "6Fj", "6hi", "v6j", "qv6hj", "6hrdj", "v6s", "44i", "46j", "64i", "66n", "v46s",
};

static void put(struct frame *f, const void *bytes, size_t n)
{
    memcpy(f->bytes + f->size, bytes, n);
    f->size += n;
}
static void put8(struct frame *f, unsigned v) { f->bytes[f->size++] = (uint8_t)v; }
static void put16(struct frame *f, unsigned v) { put8(f, v >> 8 & 0xff); put8(f, v & 0xff); }
static void put32(struct frame *f, uint32_t v) { put16(f, v >> 16); put16(f, v & 0xffff); }

/* The protocol number that a word stands for, seen from the header before it. */
static unsigned protocol_of(const char *word)
{
    static const struct { char word; unsigned number; } numbers[] = {
        { 'h', 0 }, { 'r', 43 }, { 'd', 60 }, { 'a', 51 }, { 'F', 44 }, { 'L', 44 }, { 'A', 44 }, { 't', 6 }, { 'u', 17 }, { 'i', 1 }, { 'j', 58 },
        { 's', 132 }, { 'g', 47 }, { 'e', 50 }, { 'm', 2 }, { 'n', 59 }, { '4', 4 }, { '6', 41 },
    };
    if (*word == 'B')
        word++;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].word == *word)
            return numbers[i].number;
    fprintf(stderr, "craft: no word \"%s\"\n", word);
    exit(1);
}

static unsigned ethertype_of(char word)
{
    switch (word) {
    case 'v': return 0x8100;
    case 'q': return 0x88a8;
    case '6': return 0x86dd;
    case 'x': return 0x0806;
    case 'y': return 0x88cc;
    default: return 0x0800;
    }
}

static void put_ipv4(struct frame *f, char word, unsigned next)
{
    put8(f, word == 'o' ? 0x46 : 0x45);
    put8(f, 0);
    put16(f, 0); /* length: set at the end */
    put16(f, 0x1234);
    put16(f, word == 'f' ? 0x2000 : word == 'l' ? 0x0005 : 0x4000);
    put8(f, 64);
    put8(f, next);
    put16(f, 0);
    put32(f, 0x0a090801);
    put32(f, 0x0a090802);
    if (word == 'o')
        put32(f, 0x01010100);
}

static void put_ipv6(struct frame *f, unsigned next)
{
    static const uint8_t from[16] = { 0xfd, 9, [15] = 1 }, to[16] = { 0xfd, 9, [15] = 2 };
    put32(f, 0x60000000);
    put16(f, 0); /* length: set at the end */
    put8(f, next);
    put8(f, 64);
    put(f, from, 16);
    put(f, to, 16);
}

static void put_extension(struct frame *f, char word, unsigned next)
{
    put8(f, next);
    switch (word) {
    case 'F': put8(f, 0); put16(f, 0x0001); put32(f, 77); break;
    case 'L': put8(f, 0); put16(f, 0x0048); put32(f, 77); break;
    case 'A': put8(f, 0); put16(f, 0x0000); put32(f, 77); break;
    case 'a': put8(f, 4); put16(f, 0); put32(f, 1); put32(f, 1); put32(f, 0); put32(f, 0); put32(f, 0); break; /* 24 bytes: (4 + 2) * 4 */
    case 'r': put8(f, 2); put8(f, 4); put8(f, 0); put32(f, 0); for (int i = 0; i < 4; i++) put32(f, 0xfd090000); break;
    default: put8(f, 1); put8(f, 1); put8(f, 12); for (int i = 0; i < 12; i++) put8(f, 0); break; /* 16 bytes, PadN */
    }
}

static void put_inside(struct frame *f, const char *word, unsigned number)
{
    size_t payload = *word == 'B' ? 8192 : 24;
    word += *word == 'B';
    if (*word == 't') {
        put16(f, 1000 + number); put16(f, 2000); put32(f, number); put32(f, 1); put16(f, 0x5018); put16(f, 1024); put32(f, 0);
    } else if (*word == 'u') {
        put16(f, 1000 + number); put16(f, 2000); put16(f, (unsigned)payload + 8); put16(f, 0);
    }
    for (size_t i = 0; i < payload; i++)
        put8(f, (number * 31 + (unsigned)i * 7) & 0xff);
}

static void frame_make(struct frame *f, const char *words, unsigned number)
{
    static const uint8_t addresses[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
    size_t ip[LAYERS_MAX], layers = 0;
    f->size = 0;
    put(f, addresses, sizeof addresses);
    put16(f, ethertype_of(*words));
    for (const char *w = words; *w; w++) {
        if (*w == 'v' || *w == 'q') {
            put16(f, 0x6000 | (100 + number)); /* priority 3 and a number */
            put16(f, ethertype_of(w[1]));
        } else if (strchr("4ofl", *w)) {
            ip[layers++] = f->size;
            put_ipv4(f, *w, protocol_of(w + 1));
        } else if (*w == '6') {
            ip[layers++] = f->size;
            put_ipv6(f, protocol_of(w + 1));
        } else if (strchr("hrdaFLA", *w)) {
            put_extension(f, *w, protocol_of(w + 1));
        } else {
            put_inside(f, w, number);
            break;
        }
    }
    for (size_t i = 0; i < layers; i++) {
        bool ipv4 = f->bytes[ip[i]] >> 4 == 4;
        size_t length = f->size - ip[i] - (ipv4 ? 0 : 40), at = ip[i] + (ipv4 ? 2 : 4);
        f->bytes[at] = (uint8_t)(length >> 8);
        f->bytes[at + 1] = (uint8_t)length;
    }
}

static void file_write(const char *path, const char *const *rows, size_t count, unsigned first)
{
    static struct frame frame;
    FILE *out = fopen(path, "wb");
    if (!out) {
        fprintf(stderr, "craft: %s cannot be written\n", path);
        exit(1);
    }
    uint32_t head[6] = { 0xa1b2c3d4u, 2u | 4u << 16, 0, 0, 262144, 1 };
    fwrite(head, sizeof head, 1, out);
    for (size_t i = 0; i < count; i++) {
        frame_make(&frame, rows[i], first + (unsigned)i);
        uint32_t record[4] = { (uint32_t)i, 0, (uint32_t)frame.size, (uint32_t)frame.size };
        fwrite(record, sizeof record, 1, out);
        fwrite(frame.bytes, frame.size, 1, out);
    }
    if (fclose(out)) {
        fprintf(stderr, "craft: %s: write failed\n", path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: craft KEPT OTHER\n", stderr);
        return 2;
    }
    file_write(argv[1], kept, sizeof kept / sizeof *kept, 1);
    file_write(argv[2], other, sizeof other / sizeof *other, 200);
    printf("{\"kept\":%zu,\"other\":%zu}\n", sizeof kept / sizeof *kept, sizeof other / sizeof *other);
    return 0;
}
