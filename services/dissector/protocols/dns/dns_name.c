#include "services/dissector/protocols/dns/dns_name.h"
#include <errno.h>

#define POINTER 0xc0u
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static int bad(struct cursor *c)
{
    c->failed = true;
    return -EBADMSG;
}

int dns_name_text(struct cursor *c, struct text_buffer *t)
{
    struct cursor at = *c;
    size_t bytes = 1, lowest = c->at; /* bytes: with the root's */
    bool jumped = false;
    for (;;) {
        uint8_t length = cursor_u8(&at);
        if (!cursor_ok(&at))
            return bad(c);
        if (length == 0)
            break;
        if ((length & POINTER) == POINTER) {
            size_t target = (size_t)(length & ~POINTER) << 8 | cursor_u8(&at);
            if (!cursor_ok(&at) || target >= lowest)
                return bad(c);
            if (!jumped)
                c->at = at.at;
            jumped = true;
            at.at = lowest = target;
            continue;
        }
        const uint8_t *label = length & POINTER ? NULL : cursor_take(&at, length);
        if (!label || (bytes += 1u + length) > DNS_NAME_BYTES_MAX)
            return bad(c);
        if (bytes > 2u + length) /* not the first */
            text_buffer_char(t, '.');
        text_buffer_bytes(t, label, length, ".\\");
    }
    if (bytes == 1)
        text_buffer_char(t, '.');
    if (!jumped)
        c->at = at.at;
    return 0;
}

static bool label_is_odd(const uint8_t *label, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = label[i], lower = c | 0x20;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '*' && c != '/')
            return true;
    }
    return false;
}

enum dns_look dns_name_pass(struct cursor *c)
{
    bool odd = false;
    size_t start = c->at, bytes = 1;
    for (;;) {
        uint8_t length = cursor_u8(c);
        if (!cursor_ok(c))
            return DNS_LOOK_SHORT;
        if (length == 0)
            break;
        if ((length & POINTER) == POINTER) {
            size_t target = (size_t)(length & ~POINTER) << 8 | cursor_u8(c);
            if (!cursor_ok(c))
                return DNS_LOOK_SHORT;
            if (target >= start || target < DNS_HEADER_BYTES)
                return DNS_LOOK_BAD;
            break;
        }
        if ((length & POINTER) || (bytes += 1u + length) > DNS_NAME_BYTES_MAX)
            return DNS_LOOK_BAD;
        size_t left = cursor_left(c);
        const uint8_t *label = cursor_take(c, length < left ? length : left);
        odd = odd || label_is_odd(label, length < left ? length : left);
        if (length > left)
            return odd ? DNS_LOOK_BAD : DNS_LOOK_SHORT;
    }
    return odd ? DNS_LOOK_ODD : DNS_LOOK_WHOLE;
}

uint64_t dns_name_hash(const char *text, size_t size)
{
    uint64_t hash = size * HASH_FACTOR;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        hash = (hash ^ (c >= 'A' && c <= 'Z' ? c | 0x20u : c)) * HASH_FACTOR;
        hash ^= hash >> 29;
    }
    return hash;
}
