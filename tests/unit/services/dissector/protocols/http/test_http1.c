#include <pthread.h>

#include "tests/support/protocol_script.h"

#define PORT 80
#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(body, length) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

/* What is expected of one entry: "name=value" pairs apart by '|'. */
static void expect(struct rig *rig, size_t i, const char *pairs)
{
    char *copy = strdup(pairs), *rest = copy;
    for (char *pair; (pair = strsep(&rest, "|"));) {
        char *equals = strchr(pair, '=');
        assert_non_null(equals);
        *equals = '\0';
        if (strcmp(rig_text(rig, i, pair), equals + 1) != 0)
            fail_msg("entry %zu: %s is \"%s\", not \"%s\"", i, pair, rig_text(rig, i, pair), equals + 1);
    }
    free(copy);
}

/* Plays and cuts a script; one text per entry. */
#define CHECK(script, ...)                                                                                \
    do {                                                                                                  \
        static const char *const expected[] = { __VA_ARGS__ };                                            \
        struct rig *played = script_play(PORT, REDACT_ON, script, LINES(script));                         \
        assert_int_equal(rig_count(played), sizeof expected / sizeof *expected);                          \
        for (size_t e = 0; e < rig_count(played); e++)                                                    \
            expect(played, e, expected[e]);                                                               \
        rig_free(played);                                                                                 \
        script_check_cuts(PORT, script, LINES(script));                                                   \
    } while (0)

static void a_request_and_its_response_are_one_entry(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST /shop/items?page=2&q=a%20b+c&q=d HTTP/1.1\r\nHost: shop.example:8080\r\nAccept: a\r\nX-One:1\r\nACCEPT:  b \r\nCookie: s=1; t=2\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"),
        SERVER("HTTP/1.1 404 Not Found\r\nServer: x\r\nSet-Cookie: a=b; Path=/\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\n\r\nno\n"),
    };
    CHECK(script, "method=POST|url=/shop/items?page=2&q=a%20b+c&q=d|path=/shop/items|host=shop.example:8080|query=page=2&q=a%20b+c&q=d|path_segments=shop, items|query_string=page=2, q=a b c, d|http_version=1.1|"
                  "request.headers=host=shop.example:8080, accept=a, b, x-one=1, cookie=s=[redacted]; t=[redacted], content-type=text/plain, content-length=5|request.cookies=s=[redacted], t=[redacted]|"
                  "request.body=hello|request_body_size=5|request_headers_size=171|response.headers=server=x, content-length=3|response.cookies=a=[redacted], c=[redacted]|"
                  "response.set_cookies=a=[redacted]; Path=/, c=[redacted]|response.body=no\n|response_body_size=3|status_code=404|summary=POST /shop/items?page=2&q=a%20b+c&q=d|incomplete=");
}

static void secrets_do_not_come_through(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST http://u:p@h/cb?code=x&a=b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"password\":\"x\"}"),
        SERVER("HTTP/1.1 302 Found\r\nLocation: /a?token=x\r\nContent-Length: 0\r\n\r\n"),
    };
    static const struct line path[] = { CLIENT(GET("/a;token=b/c;d=e")), SERVER(OK("", "0")) };
    CHECK(path, "url=/a;token=[redacted]|path=/a;token=[redacted]|path_segments=a;token=[redacted]|summary=GET /a;token=[redacted]");
    CHECK(script, "url=http://[redacted]@h/cb?code=[redacted]&a=b|path=/cb|query=code=[redacted]&a=b|query_string=code=[redacted], a=b|request.body={\"password\":\"[redacted]\"}|request_body_size=16|"
                  "summary=POST http://[redacted]@h/cb?code=[redacted]&a=b|response.headers=location=/a?token=[redacted], content-length=0");
}

static void chunked_bodies_are_put_together(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=\"y\"\r\n world\r\n0\r\nTrailer: t\r\n\r\n"),
        SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\nA\n0123456789\n00\n\n"),
        CLIENT(GET("/2")),
        SERVER(OK("x", "1")),
    };
    CHECK(script, "request.body=hello world|request_body_size=11|request.trailers=trailer=t|response.trailers=|response.body=0123456789|response_body_size=10|incomplete=", "path=/2|response.body=x");
}

