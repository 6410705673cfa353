#include "services/dissector/protocols/dns/dns_name.h"
#include <errno.h>
#include <string.h>

#define POINTER 0xc0u
#define POINTERS_MAX 127u /* of one name: as many as it may have labels. A pointer may lead to a pointer, but thousands of them, which each name of a message could end in, are an attack */
#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static int bad(struct cursor *c)
{
    c->failed = true;
    return -EBADMSG;
}

static bool label_is_odd(const uint8_t *label, size_t size)
{
    static const bool usual[256] = { ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['-'] = true, ['_'] = true, ['*'] = true, ['/'] = true };
    bool all = true;
    for (size_t i = 0; i < size; i++)
        all &= usual[label[i]];
    return !all;
}

int dns_name_text(struct cursor *c, struct text_buffer *t)
{
    struct cursor at = *c;
    size_t bytes = 1, lowest = c->at; /* bytes: with the root's */
    unsigned pointers = 0;
    for (;;) {
        uint8_t length = cursor_u8(&at);
        if (!cursor_ok(&at))
            return bad(c);
        if (length == 0)
            break;
        if ((length & POINTER) == POINTER) {
            size_t target = (size_t)(length & ~POINTER) << 8 | cursor_u8(&at);
            if (!cursor_ok(&at) || target >= lowest || pointers == POINTERS_MAX)
                return bad(c);
            if (pointers++ == 0)
                c->at = at.at;
            at.at = lowest = target;
            continue;
        }
        const uint8_t *label = length & POINTER ? NULL : cursor_take(&at, length);
        if (!label || (bytes += 1u + length) > DNS_NAME_BYTES_MAX)
            return bad(c);
        if (bytes > 2u + length) /* not the first */
            text_buffer_char(t, '.');
        if (t->room - t->size >= length && !label_is_odd(label, length)) /* as nearly all: nothing to escape */
            text_buffer_put(t, label, length);
        else
            text_buffer_bytes(t, label, length, ".\\");
    }
    if (bytes == 1)
        text_buffer_char(t, '.');
    if (pointers == 0)
        c->at = at.at;
    return 0;
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

/* Eight characters to lower case at once: the high bit of each byte tells whether it is a capital. */
static uint64_t lower_eight(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t low = word & ~high, from_a = low + ones * (0x80 - 'A'), behind_z = low + ones * (0x80 - 'Z' - 1);
    return word | (((from_a & ~behind_z & ~word) & high) >> 2);
}

uint64_t dns_name_hash(const char *text, size_t size)
{
    uint64_t hash = size * HASH_FACTOR;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, text + i, size - i < 8 ? size - i : 8);
        hash = (hash ^ lower_eight(word)) * HASH_FACTOR;
        hash ^= hash >> 29;
    }
    return hash;
}
