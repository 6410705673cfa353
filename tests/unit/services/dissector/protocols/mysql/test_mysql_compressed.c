/* The compressed protocol: what it says is what the same packets say without compression, however they are cut into pieces. */
#include <zlib.h>
#include <zstd.h>
#include "services/dissector/protocols/mysql/mysql_compressed.h"
#include "tests/unit/services/dissector/protocols/mysql/mysql_talk.h"

enum how { STORED, ZLIB, ZSTD };

/* What `plain` says, in pieces of `cut` bytes, each compressed or not. */
static void say_compressed(struct talk *talk, const struct talk *plain, size_t cut, enum how how)
{
    for (size_t i = 0; i < plain->count; i++)
        for (size_t at = 0, sequence = 0; at < plain->lines[i].size; at += cut, sequence++) {
            static uint8_t packed[8192];
            const char *data = plain->lines[i].data + at;
            size_t size = plain->lines[i].size - at < cut ? plain->lines[i].size - at : cut, packed_size = size;
            if (how == ZLIB) {
                uLongf got = sizeof packed;
                assert_int_equal(compress(packed, &got, (const Bytef *)data, size), Z_OK);
                packed_size = got;
            } else if (how == ZSTD) {
                packed_size = ZSTD_compress(packed, sizeof packed, data, size, 3);
                assert_false(ZSTD_isError(packed_size));
            }
            bool stored = how == STORED || packed_size >= size; /* as servers and clients do */
            size_t before = stored ? 0 : size;
            packed_size = stored ? size : packed_size;
            const uint8_t header[7] = { (uint8_t)packed_size, (uint8_t)(packed_size >> 8), (uint8_t)(packed_size >> 16), (uint8_t)sequence, (uint8_t)before, (uint8_t)(before >> 8), (uint8_t)(before >> 16) };
            talk_add(talk, plain->lines[i].side, header, sizeof header);
            talk_add(talk, plain->lines[i].side, stored ? (const void *)data : packed, packed_size);
        }
}

static void plain_commands(struct talk *talk)
{
    C(0, "\3select 'a text that is long enough to be worth its compression, a text that is long enough' from t");
    S(1, "\1");
    COLUMN(2);
    EOF_(3);
    S(4, "\1x");
    S(5, "\1y");
    EOF_(6);
    C(0, "\2shop");
    OK(1);
    C(0, "\x16select ?");
    S(1, "\0\1\0\0\0\0\0\0\0\0\0\0");
    C(0, "\1");
}

static void log_in_compressed(struct talk *talk)
{
    GREETING("\xff\xf7", "\xff\xdf");
    RESPONSE(COMPRESSED);
    OK(2);
}

static void check_commands(struct rig *rig)
{
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 0, "command", "HANDSHAKE");
    assert_field(rig, 0, "success", "1");
    assert_field(rig, 1, "query", "select 'a text that is long enough to be worth its compression, a text that is long enough' from t");
    assert_field(rig, 1, "rows", "2");
    assert_field(rig, 1, "request_size", "103");
    assert_field(rig, 1, "total_size", "165");
    assert_alone(rig, 1, "");
    assert_field(rig, 2, "command", "COM_INIT_DB");
    assert_field(rig, 3, "command", "COM_STMT_PREPARE");
    assert_field(rig, 3, "database", "shop");
    assert_field(rig, 3, "success", "1");
    assert_field(rig, 4, "command", "COM_QUIT");
    rig_free(rig);
}

static void test_compressed(void **state)
{
    (void)state;
    static const size_t cuts[] = { 1000, 50, 3, 1 };
    for (enum how how = STORED; how <= ZSTD; how++)
        for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            struct talk plain = { 0 }, talk = { 0 };
            plain_commands(&plain);
            log_in_compressed(&talk);
            say_compressed(&talk, &plain, cuts[i], how);
            check_commands(play(&talk));
            if (cuts[i] > 3)
                check_cuts(&talk);
        }
}

/* Bytes of a piece are missing, or are not what they should be: what the piece held is lost, and the next command is found. */
static void test_compressed_gaps(void **state)
{
    (void)state;
    struct talk plain = { 0 }, packed = { 0 };
    plain_commands(&plain);
    say_compressed(&packed, &plain, 1000, ZLIB);
    for (unsigned broken = 0; broken < 2; broken++) {
        struct talk start = { 0 };
        log_in_compressed(&start);
        struct rig *rig = rig_new(PORT, REDACT_ON);
        say(rig, &start);
        for (size_t i = 0; i < packed.count; i++) {
            const struct line *line = &packed.lines[i];
            if (i != 1) {
                rig_say(rig, line->side, line->data, (ssize_t)line->size);
            } else if (broken) {
                char copy[1000];
                memcpy(copy, line->data, line->size);
                memset(copy + 12, 0x55, line->size - 12);
                rig_say(rig, line->side, copy, (ssize_t)line->size);
            } else {
                rig_say(rig, line->side, line->data, 20);
                rig_lose(rig, line->side, (uint32_t)line->size - 20);
            }
        }
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 5);
        assert_field(rig, 1, "query", "select 'a text that is long enough to be worth its compression, a text that is long enough' from t");
        assert_field(rig, 1, "success", "0");
        assert_field(rig, 2, "command", "COM_INIT_DB");
        assert_field(rig, 2, "success", "1");
        assert_field(rig, 4, "command", "COM_QUIT");
        rig_free(rig);
    }
}

/* A piece that promises more than is kept is passed over; one that promises nothing is none. */
static void test_compressed_hostile(void **state)
{
    (void)state;
    static const struct { const char *header; size_t size; } pieces[] = {
        { "\xff\xff\xff\0\0\0\0", 7 }, { "\5\0\0\0\xff\xff\xff\x78\x9c\0\0\0", 12 }, { "\0\0\0\0\1\0\0", 7 }, { "\4\0\0\0\xff\xff\0\x28\xb5\x2f\xfd", 11 }, { "\4\0\0\0\1\0\0\x78\x9c\x3\0", 11 },
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
            struct talk start = { 0 };
            log_in_compressed(&start);
            struct rig *rig = rig_new(PORT, REDACT_ON);
            say(rig, &start);
            for (unsigned n = 0; n < 5; n++) {
                rig_say(rig, side, pieces[i].header, (ssize_t)pieces[i].size);
                rig_say_cut(rig, side, pieces[i].header, pieces[i].size, 1);
            }
            rig_finish(rig);
            assert_true(rig_count(rig) >= 1);
            rig_free(rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_compressed), cmocka_unit_test(test_compressed_gaps), cmocka_unit_test(test_compressed_hostile) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
