/* HTTP/1.0 and 1.1 (RFC 9112): one entry per request with its response. What its connection becomes after 101 or CONNECT is the next protocol's. */
#ifndef DISSECTOR_PROTOCOLS_HTTP1_H
#define DISSECTOR_PROTOCOLS_HTTP1_H
#include "services/dissector/protocols/protocol.h"
extern const struct protocol protocol_http1;
#endif
