/* The two hellos of TLS, and the first alert: what a handshake shows to everybody.
 *
 *   client:  version 2 | random 32 | 1+ session id | 2+ cipher suites | 1+ compressions | 2+ extensions (type 2, 2+ data)
 *   server:  version 2 | random 32 | 1+ session id | cipher suite 2   | compression 1   | 2+ extensions            ("n+": a length of n bytes before it)
 *
 * The same in DTLS, whose versions begin with 0xfe; a client's has a cookie (1+) behind the session id.
 * Sources: RFC 9147 section 5.3 and 6347 section 4.2.1, RFC 8446 section 4.1 and 4.2, 5246 section 7.4.1, 6066 section 3 (SNI), 7301 (ALPN), 8701 (GREASE). Everything is borrowed from the message's bytes. */
#ifndef DISSECTOR_PROTOCOLS_TLS_HELLO_H
#define DISSECTOR_PROTOCOLS_TLS_HELLO_H
#include "bytes/cursor.h"
#include "services/dissector/protocols/text_buffer.h"

enum { TLS_EXTENSION_SERVER_NAME = 0, TLS_EXTENSION_GROUPS = 10, TLS_EXTENSION_POINT_FORMATS = 11, TLS_EXTENSION_SIGNATURES = 13, TLS_EXTENSION_ALPN = 16, TLS_EXTENSION_PSK = 41, TLS_EXTENSION_VERSIONS = 43 };
#define TLS_VERSION_1_2 0x0303u
#define TLS_VERSION_1_3 0x0304u
#define DTLS_VERSION_1_0 0xfeffu   /* of DTLS greater numbers are older versions */
#define DTLS_VERSION_1_2 0xfefdu
#define DTLS_VERSION_1_3 0xfefcu
#define TLS_SESSION_ID_BYTES_MAX 32u

struct tls_bytes { const uint8_t *data; size_t size; };
struct tls_hello {
    uint16_t version;               /* as the hello itself says it: at most TLS 1.2 */
    struct tls_bytes random, session, ciphers /* two bytes each; of a server: one */, extensions;
    struct tls_bytes server_name;   /* the first host name */
    struct tls_bytes alpn;          /* the list: each behind its length */
    struct tls_bytes groups, signatures, versions; /* two bytes each; a server's versions: the one it took */
    struct tls_bytes point_formats; /* a byte each */
    bool has_server_name, has_alpn, psk;
    bool whole;                     /* false: the message ends before it should; what was read stands */
};
/* False: it is none, however long it might go on. */
bool tls_hello_read(const uint8_t *data, size_t size, bool client, struct tls_hello *ret);
static inline bool tls_is_datagram(unsigned version) { return version >> 8 == 0xfe; }
/* Values that clients throw in so that servers get used to the unknown. */
static inline bool tls_is_grease(unsigned value) { return (value & 0x0f0fu) == 0x0a0au && value >> 8 == (value & 255u); }
static inline uint16_t tls_number_at(const struct tls_bytes *list, size_t i) { return (uint16_t)(list->data[2 * i] << 8 | list->data[2 * i + 1]); }
/* The version that both will speak. */
uint16_t tls_hello_server_version(const struct tls_hello *server);
bool tls_hello_is_retry(const struct tls_hello *server);
/* The next protocol of an ALPN list; false at its end, or where it is damaged. */
bool tls_alpn_next(struct cursor *list, struct tls_bytes *ret);
#endif
