/* Fingerprints of TLS clients and servers.
 *
 *   JA3    MD5 of "version,ciphers,extensions,groups,point formats": decimal numbers joined by '-', without GREASE, in the order sent
 *   JA3S   MD5 of "version,cipher,extensions"
 *   JA4    "t13d1516h2_" version, whether there is a server name, counts, first and last character of the first ALPN | twelve digits of SHA-256 over the sorted ciphers | and over sorted extensions and signatures
 *
 * Sources: salesforce/ja3 (README), FoxIO-LLC/ja4 (technical_details/JA4.md). Hellos that are not whole, and such with longer lists than any real client sends, have none: "". Pure. */
#ifndef DISSECTOR_PROTOCOLS_TLS_FINGERPRINT_H
#define DISSECTOR_PROTOCOLS_TLS_FINGERPRINT_H
#include "services/dissector/protocols/tls/tls_hello.h"

#define TLS_FINGERPRINT_LIST_MAX 512u   /* the registry has fewer than 400 cipher suites and 100 extensions */
#define TLS_JA3_TEXT_MAX 33u
#define TLS_JA4_TEXT_MAX 37u

void tls_ja3(const struct tls_hello *client, char text[static TLS_JA3_TEXT_MAX]);
void tls_ja3s(const struct tls_hello *server, char text[static TLS_JA3_TEXT_MAX]);
void tls_ja4(const struct tls_hello *client, char text[static TLS_JA4_TEXT_MAX]);
#endif
