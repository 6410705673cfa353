/* A DNS message: its header and its sections, up to the records themselves (dns_records.h).
 *
 *   | id 2 | QR 1 opcode 4 AA TC RD RA Z AD CD rcode 4 | questions 2 | answers 2 | authority 2 | additional 2 | the sections |
 *
 * Sources: RFC 1035 section 4.1, 6891 (OPT), 7871 (client subnet), 8914 (extended errors). Borrows the bytes. */
#ifndef DISSECTOR_PROTOCOLS_DNS_MESSAGE_H
#define DISSECTOR_PROTOCOLS_DNS_MESSAGE_H
#include "bytes/cursor.h"
#include "services/dissector/protocols/dns/dns_name.h"

#define DNS_FLAG_RESPONSE 0x8000u
#define DNS_FLAG_AUTHORITATIVE 0x0400u
#define DNS_FLAG_TRUNCATED 0x0200u
#define DNS_FLAG_RECURSION_DESIRED 0x0100u
#define DNS_FLAG_RECURSION_AVAILABLE 0x0080u
#define DNS_FLAG_AUTHENTICATED 0x0020u
#define DNS_MESSAGE_BYTES_LEAST (DNS_HEADER_BYTES + 5) /* one question for the root */

enum dns_section { DNS_SECTION_QUESTION, DNS_SECTION_ANSWER, DNS_SECTION_AUTHORITY, DNS_SECTION_ADDITIONAL, DNS_SECTIONS };
struct dns_message {
    const uint8_t *data;
    size_t size, second_at, records_at; /* where the second question and the answers begin */
    uint16_t id, flags, count[DNS_SECTIONS];
    uint16_t type, class;           /* of the first question */
    struct text_buffer name;        /* of the first question */
    char name_room[DNS_NAME_TEXT_MAX];
};
static inline unsigned dns_message_opcode(const struct dns_message *d) { return d->flags >> 11 & 15u; }
static inline bool dns_message_is_response(const struct dns_message *d) { return d->flags & DNS_FLAG_RESPONSE; }
/* Header and questions. -EBADMSG: they are none. What lies behind the questions is not looked at. */
int dns_message_read(const uint8_t *data, size_t size, struct dns_message *ret);

/* What the OPT record says. */
struct dns_edns {
    bool seen, dnssec_ok;
    unsigned extended_rcode;        /* the upper eight bits of the response code */
    const uint8_t *subnet; size_t subnet_size;  /* the options' data; NULL: not there */
    const uint8_t *error; size_t error_size;
};
void dns_edns_read(const uint8_t *options, size_t size, uint32_t ttl, struct dns_edns *ret);
/* False where the option's data is malformed; t may have something of it then. */
bool dns_edns_subnet_text(const struct dns_edns *edns, struct text_buffer *t);
bool dns_edns_error_text(const struct dns_edns *edns, struct text_buffer *t);

/* Whether the bytes are a message, by content alone. `hint`: it goes to or from a DNS port, so that unusual opcodes, names and counts pass. SHORT: so far, yes. ODD does not come. */
enum dns_look dns_message_look(const uint8_t *data, size_t size, size_t whole_size, bool hint);
#endif
