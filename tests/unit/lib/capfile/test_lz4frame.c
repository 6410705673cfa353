#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <lz4frame.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capfile/lz4frame.h"

static uint8_t content[LZ4FRAME_CONTENT_BYTES_MAX], block[LZ4FRAME_BLOCK_BYTES_MAX], back[LZ4FRAME_CONTENT_BYTES_MAX + 1];

static void fill(bool compressible)
{
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof content; i++) {
        x = x * 1664525 + 1013904223;
        content[i] = compressible ? (uint8_t)(i / 100) : (uint8_t)(x >> 24);
    }
}

static void frame_has_golden_bytes(void **state)
{
    (void)state;
    static const uint8_t header[] = { 0x04, 0x22, 0x4d, 0x18, 0x60, 0x60, 0x51 }, stored[] = { 5, 0, 0, 0x80, 'h', 'e', 'l', 'l', 'o' };
    uint8_t bytes[32];
    assert_int_equal(lz4frame_put_header(bytes), sizeof header);
    assert_memory_equal(bytes, header, sizeof header);
    assert_true(lz4frame_is_header(bytes));
    bytes[5] ^= 1;
    assert_false(lz4frame_is_header(bytes));
    assert_int_equal(lz4frame_put_block(block, (const uint8_t *)"hello", 5), sizeof stored);
    assert_memory_equal(block, stored, sizeof stored);
    assert_int_equal(lz4frame_put_stored_word(bytes, 5), 4);
    assert_memory_equal(bytes, stored, 4);
    assert_int_equal(lz4frame_put_end(bytes), 4);
    assert_memory_equal(bytes, "\0\0\0\0", 4);
}

static void blocks_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 12, 13, 4096, 65536, LZ4FRAME_CONTENT_BYTES_MAX };
    for (int compressible = 0; compressible < 2; compressible++) {
        fill(compressible);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t size = lz4frame_put_block(block, content, sizes[i]);
            bool stored = false;
            assert_int_equal(lz4frame_block_word(block, size, &stored), size - 4);
            assert_int_equal(stored, !compressible || sizes[i] < 13); /* LZ4 leaves shorter ones as they are */
            assert_true(stored ? size == sizes[i] + 4 : size < sizes[i] + 4);
            assert_int_equal(lz4frame_get_block(block, size, back), sizes[i]);
            assert_memory_equal(back, content, sizes[i]);
            back[sizes[i]] = 0x55;
            assert_int_equal(lz4frame_get_block_into(block, size, back, sizes[i]), sizes[i]);
            assert_int_equal(back[sizes[i]], 0x55);
            assert_int_equal(lz4frame_get_block_into(block, size, back, sizes[i] - 1), -EBADMSG);
        }
    }
}

static void bad_blocks_are_refused(void **state)
{
    (void)state;
    fill(true);
    size_t size = lz4frame_put_block(block, content, 5000);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(lz4frame_get_block(block, cut, back), -EBADMSG);
    assert_int_equal(lz4frame_get_block(block, size + 1, back), -EBADMSG);
    assert_int_equal(lz4frame_get_block((const uint8_t *)"\0\0\0\0", 4, back), -EBADMSG);
    assert_int_equal(lz4frame_get_block((const uint8_t *)"\0\0\0\x80", 4, back), -EBADMSG);
    block[4] = 0xf0; /* a literal run without end */
    block[5] = 0xff;
    assert_true(lz4frame_get_block(block, size, back) <= (int)sizeof content);
}

/* The library's own frame reader takes what we write. */
static void the_library_reads_our_frame(void **state)
{
    (void)state;
    static uint8_t frame[2 * LZ4FRAME_BLOCK_BYTES_MAX + 64], out[2 * LZ4FRAME_CONTENT_BYTES_MAX];
    size_t size = lz4frame_put_header(frame), at = 0, done = 0;
    fill(true);
    size += lz4frame_put_block(frame + size, content, sizeof content);
    fill(false);
    size += lz4frame_put_block(frame + size, content, sizeof content);
    size += lz4frame_put_end(frame + size);
    LZ4F_dctx *context = NULL;
    assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)));
    size_t hint = 1;
    while (hint != 0) {
        size_t in = size - at, room = sizeof out - done;
        hint = LZ4F_decompress(context, out + done, &room, frame + at, &in, NULL);
        assert_false(LZ4F_isError(hint));
        assert_true(in + room > 0);
        at += in;
        done += room;
    }
    assert_int_equal(at, size);
    assert_int_equal(done, 2 * sizeof content);
    assert_memory_equal(out + sizeof content, content, sizeof content);
    LZ4F_freeDecompressionContext(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_has_golden_bytes), cmocka_unit_test(blocks_come_back), cmocka_unit_test(bad_blocks_are_refused),
        cmocka_unit_test(the_library_reads_our_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
