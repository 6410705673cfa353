#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/protocols/http/http1_head.h"

static struct http_headers headers;

/* In memory that ends where the text does. */
static uint8_t *exact(const char *text, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, text, size);
    return copy;
}

static void start_lines_are_told(void **state)
{
    (void)state;
    static const struct { const char *text; enum http1_start strict, loose; } requests[] = {
        { "", HTTP1_START_MORE, HTTP1_START_MORE }, { "G", HTTP1_START_MORE, HTTP1_START_MORE }, { "GET", HTTP1_START_MORE, HTTP1_START_MORE }, { "GET ", HTTP1_START_MORE, HTTP1_START_MORE },
        { "GET / HTTP/1.1\r\n", HTTP1_START_YES, HTTP1_START_YES }, { "GET / HTTP/1.0\n", HTTP1_START_YES, HTTP1_START_YES }, { "\r\n\nGET / HTTP/1.1\r\n", HTTP1_START_YES, HTTP1_START_YES },
        { "FOO", HTTP1_START_NO, HTTP1_START_MORE }, { "FOO ", HTTP1_START_NO, HTTP1_START_MORE }, { "FOO / HTTP/1.1\r\n", HTTP1_START_YES, HTTP1_START_YES }, { "GETX", HTTP1_START_NO, HTTP1_START_MORE },
        { "GET /a b HTTP/1.1\r\n", HTTP1_START_NO, HTTP1_START_YES }, { "get / HTTP/1.1\r\n", HTTP1_START_NO, HTTP1_START_YES }, { "GET / HTTP/2.0\r\n", HTTP1_START_NO, HTTP1_START_YES },
        { "PRI * HTTP/2.0\r\n\r\n", HTTP1_START_NO, HTTP1_START_NO }, { "GET key\r\n", HTTP1_START_NO, HTTP1_START_YES }, { "OPTIONS sip:a SIP/2.0\r\n", HTTP1_START_NO, HTTP1_START_YES }, { "PING x\r\n", HTTP1_START_NO, HTTP1_START_NO },
        { "GET /\r\n", HTTP1_START_NO, HTTP1_START_YES }, { " GET / HTTP/1.1\r\n", HTTP1_START_NO, HTTP1_START_NO }, { "\r", HTTP1_START_MORE, HTTP1_START_MORE }, { "\x16\x03\x01", HTTP1_START_NO, HTTP1_START_NO },
        { "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", HTTP1_START_NO, HTTP1_START_NO }, { "GET HTTP/1.1\r\n", HTTP1_START_NO, HTTP1_START_YES },
    };
    static const struct { const char *text; enum http1_start start; } responses[] = {
        { "", HTTP1_START_MORE }, { "HTT", HTTP1_START_MORE }, { "HTTP/1.1 2", HTTP1_START_MORE }, { "HTTP/1.1 200", HTTP1_START_MORE }, { "HTTP/1.1 200 ", HTTP1_START_YES }, { "HTTP/1.1 200\r", HTTP1_START_YES },
        { "\r\nHTTP/1.0 404 x", HTTP1_START_YES }, { "HTTP/2 200 ", HTTP1_START_NO }, { "HTTP/1.1 20x ", HTTP1_START_NO }, { "HTTP/1.1 2000", HTTP1_START_NO }, { "HTTP/1.1 000 ", HTTP1_START_NO }, { "ICY 200 OK", HTTP1_START_NO },
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        uint8_t *copy = exact(requests[i].text, strlen(requests[i].text));
        if (http1_is_request(copy, strlen(requests[i].text), true) != requests[i].strict || http1_is_request(copy, strlen(requests[i].text), false) != requests[i].loose)
            fail_msg("%s", requests[i].text);
        free(copy);
    }
    for (size_t i = 0; i < sizeof responses / sizeof *responses; i++) {
        uint8_t *copy = exact(responses[i].text, strlen(responses[i].text));
        if (http1_is_response(copy, strlen(responses[i].text)) != responses[i].start)
            fail_msg("%s", responses[i].text);
        free(copy);
    }
}

static void heads_are_read_however_they_come(void **state)
{
    (void)state;
    static const char text[] = "POST /x HTTP/1.0\r\nHost: h\r\nA: 1\n b\r\nContent-Length:  7 \r\n\r\nbody";
    size_t whole = sizeof text - 1 - 4;
    for (size_t step = 1; step <= whole; step++) {
        uint32_t scanned = 0;
        struct http1_head head;
        int64_t n = 0;
        for (size_t size = step; n == 0; size = size + step < sizeof text - 1 ? size + step : sizeof text - 1) {
            uint8_t *copy = exact(text, size);
            n = http1_read_head(copy, size, false, &scanned, &head, &headers);
            if (n) {
                assert_int_equal(n, whole);
                assert_memory_equal(head.method.data, "POST", head.method.size);
                assert_memory_equal(head.target.data, "/x", head.target.size);
                assert_int_equal(head.version, 0);
                assert_int_equal(headers.count, 3);
                assert_memory_equal(headers.at[1].value, "1 b", headers.at[1].value_size);
                assert_memory_equal(headers.at[2].value, "7", headers.at[2].value_size);
            } else {
                assert_true(size < whole);
            }
            free(copy);
        }
    }
}

