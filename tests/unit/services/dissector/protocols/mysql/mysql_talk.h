/* What client and server of MySQL say to each other, packet by packet, for tests. */
#ifndef TESTS_UNIT_MYSQL_TALK_H
#define TESTS_UNIT_MYSQL_TALK_H
#include "tests/support/protocol_script.h"

#define PORT 3306
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, "mysql_" field), value)
#define assert_alone(rig, i, value) assert_string_equal(rig_text(rig, i, "incomplete"), value)

static RIG_UNUSED void packet(struct talk *talk, enum side side, unsigned sequence, const char *payload, size_t size)
{
    const uint8_t header[4] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)sequence };
    talk_add(talk, side, header, sizeof header);
    talk_add(talk, side, payload, size);
}
#define C(sequence, payload) packet(talk, SIDE_CLIENT, sequence, payload, sizeof(payload) - 1)
#define S(sequence, payload) packet(talk, SIDE_SERVER, sequence, payload, sizeof(payload) - 1)
#define OK(sequence) S(sequence, "\0\0\0\2\0\0\0")
#define COLUMN(sequence) S(sequence, "\3def\0\0\0\1x\0\14\x3f\0\1\0\0\0\x8\x81\0\0\0\0")
#define EOF_(sequence) S(sequence, "\xfe\0\0\2\0")

/* capabilities: bytes of u32, little-endian. 0x0f 0xa2 or so: CLIENT_MYSQL, CONNECT_WITH_DB, PROTOCOL_41, SECURE_CONNECTION... */
#define GREETING(low, high) S(0, "\xa" "8.0.36\0\1\0\0\0abcdefgh\0" low "\xff\2\0" high "\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0")
#define RESPONSE(capabilities) C(1, capabilities "\0\0\0\1\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0bob\0\6sesame" "shop\0caching_sha2_password\0")
#define CLASSIC "\x09\x82\x08\0"
#define NEW_EOF "\x09\x82\x08\1"
#define ATTRIBUTES "\x09\x82\x08\x9"
#define COMPRESSED "\x29\x82\x08\0"

static RIG_UNUSED void log_in_with(struct talk *talk, bool new_eof)
{
    GREETING("\xff\xf7", "\xff\xdf");
    if (new_eof)
        RESPONSE(NEW_EOF);
    else
        RESPONSE(CLASSIC);
    OK(2);
}

static RIG_UNUSED struct rig *play(const struct talk *talk) { return script_play(PORT, REDACT_ON, talk->lines, talk->count); }
static RIG_UNUSED void check_cuts(const struct talk *talk) { script_check_cuts(PORT, talk->lines, talk->count); }

static RIG_UNUSED void say(struct rig *rig, struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        rig_say(rig, talk->lines[i].side, talk->lines[i].data, (ssize_t)talk->lines[i].size);
    *talk = (struct talk){ 0 };
}
#endif
