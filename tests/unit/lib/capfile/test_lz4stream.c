#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "capfile/lz4frame.h"
#include "capfile/lz4stream.h"
#include "frame_builder.h"

#define CONTENT_BYTES 300000u
#define ROOM (2 * CONTENT_BYTES + 1000)
static uint8_t content[CONTENT_BYTES], packed[ROOM], out[ROOM];

static void fill(void)
{
    for (uint32_t i = 0; i < CONTENT_BYTES; i++)
        content[i] = (uint8_t)(i * i >> 7);
}

/* Decodes packed[0..size) by pieces. Returns bytes that came out, or -EBADMSG. */
static int64_t decode(size_t size, size_t piece, bool *ret_end)
{
    struct lz4_stream *stream = NULL;
    size_t at = 0, to = 0;
    int r = lz4_stream_new(&stream);
    while (r == 0 && at < size) {
        size_t src = size - at < piece ? size - at : piece, read = 0, written = 0;
        r = lz4_stream_decode(stream, packed + at, src, &read, out + to, sizeof out - to, &written);
        at += read;
        to += written;
        if (r == 0 && read == 0 && written == 0)
            break;
    }
    *ret_end = lz4_stream_at_end(stream);
    if (r < 0)
        assert_int_not_equal(*lz4_stream_error(stream), 0);
    lz4_stream_free(stream);
    return r < 0 ? r : (int64_t)to;
}

static void frames_piece_by_piece(void **state)
{
    (void)state;
    bool end = false;
    fill();
    for (int linked = 0; linked < 2; linked++)
        for (size_t piece = 1; piece < ROOM; piece = piece * 7 + 100) {
            memcpy(packed, content, CONTENT_BYTES);
            size_t size = frame_pack(packed, CONTENT_BYTES, ROOM, linked);
            assert_true(lz4_stream_is_magic(packed));
            assert_int_equal(decode(size, piece, &end), CONTENT_BYTES);
            assert_memory_equal(out, content, CONTENT_BYTES);
            assert_true(end);
            assert_true(decode(size - 5, piece, &end) >= 0);
            assert_false(end);
        }
}

static void several_frames(void **state)
{
    (void)state;
    bool end = false;
    static const uint8_t skippable[] = { 0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3 };
    fill();
    memcpy(packed, skippable, sizeof skippable);
    assert_true(lz4_stream_is_magic(packed));
    size_t size = sizeof skippable;
    for (int i = 0; i < 2; i++) {
        memcpy(packed + size, content, CONTENT_BYTES / 3);
        size += frame_pack(packed + size, CONTENT_BYTES / 3, ROOM - size, i);
    }
    assert_int_equal(decode(size, 1000, &end), CONTENT_BYTES / 3 * 2);
    assert_true(end);
}

static void nonsense(void **state)
{
    (void)state;
    bool end = false;
    fill();
    memcpy(packed, content, CONTENT_BYTES);
    size_t size = frame_pack(packed, CONTENT_BYTES, ROOM, false);
    packed[size - 2] ^= 1; /* the content's checksum */
    assert_int_equal(decode(size, size, &end), -EBADMSG);
    memset(packed, 0x11, 100);
    assert_false(lz4_stream_is_magic(packed));
    assert_int_equal(decode(100, 100, &end), -EBADMSG);
    uint8_t ours[LZ4FRAME_HEADER_BYTES];
    lz4frame_put_header(ours);
    assert_true(lz4_stream_is_magic(ours));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(frames_piece_by_piece), cmocka_unit_test(several_frames), cmocka_unit_test(nonsense) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
