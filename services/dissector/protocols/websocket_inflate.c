/* See websocket_inflate.h. */
#include "services/dissector/protocols/websocket_inflate.h"

#include <stdlib.h>
#include <zlib.h>

bool websocket_inflate_begin(struct websocket_inflate *f)
{
    f->made = 0;
    if (!f->stream) {
        f->stream = calloc(1, sizeof *f->stream);
        if (f->stream && inflateInit2(f->stream, -15) != Z_OK) {
            free(f->stream);
            f->stream = NULL;
        }
    } else if (f->fresh) {
        f->broken = inflateReset(f->stream) != Z_OK;
    }
    return f->stream && !f->broken;
}

size_t websocket_inflate_take(struct websocket_inflate *f, const uint8_t *data, size_t size, uint8_t *dst, size_t room)
{
    uint8_t forgotten[4096];
    size_t kept = 0;
    z_stream *z = f->stream;
    if (!z || f->broken)
        return 0;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)size;
    do {
        uInt wanted = room > kept ? (uInt)(room - kept) : (uInt)sizeof forgotten;
        z->next_out = room > kept ? dst + kept : forgotten;
        z->avail_out = wanted;
        int rc = inflate(z, Z_SYNC_FLUSH);
        size_t got = wanted - z->avail_out;
        kept += room > kept ? got : 0;
        f->made += got;
        if (rc == Z_BUF_ERROR && got == 0)
            break;
        if (rc == Z_STREAM_END) /* a last block may come in any message; another stream follows */
            rc = inflateReset(z);
        if ((rc != Z_OK && rc != Z_BUF_ERROR) || f->made > WEBSOCKET_INFLATE_BYTES_MAX) {
            f->broken = true;
            break;
        }
    } while (z->avail_in || z->avail_out == 0);
    z->next_in = NULL;
    z->next_out = NULL;
    return kept;
}

size_t websocket_inflate_end(struct websocket_inflate *f, uint8_t *dst, size_t room)
{
    static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
    return websocket_inflate_take(f, tail, sizeof tail, dst, room);
}

void websocket_inflate_lost(struct websocket_inflate *f) { f->broken = true; }

void websocket_inflate_free(struct websocket_inflate *f)
{
    if (f->stream)
        (void)inflateEnd(f->stream);
    free(f->stream);
    f->stream = NULL;
}
