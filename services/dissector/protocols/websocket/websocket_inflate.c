/* See websocket_inflate.h. */
#include "services/dissector/protocols/websocket/websocket_inflate.h"

#include <stdlib.h>
#include <zlib.h>

#define KEPT_ROOM_MIN 512u
#define KEPT_ROOM_IDLE_MAX 8192u /* that a connection keeps between messages */

bool websocket_kept_grow(struct websocket_kept *kept, size_t more)
{
    size_t wanted = more < CONVERSATION_BODY_MAX - kept->size ? kept->size + more : CONVERSATION_BODY_MAX, room = kept->room ? kept->room : KEPT_ROOM_MIN;
    if (wanted <= kept->room)
        return true;
    while (room < wanted)
        room *= 2;
    uint8_t *data = realloc(kept->data, room);
    if (!data)
        return false;
    kept->data = data;
    kept->room = (uint32_t)room;
    return true;
}

void websocket_kept_reset(struct websocket_kept *kept)
{
    kept->size = 0;
    if (kept->room > KEPT_ROOM_IDLE_MAX)
        websocket_kept_free(kept);
}

void websocket_kept_free(struct websocket_kept *kept)
{
    free(kept->data);
    *kept = (struct websocket_kept){ 0 };
}

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

/* One call of inflate into the room that is left, or into nothing. False: there is no more to be had of this input. */
static bool inflate_some(struct websocket_inflate *f, z_stream *z, struct websocket_kept *kept)
{
    uint8_t forgotten[4096];
    bool keeps = kept->size < kept->room;
    uInt wanted = keeps ? kept->room - kept->size : (uInt)sizeof forgotten;
    z->next_out = keeps ? kept->data + kept->size : forgotten;
    z->avail_out = wanted;
    int rc = inflate(z, Z_SYNC_FLUSH);
    uint32_t got = wanted - z->avail_out;
    kept->size += keeps ? got : 0;
    f->made += got;
    if (rc == Z_BUF_ERROR && got == 0)
        return false;
    if (rc == Z_STREAM_END) /* a last block may come in any message; another stream follows */
        rc = inflateReset(z);
    f->broken = (rc != Z_OK && rc != Z_BUF_ERROR) || f->made > WEBSOCKET_INFLATE_BYTES_MAX;
    return !f->broken && (z->avail_in || z->avail_out == 0);
}

bool websocket_inflate_take(struct websocket_inflate *f, const uint8_t *data, size_t size, struct websocket_kept *kept)
{
    z_stream *z = f->stream;
    if (!z || f->broken)
        return true;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)size;
    bool fits;
    do
        fits = websocket_kept_grow(kept, size < KEPT_ROOM_MIN ? KEPT_ROOM_MIN : size);
    while (inflate_some(f, z, kept));
    z->next_in = NULL;
    z->next_out = NULL;
    return fits;
}

bool websocket_inflate_end(struct websocket_inflate *f, struct websocket_kept *kept)
{
    static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
    return websocket_inflate_take(f, tail, sizeof tail, kept);
}

void websocket_inflate_lost(struct websocket_inflate *f) { f->broken = true; }

void websocket_inflate_free(struct websocket_inflate *f)
{
    if (f->stream)
        (void)inflateEnd(f->stream);
    free(f->stream);
    f->stream = NULL;
}
