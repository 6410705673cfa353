/* A reader of pcap and pcapng for the checks, written apart from the product's own so that one mistake cannot hide another.
 *
 *   pcap     magic a1b2c3d4 (us) or a1b23c4d (ns) | version, zone, accuracy, snap length, link type | per packet: s, fraction, captured, length | bytes
 *   pcapng   blocks: type | length | body | length; section 0a0d0d0a, interface 1, simple packet 3, statistics 5, enhanced packet 6
 *
 * Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Either byte order. Streams: reads forward only, one block in memory. */
#ifndef CAPTURE_READER_H
#define CAPTURE_READER_H
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPTURE_BLOCK_BYTES_MAX (16u * 1024 * 1024) /* the largest block tshark takes */
#define CAPTURE_INTERFACES_MAX 4096

struct capture_interface { uint32_t link_type, resolution; /* digits after the point; 255: power of two */ uint64_t ticks_per_s; int64_t offset_s; };
struct capture_packet { uint32_t interface, link_type, captured, length, flags; uint64_t drops; int64_t time_ns; uint32_t resolution; const uint8_t *data; };
struct capture_reader {
    FILE *file;
    bool ng, swapped, nanoseconds;
    uint32_t link_type, interfaces;
    struct capture_interface interface[CAPTURE_INTERFACES_MAX];
    uint8_t *block;
    uint64_t sections, statistics, events, others;
    const char *problem; /* why the file ended early; NULL at a clean end */
};

static inline uint32_t capture_u32(const struct capture_reader *r, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return r->swapped ? __builtin_bswap32(v) : v;
}
static inline uint16_t capture_u16(const struct capture_reader *r, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return r->swapped ? __builtin_bswap16(v) : v;
}

static inline bool capture_fail(struct capture_reader *r, const char *problem)
{
    r->problem = problem;
    return false;
}

/* "-" is standard input. False with r->problem set. */
static inline bool capture_open(struct capture_reader *r, const char *path)
{
    memset(r, 0, sizeof *r);
    r->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!r->file)
        return capture_fail(r, "cannot be opened");
    setvbuf(r->file, NULL, _IOFBF, 1024 * 1024);
    r->block = malloc(CAPTURE_BLOCK_BYTES_MAX);
    uint32_t magic = 0;
    if (!r->block || fread(&magic, 4, 1, r->file) != 1)
        return capture_fail(r, "is empty or shorter than a magic number");
    if (magic == 0x0a0d0d0au) {
        r->ng = true;
        memcpy(r->block, &magic, 4);
        return true;
    }
    r->swapped = magic == __builtin_bswap32(0xa1b2c3d4u) || magic == __builtin_bswap32(0xa1b23c4du);
    if (r->swapped)
        magic = __builtin_bswap32(magic);
    if (magic != 0xa1b2c3d4u && magic != 0xa1b23c4du)
        return capture_fail(r, "is neither pcap nor pcapng");
    r->nanoseconds = magic == 0xa1b23c4du;
    if (fread(r->block, 20, 1, r->file) != 1)
        return capture_fail(r, "is cut in its header");
    r->link_type = capture_u32(r, r->block + 16) & 0xffff;
    return true;
}

static inline void capture_close(struct capture_reader *r)
{
    if (r->file && r->file != stdin)
        fclose(r->file);
    free(r->block);
    r->file = NULL;
    r->block = NULL;
}

static inline bool capture_next_pcap(struct capture_reader *r, struct capture_packet *packet)
{
    uint8_t head[16];
    size_t got = fread(head, 1, sizeof head, r->file);
    if (got == 0)
        return false;
    if (got != sizeof head)
        return capture_fail(r, "is cut in a packet's header");
    uint32_t captured = capture_u32(r, head + 8);
    if (captured > CAPTURE_BLOCK_BYTES_MAX)
        return capture_fail(r, "has a packet of more than 16 MiB");
    if (fread(r->block, 1, captured, r->file) != captured)
        return capture_fail(r, "is cut in a packet");
    int64_t fraction = capture_u32(r, head + 4);
    *packet = (struct capture_packet){ .link_type = r->link_type, .captured = captured, .length = capture_u32(r, head + 12), .resolution = r->nanoseconds ? 9 : 6,
                                       .time_ns = (int64_t)capture_u32(r, head) * 1000000000 + (r->nanoseconds ? fraction : fraction * 1000), .data = r->block };
    return true;
}

/* Walks options from p to end; calls back nothing: returns the value of the first option `code`, or NULL. */
static inline const uint8_t *capture_option(const struct capture_reader *r, const uint8_t *p, const uint8_t *end, uint16_t code, uint16_t *ret_length)
{
    while (end - p >= 4) {
        uint16_t c = capture_u16(r, p), length = capture_u16(r, p + 2);
        if (c == 0 || end - p - 4 < length)
            return NULL;
        if (c == code) {
            *ret_length = length;
            return p + 4;
        }
        p += 4 + ((length + 3u) & ~3u);
        if (p > end)
            return NULL;
    }
    return NULL;
}

