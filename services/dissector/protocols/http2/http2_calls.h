/* What is said on the streams of an HTTP/2 connection, as messages and entries. The frames have been taken apart already.
 *
 * An entry goes out when both sides of its stream have ended, at a reset by the server, some seconds after one by the client (whose deadline and the response may cross), when its place is needed (EVICTED), or at the end of the connection. Where the request's side of the connection was lost and has not been found
 * again, a response waits for its request until then. Method, path and status are what a header block said, or missing.
 * first and last point to the first and the last byte of the frames concerned, in the data of the parser's call. One thread. Source: RFC 9113 section 8. */
#ifndef DISSECTOR_PROTOCOLS_HTTP2_CALLS_H
#define DISSECTOR_PROTOCOLS_HTTP2_CALLS_H
#include "services/dissector/protocols/http2/http2_hpack.h"
#include "services/dissector/protocols/http2/http2_streams.h"

#define HTTP2_VALUES_MAX (4u * 1024 * 1024) /* bytes of the header fields of all streams under way; a thousand of ordinary size take 2 MiB */

struct http2_calls {
    struct http2_streams streams;
    uint64_t values;                /* bytes of messages under way */
    uint32_t given_up;              /* streams that the client has reset and that still wait */
    int64_t due_ns;                 /* until when the first of them does */
    uint32_t highest;               /* no stream that waits for its response has a greater number */
    bool synced[2];                 /* this side's frames are being read */
    bool gapped[2];                 /* this side has lost header blocks */
};

void http2_calls_headers(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const struct http2_block *block, bool end_stream, const uint8_t *first, const uint8_t *last);
void http2_calls_promise(struct http2_calls *calls, struct conversation *c, uint32_t id, const struct http2_block *block, const uint8_t *first, const uint8_t *last);
/* Some of a DATA frame's bytes, without padding. whole: they are all of this side's body. */
void http2_calls_data(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *data, uint32_t size, bool whole);
/* Bytes of a DATA frame that the capture lost. */
void http2_calls_data_lost(struct http2_calls *calls, enum side side, uint32_t id, uint32_t size);
/* END_STREAM has been reached. */
void http2_calls_end(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *last);
/* at: some byte of the frame. */
void http2_calls_reset(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *at);
/* Before each frame, where streams are given_up: those that have waited long enough go out. */
void http2_calls_look(struct http2_calls *calls, struct conversation *c, enum side side, const uint8_t *at);
/* The server will not answer streams beyond last_id. */
void http2_calls_goaway(struct http2_calls *calls, struct conversation *c, uint32_t last_id);
/* Nobody knows what this side has said meanwhile. */
void http2_calls_gap(struct http2_calls *calls, struct conversation *c, enum side side);
/* Stream 1's request came in HTTP/1. */
void http2_calls_upgraded(struct http2_calls *calls, struct conversation *c, const struct message *request, const uint8_t *at);
/* Bytes of all streams. */
size_t http2_calls_memory(const struct http2_calls *calls);
/* The connection is over: everything goes out, the memory too. */
void http2_calls_close(struct http2_calls *calls, struct conversation *c);
#endif
