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

/* A piece of its own, stored. */
static size_t store(uint8_t *dst, const void *plain, size_t size)
{
    const uint8_t header[7] = { (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16) };
    memcpy(dst, header, sizeof header);
    memcpy(dst + sizeof header, plain, size);
    return sizeof header + size;
}
#define SAY_STORED(rig, side, packets) do { \
        uint8_t stored[256]; \
        rig_say(rig, side, stored, (ssize_t)store(stored, packets, sizeof(packets) - 1)); \
    } while (0)
/* Twice: behind a gap of the client's side the first response could be another's, and the engine leaves the two apart. */
#define SAY_SELECT_1_TWICE(rig) do { \
        for (unsigned said = 0; said < 2; said++) { \
            SAY_STORED(rig, SIDE_CLIENT, "\x9\0\0\0\3select 1"); \
            SAY_STORED(rig, SIDE_SERVER, "\7\0\0\1\0\0\0\2\0\0\0"); \
        } \
    } while (0)

/* What that gives, from entry i on: returns the index behind it. */
static size_t check_select_1_twice(struct rig *rig, size_t i, bool apart)
{
    assert_field(rig, i, "query", "select 1");
    assert_alone(rig, i, apart ? "gap" : "");
    if (apart) {
        assert_field(rig, ++i, "command", "");
        assert_alone(rig, i, "gap");
    }
    assert_field(rig, ++i, "query", "select 1");
    assert_field(rig, i, "success", "1");
    assert_alone(rig, i, "");
    return i + 1;
}

static struct rig *rig_compressed(void)
{
    struct talk start = { 0 };
    log_in_compressed(&start);
    struct rig *rig = rig_new(PORT, REDACT_ON);
    say(rig, &start);
    return rig;
}

/* A piece that promises more than it may is passed over; one that promises nothing is none. The next command is found, and nothing else. */
static void test_compressed_hostile(void **state)
{
    (void)state;
    static const struct { const char *header; size_t size, rest; } pieces[] = {
        { "\0\0\x11\0\1\0\x20", 7, 0x110000 }, { "\5\0\0\0\xff\xff\xff\x78\x9c\0\0\0", 12, 0 }, { "\0\0\0\0\1\0\0", 7, 0 }, { "\4\0\0\0\xff\xff\0\x28\xb5\x2f\xfd", 11, 0 },
        { "\4\0\0\0\1\0\0\x78\x9c\x3\0", 11, 0 },
    };
    static uint8_t rest[0x110000];
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
            struct rig *rig = rig_compressed();
            rig_say(rig, side, pieces[i].header, (ssize_t)pieces[i].size);
            rig_say_cut(rig, side, rest, pieces[i].rest, 60000);
            SAY_SELECT_1_TWICE(rig);
            rig_say_cut(rig, side, pieces[i].header, pieces[i].size, 1);
            rig_say_cut(rig, side, rest, pieces[i].rest, 60000);
            SAY_SELECT_1_TWICE(rig);
            rig_finish(rig);
            size_t second = check_select_1_twice(rig, 1, side == SIDE_CLIENT);
            assert_int_equal(rig_count(rig), check_select_1_twice(rig, second, side == SIDE_CLIENT));
            rig_free(rig);
        }
}

/* A piece that is passed over begins behind a small one, in the same segment: nothing is read of what it holds, and the next piece is found where it ends. */
static void test_compressed_passed_over(void **state)
{
    (void)state;
    enum { LENGTH = 1500000, FIRST = 200000, NEXT = 10000 };
    static const char inside[] = "\x16\0\0\0\3DROP TABLE never_sent";
    static uint8_t sent[16 + 7 + LENGTH];
    size_t close = store(sent, "\5\0\0\0\x19\1\0\0\0", 9), size = close + 7 + LENGTH;
    memcpy(sent + close, (const uint8_t[]){ LENGTH & 0xff, LENGTH >> 8 & 0xff, LENGTH >> 16, 0, 0, 0, 0 }, 7);
    for (size_t at = FIRST; at + NEXT <= size; at += NEXT)
        (void)store(sent + at, inside, sizeof inside - 1);
    struct rig *rig = rig_compressed();
    rig_say(rig, SIDE_CLIENT, sent, FIRST);
    rig_say_cut(rig, SIDE_CLIENT, sent + FIRST, size - FIRST, NEXT);
    SAY_SELECT_1_TWICE(rig);
    rig_finish(rig);
    assert_field(rig, 1, "command", "COM_STMT_CLOSE");
    assert_int_equal(rig_count(rig), check_select_1_twice(rig, 2, true));
    rig_free(rig);
}

static size_t pack_bytes(uint8_t *dst, size_t room, const uint8_t *plain, size_t size, enum how how)
{
    uLongf packed = room - 7;
    if (how == ZLIB)
        assert_int_equal(compress(dst + 7, &packed, plain, size), Z_OK);
    else
        packed = ZSTD_compress(dst + 7, room - 7, plain, size, 3);
    assert_false(ZSTD_isError(packed));
    memcpy(dst, (const uint8_t[]){ (uint8_t)packed, (uint8_t)(packed >> 8), (uint8_t)(packed >> 16), 0, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16) }, 7);
    return 7 + packed;
}

