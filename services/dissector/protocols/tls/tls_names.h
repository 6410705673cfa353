/* Numbers of TLS by their names. Source: IANA's registry "Transport Layer Security (TLS) Parameters", RFC 8446 section 6 and its predecessors. Pure tables. */
#ifndef DISSECTOR_PROTOCOLS_TLS_NAMES_H
#define DISSECTOR_PROTOCOLS_TLS_NAMES_H
#include "services/dissector/protocols/text_buffer.h"

/* "TLS_AES_128_GCM_SHA256"; "0xfefe" where the registry has none. */
void tls_cipher_text(uint16_t cipher, struct text_buffer *t);
/* "TLS 1.2", "SSL 3.0", "TLS 1.3 draft 23"; "0x0505". */
void tls_version_text(uint16_t version, struct text_buffer *t);
/* "handshake_failure"; NULL: not known. */
const char *tls_alert_name(uint8_t description);
#endif
