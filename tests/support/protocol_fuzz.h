/* Any bytes as a conversation for the real engine with all its parsers, for the fuzz targets of protocols.
 *
 *   input = options u8 | chunk ...      options: 1 datagrams, 2 another port than the protocol's own, 4 no handshake, 32 IPv6, 64 to a group of hosts; 8 and 16 are the target's
 *   chunk = control u8 | size u16 le | bytes      control: 1 the server's, 2 so many bytes are lost (no bytes follow), 4 the sender has not yet seen what the other side said last,
 *                                                 8 `size` times PROTOCOL_FUZZ_TIMES the one byte that follows: what is long goes into a short input
 *
 * Every entry that comes out must be readable; memory and bounds are the sanitizers' matter. */
#ifndef TESTS_SUPPORT_PROTOCOL_FUZZ_H
#define TESTS_SUPPORT_PROTOCOL_FUZZ_H
#include "bytes/cursor.h"
#include "tests/support/protocol_rig.h"

#define PROTOCOL_FUZZ_OTHER_PORT 9999
#define PROTOCOL_FUZZ_TIMES 32u
#define PROTOCOL_FUZZ_REPEATED_MAX (4u * 1024 * 1024)   /* bytes in all: several times what any parser waits for, and no more time than that takes */
#define PROTOCOL_FUZZ_SEGMENT 32768u

static void protocol_fuzz_check(const struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        struct values values;
        if (record_read_values(rig->records[i], protocols[rig->records[i]->protocol]->detail, &values) < 0)
            abort();
    }
}

static void protocol_fuzz_repeat(struct rig *rig, enum side side, uint8_t byte, size_t size)
{
    static uint8_t bytes[PROTOCOL_FUZZ_SEGMENT];
    memset(bytes, byte, size < sizeof bytes ? size : sizeof bytes);
    for (size_t at = 0; at < size; at += sizeof bytes)
        rig_say(rig, side, bytes, (ssize_t)(size - at < sizeof bytes ? size - at : sizeof bytes));
}

static void protocol_fuzz_run(uint16_t port, const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);
    unsigned options = cursor_u8(&c);
    if (options & 2)
        port = PROTOCOL_FUZZ_OTHER_PORT;
    struct rig *rig = rig_new_without_handshake(port, REDACT_ON, options & 1 ? 17 : 6);
    rig->tuple.version = options & 32 ? 6 : 4;
    if (options & 64)
        rig->tuple.destination[0] = options & 32 ? 0xff : 0xe0;
    if (!(options & 5))
        rig_shake_hands(rig);
    size_t repeated = 0;
    while (cursor_left(&c) > 3) {
        unsigned control = cursor_u8(&c), bytes = cursor_le16(&c);
        enum side side = control & 1 ? SIDE_SERVER : SIDE_CLIENT;
        if (control & 2) {
            rig_lose(rig, side, bytes);
            continue;
        }
        if (control & 8) {
            size_t room = PROTOCOL_FUZZ_REPEATED_MAX - repeated, many = (size_t)bytes * PROTOCOL_FUZZ_TIMES < room ? (size_t)bytes * PROTOCOL_FUZZ_TIMES : room;
            protocol_fuzz_repeat(rig, side, cursor_u8(&c), many);
            repeated += many;
            continue;
        }
        if (bytes > cursor_left(&c))
            bytes = (unsigned)cursor_left(&c);
        uint32_t acked = rig->acked[side_other(side)];
        rig_say(rig, side, cursor_take(&c, bytes), (ssize_t)bytes);
        if (control & 4)
            rig->acked[side_other(side)] = acked;
    }
    rig_finish(rig);
    protocol_fuzz_check(rig);
    rig_free(rig);
}
#endif
