/* protocols/postgresql*.c through the engine. */
#include <endian.h>

#include "tests/support/protocol_script.h"

#define PORT 5432
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, "postgresql_" field), value)
#define assert_alone(rig, i, value) assert_string_equal(rig_text(rig, i, "incomplete"), value)

static void message(struct talk *talk, enum side side, char type, const char *body, size_t size)
{
    uint32_t length = htobe32((uint32_t)size + 4);
    if (type)
        talk_add(talk, side, &type, 1);
    talk_add(talk, side, &length, 4);
    talk_add(talk, side, body, size);
}
#define C(type, body) message(talk, SIDE_CLIENT, type, body, sizeof(body) - 1)
#define S(type, body) message(talk, SIDE_SERVER, type, body, sizeof(body) - 1)
#define READY S('Z', "I")
#define ROW S('D', "\0\1\0\0\0\1x")

static void log_in(struct talk *talk)
{
    C(0, "\0\3\0\0user\0bob\0database\0shop\0application_name\0psql\0\0");
    S('R', "\0\0\0\3");
    C('p', "sesame\0");
    S('R', "\0\0\0\0");
    S('S', "server_version\0" "15.3\0");
    S('K', "\0\0\0\1\0\0\0\2");
    READY;
}

static struct rig *play(const struct talk *talk) { return script_play(PORT, REDACT_ON, talk->lines, talk->count); }
static void check_cuts(const struct talk *talk) { script_check_cuts(PORT, talk->lines, talk->count); }

static void test_start(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    C(0, "\x04\xd2\x16\x2f");
    talk_add(talk, SIDE_SERVER, "N", 1);
    log_in(talk);
    C('X', "");
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 3);
    assert_string_equal(rig_protocol(rig, 0), "POSTGRESQL");
    assert_field(rig, 0, "command", "SSLRequest");
    assert_field(rig, 0, "command_tag", "N");
    assert_field(rig, 1, "command", "StartupMessage");
    assert_field(rig, 1, "user", "bob");
    assert_field(rig, 1, "database", "shop");
    assert_field(rig, 1, "success", "1");
    assert_field(rig, 1, "request_size", "66");
    assert_field(rig, 1, "response_size", "62");
    assert_field(rig, 1, "total_size", "128");
    assert_field(rig, 2, "command", "Terminate");
    assert_int_equal(rig_record(rig, 2)->flags & RECORD_ONE_WAY, RECORD_ONE_WAY);
    char *text = rig_dump(rig);
    assert_null(strstr(text, "sesame"));
    free(text);
    rig_free(rig);
    check_cuts(talk);
}

static void test_start_refused(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    C(0, "\0\3\0\0user\0bob\0\0");
    S('R', "\0\0\0\xa" "SCRAM-SHA-256\0\0");
    C('p', "SCRAM-SHA-256\0\0\0\0\x5n,,n=");
    S('E', "SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"bob\"\0\0");
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "database", "bob");
    assert_field(rig, 0, "success", "0");
    assert_field(rig, 0, "error_code", "28P01");
    assert_field(rig, 0, "error_message", "password authentication failed for user \"bob\"");
    assert_alone(rig, 0, "");
    rig_free(rig);
    check_cuts(talk);
}

static void test_simple_queries(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    C('Q', "select 1; insert into t values (1), (2)\0");
    S('T', "\0\1x\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0");
    ROW;
    S('C', "SELECT 1\0");
    S('N', "SNOTICE\0C00000\0Mhello\0\0");
    S('C', "INSERT 0 2\0");
    READY;
    C('Q', "select oops\0");
    S('E', "SERROR\0C42703\0Mcolumn \"oops\" does not exist\0P8\0\0");
    READY;
    C('Q', "\0");
    S('I', "");
    READY;
    C('Q', "ALTER USER bob PASSWORD 'sesame'\0");
    S('C', "ALTER ROLE\0");
    READY;
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 1, "command", "Query");
    assert_field(rig, 1, "query", "select 1; insert into t values (1), (2)");
    assert_string_equal(rig_text(rig, 1, "summary"), "select 1; insert into t values (1), (2)");
    assert_field(rig, 1, "command_tag", "SELECT 1, INSERT 0 2");
    assert_field(rig, 1, "rows", "3");
    assert_field(rig, 1, "success", "1");
    assert_field(rig, 1, "user", "bob");
    assert_field(rig, 1, "request_size", "45");
    assert_field(rig, 2, "error_code", "42703");
    assert_field(rig, 2, "error_message", "column \"oops\" does not exist");
    assert_field(rig, 2, "success", "0");
    assert_field(rig, 3, "success", "1");
    assert_field(rig, 4, "query", "ALTER USER bob PASSWORD '[redacted]'");
    assert_field(rig, 4, "rows", "0");
    rig_free(rig);
    check_cuts(talk);
}