/* Fields behind the last chunk: kept apart from the headers, with secrets taken out; what is too long ends the message. */
static void trailers_are_kept(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST /1 HTTP/1.1\r\nHost: h\r\nX: head\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nAuthorization: Bearer secret\r\nx-sum:2\r\n\r\n"),
        SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\nFolded: one\n two\nServer-Timing: db;dur=3\n\n"),
        CLIENT(GET("/2")), SERVER(OK("x", "1")),
    };
    CHECK(script, "path=/1|request.headers=host=h, x=head, transfer-encoding=chunked|request.trailers=x-sum=1, 2, authorization=Bearer [redacted]|request.body=a|"
                  "response.headers=transfer-encoding=chunked|response.trailers=folded=one two, server-timing=db;dur=3|response.body=b|incomplete=", "path=/2|response.trailers=|response.body=x");
    static const struct line cookies[] = {
        CLIENT("POST /1 HTTP/1.1\r\nHost: h\r\nSet-Cookie: a=SECRET; Path=/\r\nSet-Cookie: b=SECRET\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: c=SECRET; Path=/\r\nset-cookie: d=SECRET; Secure\r\n\r\n"),
        SERVER("HTTP/1.1 200 OK\r\nSet-Cookie2: e=SECRET; x=1\r\nSet-Cookie2: f=SECRET\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: g=SECRET; Path=/\r\nSet-Cookie: h=SECRET; Path=/\r\n\r\n"),
    };
    CHECK(cookies, "path=/1|request.headers=host=h, set-cookie=a=[redacted]; Path=[redacted], transfer-encoding=chunked|request.trailers=set-cookie=c=[redacted]; Path=[redacted]; [redacted]|"
                   "response.headers=set-cookie2=e=[redacted]; x=[redacted], transfer-encoding=chunked|response.trailers=set-cookie=g=[redacted]; Path=[redacted]; Path=[redacted]");
    struct rig *rig = rig_new(80, REDACT_ON);
    static char line[1024];
    memset(line, 'x', sizeof line);
    memcpy(line, "X-Long: ", 8);
    memcpy(line + sizeof line - 2, "\r\n", 2);
    rig_say(rig, SIDE_CLIENT, GET("/long"), -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", -1);
    for (int i = 0; i < 70; i++)
        rig_say(rig, SIDE_SERVER, line, sizeof line);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 1);
    assert_string_equal(rig_text(rig, 0, "response.body"), "ok");
    assert_string_equal(rig_text(rig, 0, "response.trailers"), "");
    assert_string_equal(rig_text(rig, 0, "incomplete"), "truncated");
    rig_free(rig);
}

static void bodies_end_where_they_should(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("HEAD /1 HTTP/1.1\r\nHost: h\r\n\r\n"), SERVER("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"),
        CLIENT(GET("/2")), SERVER("HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n"),
        CLIENT(GET("/3")), SERVER("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
        CLIENT("PUT /4 HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), SERVER("HTTP/1.1 100 Continue\r\n\r\n"), CLIENT("ab"), SERVER("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        CLIENT(GET("/5")), SERVER("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 1\r\n\r\ny"),
        CLIENT("\r\nPOST /6 HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"), SERVER(OK("", "0")),
        CLIENT("POST /7 HTTP/1.1\r\nContent-Length: 1, 1\r\nContent-Length: 1\r\n\r\nb"), SERVER("HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    };
    CHECK(script, "path=/1|status_code=200|response_body_size=0", "path=/2|status_code=304", "path=/3|status_code=204|incomplete=", "path=/4|status_code=201|request.body=ab", "path=/5|status_code=200|response.body=y",
          "path=/6|request.body=a|request_body_size=1|status_code=200", "path=/7|request.body=b|response.body=until the end|response_body_size=13|incomplete=");
}

static void loose_lines_are_read(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("GET /a b HTTP/1.0\nHost : h\nFolded: one\n  two\n\tthree\nno header\nX-Last:\n\n"),
        SERVER("HTTP/1.1 200 \nContent-Length:2\n\nok"),
    };
    CHECK(script, "url=/a b|http_version=1.0|host=h|request.headers=host=h, folded=one two three, x-last=|response.body=ok");
}

/* Where it is known to be HTTP, a request that no server should take is shown as well, with the server's word on it. */
static void faulty_requests_are_shown(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(GET("/1")), SERVER(OK("", "0")), CLIENT("GET /2\r\nHost: h\r\n\r\n"), SERVER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        CLIENT("GET  HTTP/1.1\r\n\r\n"), SERVER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), CLIENT("CONNECT  HTTP/1.1\r\n\r\n"), SERVER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        CLIENT("GET /3 HTTP/x y\r\n\r\n"), SERVER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), CLIENT("CONNECT h:25 / HTTP/1.0\r\n\r\n"), SERVER("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    };
    CHECK(script, "path=/1", "url=/2|http_version=|status_code=400|host=h", "method=GET|url=|http_version=1.1|status_code=400", "method=CONNECT|url=|host=", "url=/3|http_version=|status_code=400", "method=CONNECT|url=h:25|http_version=1.0|status_code=400");
}

static void pipelined_requests_get_their_own_responses(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT(GET("/1") "HEAD /2 HTTP/1.1\r\n\r\n" GET("/3")),
        SERVER(OK("one", "3") "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" OK("three", "5")),
    };
    CHECK(script, "path=/1|response.body=one", "path=/2|response_body_size=0", "path=/3|response.body=three");
}

