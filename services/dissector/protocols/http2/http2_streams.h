/* The streams of one HTTP/2 connection: a bounded table in which each is one request with its response.
 *
 * A stream that is not under way any more goes back to the table, which keeps a few with their body buffers for the next. All memory is the table's; messages are the engine's until they are handed over. One thread.
 * Source: RFC 9113 section 5. */
#ifndef DISSECTOR_PROTOCOLS_HTTP2_STREAMS_H
#define DISSECTOR_PROTOCOLS_HTTP2_STREAMS_H
#include "services/dissector/protocols/http2/grpc.h"
#include "services/dissector/protocols/http/http_message.h"

#define HTTP2_STREAMS_MAX 1024u     /* under way at a time; servers allow 100 to 256, some proxies as many as they can hold */
#define HTTP2_BODIES_MAX (4u * 1024 * 1024) /* bytes of all bodies of a connection that are kept: 64 whole ones */
#define HTTP2_CLOSED_KEPT 32u       /* streams that were reset, whose last frames may still come */
#define HTTP2_BUCKETS 32u

/* What one side of a stream has said; index: enum side. A pushed stream's request is the client's, though the server sends it. */
struct http2_half {
    struct message *message;
    struct http_body body;
    struct grpc_sizes grpc;
    uint32_t values;                /* bytes of the message's values that the table has counted */
    bool trailers;                  /* have been written */
    bool ended, data, gap;          /* END_STREAM seen; some DATA seen; bytes may have been lost since the stream began */
};
struct http2_stream {
    uint32_t id;
    struct http2_stream *next;      /* in its bucket, or spare */
    struct http2_stream *older, *newer;
    bool grpc;
    bool grpc_status;               /* has been written */
    bool given_up;                  /* the client has reset it: what the server had on its way may come until due_ns */
    int64_t due_ns;
    bool unsure;                    /* headers are missing that might have said that it is gRPC */
    struct http2_half halves[2];
};
struct http2_streams {
    struct http2_stream *buckets[HTTP2_BUCKETS];
    struct http2_stream *oldest, *newest;
    struct http2_stream *spare;
    uint32_t count, spares;
    uint32_t bodies;                /* bytes of room of all bodies, spare ones too */
    uint32_t sizes;                 /* the same of the sizes of gRPC's messages */
    uint32_t closed[HTTP2_CLOSED_KEPT], closed_next;
};

/* NULL: not there. */
struct http2_stream *http2_streams_find(const struct http2_streams *t, uint32_t id);
/* One that is not there yet; the caller has seen to it that there is room (count < HTTP2_STREAMS_MAX). NULL: no memory. */
struct http2_stream *http2_streams_add(struct http2_streams *t, uint32_t id);
/* Its messages have been handed over. */
void http2_streams_remove(struct http2_streams *t, struct http2_stream *stream);
/* Remembers that nothing more of this stream is of interest, or tells it. */
void http2_streams_forget(struct http2_streams *t, uint32_t id);
bool http2_streams_forgotten(const struct http2_streams *t, uint32_t id);
/* Body bytes. False: there was no room for them and they are only counted. */
bool http2_streams_body(struct http2_streams *t, struct http2_half *half, const uint8_t *data, uint32_t size);
/* http_body_write and grpc_sizes_take, with what they do to the room that is counted. */
void http2_streams_body_write(struct http2_streams *t, struct http2_half *half);
void http2_streams_sizes(struct http2_streams *t, struct http2_half *half, const uint8_t *data, uint32_t size);
/* Everything that the table holds; the streams still in it have no messages any more. */
void http2_streams_free(struct http2_streams *t);
#endif