static void parse_bind(struct talk *talk, bool describe)
{
    C('P', "\0select $1\0\0\0");
    C('B', "\0\0\0\0\0\1\0\0\0\1" "7\0\0");
    if (describe)
        C('D', "P\0");
    C('E', "\0\0\0\0\0");
}

static void test_extended_queries(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    parse_bind(talk, true);
    C('S', "");
    S('1', "");
    S('2', "");
    S('T', "\0\1x\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0");
    ROW;
    S('C', "SELECT 1\0");
    READY;
    C('P', "s1\0update t set a = $1\0\0\0"); /* prepared */
    C('D', "Ss1\0");
    C('S', "");
    S('1', "");
    S('t', "\0\1\0\0\0\x17");
    S('n', "");
    READY;
    C('B', "p\0s1\0\0\0\0\1\0\0\0\1" "7\0\0"); /* executed twice in one batch, with Flush between */
    C('E', "p\0\0\0\0\1");
    C('H', "");
    S('2', "");
    ROW;
    S('s', "");
    C('E', "p\0\0\0\0\0");
    C('C', "Pp\0");
    C('S', "");
    S('C', "UPDATE 7\0");
    S('3', "");
    READY;
    C('C', "Ss1\0");
    C('S', "");
    S('3', "");
    READY;
    C('S', "");
    READY;
    C('B', "\0gone\0\0\0\0\0\0\0"); /* prepared before, as far as is known here */
    C('E', "\0\0\0\0\0");
    C('S', "");
    S('2', "");
    S('C', "BEGIN\0");
    READY;
    static const char *const commands[] = { "StartupMessage", "Execute", "Parse", "Execute", "Execute", "Close", "Sync", "Execute" };
    static const char *const queries[] = { "", "select $1", "update t set a = $1", "update t set a = $1", "update t set a = $1", "update t set a = $1", "", "" };
    static const char *const names[] = { "", "", "s1", "s1", "s1", "s1", "", "gone" };
    static const char *const rows[] = { "0", "1", "0", "1", "7", "0", "0", "0" };
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), LINES(commands));
    for (size_t i = 0; i < LINES(commands); i++) {
        assert_field(rig, i, "command", commands[i]);
        assert_field(rig, i, "query", queries[i]);
        assert_field(rig, i, "statement_id", names[i]);
        assert_field(rig, i, "rows", rows[i]);
        assert_field(rig, i, "success", "1");
        assert_alone(rig, i, "");
    }
    assert_field(rig, 1, "request_size", "58");
    assert_field(rig, 1, "response_size", "69");
    assert_field(rig, 1, "total_size", "127");
    rig_free(rig);
    check_cuts(talk);
}

/* An error ends a batch up to its Sync. */
static void test_failed_batch(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    for (unsigned i = 0; i < 4; i++)
        parse_bind(talk, false);
    C('S', "");
    parse_bind(talk, false);
    C('S', "");
    S('1', "");
    S('2', "");
    ROW;
    S('C', "SELECT 1\0");
    S('1', "");
    S('E', "SERROR\0C22P02\0Minvalid input\0\0");
    READY;
    S('E', "SERROR\0C42601\0Msyntax error\0\0");
    READY;
    C('Q', "rollback\0");
    S('C', "ROLLBACK\0");
    READY;
    static const char *const success[] = { "1", "1", "0", "0", "0", "0", "1" };
    static const char *const codes[] = { "", "", "22P02", "", "", "42601", "" };
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), LINES(success));
    for (size_t i = 0; i < LINES(success); i++) {
        assert_field(rig, i, "success", success[i]);
        assert_field(rig, i, "error_code", codes[i]);
        assert_alone(rig, i, "");
    }
    assert_field(rig, 3, "error_message", "not executed: an error before it ended the batch");
    assert_field(rig, 6, "query", "rollback");
    rig_free(rig);
    check_cuts(talk);
}

