/* protocols/http2_hpack.c: blocks in pieces, a table that is not known, broken blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http2_builder.h"
#include "services/dissector/protocols/http2/http2_hpack.h"

#define FIELDS(...) ((const char *[]){ __VA_ARGS__, NULL })

static struct http2_block block;

static void read_pieces(struct http2_hpack *h, const uint8_t *data, size_t size, size_t piece)
{
    http2_hpack_begin(h, &block);
    for (size_t at = 0; at < size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(n); /* its end is the end of an allocation */
        assert_non_null(copy);
        memcpy(copy, data + at, n);
        http2_hpack_feed(h, &block, copy, n, at + n == size);
        free(copy);
    }
}
static void read_fields(struct http2_hpack *h, struct h2 *b, const char *const *fields, size_t piece)
{
    uint8_t *data;
    size_t size = h2_block(b, fields, &data);
    read_pieces(h, data, size, piece);
    free(data);
}
static bool text_is(struct http_text text, const char *expected) { return text.size == strlen(expected) && memcmp(text.data ? text.data : "", expected, text.size) == 0; }

static void test_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 40; piece++) {
        struct http2_hpack h = { 0 };
        struct h2 b = h2_new();
        for (unsigned i = 0; i < 3; i++) {
            read_fields(&h, &b, FIELDS(":method", "PATCH", ":path", "/a/long/path/of/some/length", ":authority", "example.com", ":scheme", "http", "content-type", "text/css", "x-y", ""), piece);
            assert_true(text_is(block.method, "PATCH"));
            assert_true(text_is(block.path, "/a/long/path/of/some/length"));
            assert_true(text_is(block.authority, "example.com"));
            assert_int_equal(block.headers.count, 2);
            assert_false(block.unknown);
            assert_int_equal(block.status, 0);
            read_fields(&h, &b, FIELDS(":status", "418"), piece);
            assert_int_equal(block.status, 418);
        }
        http2_hpack_free(&h);
        h2_free(&b);
    }
}

/* What was sent before is unknown, what is sent since is known, however much came before. */
static void test_primed(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 200; before += 13) {
        struct http2_hpack h = { 0 };
        struct h2 b = h2_new();
        uint8_t *data;
        char name[32];
        for (unsigned i = 0; i < before; i++) {
            snprintf(name, sizeof name, "x-%u", i);
            h2_block(&b, FIELDS(name, "v"), &data);
            free(data);
        }
        h2_block(&b, FIELDS("x-old", "secret", ":authority", "old"), &data);
        free(data);
        http2_hpack_lost(&h);
        read_fields(&h, &b, FIELDS(":authority", "old", "x-old", "secret", "x-new", "known"), 7);
        assert_true(block.unknown);
        assert_null(block.authority.data);
        assert_int_equal(block.headers.count, 1);
        read_fields(&h, &b, FIELDS("x-new", "known"), 7);
        assert_false(block.unknown);
        assert_int_equal(block.headers.count, 1);
        read_fields(&h, &b, FIELDS("x-old", "other"), 7); /* its name is a reference, its value is not */
        assert_true(block.unknown);
        assert_int_equal(block.headers.count, 0);
        http2_hpack_lost(&h);
        read_fields(&h, &b, FIELDS("x-new", "known", ":method", "GET"), 7);
        assert_true(block.unknown);
        assert_true(text_is(block.method, "GET"));
        http2_hpack_free(&h);
        h2_free(&b);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct { const char *data; size_t size; } broken[] = {
        { "\xff\xff\xff\xff\xff\xff", 6 }, { "\x80", 1 }, { "\xbe", 1 }, { "\x41\x7f", 2 }, { "\x3f\xff\xff\xff\x7f", 5 }, { "\x82\x3f\xe1\x1f", 4 }, { "\x41\x84\xff\xff\xff\xff", 6 }, { "\x40", 1 },
    };
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++)
        for (size_t piece = 1; piece < 4; piece++) {
            struct http2_hpack h = { 0 };
            read_pieces(&h, (const uint8_t *)broken[i].data, broken[i].size, piece);
            if (!block.unknown)
                fail_msg("case %u", i);
            struct h2 b = h2_new();
            read_fields(&h, &b, FIELDS(":method", "GET", "x-a", "b"), 100); /* and it goes on */
            assert_true(text_is(block.method, "GET"));
            assert_int_equal(block.headers.count, 1);
            assert_false(block.unknown);
            http2_hpack_free(&h);
            h2_free(&b);
        }
    struct http2_hpack h = { 0 };
    for (unsigned i = 0; i < 100; i++)
        read_pieces(&h, (const uint8_t *)"\x80", 1, 1);
    read_pieces(&h, (const uint8_t *)"\x82", 1, 1); /* left alone by now */
    assert_true(block.unknown);
    assert_null(block.method.data);
    http2_hpack_free(&h);
}

/* One byte each for 2,500 bytes of value. */
static void test_bomb(void **state)
{
    (void)state;
    struct http2_hpack h = { 0 };
    struct h2 b = h2_new();
    char *value = malloc(2501);
    uint8_t *data = malloc(16384);
    assert_non_null(value);
    assert_non_null(data);
    memset(value, '~', 2500);
    value[2500] = '\0';
    read_fields(&h, &b, FIELDS("x", value), 5000);
    memset(data, 0xbe, 16384);
    read_pieces(&h, data, 16384, 16384);
    assert_true(block.headers.full);
    assert_false(block.unknown);
    free(value);
    free(data);
    http2_hpack_free(&h);
    h2_free(&b);
}

static void test_status(void **state)
{
    (void)state;
    static const struct { const char *text; int32_t status; } cases[] = { { "200", 200 }, { "099", 0 }, { "20", 0 }, { "2000", 0 }, { "2x0", 0 }, { "", 0 }, { "999", 999 } };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http2_hpack h = { 0 };
        struct h2 b = h2_new();
        read_fields(&h, &b, FIELDS(":status", cases[i].text), 100);
        assert_int_equal(block.status, cases[i].status);
        http2_hpack_free(&h);
        h2_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_primed),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
