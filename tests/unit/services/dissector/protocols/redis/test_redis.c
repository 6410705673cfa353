/* protocols/redis*.c through the engine. */
#include "tests/support/protocol_script.h"

#define PORT 6379
#define PLAY(script) script_play(PORT, REDACT_ON, script, LINES(script))
#define CHECK_CUTS(script) script_check_cuts(PORT, script, LINES(script))
#define assert_field(rig, i, field, value) assert_string_equal(rig_text(rig, i, field), value)

static void test_commands_and_replies(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*3\r\n$3\r\nset\r\n$3\r\nfoo\r\n$11\r\nhello world\r\n"), SERVER("+OK\r\n"),
        CLIENT("*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n"), SERVER("$11\r\nhello world\r\n"),
        CLIENT("*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n"), SERVER("$-1\r\n"),
        CLIENT("*2\r\n$4\r\nINCR\r\n$3\r\nfoo\r\n"), SERVER("-ERR value is not an integer or out of range\r\n"),
        CLIENT("*3\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n"), SERVER("*2\r\n$1\r\n1\r\n$-1\r\n"),
        CLIENT("*1\r\n$6\r\nDBSIZE\r\n"), SERVER(":1234\r\n"),
        CLIENT("PING\r\n"), SERVER("+PONG\r\n"),
        CLIENT("*0\r\n\r\n*1\r\n$0\r\n\r\n"), SERVER("-ERR unknown command ''\r\n"),
    };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), 8);
    assert_string_equal(rig_protocol(rig, 0), "REDIS");
    assert_field(rig, 0, "redis_type", "SET");
    assert_field(rig, 0, "redis_command", "set foo \"hello world\"");
    assert_field(rig, 0, "summary", "set foo \"hello world\"");
    assert_field(rig, 0, "redis_key", "foo");
    assert_field(rig, 0, "redis_request_size", "40");
    assert_field(rig, 0, "redis_response_size", "5");
    assert_field(rig, 0, "redis_total_size", "45");
    assert_field(rig, 0, "redis_response", "OK");
    assert_field(rig, 0, "incomplete", "");
    assert_field(rig, 1, "redis_response", "hello world");
    assert_field(rig, 2, "redis_response", "null");
    assert_field(rig, 3, "redis_error", "ERR value is not an integer or out of range");
    assert_field(rig, 3, "redis_response", "");
    assert_field(rig, 4, "redis_response", "[1, null]");
    assert_field(rig, 5, "redis_response", "1234");
    assert_field(rig, 5, "redis_key", "");
    assert_field(rig, 6, "redis_type", "PING");
    assert_field(rig, 7, "redis_type", "");
    rig_free(rig);
    CHECK_CUTS(script);
}

/* Bytes that are no characters: those at the end of a reply stay as those in the middle do; a reply that is cut ends with a whole character. */
static void test_replies_of_any_bytes(void **state)
{
    (void)state;
    static struct line script[] = {
        CLIENT("*2\r\n$4\r\nECHO\r\n$3\r\n\xd4" "a\xd4\r\n"), SERVER("$3\r\n\xd4" "a\xd4\r\n"),
        CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nn\r\n"), SERVER("+OK\r\n"),
    };
    char reply[6 + 301 + 2] = "$301\r\n", expected[256] = "a";
    memcpy(reply + 6, "a", 1);
    for (size_t i = 0; i < 150; i++)
        memcpy(reply + 7 + 2 * i, "\xc3\xa9", 2);
    memcpy(reply + 6 + 301, "\r\n", 2);
    for (size_t i = 0; i < 127; i++)
        memcpy(expected + 1 + 2 * i, "\xc3\xa9", 2);
    script[3] = (struct line){ SIDE_SERVER, reply, sizeof reply };
    struct rig *rig = PLAY(script);
    assert_field(rig, 0, "redis_command", "ECHO \"\\xd4a\\xd4\"");
    assert_field(rig, 0, "redis_response", "\xd4" "a\xd4");
    assert_field(rig, 1, "redis_response", expected);
    rig_free(rig);
}

