/* A bounded reader over bytes that somebody else sent. The error is sticky: after one read past the end every further read
 * gives 0 and cursor_ok() is false, so that a parser checks once. Borrows the bytes. Not shared between threads. */
#ifndef BYTES_CURSOR_H
#define BYTES_CURSOR_H
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor { const uint8_t *data; size_t size, at; bool failed; };

static inline struct cursor cursor_over(const void *data, size_t size) { return (struct cursor){ .data = data, .size = size }; }
static inline bool cursor_ok(const struct cursor *c) { return !c->failed; }
static inline size_t cursor_left(const struct cursor *c) { return c->failed ? 0 : c->size - c->at; }
/* Borrowed bytes, or NULL (and failed) when fewer are left. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t n)
{
    if (c->failed || c->size - c->at < n) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->data + c->at;
    c->at += n;
    return p;
}
static inline void cursor_skip(struct cursor *c, size_t n) { (void)cursor_take(c, n); }
#define CURSOR_READER(name, type)                                     \
    static inline type cursor_##name(struct cursor *c)                \
    {                                                                 \
        type v = 0;                                                   \
        const uint8_t *p = cursor_take(c, sizeof v);                  \
        if (p)                                                        \
            memcpy(&v, p, sizeof v);                                  \
        return v;                                                     \
    }
CURSOR_READER(u8, uint8_t)
CURSOR_READER(host_u16, uint16_t)
CURSOR_READER(host_u32, uint32_t)
CURSOR_READER(host_u64, uint64_t)
#undef CURSOR_READER
/* Little-endian, whatever the host. */
static inline uint16_t cursor_le16(struct cursor *c) { return le16toh(cursor_host_u16(c)); }
static inline uint32_t cursor_le32(struct cursor *c) { return le32toh(cursor_host_u32(c)); }
static inline uint64_t cursor_le64(struct cursor *c) { return le64toh(cursor_host_u64(c)); }
/* Network order. */
static inline uint16_t cursor_be16(struct cursor *c) { return be16toh(cursor_host_u16(c)); }
static inline uint32_t cursor_be32(struct cursor *c) { return be32toh(cursor_host_u32(c)); }
#endif
