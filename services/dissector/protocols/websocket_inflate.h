/* One direction of permessage-deflate (RFC 7692): the compressed bytes of message after message, with the window that they share. Bounded: of a message the first `room` bytes are kept and no more than
 * WEBSOCKET_INFLATE_BYTES_MAX are made. One thread; a struct of zeros is ready to use. */
#ifndef DISSECTOR_PROTOCOLS_WEBSOCKET_INFLATE_H
#define DISSECTOR_PROTOCOLS_WEBSOCKET_INFLATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_INFLATE_BYTES_MAX (16u * 1024 * 1024) /* a larger message is not a chat but a bomb; its window is given up */

struct z_stream_s;
struct websocket_inflate {
    struct z_stream_s *stream;
    bool fresh;                 /* each message begins with an empty window (no_context_takeover) */
    bool broken;                /* the window is not known any more: until a fresh message */
    uint64_t made;              /* of this message */
};
/* Whether this message can be read at all. */
bool websocket_inflate_begin(struct websocket_inflate *f);
/* Decompresses data; writes up to room bytes to dst and returns how many; what does not fit is made and forgotten. */
size_t websocket_inflate_take(struct websocket_inflate *f, const uint8_t *data, size_t size, uint8_t *dst, size_t room);
/* The message is over: the four bytes that its sender has left out. */
size_t websocket_inflate_end(struct websocket_inflate *f, uint8_t *dst, size_t room);
/* Compressed bytes are missing. */
void websocket_inflate_lost(struct websocket_inflate *f);
void websocket_inflate_free(struct websocket_inflate *f);
#endif