static void test_copy(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    C('Q', "copy t from stdin\0"); /* 23 */
    S('G', "\0\0\1\0\0");
    C('d', "1\n");
    C('d', "2\n");
    C('c', "");
    S('C', "COPY 2\0");
    READY;
    C('Q', "copy t to stdout\0");
    S('H', "\0\0\1\0\0");
    S('d', "1\n");
    S('d', "2\n");
    S('c', "");
    S('C', "COPY 2\0");
    READY;
    C('P', "\0copy t from stdin\0\0\0"); /* by the extended protocol: the first Sync is not heard */
    C('B', "\0\0\0\0\0\0\0\0");
    C('E', "\0\0\0\0\0");
    C('S', "");
    S('1', "");
    S('2', "");
    S('G', "\0\0\1\0\0");
    C('d', "1\n");
    C('f', "no\0");
    C('S', "");
    S('E', "SERROR\0C57014\0MCOPY from stdin failed: no\0\0");
    READY;
    C('Q', "select 2\0");
    S('C', "SELECT 0\0");
    READY;
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 1, "request_size", "42");
    assert_field(rig, 1, "rows", "2");
    assert_field(rig, 1, "command_tag", "COPY 2");
    assert_field(rig, 2, "rows", "2");
    assert_field(rig, 2, "response_size", "47");
    assert_field(rig, 3, "error_code", "57014");
    assert_field(rig, 3, "request_size", "74");
    assert_field(rig, 4, "query", "select 2");
    assert_alone(rig, 4, "");
    rig_free(rig);
    check_cuts(talk);
}

static void test_announcements(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    C('Q', "listen a\0");
    S('C', "LISTEN\0");
    READY;
    S('A', "\0\0\0\7news\0payload\0");
    C('Q', "notify news\0");
    S('C', "NOTIFY\0");
    S('A', "\0\0\0\7news\0payload\0");
    READY;
    S('S', "TimeZone\0UTC\0");
    S('N', "SWARNING\0C01000\0Mcareful\0\0");
    S('E', "SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0");
    static const char *const commands[] = { "StartupMessage", "Query", "NotificationResponse", "NotificationResponse", "Query", "ParameterStatus", "NoticeResponse", "ErrorResponse" };
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), LINES(commands));
    for (size_t i = 0; i < LINES(commands); i++) {
        assert_field(rig, i, "command", commands[i]);
        bool one_way = rig_record(rig, i)->flags & RECORD_ONE_WAY;
        assert_int_equal(one_way, i == 2 || i == 3 || i > 4);
    }
    assert_string_equal(rig_text(rig, 2, "summary"), "NotificationResponse news");
    assert_field(rig, 6, "error_code", "01000");
    assert_field(rig, 6, "success", "1");
    assert_field(rig, 7, "error_code", "57P01");
    assert_field(rig, 7, "success", "0");
    rig_free(rig);
    check_cuts(talk);
}

static void test_others(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    C(0, "\x04\xd2\x16\x2e\0\0\0\1secr"); /* CancelRequest */
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "command", "CancelRequest");
    rig_free(rig);
    struct talk longer = { 0 };
    talk = &longer;
    C(0, "\x04\xd2\x16\x2e\0\0\0\1" "0123456789abcdef0123456789abcdef"); /* of protocol 3.2 */
    rig = play(talk);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "command", "CancelRequest");
    rig_free(rig);
    struct talk u = { 0 };
    talk = &u;
    log_in(talk);
    C('F', "\0\0\0\1\0\0\0\0\0\0");
    S('V', "\0\0\0\1x");
    READY;
    C('Q', "START_REPLICATION 0/0\0");
    S('W', "\0\0\0");
    S('d', "wxxxxxxx");
    C('d', "rxxxxxxx");
    rig = play(talk);
    assert_int_equal(rig_count(rig), 3);
    assert_field(rig, 1, "command", "FunctionCall");
    assert_field(rig, 2, "query", "START_REPLICATION 0/0");
    assert_alone(rig, 2, "");
    rig_free(rig);
    check_cuts(talk);
}

