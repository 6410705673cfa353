/* HTTP/2 in clear text: with prior knowledge, after an upgrade from HTTP/1 (h2c), and from the middle of a connection. Each stream is one entry, whose request and response find each other by the stream's number.
 *
 *   http2_frame.c     frame headers, and how they are found again
 *   http2_hpack.c     header blocks
 *   http2_streams.c   the table of streams
 *   http2_calls.c     what is said on streams, as messages
 *   http2.c           frames to their places
 *
 * Sources: RFC 9113, 7541, 7540 section 3.2 (upgrade). */
#ifndef DISSECTOR_PROTOCOLS_HTTP2_H
#define DISSECTOR_PROTOCOLS_HTTP2_H
#include "services/dissector/protocols/protocol.h"

extern const struct protocol protocol_http2;

/* For the parser that has read "101 Switching Protocols" to h2c: state is what conversation_switch(c, &protocol_http2) gave (NULL is fine), request the upgraded request, which is copied: its response comes on stream 1.
 * at: a byte of the data of the call under way, on the server's side. */
void http2_upgraded(struct conversation *c, void *state, const struct message *request, const uint8_t *at);
#endif
