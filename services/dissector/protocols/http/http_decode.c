/* See http_decode.h. */
#include "services/dissector/protocols/http/http_decode.h"

#include <brotli/decode.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#define ZSTD_WINDOW_LOG_MAX 23 /* RFC 9659: 8 MiB is what every recipient on the web takes */

enum http_coding http_coding_find(const char *name, size_t size)
{
    static const struct { const char *name; size_t size; enum http_coding coding; } codings[] = {
        { "gzip", 4, HTTP_CODING_GZIP }, { "x-gzip", 6, HTTP_CODING_GZIP }, { "deflate", 7, HTTP_CODING_DEFLATE }, { "br", 2, HTTP_CODING_BROTLI }, { "zstd", 4, HTTP_CODING_ZSTD },
        { "identity", 8, HTTP_CODING_NONE }, { "chunked", 7, HTTP_CODING_NONE },
    };
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++)
        if (size == codings[i].size && strncasecmp(name, codings[i].name, size) == 0)
            return codings[i].coding;
    return HTTP_CODING_UNKNOWN;
}

/* zlib takes 7 KiB and, where the end has not come yet, a window of 32 KiB: from the stack, freed as a whole. */
struct arena { size_t used; _Alignas(16) uint8_t room[48 * 1024]; };

static void *arena_take(void *context, uInt items, uInt size)
{
    struct arena *arena = context;
    size_t wanted = ((size_t)items * size + 15) & ~(size_t)15;
    if (wanted > sizeof arena->room - arena->used)
        return Z_NULL;
    void *p = arena->room + arena->used;
    arena->used += wanted;
    return p;
}

static void arena_give(void *context, void *p)
{
    (void)context;
    (void)p;
}

/* window_bits as inflateInit2 takes them. A gzip body may consist of several members. */
static ssize_t inflate_all(int window_bits, const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    struct arena arena;
    arena.used = 0;
    z_stream z = { .zalloc = arena_take, .zfree = arena_give, .opaque = &arena, .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = dst, .avail_out = (uInt)room };
    if (inflateInit2(&z, window_bits) != Z_OK)
        return -EBADMSG;
    int rc;
    while ((rc = inflate(&z, Z_FINISH)) == Z_STREAM_END && z.avail_in && z.avail_out && z.next_in[0] == 0x1f && window_bits > 15)
        if (inflateReset(&z) != Z_OK)
            break;
    size_t got = room - z.avail_out;
    (void)inflateEnd(&z);
    return got == 0 && rc != Z_STREAM_END && rc != Z_OK && rc != Z_BUF_ERROR ? -EBADMSG : (ssize_t)got;
}

static ssize_t inflate_deflate(const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    ssize_t got = inflate_all(15, data, size, dst, room);
    return got < 0 ? inflate_all(-15, data, size, dst, room) : got;
}

static ssize_t decode_brotli(const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    size_t left = room;
    if (!state)
        return -EBADMSG;
    BrotliDecoderResult rc = BrotliDecoderDecompressStream(state, &size, &data, &left, &dst, NULL);
    BrotliDecoderDestroyInstance(state);
    return rc == BROTLI_DECODER_RESULT_ERROR && left == room ? -EBADMSG : (ssize_t)(room - left);
}

static ssize_t decode_zstd(const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = { data, size, 0 };
    ZSTD_outBuffer out = { dst, room, 0 };
    size_t rc = 0;
    if (!context)
        return -EBADMSG;
    if (!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        while (in.pos < in.size && out.pos < out.size) {
            size_t in_before = in.pos, out_before = out.pos;
            rc = ZSTD_decompressStream(context, &out, &in);
            if (ZSTD_isError(rc) || (in.pos == in_before && out.pos == out_before))
                break;
        }
    ZSTD_freeDCtx(context);
    return ZSTD_isError(rc) && out.pos == 0 ? -EBADMSG : (ssize_t)out.pos;
}

ssize_t http_decode(enum http_coding coding, const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    switch (coding) {
    case HTTP_CODING_GZIP: return inflate_all(15 + 16, data, size, dst, room);
    case HTTP_CODING_DEFLATE: return inflate_deflate(data, size, dst, room);
    case HTTP_CODING_BROTLI: return decode_brotli(data, size, dst, room);
    case HTTP_CODING_ZSTD: return decode_zstd(data, size, dst, room);
    case HTTP_CODING_NONE:
    case HTTP_CODING_UNKNOWN: break;
    }
    return -EBADMSG;
}
