/* The data of resource records as text, as zone files write it (RFC 1035 section 5, 4034, 5155, 6698, 8659, 9460 ...), with three changes that make queries easier: names have no dot at the end, the strings of a TXT record
 * stand without quotes, a space between, and types that have no form of their own here are hexadecimal digits alone.
 *
 *                +----------+------+-------+-----+----------+----------+
 *   a record:    |   name   | type | class | TTL | length 2 |   data   |
 *                +----------+------+-------+-----+----------+----------+
 *
 * Cursors are over the whole message, because names in the data point back into it. */
#ifndef DISSECTOR_PROTOCOLS_DNS_RECORDS_H
#define DISSECTOR_PROTOCOLS_DNS_RECORDS_H
#include "bytes/cursor.h"
#include "services/dissector/protocols/text_buffer.h"

#define DNS_DATA_TEXT_MAX 4096u /* a key of 16,384 bits in base64 is 2,732 characters; longer data is cut */

struct dns_record {
    uint16_t type, class;
    uint32_t ttl;
    size_t data_at, data_size;  /* in the message */
};
/* What follows a record's name. False: the message ends before it does. */
bool dns_record_head(struct cursor *c, struct dns_record *ret);
/* Data that is not what its type says is written as hexadecimal digits. */
void dns_record_text(const struct cursor *message, const struct dns_record *record, struct text_buffer *t);
/* "2001:db8::1" as RFC 5952 wants it. */
void dns_ipv6_text(const uint8_t address[16], struct text_buffer *t);
void dns_ipv4_text(const uint8_t address[4], struct text_buffer *t);
/* "A", "TYPE65280". */
void dns_type_text(uint16_t type, struct text_buffer *t);
#endif