static void test_large(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    struct rig *rig = rig_new(PORT, REDACT_ON);
    for (size_t i = 0; i < talk->count; i++)
        rig_say(rig, talk->lines[i].side, talk->lines[i].data, (ssize_t)talk->lines[i].size);
    size_t size = 3 * 1024 * 1024;
    char *bytes = malloc(size + 16);
    assert_non_null(bytes);
    memset(bytes, 'x', size + 16);
    memcpy(bytes, "Q\0\x30\0\0select", 11);
    bytes[size] = 0;
    rig_say_cut(rig, SIDE_CLIENT, bytes, size + 1, 30000);
    memcpy(bytes, "D\0\x30\0\0\0\1", 7);
    rig_say_cut(rig, SIDE_SERVER, bytes, size + 1, 1460);
    rig_say(rig, SIDE_SERVER, "C\0\0\0\015SELECT 1\0Z\0\0\0\5I", 20);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 1, "request_size", "3145729");
    assert_field(rig, 1, "response_size", "3145749");
    assert_int_equal(strlen(rig_text(rig, 1, "postgresql_query")), CONVERSATION_BODY_MAX);
    assert_field(rig, 1, "rows", "1");
    assert_alone(rig, 1, "truncated");
    rig_free(rig);
    free(bytes);
}

static void test_unanswered(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    parse_bind(talk, true);
    struct rig *rig = play(talk); /* its Sync never comes */
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 1, "command", "Execute");
    assert_field(rig, 1, "request_size", "53");
    assert_alone(rig, 1, "no_response");
    rig_free(rig);
    S('1', ""); /* answered all the same, and the connection ends */
    S('2', "");
    ROW;
    rig = play(talk);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 1, "response_size", "22");
    assert_alone(rig, 1, "ends_after");
    rig_free(rig);
    check_cuts(talk);
}

static void say(struct rig *rig, struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        rig_say(rig, talk->lines[i].side, talk->lines[i].data, (ssize_t)talk->lines[i].size);
    *talk = (struct talk){ 0 };
}

static void test_gaps(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    log_in(talk);
    C('Q', "select 1\0");
    ROW;
    say(rig, talk);
    rig_say(rig, SIDE_SERVER, "D\0\0\1\0\0\1", 7); /* a row of which the middle is lost */
    rig_lose(rig, SIDE_SERVER, 200);
    rig_say(rig, SIDE_SERVER, "012345678901234567890123456789012345678901234567890", 50);
    ROW;
    S('C', "SELECT 3\0");
    READY;
    C('Q', "select 2\0");
    say(rig, talk);
    rig_lose(rig, SIDE_SERVER, 33); /* the beginning of the answer */
    ROW;
    S('C', "SELECT 2\0");
    READY;
    C('Q', "select 3\0");
    ROW;
    S('C', "SELECT 1\0");
    READY;
    say(rig, talk);
    rig_lose(rig, SIDE_CLIENT, 14); /* a query */
    S('C', "SELECT 0\0");
    READY;
    C('Q', "select 5\0");
    S('C', "SELECT 5\0");
    READY;
    say(rig, talk);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 6);
    assert_field(rig, 1, "command_tag", "SELECT 3");
    assert_alone(rig, 1, "gap");
    assert_field(rig, 2, "query", "select 2");
    assert_alone(rig, 2, "gap");
    assert_field(rig, 3, "query", "select 3");
    assert_field(rig, 3, "command_tag", "SELECT 1");
    assert_alone(rig, 3, "");
    assert_field(rig, 4, "command_tag", "SELECT 0");
    assert_field(rig, 4, "query", "");
    assert_field(rig, 5, "query", "select 5");
    assert_field(rig, 5, "command_tag", "SELECT 5");
    rig_free(rig);
}

