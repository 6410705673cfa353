/* protocols/mysql*.c through the engine. */
#include "tests/unit/services/dissector/protocols/mysql/mysql_talk.h"

static void test_log_in(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    GREETING("\xff\xf7", "\xff\xdf");
    RESPONSE(CLASSIC);
    S(2, "\xfe" "mysql_native_password\0abcdefghijklmnopqrst\0");
    C(3, "sesame-sesame-sesame");
    S(4, "\1\4");
    C(5, "sesame\0");
    OK(6);
    C(0, "\x0e");
    OK(1);
    C(0, "\1");
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 3);
    assert_string_equal(rig_protocol(rig, 0), "MYSQL");
    assert_field(rig, 0, "command", "HANDSHAKE");
    assert_field(rig, 0, "user", "bob");
    assert_field(rig, 0, "database", "shop");
    assert_field(rig, 0, "server_version", "8.0.36");
    assert_field(rig, 0, "success", "1");
    assert_field(rig, 0, "request_size", "109");
    assert_field(rig, 0, "response_size", "143");
    assert_field(rig, 0, "total_size", "252");
    assert_field(rig, 1, "command", "COM_PING");
    assert_field(rig, 1, "database", "shop");
    assert_field(rig, 1, "total_size", "16");
    assert_field(rig, 2, "command", "COM_QUIT");
    assert_int_equal(rig_record(rig, 2)->flags & RECORD_ONE_WAY, RECORD_ONE_WAY);
    char *text = rig_dump(rig);
    assert_null(strstr(text, "sesame"));
    free(text);
    rig_free(rig);
    check_cuts(talk);
}

static void test_refused(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    GREETING("\xff\xf7", "\xff\xdf");
    RESPONSE(CLASSIC);
    S(2, "\xff\x15\x04#28000Access denied for user 'bob'@'localhost' (using password: YES)");
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "success", "0");
    assert_field(rig, 0, "error_code", "1045");
    assert_field(rig, 0, "error_message", "Access denied for user 'bob'@'localhost' (using password: YES)");
    rig_free(rig);
    check_cuts(talk);
    struct talk u = { 0 };
    talk = &u;
    S(0, "\xff\x10\x04Too many connections");
    rig = play(talk);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "error_code", "1040");
    assert_int_equal(rig_record(rig, 0)->flags & RECORD_FROM_SERVER, RECORD_FROM_SERVER);
    rig_free(rig);
}

static void queries(struct talk *talk, bool new_eof)
{
    log_in_with(talk, new_eof);
    C(0, "\3select x from t; update t set x = 1");
    S(1, "\1");
    COLUMN(2);
    if (new_eof) {
        S(3, "\1" "a");
        S(4, "\1" "b");
        S(5, "\xfe\0\0\x0a\0\0\0"); /* more results */
        S(6, "\0\7\0\2\0\0\0");
    } else {
        EOF_(3);
        S(4, "\1" "a");
        S(5, "\1" "b");
        S(6, "\xfe\0\0\x0a\0");
        S(7, "\0\7\0\2\0\0\0");
    }
    C(0, "\3select x from empty");
    S(1, "\1");
    COLUMN(2);
    if (new_eof) {
        S(3, "\xfe\0\0\2\0\0\0");
    } else {
        EOF_(3);
        EOF_(4);
    }
    C(0, "\3selec");
    S(1, "\xff\x28\4#42000You have an error in your SQL syntax");
    C(0, "\3SET PASSWORD = 'sesame'");
    OK(1);
    C(0, "\3select broken");
    S(1, "\1");
    COLUMN(2);
    if (!new_eof)
        EOF_(3);
    S(new_eof ? 3 : 4, "\1" "a");
    S(new_eof ? 4 : 5, "\xff\x25\5#70100Query execution was interrupted");
    C(0, "\2other");
    OK(1);
    C(0, "\3use `third`;\0");
    OK(1);
    C(0, "\2missing");
    S(1, "\xff\x19\4#42000Unknown database 'missing'");
    C(0, "\x09");
    S(1, "Uptime: 5");
    C(0, "\3load data local infile 'f' into table t\0\0");
    S(1, "\xfb" "f");
    C(2, "1\n2\n");
    C(3, "");
    S(4, "\0\2\0\2\0\0\0");
}