static void bodies_are_framed(void **state)
{
    (void)state;
    static const struct { const char *lines; enum http1_framing request, response; uint64_t length; } samples[] = {
        { "", HTTP1_NO_BODY, HTTP1_UNTIL_CLOSE, 0 }, { "Content-Length: 0\r\n", HTTP1_NO_BODY, HTTP1_NO_BODY, 0 }, { "Content-Length: 42\r\n", HTTP1_LENGTH, HTTP1_LENGTH, 42 },
        { "Content-Length: 5, 5\r\nContent-Length: 5\r\n", HTTP1_LENGTH, HTTP1_LENGTH, 5 }, { "Content-Length: 5\r\nContent-Length: 6\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 },
        { "Content-Length: 5,\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 }, { "Content-Length:\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 }, { "Content-Length: +5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 },
        { "Content-Length: -5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 }, { "Content-Length: 0x5\r\n", HTTP1_UNKNOWN, HTTP1_UNKNOWN, 0 }, { "Content-Length: 99999999999999999999\r\n", HTTP1_UNKNOWN, HTTP1_LENGTH, 1000000000000000000 },
        { "Content-Length: 999999999999999999\r\n", HTTP1_LENGTH, HTTP1_LENGTH, 999999999999999999 }, { "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", HTTP1_CHUNKED, HTTP1_CHUNKED, 0 },
        { "Transfer-Encoding: gzip, CHUNKED\r\n", HTTP1_CHUNKED, HTTP1_CHUNKED, 0 }, { "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", HTTP1_CHUNKED, HTTP1_CHUNKED, 0 },
        { "Transfer-Encoding: chunked, gzip\r\n", HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE, 0 }, { "Transfer-Encoding: xchunked\r\n", HTTP1_UNKNOWN, HTTP1_UNTIL_CLOSE, 0 }, { "Transfer-Encoding:\r\n", HTTP1_UNKNOWN, HTTP1_UNTIL_CLOSE, 0 },
        { "Transfer-Encoding : chunked\r\n", HTTP1_CHUNKED, HTTP1_CHUNKED, 0 }, { "Transfer-Encoding: Identity\r\nContent-Length: 5\r\n", HTTP1_LENGTH, HTTP1_LENGTH, 5 },
        { "Transfer-Encoding: identity\r\n", HTTP1_NO_BODY, HTTP1_UNTIL_CLOSE, 0 }, { "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", HTTP1_CHUNKED, HTTP1_CHUNKED, 0 },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[256] = "GET / HTTP/1.1\r\n";
        memcpy(text + 16, samples[i].lines, strlen(samples[i].lines));
        memcpy(text + 16 + strlen(samples[i].lines), "\r\n", 2);
        uint32_t scanned = 0;
        uint64_t length = 0;
        struct http1_head head;
        assert_int_equal(http1_read_head((const uint8_t *)text, strlen(text), false, &scanned, &head, &headers), strlen(text));
        if (http1_body_framing(&headers, false, &length) != samples[i].request || http1_body_framing(&headers, true, &length) != samples[i].response || length != samples[i].length)
            fail_msg("%s", samples[i].lines);
    }
}

static void chunk_sizes_are_read(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t rc; uint64_t size; } samples[] = {
        { "", 0, 0 }, { "1", 0, 0 }, { "1a\r", 0, 0 }, { "1a\r\n", 4, 26 }, { "1A\n", 3, 26 }, { "0\r\n", 3, 0 }, { "5;a=b;c=\"d\"\r\nx", 13, 5 }, { "5 \t\r\n", 5, 5 }, { "\r\n", -EBADMSG, 0 }, { "x\r\n", -EBADMSG, 0 },
        { "-1\r\n", -EBADMSG, 0 }, { "0x5\r\n", -EBADMSG, 0 }, { "00000000000000005\r\n", 19, 5 }, { "fffffffffffffff\r\n", 17, (UINT64_C(1) << 60) - 1 }, { "ffffffffffffffff\r\n", -EBADMSG, 0 }, { "10000000000000000\r\n", -EBADMSG, 0 }, { "\x15\r\n", -EBADMSG, 0 },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        uint64_t size = 0;
        uint8_t *copy = exact(samples[i].text, strlen(samples[i].text));
        if (http1_read_chunk_size(copy, strlen(samples[i].text), &size) != samples[i].rc || size != samples[i].size)
            fail_msg("%s", samples[i].text);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(start_lines_are_told), cmocka_unit_test(heads_are_read_however_they_come), cmocka_unit_test(bodies_are_framed), cmocka_unit_test(chunk_sizes_are_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
