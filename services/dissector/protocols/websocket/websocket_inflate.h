/* One direction of permessage-deflate (RFC 7692): the compressed bytes of message after message, with the window that they share. Bounded: of a message the first CONVERSATION_BODY_MAX bytes are kept and no
 * more than WEBSOCKET_INFLATE_BYTES_MAX are made. One thread; a struct of zeros is ready to use. */
#ifndef DISSECTOR_PROTOCOLS_WEBSOCKET_INFLATE_H
#define DISSECTOR_PROTOCOLS_WEBSOCKET_INFLATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/engine/conversation.h"

#define WEBSOCKET_INFLATE_BYTES_MAX (16u * 1024 * 1024) /* a larger message is not a chat but a bomb; its window is given up */

#define WEBSOCKET_INFLATE_MEMORY (40u * 1024) /* of a stream: its window of 32 KiB, and zlib's state */

/* The first bytes of a message. */
struct websocket_kept { uint8_t *data; uint32_t size, room; };
/* Room for `more` bytes, or as many as may be kept. False: no memory. */
bool websocket_kept_grow(struct websocket_kept *kept, size_t more);
/* Empty again; a large room is given back. */
void websocket_kept_reset(struct websocket_kept *kept);
void websocket_kept_free(struct websocket_kept *kept);

struct z_stream_s;
struct websocket_inflate {
    struct z_stream_s *stream;
    bool fresh;                 /* each message begins with an empty window (no_context_takeover) */
    bool broken;                /* the window is not known any more: until a fresh message */
    uint64_t made;              /* of this message */
};
/* Whether this message can be read at all. */
bool websocket_inflate_begin(struct websocket_inflate *f);
/* Decompresses data into *kept; what is more than may be kept is made and forgotten. False: no memory. */
bool websocket_inflate_take(struct websocket_inflate *f, const uint8_t *data, size_t size, struct websocket_kept *kept);
/* The message is over: the four bytes that its sender has left out. */
bool websocket_inflate_end(struct websocket_inflate *f, struct websocket_kept *kept);
/* Compressed bytes are missing. */
void websocket_inflate_lost(struct websocket_inflate *f);
void websocket_inflate_free(struct websocket_inflate *f);
#endif