static void test_queries(void **state)
{
    (void)state;
    static const char *const commands[] = { "HANDSHAKE", "COM_QUERY", "COM_QUERY", "COM_QUERY", "COM_QUERY", "COM_QUERY", "COM_INIT_DB", "COM_QUERY", "COM_INIT_DB", "COM_STATISTICS", "COM_QUERY" };
    static const char *const databases[] = { "shop", "shop", "shop", "shop", "shop", "shop", "other", "other", "missing", "third", "third" };
    static const char *const errors[] = { "0", "0", "0", "1064", "0", "1317", "0", "0", "1049", "0", "0" };
    for (unsigned new_eof = 0; new_eof < 2; new_eof++) {
        struct talk t = { 0 };
        queries(&t, new_eof);
        struct rig *rig = play(&t);
        assert_int_equal(rig_count(rig), LINES(commands));
        for (size_t i = 0; i < LINES(commands); i++) {
            assert_field(rig, i, "command", commands[i]);
            assert_field(rig, i, "database", databases[i]);
            assert_field(rig, i, "error_code", errors[i]);
            assert_field(rig, i, "success", strcmp(errors[i], "0") == 0 ? "1" : "0");
            assert_alone(rig, i, "");
        }
        assert_field(rig, LINES(commands) - 1, "query", "load data local infile 'f' into table t");
        assert_field(rig, 1, "query", "select x from t; update t set x = 1");
        assert_string_equal(rig_text(rig, 1, "summary"), "select x from t; update t set x = 1");
        assert_field(rig, 1, "rows", "2");
        assert_field(rig, 1, "affected_rows", "7");
        assert_field(rig, 1, "request_size", "40");
        assert_field(rig, 1, "response_size", new_eof ? "66" : "73");
        assert_field(rig, 2, "rows", "0");
        assert_field(rig, 3, "error_message", "You have an error in your SQL syntax");
        assert_field(rig, 4, "query", "SET PASSWORD = '[redacted]'");
        assert_field(rig, 5, "rows", "1");
        assert_field(rig, 10, "affected_rows", "2");
        assert_field(rig, 10, "request_size", "58");
        rig_free(rig);
        check_cuts(&t);
    }
}

static void prepared_statements(struct talk *talk, bool new_eof)
{
    log_in_with(talk, new_eof);
    C(0, "\x16select ? + 1\0");
    S(1, "\0\5\0\0\0\1\0\1\0\0\0\0");
    COLUMN(2);
    if (!new_eof)
        EOF_(3);
    COLUMN(new_eof ? 3 : 4);
    if (!new_eof)
        EOF_(5);
    C(0, "\x18\5\0\0\0\0\0long"); /* long data: no answer */
    C(0, "\x17\5\0\0\0\0\1\0\0\0\0\1\3\0\7\0\0\0");
    S(1, "\1");
    COLUMN(2);
    if (!new_eof)
        EOF_(3);
    S(new_eof ? 3 : 4, "\0\0\x8\0\0\0\0\0\0\0");
    if (new_eof)
        S(4, "\xfe\0\0\2\0\0\0");
    else
        EOF_(5);
    C(0, "\x17\5\0\0\0\1\1\0\0\0\0\0"); /* with a cursor */
    S(1, "\1");
    COLUMN(2);
    if (new_eof)
        S(3, "\xfe\0\0\x42\0\0\0");
    else
        S(3, "\xfe\0\0\x42\0");
    C(0, "\x1c\5\0\0\0\1\0\0\0");
    S(1, "\0\0\x8\0\0\0\0\0\0\0");
    S(2, "\xfe\0\0\x42\0");
    C(0, "\x1a\5\0\0\0");
    OK(1);
    C(0, "\x19\5\0\0\0\1\0\0\0\x0e"); /* closed, no answer; then a ping in the same segment */
    talk->used -= 5; /* (the helper writes one packet at a time) */
    talk->lines[talk->count - 1].size -= 5;
    talk->bytes[talk->used - 9] = 5;
    C(0, "\x0e");
    OK(1);
    C(0, "\x16" "delete from t");
    S(1, "\0\6\0\0\0\0\0\0\0\0\0\0");
    C(0, "\x17\6\0\0\0\0\1\0\0\0");
    S(1, "\0\3\0\2\0\0\0");
    C(0, "\x17\5\0\0\0\0\1\0\0\0"); /* closed before */
    S(1, "\xff\xdb\4#HY000Unknown prepared statement handler (5) given to mysqld_stmt_execute");
    C(0, "\x16oops");
    S(1, "\xff\x28\4#42000syntax");
}