static void test_pipeline_and_transaction(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4\r\nINCR\r\n$1\r\nm\r\n*1\r\n$4\r\nEXEC\r\n"),
        SERVER("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n"),
    };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), 4);
    assert_field(rig, 1, "redis_response", "QUEUED");
    assert_field(rig, 2, "redis_command", "INCR m");
    assert_field(rig, 3, "redis_type", "EXEC");
    assert_field(rig, 3, "redis_response", "[1, 2]");
    rig_free(rig);
    CHECK_CUTS(script);
    static const struct line secret[] = {
        CLIENT("*1\r\n$5\r\nMULTI\r\n*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$1\r\n*\r\n*1\r\n$4\r\nEXEC\r\n"),
        SERVER("+OK\r\n+QUEUED\r\n*1\r\n*2\r\n$11\r\nrequirepass\r\n$6\r\nsesame\r\n"),
    };
    rig = PLAY(secret);
    assert_field(rig, 2, "redis_response", "[redacted]");
    rig_free(rig);
    static const struct line sentinel[] = { CLIENT("*4\r\n$8\r\nSENTINEL\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$1\r\n*\r\n"), SERVER("*2\r\n$13\r\nsentinel-pass\r\n$6\r\nsesame\r\n") };
    rig = PLAY(sentinel);
    assert_field(rig, 0, "redis_response", "[redacted]");
    rig_free(rig);
}

static void test_resp3(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"), SERVER("%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"),
        CLIENT("*2\r\n$4\r\nTYPE\r\n$1\r\na\r\n"), SERVER("|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.19\r\n$1\r\nb\r\n,0.02\r\n*3\r\n#t\r\n_\r\n|1\r\n+ttl\r\n:36\r\n(3492890328409238509324850943850943825024385\r\n"),
        CLIENT("*1\r\n$1\r\na\r\n"), SERVER("=15\r\ntxt:Some string\r\n"),
        CLIENT("*1\r\n$1\r\nb\r\n"), SERVER("!21\r\nSYNTAX invalid syntax\r\n"),
        CLIENT("*1\r\n$1\r\nc\r\n"), SERVER("~2\r\n:1\r\n*0\r\n"),
        CLIENT("*1\r\n$1\r\nd\r\n"), SERVER("$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n"),
        CLIENT("*1\r\n$1\r\ne\r\n"), SERVER("*?\r\n:1\r\n%?\r\n+a\r\n:1\r\n.\r\n:3\r\n.\r\n"),
        CLIENT("*1\r\n$1\r\nf\r\n"), SERVER(">2\r\n$10\r\ninvalidate\r\n*1\r\n$3\r\nfoo\r\n*-1\r\n"),
        CLIENT("*1\r\n$1\r\ng\r\n"), SERVER("%0\r\n"),
        CLIENT("*1\r\n$1\r\nh\r\n"), SERVER("#f\r\n"),
        CLIENT("*1\r\n$1\r\ni\r\n"), SERVER(",inf\r\n"),
        CLIENT("*1\r\n$1\r\nj\r\n"), SERVER("$0\r\n\r\n"),
        CLIENT("*1\r\n$1\r\nk\r\n"), SERVER("*2\r\n*2\r\n+a\r\n%1\r\n+b\r\n:9223372036854775807\r\n-ERR x\r\n"),
        CLIENT("*1\r\n$1\r\nl\r\n"), SERVER("*2\r\n|1\r\n+k\r\n+v\r\n+a\r\n|1\r\n*1\r\n+k\r\n%?\r\n.\r\n+b\r\n"),
        CLIENT("*1\r\n$1\r\nm\r\n"), SERVER("%1\r\n|1\r\n+k\r\n*2\r\n+v\r\n*0\r\n+a\r\n|1\r\n+k\r\n|1\r\n+x\r\n*1\r\n+y\r\n+v\r\n*1\r\n+b\r\n"),
    };
    static const char *const replies[] = { "{server: redis, proto: 3}", "[true, null, 3492890328409238509324850943850943825024385]", "Some string", "", "[1, []]", "Hello word", "[1, {a: 1}, 3]",
                                           "[invalidate, [foo]]", "null", "{}", "false", "inf", "", "[[a, {b: 9223372036854775807}], ERR x]",
                                           "[a, b]", "{a: [b]}" };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), LINES(replies));
    for (size_t i = 0; i < LINES(replies); i++)
        assert_field(rig, i, "redis_response", replies[i]);
    assert_field(rig, 1, "redis_response_size", "125");
    assert_field(rig, 3, "redis_error", "SYNTAX invalid syntax");
    assert_field(rig, 7, "redis_type", "INVALIDATE");
    assert_int_equal(rig_record(rig, 7)->flags & RECORD_ONE_WAY, RECORD_ONE_WAY);
    assert_field(rig, 8, "redis_type", "F");
    rig_free(rig);
    CHECK_CUTS(script);
}

