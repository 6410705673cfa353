/* protocols/http2_frame.c: headers, what is plausible, and frames found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http2_builder.h"

static void test_plausible(void **state)
{
    (void)state;
    static const struct { uint8_t header[9]; bool plausible; } cases[] = {
        { { 0, 0, 1, 0, 1, 0, 0, 0, 1 }, true },          /* DATA */
        { { 0, 0, 0, 0, 1, 0, 0, 0, 1 }, true },
        { { 0, 0, 1, 0, 1, 0, 0, 0, 0 }, false },         /* on the connection */
        { { 0, 0, 1, 0, 4, 0, 0, 0, 1 }, false },         /* a flag that DATA does not have */
        { { 0, 0, 0, 0, 8, 0, 0, 0, 1 }, false },         /* padded, without room for its length */
        { { 0, 0x40, 0, 0, 0, 0, 0, 0, 1 }, true },       /* 16384 */
        { { 0, 0x40, 1, 0, 0, 0, 0, 0, 1 }, false },
        { { 0, 0, 1, 0, 0, 0x80, 0, 0, 1 }, false },      /* the reserved bit */
        { { 0, 0, 1, 1, 0x2d, 0, 0, 0, 1 }, true },       /* HEADERS */
        { { 0, 0, 0, 1, 4, 0, 0, 0, 1 }, false },
        { { 0, 0, 5, 2, 0, 0, 0, 0, 1 }, true },          /* PRIORITY */
        { { 0, 0, 4, 2, 0, 0, 0, 0, 1 }, false },
        { { 0, 0, 4, 3, 0, 0, 0, 0, 1 }, true },          /* RST_STREAM */
        { { 0, 0, 4, 3, 0, 0, 0, 0, 0 }, false },
        { { 0, 0, 12, 4, 0, 0, 0, 0, 0 }, true },         /* SETTINGS */
        { { 0, 0, 12, 4, 1, 0, 0, 0, 0 }, false },
        { { 0, 0, 11, 4, 0, 0, 0, 0, 0 }, false },
        { { 0, 0, 5, 5, 4, 0, 0, 0, 1 }, true },          /* PUSH_PROMISE */
        { { 0, 0, 8, 6, 1, 0, 0, 0, 0 }, true },          /* PING */
        { { 0, 0, 8, 6, 1, 0, 0, 0, 1 }, false },
        { { 0, 0, 9, 7, 0, 0, 0, 0, 0 }, true },          /* GOAWAY */
        { { 0, 0, 4, 8, 0, 0, 0, 0, 0 }, true },          /* WINDOW_UPDATE */
        { { 0, 0, 4, 8, 0, 0, 0, 0, 9 }, true },
        { { 0, 0, 9, 9, 4, 0, 0, 0, 1 }, true },          /* CONTINUATION */
        { { 0, 0, 9, 10, 0, 0, 0, 0, 1 }, false },        /* an extension: may be, but is no landmark */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http2_frame_plausible(cases[i].header, HTTP2_FRAME_LENGTH_LEAST) != cases[i].plausible)
            fail_msg("case %u", i);
}

static void test_search(void **state)
{
    (void)state;
    struct h2 b = h2_new();
    h2_bytes(&b, "\1\2\3\4\5\6\7", 7);
    size_t start = b.size, at = 99;
    h2_u32(&b, HTTP2_WINDOW_UPDATE, 0, 1);
    h2_data(&b, 3, 0, "0123456789", 10);
    assert_false(http2_frame_search(b.data, b.size, HTTP2_FRAME_LENGTH_LEAST, &at));
    assert_int_equal(at, start); /* it may be there */
    h2_data(&b, 3, HTTP2_END_STREAM, "0123456789", 10);
    for (size_t from = 0; from <= start; from++) {
        assert_true(http2_frame_search(b.data + from, b.size - from, HTTP2_FRAME_LENGTH_LEAST, &at));
        assert_int_equal(at, start - from);
    }
    static const uint8_t zeros[1000], ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    assert_false(http2_frame_search(zeros, sizeof zeros, HTTP2_FRAME_LENGTH_LEAST, &at));
    assert_int_equal(at, sizeof zeros - 8);
    assert_false(http2_frame_search(ones, sizeof ones, HTTP2_FRAME_LENGTH_LEAST, &at));
    assert_int_equal(at, sizeof ones); /* no length begins so */
    h2_free(&b);
}

/* A block that another frame interrupts is no chain, one that goes on is. */
static void test_search_blocks(void **state)
{
    (void)state;
    static const struct { uint8_t types[3], flags[3]; bool found; } cases[] = {
        { { 1, 9, 9 }, { 0, 0, 4 }, true },
        { { 1, 0, 0 }, { 0, 0, 0 }, false },
        { { 1, 0, 0 }, { 4, 0, 0 }, true },
        { { 1, 9, 0 }, { 4, 4, 0 }, false },
        { { 9, 1, 9 }, { 4, 0, 4 }, true },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct h2 b = h2_new();
        size_t at;
        for (unsigned k = 0; k < 3; k++)
            h2_frame(&b, cases[i].types[k], cases[i].flags[k], 7, "\xff\xff", 2);
        if (http2_frame_search(b.data, b.size, HTTP2_FRAME_LENGTH_LEAST, &at) != cases[i].found)
            fail_msg("case %u", i);
        h2_free(&b);
    }
}

static void test_block_kind(void **state)
{
    (void)state;
    static const struct { const char *block; size_t size; enum http2_block_of kind; } cases[] = {
        { "\x82", 1, HTTP2_BLOCK_REQUEST }, { "\x88", 1, HTTP2_BLOCK_RESPONSE }, { "\x48\x03", 2, HTTP2_BLOCK_RESPONSE }, { "\x04\x01/", 3, HTTP2_BLOCK_REQUEST },
        { "\x11", 1, HTTP2_BLOCK_REQUEST }, { "\xc0", 1, HTTP2_BLOCK_UNKNOWN }, { "\x40\x01", 2, HTTP2_BLOCK_UNKNOWN }, { "\x20\x3f\xe1\x1f\x8e", 5, HTTP2_BLOCK_RESPONSE },
        { "\x3f\xff\xff", 3, HTTP2_BLOCK_UNKNOWN }, { "", 0, HTTP2_BLOCK_UNKNOWN }, { "\x9f", 1, HTTP2_BLOCK_UNKNOWN },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
        if (http2_block_kind((const uint8_t *)cases[i].block, cases[i].size) != cases[i].kind)
            fail_msg("case %u", i);
}

static void test_strip(void **state)
{
    (void)state;
    static const uint8_t payload[] = { 2, 'p', 'r', 'i', 'o', '!', 'a', 'b', 0, 0 };
    struct http2_frame frame = { .type = HTTP2_HEADERS, .flags = HTTP2_PADDED | HTTP2_WITH_PRIORITY };
    const uint8_t *p = payload;
    uint32_t size = sizeof payload;
    assert_true(http2_frame_strip(&frame, &p, &size));
    assert_int_equal(size, 2);
    assert_memory_equal(p, "ab", 2);
    for (uint32_t less = 0; less < 8; less++) {
        p = payload;
        size = less;
        assert_false(http2_frame_strip(&frame, &p, &size));
        assert_ptr_equal(p, payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plausible),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_search_blocks),
        cmocka_unit_test(test_block_kind),
        cmocka_unit_test(test_strip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
