#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include "services/dissector/protocols/http/http_decode.h"

#define TEXT "hello hello hello hello"
static const uint8_t brotli[] = { 0x1b, 0x16, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55, 0x86, 0x96, 0x6c, 0x20, 0x6f, 0x21, 0x4f, 0x1c, 0xe0, 0x38 };
static uint8_t packed[1 << 17], text[1 << 17], out[1 << 16];

/* window_bits as deflateInit2 takes them. */
static size_t deflate_text(int window_bits, const void *data, size_t size)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = packed, .avail_out = sizeof packed };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return sizeof packed - z.avail_out;
}

/* The whole, and every beginning of it: what comes out is a beginning of the text. */
static void check(enum http_coding coding, const uint8_t *data, size_t size, const char *expected, size_t expected_size)
{
    for (size_t n = 0; n <= size; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, data, n);
        ssize_t got = http_decode(coding, copy, n, out, sizeof out);
        free(copy);
        assert_true(got <= (ssize_t)expected_size && (got < 0 || memcmp(out, expected, (size_t)got) == 0));
        if (n == size)
            assert_int_equal(got, expected_size);
    }
}

static void codings_are_read_whole_and_cut(void **state)
{
    (void)state;
    check(HTTP_CODING_GZIP, packed, deflate_text(31, TEXT, sizeof TEXT - 1), TEXT, sizeof TEXT - 1);
    check(HTTP_CODING_DEFLATE, packed, deflate_text(15, TEXT, sizeof TEXT - 1), TEXT, sizeof TEXT - 1);
    check(HTTP_CODING_DEFLATE, packed, deflate_text(-15, TEXT, sizeof TEXT - 1), TEXT, sizeof TEXT - 1);
    check(HTTP_CODING_BROTLI, brotli, sizeof brotli, TEXT, sizeof TEXT - 1);
    check(HTTP_CODING_ZSTD, packed, ZSTD_compress(packed, sizeof packed, TEXT, sizeof TEXT - 1, 3), TEXT, sizeof TEXT - 1);
}

static void several_members_are_one_body(void **state)
{
    (void)state;
    size_t first = deflate_text(31, "one", 3);
    uint8_t both[256];
    memcpy(both, packed, first);
    size_t second = deflate_text(31, "two", 3);
    memcpy(both + first, packed, second);
    check(HTTP_CODING_GZIP, both, first + second, "onetwo", 6);
    first = ZSTD_compress(both, sizeof both, "one", 3, 3);
    second = ZSTD_compress(both + first, sizeof both - first, "two", 3, 3);
    check(HTTP_CODING_ZSTD, both, first + second, "onetwo", 6);
}

static void output_is_bounded(void **state)
{
    (void)state;
    memset(text, 'x', sizeof text);
    size_t size = deflate_text(31, text, sizeof text);
    assert_int_equal(http_decode(HTTP_CODING_GZIP, packed, size, out, sizeof out), sizeof out);
    assert_int_equal(http_decode(HTTP_CODING_GZIP, packed, size, out, 7), 7);
    size = ZSTD_compress(packed, sizeof packed, text, sizeof text, 3);
    assert_int_equal(http_decode(HTTP_CODING_ZSTD, packed, size, out, sizeof out), sizeof out);
    assert_memory_equal(out, text, sizeof out);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    static const uint8_t noise[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    for (int coding = HTTP_CODING_NONE; coding <= HTTP_CODING_UNKNOWN; coding++)
        assert_int_equal(http_decode((enum http_coding)coding, noise, sizeof noise, out, sizeof out), -EBADMSG);
}

static void names_are_found(void **state)
{
    (void)state;
    static const struct { const char *name; enum http_coding coding; } samples[] = {
        { "gzip", HTTP_CODING_GZIP }, { "X-GZIP", HTTP_CODING_GZIP }, { "Deflate", HTTP_CODING_DEFLATE }, { "br", HTTP_CODING_BROTLI }, { "zstd", HTTP_CODING_ZSTD }, { "identity", HTTP_CODING_NONE },
        { "chunked", HTTP_CODING_NONE }, { "compress", HTTP_CODING_UNKNOWN }, { "", HTTP_CODING_UNKNOWN }, { "gzi", HTTP_CODING_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        assert_int_equal(http_coding_find(samples[i].name, strlen(samples[i].name)), samples[i].coding);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(codings_are_read_whole_and_cut), cmocka_unit_test(several_members_are_one_body), cmocka_unit_test(output_is_bounded), cmocka_unit_test(other_bytes_are_refused),
                                        cmocka_unit_test(names_are_found) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
