/* gRPC: what an HTTP/2 stream with the content type application/grpc says beside HTTP. It has no parser of its own: http2.c calls these while it collects a stream.
 *
 *   request   :path = /package.Service/Method, content-type = application/grpc..., DATA = messages
 *   response  DATA = messages, trailers = grpc-status, grpc-message (percent-encoded UTF-8); or both in one header block without DATA
 *   message   compressed u8 | length u32 be | that many bytes
 *
 * Source: grpc.io, "gRPC over HTTP2". */
#ifndef DISSECTOR_PROTOCOLS_GRPC_H
#define DISSECTOR_PROTOCOLS_GRPC_H
#include "services/dissector/protocols/http/http_message.h"

extern const struct protocol protocol_grpc;

/* By content type, or by a status, which may be all that is known of a response. */
bool grpc_is(const struct http_headers *h);

#define GRPC_PREFIX 5u
#define GRPC_MESSAGES_MAX 1024u     /* sizes that are kept; calls with more are streams of events */
/* The sizes of the messages of one direction, counted over all of its DATA. All zeros: none yet. */
struct grpc_sizes {
    uint32_t *sizes, count, room;
    uint32_t left;                  /* bytes of the message under way that are still to come */
    uint8_t prefix[GRPC_PREFIX], prefix_size;
    bool lost;                      /* where the next message begins is not known any more */
    bool more;                      /* than are kept */
};
void grpc_sizes_take(struct grpc_sizes *s, const uint8_t *data, size_t size);
/* Bytes that the capture lost; UINT64_MAX: nobody knows how many. */
void grpc_sizes_lost(struct grpc_sizes *s, uint64_t size);
/* As a list in the field. */
void grpc_sizes_write(const struct grpc_sizes *s, struct message *m, uint8_t field);
void grpc_sizes_free(struct grpc_sizes *s);

/* grpc_method, from the path that the request has. */
void grpc_write_method(struct message *request);
/* grpc_status and grpc_message, where the headers or trailers hold them. Returns whether they did. */
bool grpc_write_status(struct message *response, const struct http_headers *h);
#endif
