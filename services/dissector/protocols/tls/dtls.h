/* DTLS (RFC 6347, 9147) as far as it is in clear: the client's hello and what the server answers to it, in datagrams. Its entries are TLS's. */
#ifndef DISSECTOR_PROTOCOLS_DTLS_H
#define DISSECTOR_PROTOCOLS_DTLS_H
#include "services/dissector/protocols/protocol.h"
extern const struct protocol protocol_dtls;
#endif