/* A statement that is longer than a piece may be keeps its beginning, and its response, however it is sent: stored, as more and as less than MYSQL_PIECE_MAX. */
static void test_compressed_long_statement(void **state)
{
    (void)state;
    enum { LENGTH = 3000000 };
    static uint8_t plain[4 + LENGTH], sent[LENGTH + 100000];
    static const char begins[] = "\3insert into t values ('";
    for (unsigned random = 0; random < 2; random++)
        for (enum how how = STORED; how <= ZSTD; how++) {
            memcpy(plain, (const uint8_t[]){ LENGTH & 0xff, LENGTH >> 8 & 0xff, LENGTH >> 16, 0 }, 4);
            for (uint32_t i = 4, x = 1; i < sizeof plain; i++) {
                x = x * 1664525 + 1013904223;
                plain[i] = random ? (uint8_t)('0' + (x >> 26)) : 'x';
            }
            memcpy(plain + 4, begins, sizeof begins - 1);
            size_t size = how == STORED ? store(sent, plain, sizeof plain) : pack_bytes(sent, sizeof sent, plain, sizeof plain, how);
            assert_true(random || how == STORED ? size > MYSQL_PIECE_MAX : size < 10000);
            for (unsigned lose = 0; lose <= (random || how == STORED); lose++) {
                struct rig *rig = rig_compressed();
                rig_say_cut(rig, SIDE_CLIENT, sent, size - 50000 * lose, 50000);
                if (lose)
                    rig_lose(rig, SIDE_CLIENT, 50000);
                SAY_STORED(rig, SIDE_SERVER, "\7\0\0\1\0\0\0\2\0\0\0");
                SAY_SELECT_1_TWICE(rig);
                rig_finish(rig);
                assert_memory_equal(rig_text(rig, 1, "mysql_query"), begins + 1, sizeof begins - 2);
                assert_int_equal(strlen(rig_text(rig, 1, "mysql_query")), CONVERSATION_BODY_MAX);
                assert_alone(rig, 1, "truncated");
                if (!lose) {
                    assert_field(rig, 1, "request_size", "3000004");
                    assert_field(rig, 1, "success", "1");
                    assert_int_equal(rig_count(rig), check_select_1_twice(rig, 2, false));
                } else {
                    assert_field(rig, rig_count(rig) - 1, "query", "select 1");
                }
                rig_free(rig);
            }
        }
}

/* `count` packets of this kind in one piece. */
static size_t pack(uint8_t *dst, size_t room, const void *packet, size_t packet_size, size_t count)
{
    size_t size = packet_size * count;
    uint8_t *plain = malloc(size);
    assert_non_null(plain);
    for (size_t i = 0; i < count; i++)
        memcpy(plain + i * packet_size, packet, packet_size);
    size_t packed = pack_bytes(dst, room, plain, size, ZSTD);
    free(plain);
    return packed;
}

/* A hundred bytes hold 116,000 messages, of either side: only so many are read, and what comes behind them is found. */
static void test_compressed_many_messages(void **state)
{
    (void)state;
    static const struct { enum side side; const char *packet; size_t size; } kinds[] = {
        { SIDE_CLIENT, "\5\0\0\0\x19\1\0\0\0", 9 }, { SIDE_CLIENT, "\1\0\0\0\xe", 5 }, { SIDE_SERVER, "\3\0\0\1\xff\1\4", 7 },
    };
    static uint8_t piece[4096];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rig *rig = rig_compressed();
        size_t size = pack(piece, sizeof piece, kinds[i].packet, kinds[i].size, 1044000 / kinds[i].size);
        assert_true(size < 300);
        for (unsigned n = 0; n < 5; n++)
            rig_say(rig, kinds[i].side, piece, (ssize_t)size);
        SAY_SELECT_1_TWICE(rig);
        rig_finish(rig);
        assert_in_range(rig_count(rig), MYSQL_MESSAGES_FREE, MYSQL_MESSAGES_FREE + 5 * size + 5);
        unsigned found = 0;
        for (size_t at = 0; at < rig_count(rig); at++)
            found += strcmp(rig_text(rig, at, "mysql_query"), "select 1") == 0;
        assert_int_equal(found, 2);
        rig_free(rig);
    }
}

/* Rows that say nothing, a MiB in a hundred bytes: all are counted up to the budget; of what is beyond it the entry says that it is missing, and the next command is found. */
static void test_compressed_budget(void **state)
{
    (void)state;
    enum { ROWS = 10000 };
    static uint8_t piece[4096], row[104] = { 100, 0, 0, 9, 99 };
    static const struct { unsigned pieces; const char *incomplete; } cases[] = { { 60, "" }, { 90, "gap" } };
    size_t size = pack(piece, sizeof piece, row, sizeof row, ROWS);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = rig_compressed();
        SAY_STORED(rig, SIDE_CLIENT, "\x9\0\0\0\3select 2");
        SAY_STORED(rig, SIDE_SERVER, "\1\0\0\1\1" "\x17\0\0\2\3def\0\0\0\1x\0\14\x3f\0\1\0\0\0\x8\x81\0\0\0\0" "\5\0\0\3\xfe\0\0\2\0");
        for (unsigned n = 0; n < cases[i].pieces; n++)
            rig_say(rig, SIDE_SERVER, piece, (ssize_t)size);
        SAY_STORED(rig, SIDE_SERVER, "\5\0\0\4\xfe\0\0\2\0");
        SAY_SELECT_1_TWICE(rig);
        rig_finish(rig);
        assert_alone(rig, 1, cases[i].incomplete);
        assert_in_range(strtoul(rig_text(rig, 1, "mysql_rows"), NULL, 10), 600000, 670000);
        assert_int_equal(rig_count(rig), check_select_1_twice(rig, 2, false));
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compressed), cmocka_unit_test(test_compressed_gaps), cmocka_unit_test(test_compressed_hostile), cmocka_unit_test(test_compressed_passed_over),
        cmocka_unit_test(test_compressed_long_statement), cmocka_unit_test(test_compressed_many_messages), cmocka_unit_test(test_compressed_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