static void check_published(const struct line *script, size_t lines)
{
    struct rig *rig = script_play(PORT, REDACT_ON, script, lines);
    assert_int_equal(rig_count(rig), 6);
    assert_field(rig, 0, "redis_command", "SUBSCRIBE a b");
    assert_field(rig, 0, "redis_response", "[subscribe, a, 1][subscribe, b, 2]");
    assert_field(rig, 0, "incomplete", "");
    assert_field(rig, 1, "redis_type", "MESSAGE");
    assert_field(rig, 1, "redis_response", "[message, a, hi]");
    assert_int_equal(rig_record(rig, 1)->flags & RECORD_FROM_SERVER, RECORD_FROM_SERVER);
    assert_field(rig, 2, "redis_type", "PSUBSCRIBE");
    assert_field(rig, 3, "redis_type", "PMESSAGE");
    assert_field(rig, 4, "redis_type", "UNSUBSCRIBE");
    assert_field(rig, 4, "redis_response", "[unsubscribe, a, 2][unsubscribe, b, 1]");
    assert_field(rig, 5, "redis_type", "PING");
    assert_field(rig, 5, "incomplete", "");
    rig_free(rig);
    script_check_cuts(PORT, script, lines);
}

static void test_subscriptions(void **state)
{
    (void)state;
    static const struct line resp2[] = {
        CLIENT("*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"), SERVER("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
        SERVER("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"),
        CLIENT("*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\nc*\r\n"), SERVER("*3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:3\r\n*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nc1\r\n$1\r\nx\r\n"),
        CLIENT("*1\r\n$11\r\nUNSUBSCRIBE\r\n"), SERVER("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n"),
        CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
    };
    static const struct line resp3[] = {
        CLIENT("*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n"), SERVER(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
        SERVER(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"),
        CLIENT("*2\r\n$10\r\nPSUBSCRIBE\r\n$2\r\nc*\r\n"), SERVER(">3\r\n$10\r\npsubscribe\r\n$2\r\nc*\r\n:3\r\n>4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nc1\r\n$1\r\nx\r\n"),
        CLIENT("*1\r\n$11\r\nUNSUBSCRIBE\r\n"), SERVER(">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n"),
        CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("+PONG\r\n"),
    };
    check_published(resp2, LINES(resp2));
    check_published(resp3, LINES(resp3));
}

/* An array that only looks like a published message, where nothing was subscribed to. */
static void test_answer_that_looks_published(void **state)
{
    (void)state;
    static const struct line script[] = { CLIENT("*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$1\r\n2\r\n"), SERVER("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n") };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "redis_type", "LRANGE");
    assert_field(rig, 0, "incomplete", "");
    rig_free(rig);
}

static void test_monitor(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*1\r\n$7\r\nMONITOR\r\n"), SERVER("+OK\r\n"), SERVER("+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"),
        CLIENT("*1\r\n$4\r\nQUIT\r\n"), SERVER("+OK\r\n"),
    };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), 3);
    assert_field(rig, 1, "redis_type", "MONITOR");
    assert_int_equal(rig_record(rig, 1)->flags & RECORD_ONE_WAY, RECORD_ONE_WAY);
    assert_field(rig, 2, "redis_type", "QUIT");
    rig_free(rig);
    CHECK_CUTS(script);
}