static void test_middle_of_a_connection(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    talk_add(talk, SIDE_SERVER, "rest of a row", 13);
    ROW;
    S('C', "SELECT 9\0");
    READY;
    for (unsigned i = 0; i < 2; i++) {
        C('Q', "select 1\0");
        ROW;
        S('C', "SELECT 1\0");
        READY;
    }
    say(rig, talk);
    rig_stop(rig);
    assert_true(rig_count(rig) >= 1);
    assert_field(rig, rig_count(rig) - 1, "query", "select 1");
    assert_field(rig, rig_count(rig) - 1, "command_tag", "SELECT 1");
    rig_free(rig);
    rig = rig_new_without_handshake(7777, REDACT_ON, 6); /* on another port it is not looked for in the middle */
    C('Q', "select 1\0");
    say(rig, talk);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 0);
    rig_free(rig);
}

static void test_strict(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    C('Q', "select 'sesame'\0");
    S('E', "SERROR\0C22P02\0Minvalid input syntax: 'sesame'\0\0");
    READY;
    struct rig *rig = script_play(PORT, REDACT_STRICT, talk->lines, talk->count);
    char *text = rig_dump(rig);
    assert_null(strstr(text, "sesame"));
    free(text);
    rig_free(rig);
}

/* A server whose packets do not acknowledge the request that they skip: an answer that cannot be one is no reason to look for it for ever. */
static void test_skips_what_it_has_not_seen(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    struct rig *rig = rig_new(PORT, REDACT_ON);
    for (size_t i = 0; i < t.count; i++)
        rig_say(rig, t.lines[i].side, t.lines[i].data, (ssize_t)t.lines[i].size);
    struct talk batch = { 0 }, error = { 0 };
    talk = &batch;
    parse_bind(talk, false);
    C('H', "");
    talk = &error;
    S('E', "SERROR\0C42703\0Mno\0\0");
    rig_say(rig, SIDE_CLIENT, batch.lines[0].data, (ssize_t)batch.lines[0].size);
    uint32_t seen = rig->acked[SIDE_SERVER];
    rig_say(rig, SIDE_CLIENT, batch.lines[0].data, (ssize_t)batch.lines[0].size);
    rig->acked[SIDE_SERVER] = seen;
    rig_say(rig, SIDE_SERVER, error.lines[0].data, (ssize_t)error.lines[0].size);
    rig_say(rig, SIDE_SERVER, "Z\0\0\0\5I", 6);
    rig_finish(rig);
    assert_in_range(rig_count(rig), 3, 5); /* the log-in, the two, and what the server said without having been asked, as it looks */
    assert_field(rig, 1, "error_code", "42703");
    assert_alone(rig, rig_count(rig) - 1, "no_response");
    rig_free(rig);
}

static void test_hostile(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in(talk);
    talk_add(talk, SIDE_CLIENT, "Q\0\0\0\3", 5);
    talk_add(talk, SIDE_SERVER, "Z\0\0\0\xff", 5);
    check_cuts(talk);
    struct talk u = { 0 };
    talk = &u;
    log_in(talk);
    C('P', "no zero at all");
    C('B', "xxxxxxxxxxxx");
    C('E', "xxxxxxx");
    C('C', "Sx");
    S('E', "Mno zero");
    S('C', "TAG 99999999999999999999999999");
    S('A', "xxxxxxxxxx");
    check_cuts(talk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start), cmocka_unit_test(test_start_refused), cmocka_unit_test(test_simple_queries), cmocka_unit_test(test_extended_queries), cmocka_unit_test(test_failed_batch),
        cmocka_unit_test(test_copy), cmocka_unit_test(test_announcements), cmocka_unit_test(test_others), cmocka_unit_test(test_large), cmocka_unit_test(test_unanswered), cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_middle_of_a_connection), cmocka_unit_test(test_strict), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_skips_what_it_has_not_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