static void test_prepared_statements(void **state)
{
    (void)state;
    for (unsigned new_eof = 0; new_eof < 2; new_eof++) {
        struct talk t = { 0 }, *talk = &t;
        prepared_statements(talk, new_eof);
        static const char *const lines[][3] = {
            { "HANDSHAKE", "", "0" }, { "COM_STMT_PREPARE", "select ? + 1", "5" }, { "COM_STMT_SEND_LONG_DATA", "select ? + 1", "5" }, { "COM_STMT_EXECUTE", "select ? + 1", "5" },
            { "COM_STMT_EXECUTE", "select ? + 1", "5" }, { "COM_STMT_FETCH", "select ? + 1", "5" }, { "COM_STMT_RESET", "select ? + 1", "5" }, { "COM_STMT_CLOSE", "select ? + 1", "5" }, { "COM_PING", "", "0" },
            { "COM_STMT_PREPARE", "delete from t", "6" }, { "COM_STMT_EXECUTE", "delete from t", "6" }, { "COM_STMT_EXECUTE", "", "5" }, { "COM_STMT_PREPARE", "oops", "0" },
        };
        struct rig *rig = play(talk);
        assert_int_equal(rig_count(rig), LINES(lines));
        for (size_t i = 0; i < LINES(lines); i++) {
            assert_field(rig, i, "command", lines[i][0]);
            assert_field(rig, i, "query", lines[i][1]);
            assert_field(rig, i, "statement_id", lines[i][2]);
            assert_alone(rig, i, "");
        }
        assert_field(rig, 3, "rows", "1");
        assert_field(rig, 4, "rows", "0");
        assert_field(rig, 5, "rows", "1");
        assert_field(rig, 10, "affected_rows", "3");
        assert_field(rig, 11, "error_code", "1243");
        rig_free(rig);
        check_cuts(talk);
    }
}

static void test_query_attributes(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    GREETING("\xff\xf7", "\xff\xdf");
    RESPONSE(ATTRIBUTES);
    OK(2);
    C(0, "\3\0\1select 1");
    OK(1);
    C(0, "\3\3\1\4\1\xfd\0\2n1\3\0\2n2\xfd\0\2n3\5value\7\0\0\0select 2"); /* a text, a number, a null */
    OK(1);
    C(0, "\3\xfd\xff\xff\xff\1\1"); /* no such attributes */
    OK(1);
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 1, "query", "select 1");
    assert_field(rig, 2, "query", "select 2");
    assert_field(rig, 3, "query", "");
    rig_free(rig);
    check_cuts(talk);
}

static void test_change_user(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in_with(talk, true);
    C(0, "\x11" "eve\0\6sesamestock\0\xff\0mysql_native_password\0");
    S(1, "\xfe" "mysql_native_password\0abcdefghijklmnopqrst\0");
    C(2, "sesame-sesame-sesame");
    OK(3);
    C(0, "\x0e");
    OK(1);
    C(0, "\x1f");
    OK(1);
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 1, "command", "COM_CHANGE_USER");
    assert_field(rig, 1, "user", "eve");
    assert_field(rig, 1, "database", "stock");
    assert_field(rig, 1, "request_size", "70");
    assert_field(rig, 2, "database", "stock");
    char *text = rig_dump(rig);
    assert_null(strstr(text, "sesame"));
    free(text);
    rig_free(rig);
    check_cuts(talk);
}

static void test_others(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t; /* a list of fields, a progress report, a shutdown */
    log_in_with(talk, false);
    C(0, "\4t\0");
    COLUMN(1);
    COLUMN(2);
    EOF_(3);
    C(0, "\3alter table t");
    S(1, "\xff\xff\xff\1\1\2\x10\x27\0\4copy");
    OK(2);
    C(0, "\x1b\0\0");
    EOF_(1);
    S(0, "\xff\xbf\x0f#HY000The client was disconnected by the server because of inactivity.");
    struct rig *rig = play(talk);
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 1, "command", "COM_FIELD_LIST");
    assert_field(rig, 2, "success", "1");
    assert_field(rig, 3, "command", "COM_SET_OPTION");
    assert_field(rig, 4, "error_code", "4031");
    assert_int_equal(rig_record(rig, 4)->flags & RECORD_ONE_WAY, RECORD_ONE_WAY);
    rig_free(rig);
    check_cuts(talk);
}

static void test_encrypted(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    GREETING("\xff\xff", "\xff\xdf");
    C(1, "\x85\xae\xff\x09\0\0\0\1\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    talk_add(talk, SIDE_CLIENT, "\x16\3\1\0\5\1\0\0\1\0", 10);
    struct rig *rig = play(talk);
    assert_true(rig_count(rig) >= 1);
    assert_field(rig, 0, "command", "SSL_REQUEST");
    assert_field(rig, 0, "server_version", "8.0.36");
    for (size_t i = 1; i < rig_count(rig); i++)
        assert_string_equal(rig_protocol(rig, i), "TLS");
    rig_free(rig);
}

/* Commands and rows of 16 MiB and more: several packets, one entry. */
static void test_large(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    log_in_with(talk, true);
    say(rig, talk);
    size_t size = 4 + 0xffffff + 4 + 10;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 'x', size);
    memcpy(bytes, "\xff\xff\xff\0\3select", 11);
    memcpy(bytes + 4 + 0xffffff, "\x0a\0\0\1", 4);
    rig_say_cut(rig, SIDE_CLIENT, bytes, size, 60000);
    S(1, "\1");
    COLUMN(2);
    say(rig, talk);
    memcpy(bytes, "\xff\xff\xff\3\xfe\0\0\0\1\0\0\0\0", 13);
    memcpy(bytes + 4 + 0xffffff, "\x0a\0\0\4", 4);
    rig_say_cut(rig, SIDE_SERVER, bytes, size, 60000);
    S(5, "\xfe\0\0\2\0\0\0");
    say(rig, talk);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 1, "request_size", "16777233");
    assert_field(rig, 1, "response_size", "16777276");
    assert_field(rig, 1, "rows", "1");
    assert_alone(rig, 1, "truncated");
    rig_free(rig);
    free(bytes);
}