static void test_replies_switched_off(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), SERVER("$-1\r\n"),
        CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*3\r\n$6\r\nclient\r\n$5\r\nreply\r\n$4\r\nskip\r\n"),
        CLIENT("*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"), SERVER("+OK\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nc\r\n"), SERVER("$1\r\nC\r\n"),
    };
    static const bool one_way[] = { true, true, false, true, true, true, false, false };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), LINES(one_way));
    for (size_t i = 0; i < LINES(one_way); i++) {
        assert_int_equal((rig_record(rig, i)->flags & RECORD_ONE_WAY) != 0, one_way[i]);
        assert_field(rig, i, "incomplete", "");
    }
    assert_field(rig, 1, "redis_total_size", "20");
    assert_field(rig, 6, "redis_command", "CLIENT REPLY ON");
    assert_field(rig, 7, "redis_response", "C");
    rig_free(rig);
    CHECK_CUTS(script);
}

static void test_secrets(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$6\r\nsesame\r\n"), SERVER("+OK\r\n"),
        CLIENT("AUTH sesame\r\n"), SERVER("+OK\r\n"),
        CLIENT("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$11\r\nrequirepass\r\n"), SERVER("*2\r\n$11\r\nrequirepass\r\n$6\r\nsesame\r\n"),
        CLIENT("*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$6\r\nsesame\r\n"), SERVER("+OK\r\n"),
    };
    struct rig *rig = PLAY(script);
    char *text = rig_dump(rig);
    assert_null(strstr(text, "sesame"));
    free(text);
    assert_field(rig, 0, "redis_command", "AUTH bob [redacted]");
    assert_field(rig, 0, "redis_request_size", "35");
    assert_field(rig, 2, "redis_response", "[redacted]");
    rig_free(rig);
    rig = script_play(PORT, REDACT_OFF, script, LINES(script));
    assert_field(rig, 0, "redis_command", "AUTH bob sesame");
    assert_field(rig, 2, "redis_response", "[requirepass, sesame]");
    rig_free(rig);
}

static void test_strict(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$6\r\nsecret\r\n"), SERVER("+OK\r\n"), CLIENT("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), SERVER("$6\r\nsecret\r\n"),
        CLIENT("*2\r\n$3\r\nFOO\r\n$6\r\nsecret\r\n"), SERVER("-ERR unknown command 'FOO', with args beginning with: 'secret'\r\n"),
        CLIENT("*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"), SERVER("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$6\r\nsecret\r\n"),
    };
    struct rig *rig = script_play(PORT, REDACT_STRICT, script, 4);
    char *text = rig_dump(rig);
    assert_null(strstr(text, "secret"));
    free(text);
    assert_field(rig, 0, "redis_command", "SET k [redacted]");
    assert_field(rig, 0, "redis_key", "k");
    rig_free(rig);
    rig = script_play(PORT, REDACT_STRICT, script + 5, 3);
    assert_int_equal(rig_count(rig), 3);
    assert_field(rig, 0, "redis_error", "ERR");
    assert_field(rig, 2, "redis_type", "MESSAGE");
    assert_field(rig, 2, "redis_response", "[redacted]");
    assert_field(rig, 2, "summary", "MESSAGE");
    rig_free(rig);
}