static inline bool capture_interface_add(struct capture_reader *r, uint32_t size)
{
    if (r->interfaces == CAPTURE_INTERFACES_MAX || size < 20)
        return capture_fail(r, "has a bad or one too many interface block");
    struct capture_interface *i = &r->interface[r->interfaces++];
    *i = (struct capture_interface){ .link_type = capture_u16(r, r->block + 8), .resolution = 6, .ticks_per_s = 1000000 };
    uint16_t length = 0;
    const uint8_t *resolution = capture_option(r, r->block + 16, r->block + size - 4, 9, &length);
    if (resolution && length == 1) {
        i->resolution = *resolution & 0x80 ? 255 : *resolution;
        i->ticks_per_s = 1;
        for (int k = 0; k < (*resolution & 0x7f) && k < 63; k++)
            i->ticks_per_s *= *resolution & 0x80 ? 2 : 10;
    }
    const uint8_t *offset = capture_option(r, r->block + 16, r->block + size - 4, 14, &length);
    if (offset && length == 8) {
        uint64_t v;
        memcpy(&v, offset, sizeof v);
        i->offset_s = (int64_t)(r->swapped ? __builtin_bswap64(v) : v);
    }
    return true;
}

static inline bool capture_packet_take(struct capture_reader *r, uint32_t size, struct capture_packet *packet)
{
    uint32_t interface = capture_u32(r, r->block + 8), captured = size >= 32 ? capture_u32(r, r->block + 20) : UINT32_MAX;
    if (size < 32 || interface >= r->interfaces || captured > size - 32)
        return capture_fail(r, "has a packet block that does not add up");
    const struct capture_interface *i = &r->interface[interface];
    uint64_t ticks = (uint64_t)capture_u32(r, r->block + 12) << 32 | capture_u32(r, r->block + 16);
    *packet = (struct capture_packet){ .interface = interface, .link_type = i->link_type, .captured = captured, .length = capture_u32(r, r->block + 24),
                                       .resolution = i->resolution, .data = r->block + 28 };
    packet->time_ns = ((int64_t)(ticks / i->ticks_per_s) + i->offset_s) * 1000000000 + (int64_t)((__uint128_t)(ticks % i->ticks_per_s) * 1000000000 / i->ticks_per_s);
    const uint8_t *options = r->block + 28 + ((captured + 3u) & ~3u), *end = r->block + size - 4;
    uint16_t length = 0;
    const uint8_t *flags = options < end ? capture_option(r, options, end, 2, &length) : NULL;
    packet->flags = flags && length == 4 ? capture_u32(r, flags) : 0;
    const uint8_t *drops = options < end ? capture_option(r, options, end, 4, &length) : NULL;
    if (drops && length == 8) {
        memcpy(&packet->drops, drops, sizeof packet->drops);
        packet->drops = r->swapped ? __builtin_bswap64(packet->drops) : packet->drops;
    }
    return true;
}

/* Reads one block whole into r->block; `have` of its bytes are there already. 0 at the end of the file. */
static inline uint32_t capture_block_read(struct capture_reader *r, size_t have)
{
    size_t got = have + fread(r->block + have, 1, 12 - have, r->file);
    if (got == 0)
        return 0;
    if (got < 12) {
        r->problem = "is cut in a block's head";
        return 0;
    }
    uint32_t raw;
    memcpy(&raw, r->block, 4);
    if (raw == 0x0a0d0d0au) {
        uint32_t order;
        memcpy(&order, r->block + 8, 4);
        r->swapped = order == __builtin_bswap32(0x1a2b3c4du);
        r->interfaces = 0;
        r->sections++;
    }
    uint32_t size = capture_u32(r, r->block + 4);
    if (size < 12 || size % 4 || size > CAPTURE_BLOCK_BYTES_MAX) {
        r->problem = "has a block of impossible length";
        return 0;
    }
    if (fread(r->block + 12, 1, size - 12, r->file) != size - 12) {
        r->problem = "is cut in a block";
        return 0;
    }
    if (capture_u32(r, r->block + size - 4) != size) {
        r->problem = "has a block whose two lengths differ";
        return 0;
    }
    return size;
}

/* False at the end, or with r->problem set. The data is good until the next call. */
static inline bool capture_next(struct capture_reader *r, struct capture_packet *packet)
{
    if (!r->ng)
        return capture_next_pcap(r, packet);
    for (;;) {
        uint32_t size = capture_block_read(r, r->sections == 0 ? 4 : 0);
        if (size == 0)
            return false;
        uint32_t type = capture_u32(r, r->block);
        if (type == 6)
            return capture_packet_take(r, size, packet);
        if (type == 3) {
            if (!r->interfaces || size < 16)
                return capture_fail(r, "has a simple packet without an interface");
            uint32_t length = capture_u32(r, r->block + 8), room = size - 16;
            *packet = (struct capture_packet){ .link_type = r->interface[0].link_type, .captured = length < room ? length : room, .length = length, .data = r->block + 12 };
            return true;
        }
        if (type == 1 && !capture_interface_add(r, size))
            return false;
        r->statistics += type == 5;
        r->events += type == 9;
        r->others += type != 1 && type != 5 && type != 9 && type != 0x0a0d0d0au;
    }
}
#endif
