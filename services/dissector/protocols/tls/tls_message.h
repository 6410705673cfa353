/* What handshake messages say, written into an entry's fields. Pure, but for the message. */
#ifndef DISSECTOR_PROTOCOLS_TLS_MESSAGE_H
#define DISSECTOR_PROTOCOLS_TLS_MESSAGE_H
#include "services/dissector/entry/message.h"
#include "services/dissector/protocols/tls/tls_hello.h"

#define TLS_ALPN_TEXT_MAX 64u   /* of one protocol's name; the registry's longest has 27 */

/* SNI, ALPN, JA3, JA4, sizes and summary. message_size: with the four bytes of header. */
void tls_write_client_hello(struct message *m, const struct tls_hello *client, size_t message_size);
/* Version, cipher suite, ALPN, JA3S, retry. alpn: what the server chose, as it was written. */
void tls_write_server_hello(struct message *m, const struct tls_hello *server, struct text_buffer *alpn);
/* The body of a Certificate message: all of the first certificate of a server, the subject of a client's. */
void tls_write_certificates(struct message *m, const uint8_t *data, size_t size, bool client);
/* "fatal handshake_failure" */
void tls_alert_text(uint8_t level, uint8_t description, struct text_buffer *t);
#endif