/* More than is kept or waited for: counted, not held. */
static void test_large(void **state)
{
    (void)state;
    size_t value = 3 * 1024 * 1024;
    char *bytes = malloc(value + 64), *again;
    assert_non_null(bytes);
    int head = snprintf(bytes, 64, "*5\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", value);
    memset(bytes + head, 'x', value);
    static const char tail[] = "\r\n$2\r\nEX\r\n$2\r\n10\r\n";
    memcpy(bytes + head + value, tail, sizeof tail - 1);
    size_t size = (size_t)head + value + sizeof tail - 1;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say_cut(rig, SIDE_CLIENT, bytes, size, 40000);
    rig_say(rig, SIDE_SERVER, "+OK\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", -1);
    again = bytes;
    head = snprintf(again, 64, "$%zu\r\n", value);
    memset(again + head, 'y', value);
    memcpy(again + head + value, "\r\n", 2);
    rig_say_cut(rig, SIDE_SERVER, again, (size_t)head + value + 2, 1460);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 2);
    assert_field(rig, 0, "redis_key", "big");
    assert_field(rig, 0, "incomplete", "truncated");
    char number[32];
    snprintf(number, sizeof number, "%zu", size);
    assert_field(rig, 0, "redis_request_size", number);
    assert_field(rig, 0, "redis_response", "OK");
    assert_field(rig, 1, "redis_response_size", "3145740");
    assert_int_equal(strlen(rig_text(rig, 1, "redis_response")), 256);
    assert_field(rig, 1, "incomplete", "");
    rig_free(rig);
    free(bytes);
}

static void test_keys(void **state)
{
    (void)state;
    static const struct { const char *line, *key; } cases[] = {
        { "EVAL script 1 k a\r\n", "k" }, { "EVAL script 0 a\r\n", "" }, { "XREADGROUP GROUP g c COUNT 1 STREAMS s1 s2 > >\r\n", "s1" }, { "OBJECT ENCODING k\r\n", "k" }, { "BITOP AND d a b\r\n", "d" },
        { "ZUNION 2 a b\r\n", "a" }, { "PING x\r\n", "" }, { "JSON.GET doc .\r\n", "doc" }, { "get \"a b\"\r\n", "a b" }, { "get 'a \\'b\\'\\c'\r\n", "a 'b'\\c" }, { "get \"a\\x2eb\\\"\\\\\\q\" x\r\n", "a.b\"\\q" },
        { "get a' 'b\"'c\"\r\n", "a b'c" }, { "get \"a\\xg b\\\r\n", "axg b\\" }, { "get '\r\n", "" }, { "set \"\" x\r\n", "" },
        { "GET 0123456789012345678901234567890123456789012345678901234567890123456789\r\n", "0123456789012345678901234567890123456789012345678901234567890123" },
    };
    for (size_t i = 0; i < LINES(cases); i++) {
        struct rig *rig = rig_new(PORT, REDACT_ON);
        rig_say(rig, SIDE_CLIENT, "PING\r\n", -1);
        rig_say(rig, SIDE_SERVER, "+PONG\r\n", -1);
        rig_say(rig, SIDE_CLIENT, cases[i].line, -1);
        rig_say(rig, SIDE_SERVER, "+OK\r\n", -1);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), 2);
        assert_field(rig, 1, "redis_key", cases[i].key);
        rig_free(rig);
    }
}

static void test_quoting(void **state)
{
    (void)state;
    static const struct line script[] = { CLIENT("*4\r\n$3\r\nSET\r\n$4\r\nk\x00\xff\"\r\n$4\r\n\xc3\xa4\r\n\r\n$0\r\n\r\n"), SERVER("+OK\r\n") };
    struct rig *rig = PLAY(script);
    assert_field(rig, 0, "redis_command", "SET \"k\\x00\\xff\\\"\" \"\xc3\xa4\\r\\n\" \"\"");
    rig_free(rig);
}

