/* Packets for the tests of input, flow and work: layers are put before what is there already, innermost first. Checksums are 0: nobody looks. */
#ifndef TESTS_PACKET_BUILDER_H
#define TESTS_PACKET_BUILDER_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUILT_BYTES_MAX 70000u
struct built { uint8_t bytes[BUILT_BYTES_MAX]; uint32_t at; };          /* from at to the end */

static inline void built_clear(struct built *b) { b->at = BUILT_BYTES_MAX; }
static inline const uint8_t *built_data(const struct built *b) { return b->bytes + b->at; }
static inline uint32_t built_size(const struct built *b) { return BUILT_BYTES_MAX - b->at; }
static inline void built_put(struct built *b, const void *data, uint32_t size)
{
    if (size > b->at)
        abort();
    b->at -= size;
    memcpy(b->bytes + b->at, data, size);
}
#define BUILT_PUT(b, ...) do { const uint8_t literal[] = { __VA_ARGS__ }; built_put(b, literal, sizeof literal); } while (0)
#define BUILT_BE16(v) (uint8_t)((v) >> 8), (uint8_t)(v)
#define BUILT_BE32(v) (uint8_t)((v) >> 24), (uint8_t)((v) >> 16), (uint8_t)((v) >> 8), (uint8_t)(v)

static inline void built_text(struct built *b, const char *text) { built_put(b, text, (uint32_t)strlen(text)); }
static inline void built_udp(struct built *b, uint16_t source, uint16_t destination)
{
    uint16_t size = (uint16_t)(built_size(b) + 8);
    BUILT_PUT(b, BUILT_BE16(source), BUILT_BE16(destination), BUILT_BE16(size), 0, 0);
}
static inline void built_tcp(struct built *b, uint16_t source, uint16_t destination, uint32_t seq, uint32_t ack, uint8_t flags)
{
    BUILT_PUT(b, BUILT_BE16(source), BUILT_BE16(destination), BUILT_BE32(seq), BUILT_BE32(ack), 0x50, flags, 0x20, 0, 0, 0, 0, 0);
}
/* 10.0.0.<source> to 10.0.0.<destination> */
static inline void built_ipv4(struct built *b, uint8_t protocol, uint8_t source, uint8_t destination, uint16_t id, uint16_t fragment)
{
    uint16_t total = (uint16_t)(built_size(b) + 20);
    BUILT_PUT(b, 0x45, 0, BUILT_BE16(total), BUILT_BE16(id), BUILT_BE16(fragment), 64, protocol, 0, 0, 10, 0, 0, source, 10, 0, 0, destination);
}
static inline void built_ipv6(struct built *b, uint8_t next, uint8_t source, uint8_t destination)
{
    uint16_t size = (uint16_t)built_size(b);
    BUILT_PUT(b, 0x60, 0, 0, 0, BUILT_BE16(size), next, 64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, source, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, destination);
}
static inline void built_ipv6_fragment(struct built *b, uint8_t next, uint16_t offset_and_more, uint32_t id)
{
    BUILT_PUT(b, next, 0, BUILT_BE16(offset_and_more), BUILT_BE32(id));
}
static inline void built_ethernet(struct built *b, uint16_t type)
{
    BUILT_PUT(b, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, BUILT_BE16(type));
}
static inline void built_vxlan(struct built *b, uint32_t vni)
{
    uint32_t word = vni << 8;
    BUILT_PUT(b, 8, 0, 0, 0, BUILT_BE32(word));
}
static inline void built_geneve(struct built *b, uint16_t type, uint32_t vni)
{
    uint32_t word = vni << 8;
    BUILT_PUT(b, 1, 0, BUILT_BE16(type), BUILT_BE32(word), 1, 2, 3, 4); /* with an option */
}
#endif
