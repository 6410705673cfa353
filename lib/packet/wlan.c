#include "packet/wlan.h"

enum { KIND_MASK = 0x0f, KIND_DATA = 0x08 /* version 0 */, NO_DATA = 0x40, HAS_QUALITY = 0x80 };
enum { TO_DISTRIBUTION = 1, FROM_DISTRIBUTION = 2, MORE_FRAGMENTS = 4, PROTECTED = 0x40, ORDERED = 0x80 };
enum { SEVERAL_PACKETS = 0x80, FRAGMENT_NUMBER = 15 };

bool wlan_payload(struct cursor *c, uint16_t *ret_type)
{
    static const uint8_t snap[6] = { 0xaa, 0xaa, 3, 0, 0, 0 };
    uint8_t kind = cursor_u8(c), flags = cursor_u8(c);
    cursor_skip(c, 2 + 3 * 6);
    uint16_t sequence = cursor_le16(c);
    if ((kind & KIND_MASK) != KIND_DATA || kind & NO_DATA || flags & (PROTECTED | MORE_FRAGMENTS) || sequence & FRAGMENT_NUMBER)
        return false;
    cursor_skip(c, (flags & TO_DISTRIBUTION) && (flags & FROM_DISTRIBUTION) ? 6 : 0);
    if (kind & HAS_QUALITY) {
        uint16_t quality = cursor_le16(c);
        cursor_skip(c, flags & ORDERED ? 4 : 0);
        if (quality & SEVERAL_PACKETS)
            return false;
    }
    const uint8_t *head = cursor_take(c, sizeof snap);
    uint16_t type = cursor_be16(c);
    if (!cursor_ok(c) || memcmp(head, snap, sizeof snap) != 0)
        return false;
    *ret_type = type;
    return true;
}