static void test_gaps(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", -1);
    rig_say(rig, SIDE_SERVER, "$1000\r\nabc", -1);
    rig_lose(rig, SIDE_SERVER, 900); /* inside the string */
    rig_say_cut(rig, SIDE_SERVER, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456\r\n", 99, 50);
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n", -1);
    rig_lose(rig, SIDE_SERVER, 5); /* a reply */
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$1\r\nc\r\n", -1);
    rig_say(rig, SIDE_SERVER, "$1\r\nC\r\n", -1);
    rig_lose(rig, SIDE_CLIENT, 20); /* a command */
    rig_say(rig, SIDE_SERVER, "$1\r\nD\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$1\r\ne\r\n", -1);
    rig_say(rig, SIDE_SERVER, "$1\r\nE\r\n", -1);
    rig_finish(rig);
    char *text = rig_dump(rig);
    assert_int_equal(rig_count(rig), 5);
    assert_field(rig, 0, "incomplete", "gap");
    assert_field(rig, 0, "redis_response_size", "1009");
    assert_field(rig, 1, "redis_command", "GET b");
    assert_field(rig, 1, "incomplete", "gap");
    assert_field(rig, 2, "redis_command", "GET c");
    assert_field(rig, 2, "redis_response", "C");
    assert_field(rig, 3, "redis_response", "D");
    assert_field(rig, 3, "redis_command", "");
    assert_field(rig, 4, "redis_command", "GET e");
    assert_field(rig, 4, "redis_response", "E");
    free(text);
    rig_free(rig);
}

static void test_middle_of_a_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    rig_say(rig, SIDE_CLIENT, "rest of a value\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n", -1);
    rig_say(rig, SIDE_SERVER, "$1\r\nA\r\n", -1);
    rig_say(rig, SIDE_CLIENT, "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n", -1);
    rig_say(rig, SIDE_SERVER, "$1\r\nB\r\n", -1);
    rig_stop(rig);
    assert_true(rig_count(rig) >= 1);
    assert_field(rig, rig_count(rig) - 1, "redis_command", "GET b");
    assert_field(rig, rig_count(rig) - 1, "redis_response", "B");
    rig_free(rig);
}

static void test_other_port(void **state)
{
    (void)state;
    static const struct line script[] = { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("+PONG\r\n") };
    struct rig *rig = script_play(7777, REDACT_ON, script, LINES(script));
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_protocol(rig, 0), "REDIS");
    rig_free(rig);
    static const struct line http[] = { CLIENT("GET / HTTP/1.0\r\n\r\n"), SERVER("HTTP/1.0 200 OK\r\n\r\n") };
    rig = script_play(PORT, REDACT_ON, http, LINES(http));
    for (size_t i = 0; i < rig_count(rig); i++)
        assert_string_not_equal(rig_protocol(rig, i), "REDIS");
    rig_free(rig);
}

static void test_hostile(void **state)
{
    (void)state;
    static const struct line scripts[][2] = {
        { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("$99999999999\r\nx") }, { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("*2147483648\r\n") }, { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("$3\r\nabcXY") },
        { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER(".\r\n;1\r\n") }, { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER(":12x\r\n") }, { CLIENT("*1\r\n$4\r\nPINGxx*2\r\n:1\r\n"), SERVER("+\r\n") },
        { CLIENT("*9999999999\r\n$1\r\na\r\n"), SERVER("*?\r\n*?\r\n.\r\n.\r\n") }, { CLIENT("*1\r\n$4\r\nPING\r\n"), SERVER("$?\r\n:1\r\n") },
    };
    for (size_t i = 0; i < LINES(scripts); i++)
        script_check_cuts(PORT, scripts[i], 2);
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "PING\r\n", -1);
    for (unsigned i = 0; i < 40; i++)
        rig_say(rig, SIDE_SERVER, "*1\r\n", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    rig_free(rig);
}

static void test_replication(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"), SERVER("\n\n+FULLRESYNC 8371445ee25d4ae3 0\r\n$10\r\nREDIS00090"), SERVER("*1\r\n$4\r\nPING\r\n"),
    };
    struct rig *rig = PLAY(script);
    assert_int_equal(rig_count(rig), 1);
    assert_field(rig, 0, "redis_response", "FULLRESYNC 8371445ee25d4ae3 0");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_and_replies), cmocka_unit_test(test_replies_of_any_bytes), cmocka_unit_test(test_pipeline_and_transaction), cmocka_unit_test(test_resp3), cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_answer_that_looks_published), cmocka_unit_test(test_monitor), cmocka_unit_test(test_replies_switched_off), cmocka_unit_test(test_secrets), cmocka_unit_test(test_strict),
        cmocka_unit_test(test_large), cmocka_unit_test(test_keys), cmocka_unit_test(test_quoting), cmocka_unit_test(test_gaps), cmocka_unit_test(test_middle_of_a_connection),
        cmocka_unit_test(test_other_port), cmocka_unit_test(test_hostile), cmocka_unit_test(test_replication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
