/* What a certificate says of itself, read by libcrypto (its X.509 has no other home). Source: RFC 5280. Nothing is verified. */
#ifndef DISSECTOR_PROTOCOLS_TLS_CERTIFICATE_H
#define DISSECTOR_PROTOCOLS_TLS_CERTIFICATE_H
#include "digest/digest.h"
#include "services/dissector/protocols/text_buffer.h"

#define TLS_CERTIFICATE_BYTES_MAX (64u * 1024) /* of one: with post-quantum signatures they have some 10 KiB */
#define TLS_CERTIFICATE_NAME_MAX 512u
#define TLS_CERTIFICATE_TIME_MAX 32u
#define TLS_CERTIFICATE_SERIAL_MAX 64u      /* RFC 5280 allows 20 bytes */
#define TLS_CERTIFICATE_NAMES_MAX 256u      /* alternative names that are told; large sites have a hundred */

struct tls_certificate;
/* NULL: not a certificate, or no memory. */
struct tls_certificate *tls_certificate_read(const uint8_t *data, size_t size);
void tls_certificate_free(struct tls_certificate *certificate); /* NULL is fine */
/* "CN=www.example.org,O=Example,C=DE", as RFC 4514 writes it, UTF-8. */
void tls_certificate_subject(const struct tls_certificate *certificate, struct text_buffer *t);
void tls_certificate_issuer(const struct tls_certificate *certificate, struct text_buffer *t);
/* "2026-01-01T00:00:00Z"; nothing where the certificate's own is malformed. */
void tls_certificate_not_before(const struct tls_certificate *certificate, struct text_buffer *t);
void tls_certificate_not_after(const struct tls_certificate *certificate, struct text_buffer *t);
/* Lower-case hexadecimal digits. */
void tls_certificate_serial(const struct tls_certificate *certificate, struct text_buffer *t);
/* Alternative names: host names and addresses, in the order of the certificate. False at the end. */
bool tls_certificate_name(const struct tls_certificate *certificate, unsigned i, struct text_buffer *t);
#endif