static void test_gaps(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    log_in_with(talk, true);
    C(0, "\3select 1");
    S(1, "\1");
    COLUMN(2);
    talk_add(talk, SIDE_SERVER, "\xc8\0\0\3\xc6", 5); /* a row of which the middle is lost */
    say(rig, talk);
    rig_lose(rig, SIDE_SERVER, 150);
    rig_say(rig, SIDE_SERVER, "01234567890123456789012345678901234567890123456789", 49);
    S(4, "\xfe\0\0\2\0\0\0");
    C(0, "\3select 2");
    say(rig, talk);
    rig_lose(rig, SIDE_SERVER, 40); /* the beginning of the answer */
    S(5, "\1" "a");
    S(6, "\xfe\0\0\2\0\0\0");
    C(0, "\3select 3");
    OK(1);
    say(rig, talk);
    rig_lose(rig, SIDE_CLIENT, 13); /* a command */
    OK(1);
    C(0, "\3select 5");
    OK(1);
    say(rig, talk);
    rig_finish(rig);
    assert_true(rig_count(rig) >= 5);
    assert_field(rig, 1, "rows", "1");
    assert_field(rig, 1, "response_size", "247");
    assert_alone(rig, 1, "gap");
    assert_field(rig, 2, "query", "select 2");
    assert_alone(rig, 2, "gap");
    assert_field(rig, 3, "query", "select 3");
    assert_field(rig, 3, "success", "1");
    assert_alone(rig, 3, "");
    assert_field(rig, rig_count(rig) - 1, "query", "select 5");
    assert_field(rig, rig_count(rig) - 1, "success", "1");
    rig_free(rig);
}

static void test_middle_of_a_connection(void **state)
{
    (void)state;
    for (unsigned new_eof = 0; new_eof < 2; new_eof++) {
        struct talk t = { 0 }, *talk = &t;
        struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
        talk_add(talk, SIDE_SERVER, "rest of a row", 13);
        for (unsigned i = 0; i < 2; i++) {
            C(0, "\x16select ?");
            S(1, "\0\5\0\0\0\1\0\1\0\0\0\0");
            COLUMN(2);
            if (!new_eof)
                EOF_(3);
            COLUMN(new_eof ? 3 : 4);
            if (!new_eof)
                EOF_(5);
        }
        C(0, "\x17\5\0\0\0\0\1\0\0\0");
        S(1, "\1");
        COLUMN(2);
        if (!new_eof)
            EOF_(3);
        S(new_eof ? 3 : 4, "\0\0\x8\0\0\0\0\0\0\0");
        if (new_eof)
            S(4, "\xfe\0\0\2\0\0\0");
        else
            EOF_(5);
        say(rig, talk);
        rig_stop(rig);
        assert_true(rig_count(rig) >= 2);
        assert_field(rig, rig_count(rig) - 1, "query", "select ?");
        assert_field(rig, rig_count(rig) - 1, "rows", "1");
        assert_alone(rig, rig_count(rig) - 1, "");
        rig_free(rig);
    }
}

static void test_hostile(void **state)
{
    (void)state;
    struct talk t = { 0 }, *talk = &t;
    log_in_with(talk, false);
    C(0, "\xc8");
    S(1, "\xfc\1");
    script_try_cuts(PORT, talk->lines, talk->count);
    struct talk u = { 0 };
    talk = &u;
    log_in_with(talk, false);
    C(0, "\x17\5");
    S(1, "");
    C(0, "\x11no end");
    S(1, "\xff\1");
    script_try_cuts(PORT, talk->lines, talk->count);
    struct talk v = { 0 };
    talk = &v;
    GREETING("\xff\xf7", "\xff\xdf");
    C(1, "\x09\x82");
    OK(2);
    C(0, "\x16");
    S(1, "\0\5\0");
    script_try_cuts(PORT, talk->lines, talk->count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_in), cmocka_unit_test(test_refused), cmocka_unit_test(test_queries), cmocka_unit_test(test_prepared_statements), cmocka_unit_test(test_query_attributes),
        cmocka_unit_test(test_change_user), cmocka_unit_test(test_others), cmocka_unit_test(test_encrypted), cmocka_unit_test(test_large), cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_middle_of_a_connection), cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
