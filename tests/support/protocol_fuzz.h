/* Any bytes as a conversation for the real engine with all its parsers, for the fuzz targets of protocols.
 *
 *   input = options u8 | chunk ...      options: 1 datagrams, 2 another port than the protocol's own, 4 no handshake
 *   chunk = control u8 | size u16 le | bytes      control: 1 the server's, 2 so many bytes are lost (no bytes follow), 4 the sender has not yet seen what the other side said last
 *
 * Every entry that comes out must be readable; memory and bounds are the sanitizers' matter. */
#ifndef TESTS_SUPPORT_PROTOCOL_FUZZ_H
#define TESTS_SUPPORT_PROTOCOL_FUZZ_H
#include "bytes/cursor.h"
#include "tests/support/protocol_rig.h"

#define PROTOCOL_FUZZ_OTHER_PORT 9999

static void protocol_fuzz_check(const struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        struct values values;
        if (record_read_values(rig->records[i], protocols[rig->records[i]->protocol]->detail, &values) < 0)
            abort();
    }
}

static void protocol_fuzz_run(uint16_t port, const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);
    unsigned options = cursor_u8(&c);
    if (options & 2)
        port = PROTOCOL_FUZZ_OTHER_PORT;
    struct rig *rig = options & 1 ? rig_new_udp(port, REDACT_ON) : options & 4 ? rig_new_without_handshake(port, REDACT_ON, 6) : rig_new(port, REDACT_ON);
    while (cursor_left(&c) > 3) {
        unsigned control = cursor_u8(&c), bytes = cursor_le16(&c);
        enum side side = control & 1 ? SIDE_SERVER : SIDE_CLIENT;
        if (control & 2) {
            rig_lose(rig, side, bytes);
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