static void what_ends_nowhere_is_truncated(void **state)
{
    (void)state;
    static const struct line length[] = { CLIENT("POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\nabc"), SERVER(OK("", "0")) };
    static const struct line lengths[] = { CLIENT(GET("/")), SERVER("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") };
    static const struct line coding[] = { CLIENT("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc"), SERVER(OK("", "0")) };
    static const struct line chunk[] = { CLIENT(GET("/")), SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n"), CLIENT(GET("/2")), SERVER(OK("", "0")) };
    static const struct line huge[] = { CLIENT(GET("/")), SERVER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\nabc") };
    static const struct line closed[] = { CLIENT(GET("/")), SERVER("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc") };
    struct { const struct line *lines; size_t count; const char *expected; } samples[] = {
        { length, LINES(length), "incomplete=truncated|status_code=200" }, { lengths, LINES(lengths), "incomplete=truncated|status_code=200" }, { coding, LINES(coding), "incomplete=truncated" },
        { chunk, LINES(chunk), "incomplete=truncated|response.body=abc" }, { huge, LINES(huge), "incomplete=truncated" }, { closed, LINES(closed), "incomplete=truncated|response.body=abc|response_body_size=3" },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct rig *rig = script_play(PORT, REDACT_ON, samples[i].lines, samples[i].count);
        assert_int_equal(rig_count(rig), samples[i].lines == chunk ? 2 : 1);
        expect(rig, 0, samples[i].expected);
        rig_free(rig);
    }
    script_check_cuts(PORT, closed, LINES(closed));
}

/* What a server may take for the next request where another takes it for a body is shown. */
static void smuggled_requests_are_shown(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" GET("/2")), SERVER(OK("", "0") OK("", "0")),
        CLIENT("POST /3 HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 50\r\n\r\n0\r\n\r\n" GET("/4")), SERVER(OK("", "0") OK("", "0")),
        CLIENT("POST /5 HTTP/1.1\r\nContent-Length: 00000000000000000000000003\r\n\r\nabc" GET("/6")), SERVER(OK("", "0") OK("", "0")),
    };
    CHECK(script, "path=/1", "path=/2", "path=/3", "path=/4", "path=/5|request.body=abc", "path=/6");
    static const struct line endless[] = { CLIENT("POST /1 HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n" GET("/2")), SERVER(OK("", "0") OK("", "0")) };
    struct rig *rig = script_play(PORT, REDACT_ON, endless, LINES(endless));
    assert_int_equal(rig_count(rig), 2);
    expect(rig, 0, "path=/1|incomplete=truncated");
    expect(rig, 1, "path=/2|incomplete=");
    rig_free(rig);
}

static void a_response_may_come_early(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("POST /1 HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), SERVER(OK("early", "5")), CLIENT("def" GET("/2")), SERVER(OK("2", "1")),
        CLIENT("POST /3 HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"), SERVER("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuvw"), CLIENT("def" GET("/4")), SERVER("xyz" OK("4", "1")),
    };
    CHECK(script, "path=/1|request.body=abcdef|response.body=early|status_code=200", "path=/2|response.body=2", "path=/3|request.body=abcdef|response.body=uvwxyz", "path=/4|response.body=4");
}

static void lost_bytes_of_bodies_are_counted(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc", -1);
    rig_lose(rig, SIDE_SERVER, 990);
    rig_say(rig, SIDE_SERVER, "7654321", -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1); /* the hole ends with the body */
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", -1);
    rig_lose(rig, SIDE_SERVER, 7);
    rig_say(rig, SIDE_CLIENT, GET("/3"), -1); /* a chunk's hole */
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nabc", -1);
    rig_lose(rig, SIDE_SERVER, 10);
    rig_say(rig, SIDE_SERVER, "7654321\r\n0\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, GET("/4"), -1);
    rig_say(rig, SIDE_SERVER, OK("four", "4"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 4);
    expect(rig, 0, "path=/1|incomplete=gap|response_body_size=1000|response.body=abc");
    expect(rig, 1, "path=/2|incomplete=gap|response_body_size=10|response.body=abc");
    expect(rig, 2, "path=/3|incomplete=gap|response_body_size=20|response.body=abc");
    expect(rig, 3, "path=/4|incomplete=|response.body=four");
    rig_free(rig);
}

/* What is missing lies inside one request: whose response is whose is certain still, though requests follow each other without waiting. */
static void a_hole_inside_a_body_parts_no_pair(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "PUT /1 HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc", -1);
    rig_lose(rig, SIDE_CLIENT, 990);
    rig_say(rig, SIDE_CLIENT, "7654321" GET("/2") "PUT /3 HTTP/1.1\r\nContent-Length: 100\r\n\r\n", -1);
    rig_lose(rig, SIDE_CLIENT, 100);
    rig_say(rig, SIDE_CLIENT, GET("/4"), -1);
    rig_say(rig, SIDE_SERVER, OK("one", "3") "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", -1);
    rig_lose(rig, SIDE_SERVER, 100);
    rig_say(rig, SIDE_SERVER, OK("three", "5") OK("four", "4"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 4);
    expect(rig, 0, "path=/1|incomplete=gap|request_body_size=1000|response.body=one");
    expect(rig, 1, "path=/2|incomplete=gap|response_body_size=100");
    expect(rig, 2, "path=/3|incomplete=gap|request_body_size=100|response.body=three");
    expect(rig, 3, "path=/4|incomplete=|response.body=four");
    rig_free(rig);
}

static void after_a_gap_the_next_message_is_found(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Le", -1); /* a head with a hole */
    rig_lose(rig, SIDE_SERVER, 100);
    rig_say(rig, SIDE_SERVER, "the rest of some body\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1);
    rig_say(rig, SIDE_SERVER, OK("two", "3"), -1);
    rig_say(rig, SIDE_CLIENT, "POST /3 HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", -1); /* a hole that is larger than the body */
    rig_lose(rig, SIDE_CLIENT, 100);
    rig_say(rig, SIDE_CLIENT, "something\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, OK("three", "5"), -1);
    rig_say(rig, SIDE_CLIENT, GET("/4"), -1);
    rig_say(rig, SIDE_SERVER, OK("four", "4"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 5);
    expect(rig, 0, "path=/1|incomplete=gap");
    expect(rig, 1, "path=/2|response.body=two|incomplete=");
    expect(rig, 2, "path=/3|incomplete=gap|request_body_size=10|status_code=0"); /* another request may lie in the hole: the response may be its own */
    expect(rig, 3, "path=|incomplete=gap|response.body=three|http_version=1.1");
    expect(rig, 4, "path=/4|response.body=four|incomplete=");
    rig_free(rig);
}

/* Two holes: one that took a response, and one that ends the next response. The first keeps them apart still. */
static void a_second_hole_does_not_hide_the_first(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_lose(rig, SIDE_SERVER, 200);
    rig_say(rig, SIDE_SERVER, "the end of a body", -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx", -1);
    rig_lose(rig, SIDE_SERVER, 7);
    rig_say(rig, SIDE_CLIENT, GET("/3"), -1);
    rig_say(rig, SIDE_SERVER, OK("three", "5"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    expect(rig, 0, "path=/1|status_code=0|incomplete=gap");
    expect(rig, 1, "path=/2|status_code=201|incomplete=gap|response.body=x");
    expect(rig, 2, "path=/3|status_code=200|incomplete=");
    rig_free(rig);
}

/* The response to a lost HEAD has a length and no body: the next response is not taken for one. */
static void a_lost_head_request_costs_no_response(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_say(rig, SIDE_SERVER, OK("one", "3"), -1);
    rig_lose(rig, SIDE_CLIENT, 50);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1);
    rig_say(rig, SIDE_SERVER, OK("two", "3"), -1);
    rig_say(rig, SIDE_CLIENT, GET("/3"), -1);
    rig_say(rig, SIDE_SERVER, OK("three", "5"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 5);
    expect(rig, 0, "path=/1|response.body=one");
    expect(rig, 1, "path=/2|incomplete=gap");
    expect(rig, 2, "path=|status_code=200|incomplete=gap|http_version=1.1|response_body_size=0");
    expect(rig, 3, "path=|response.body=two|incomplete=gap");
    expect(rig, 4, "path=/3|response.body=three|incomplete=");
    rig_free(rig);
}

static void a_stream_that_began_before_is_read_from_its_next_message(void **state)
{
    (void)state;
    struct rig *rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    rig_say(rig, SIDE_SERVER, "middle of a body that says GET / HTTP/1.1\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_say(rig, SIDE_SERVER, OK("one", "3"), -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1);
    rig_say(rig, SIDE_SERVER, OK("two", "3"), -1);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 3);
    expect(rig, 0, "path=/1|incomplete=started_before"); /* a request from before may be answered first */
    expect(rig, 1, "response.body=one|status_code=200|incomplete=started_before");
    expect(rig, 2, "path=/2|response.body=two|incomplete=");
    rig_free(rig);
    rig = rig_new_without_handshake(PORT, REDACT_ON, 6);
    rig_say(rig, SIDE_SERVER, OK("one", "3"), -1);
    rig_say(rig, SIDE_CLIENT, GET("/2"), -1);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 2);
    expect(rig, 0, "incomplete=started_before|response.body=one");
    expect(rig, 1, "path=/2|incomplete=ends_after");
    rig_free(rig);
}

static void the_end_of_the_capture_is_said(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, GET("/1"), -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", -1);
    rig_stop(rig);
    assert_int_equal(rig_count(rig), 1);
    expect(rig, 0, "path=/1|incomplete=ends_after|response.body=abc|status_code=200");
    rig_free(rig);
}

static void times_are_those_of_the_packets(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", -1); /* frame 4 */
    rig_say(rig, SIDE_CLIENT, "ab", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 100 Continue\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 OK\r\nContent-", -1); /* frame 7 */
    rig_say(rig, SIDE_SERVER, "Length: 2\r\n\r\nx", -1);
    rig_say(rig, SIDE_SERVER, "y", -1); /* frame 9 */
    rig_finish(rig);
    const struct record *r = rig_record(rig, 0);
    assert_true(r->timestamp_ns == RIG_START_NS + 3 * RIG_STEP_NS);
    assert_true(r->elapsed_ns == 3 * RIG_STEP_NS && r->duration_ns == 5 * RIG_STEP_NS);
    assert_int_equal(r->request_at.frame, 5);
    assert_int_equal(r->response_at.frame, 9);
    rig_free(rig);
}

static void connect_stays_an_entry(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno", -1);
    rig_say(rig, SIDE_CLIENT, "CONNECT h:443 HTTP/1.1\r\nProxy-Authorization: Basic x\r\n\r\n", -1);
    rig_say(rig, SIDE_CLIENT, GET("/inside"), -1); /* does not wait for the answer */
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 200 Connection established\r\nTransfer-Encoding: chunked\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, OK("yes", "3"), -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    expect(rig, 0, "method=CONNECT|url=h:443|path=|host=h:443|status_code=407|response.body=no");
    expect(rig, 1, "method=CONNECT|host=h:443|status_code=200|request.headers=proxy-authorization=Basic [redacted]|summary=CONNECT h:443");
    expect(rig, 2, "path=/inside|response.body=yes");
    rig_free(rig);
}

static void an_upgrade_hands_over(void **state)
{
    (void)state;
    struct rig *rig = rig_new(PORT, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, "GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", -1);
    rig_say(rig, SIDE_SERVER, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x02hi", -1);
    rig_say(rig, SIDE_CLIENT, "\x81\x82\x01\x02\x03\x04iq", -1);
    rig_finish(rig);
    assert_int_equal(rig_count(rig), 3);
    expect(rig, 0, "path=/chat|status_code=101|incomplete=");
    expect(rig, 1, "ws_opcode=text|ws_response=1|ws_request=0|ws_response_payload_data=hi");
    expect(rig, 2, "ws_opcode=text|ws_request=1|ws_request_payload_data=hs|ws_request_payload_length=2");
    rig_free(rig);
}

/* The 101 is an entry, and what was asked for comes on HTTP/2's first stream: SETTINGS, then HEADERS with :status 204 of the static table. */
static void an_upgrade_to_http2_hands_over(void **state)
{
    (void)state;
    static const struct line script[] = {
        CLIENT("GET /two HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
        SERVER("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0\4\0\0\0\0\0"),
        CLIENT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"), SERVER("\0\0\1\1\5\0\0\0\1\x89"),
    };
    CHECK(script, "path=/two|status_code=101|http_version=1.1", "path=/two|status_code=204");
}

static size_t put_text(char *dst, const char *text)
{
    memcpy(dst, text, strlen(text));
    return strlen(text);
}

static void large_heads_are_cut(void **state)
{
    (void)state;
    enum { SIZE = 300 * 1024 };
    char *text = malloc(SIZE + 256);
    static const struct { size_t filler; size_t entries; } samples[] = { { 70000, 1 }, { 299000, 1 } };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t n = put_text(text, "GET /big HTTP/1.1\r\nHost: h\r\nX-Filler: ");
        memset(text + n, 'x', samples[i].filler);
        n += samples[i].filler;
        n += put_text(text + n, "\r\nContent-Length: 2\r\n\r\nab");
        struct rig *rig = rig_new(PORT, REDACT_ON);
        rig_say_cut(rig, SIDE_CLIENT, text, n, 1400);
        rig_say(rig, SIDE_SERVER, OK("", "0"), -1);
        rig_finish(rig);
        assert_int_equal(rig_count(rig), samples[i].entries);
        expect(rig, 0, "path=/big|host=h|incomplete=truncated|status_code=200");
        if (samples[i].filler == 70000)
            expect(rig, 0, "request.body=ab");
        rig_free(rig);
    }
    free(text);
}

/* Tunnels in tunnels, thousands in one packet. */
static void *dig(void *context)
{
    enum { TUNNELS = 15000 };
    char *client = malloc(TUNNELS * 32), *server = malloc(TUNNELS * 32);
    size_t asked = 0, answered = 0;
    for (unsigned i = 0; i < TUNNELS; i++) {
        asked += (size_t)snprintf(client + asked, TUNNELS * 32 - asked, "CONNECT a HTTP/1.1\n\n");
        answered += (size_t)snprintf(server + answered, TUNNELS * 32 - answered, "HTTP/1.1 200\n\n");
    }
    struct rig *rig = rig_new(8080, REDACT_ON);
    rig_say(rig, SIDE_CLIENT, client, (ssize_t)asked);
    rig_say(rig, SIDE_SERVER, server, (ssize_t)answered);
    rig_finish(rig);
    *(size_t *)context = rig_count(rig);
    rig_free(rig);
    free(client);
    free(server);
    return NULL;
}

static void a_tunnel_has_an_end(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_attr_t attributes;
    size_t count = 0;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 1024 * 1024), 0); /* what is nested is not nested on the stack */
    assert_int_equal(pthread_create(&thread, &attributes, dig, &count), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_in_range(count, 10, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_response_are_one_entry), cmocka_unit_test(secrets_do_not_come_through), cmocka_unit_test(chunked_bodies_are_put_together), cmocka_unit_test(trailers_are_kept), cmocka_unit_test(bodies_end_where_they_should),
        cmocka_unit_test(loose_lines_are_read), cmocka_unit_test(pipelined_requests_get_their_own_responses), cmocka_unit_test(faulty_requests_are_shown), cmocka_unit_test(what_ends_nowhere_is_truncated), cmocka_unit_test(smuggled_requests_are_shown), cmocka_unit_test(a_response_may_come_early),
        cmocka_unit_test(lost_bytes_of_bodies_are_counted), cmocka_unit_test(a_hole_inside_a_body_parts_no_pair), cmocka_unit_test(after_a_gap_the_next_message_is_found), cmocka_unit_test(a_second_hole_does_not_hide_the_first), cmocka_unit_test(a_lost_head_request_costs_no_response),
        cmocka_unit_test(a_stream_that_began_before_is_read_from_its_next_message), cmocka_unit_test(the_end_of_the_capture_is_said), cmocka_unit_test(times_are_those_of_the_packets),
        cmocka_unit_test(connect_stays_an_entry), cmocka_unit_test(an_upgrade_hands_over), cmocka_unit_test(an_upgrade_to_http2_hands_over), cmocka_unit_test(large_heads_are_cut),
        cmocka_unit_test(a_tunnel_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
