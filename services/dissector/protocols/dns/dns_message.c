#include "services/dissector/protocols/dns/dns_message.h"
#include <errno.h>
#include "services/dissector/protocols/dns/dns_records.h"
#include "services/dissector/protocols/dns/dns_types.h"

#define QUESTIONS_UNHINTED_MAX 1u   /* off the usual ports; more in one message are usual in mDNS alone */
#define ADDITIONAL_REQUEST_MAX 2u   /* OPT and TSIG */
#define QUESTION_BYTES_LEAST 5u
#define RECORD_BYTES_LEAST 11u
#define RCODE_MAX 11u               /* RFC 8490; what four bits may hold beyond is not assigned */
#define NETBIOS_LABEL_BYTES 32u     /* RFC 1002 section 4.1: sixteen bytes, each as two letters from A to P */
enum { OPTION_CLIENT_SUBNET = 8, OPTION_ERROR = 15 };
#define EDNS_DNSSEC_OK 0x8000u
#define FLAG_RESERVED 0x0040u

int dns_message_read(const uint8_t *data, size_t size, struct dns_message *ret)
{
    struct cursor c = cursor_over(data, size);
    ret->data = data;
    ret->size = size;
    ret->id = cursor_be16(&c);
    ret->flags = cursor_be16(&c);
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        ret->count[i] = cursor_be16(&c);
    ret->type = ret->class = 0;
    ret->second_at = c.at;
    ret->name = text_buffer_over(ret->name_room, sizeof ret->name_room);
    for (unsigned i = 0; i < ret->count[DNS_SECTION_QUESTION]; i++) {
        if (i == 0) {
            if (dns_name_text(&c, &ret->name) < 0)
                return -EBADMSG;
            ret->type = cursor_be16(&c);
            ret->class = cursor_be16(&c);
            ret->second_at = c.at;
        } else {
            enum dns_look look = dns_name_pass(&c);
            if (look == DNS_LOOK_BAD || look == DNS_LOOK_SHORT)
                return -EBADMSG;
            cursor_skip(&c, 4);
        }
    }
    ret->records_at = c.at;
    return cursor_ok(&c) ? 0 : -EBADMSG;
}

void dns_edns_read(const uint8_t *options, size_t size, uint32_t ttl, struct dns_edns *ret)
{
    *ret = (struct dns_edns){ .seen = true, .dnssec_ok = ttl & EDNS_DNSSEC_OK, .extended_rcode = ttl >> 24 };
    struct cursor c = cursor_over(options, size);
    while (cursor_left(&c) > 0) {
        unsigned code = cursor_be16(&c);
        size_t length = cursor_be16(&c);
        const uint8_t *data = cursor_take(&c, length);
        if (!data)
            return;
        if (code == OPTION_CLIENT_SUBNET && !ret->subnet) {
            ret->subnet = data;
            ret->subnet_size = length;
        } else if (code == OPTION_ERROR && !ret->error) {
            ret->error = data;
            ret->error_size = length;
        }
    }
}

bool dns_edns_subnet_text(const struct dns_edns *edns, struct text_buffer *t)
{
    struct cursor c = cursor_over(edns->subnet, edns->subnet_size);
    unsigned family = cursor_be16(&c), bits = cursor_u8(&c);
    (void)cursor_u8(&c); /* scope: how much of it the server used */
    uint8_t address[16] = { 0 };
    size_t size = cursor_left(&c), most = family == 1 ? 4 : family == 2 ? 16 : 0;
    if (!cursor_ok(&c) || size > most || bits > most * 8 || most == 0)
        return false;
    if (size > 0)
        memcpy(address, cursor_take(&c, size), size);
    if (family == 1)
        dns_ipv4_text(address, t);
    else
        dns_ipv6_text(address, t);
    text_buffer_char(t, '/');
    text_buffer_number(t, bits);
    return true;
}

bool dns_edns_error_text(const struct dns_edns *edns, struct text_buffer *t)
{
    struct cursor c = cursor_over(edns->error, edns->error_size);
    text_buffer_number(t, cursor_be16(&c));
    if (!cursor_ok(&c))
        return false;
    for (bool first = true; cursor_left(&c) > 0; first = false) {
        if (first)
            text_buffer_string(t, ": ");
        uint8_t byte = cursor_u8(&c);
        text_buffer_char(t, byte >= 0x20 && byte < 0x7f ? (char)byte : '?');
    }
    return true;
}

/* ---- Detection ---- */

static bool flags_fit(unsigned flags, bool hint)
{
    unsigned opcode = flags >> 11 & 15u, rcode = flags & 15u;
    if (!dns_opcode_name(opcode) || rcode > RCODE_MAX)
        return false;
    if (hint)
        return true;
    if (opcode != DNS_OPCODE_QUERY || (flags & FLAG_RESERVED))
        return false;
    return (flags & DNS_FLAG_RESPONSE) || (rcode == 0 && !(flags & (DNS_FLAG_AUTHORITATIVE | DNS_FLAG_TRUNCATED | DNS_FLAG_RECURSION_AVAILABLE)));
}

static bool counts_fit(const uint16_t *count, unsigned flags, size_t whole_size, bool hint)
{
    size_t records = (size_t)count[DNS_SECTION_ANSWER] + count[DNS_SECTION_AUTHORITY] + count[DNS_SECTION_ADDITIONAL];
    if (DNS_HEADER_BYTES + QUESTION_BYTES_LEAST * count[DNS_SECTION_QUESTION] + RECORD_BYTES_LEAST * records > whole_size)
        return hint && count[DNS_SECTION_QUESTION] == 1; /* cut by the capture, or damaged: the question vouches for it */
    if (hint)
        return true;
    if (flags & DNS_FLAG_RESPONSE)
        return count[DNS_SECTION_QUESTION] <= QUESTIONS_UNHINTED_MAX && count[DNS_SECTION_QUESTION] + count[DNS_SECTION_ANSWER] > 0;
    return count[DNS_SECTION_QUESTION] == 1 && records == count[DNS_SECTION_ADDITIONAL] && records <= ADDITIONAL_REQUEST_MAX;
}

static bool class_is_known(unsigned class)
{
    class &= 0x7fffu; /* mDNS uses the top bit (RFC 6762 sections 5.4 and 10.2) */
    return class == 1 || class == 3 || class == 4 || class == 254 || class == 255;
}

/* The same layout, another service (RFC 1002 section 4.2): NetBIOS names say so themselves, the first of a question or, in its answers, which have none, of a record. */
static bool is_netbios(const uint8_t *data, size_t size)
{
    size_t at = DNS_HEADER_BYTES;
    if (size < at + 1 + NETBIOS_LABEL_BYTES || data[at] != NETBIOS_LABEL_BYTES)
        return false;
    for (unsigned i = 1; i <= NETBIOS_LABEL_BYTES; i++)
        if (data[at + i] < 'A' || data[at + i] > 'P')
            return false;
    return true;
}

static enum dns_look look_question(struct cursor *c, bool hint)
{
    enum dns_look look = dns_name_pass(c);
    if (look == DNS_LOOK_BAD || look == DNS_LOOK_SHORT || (look == DNS_LOOK_ODD && !hint))
        return look == DNS_LOOK_SHORT ? look : DNS_LOOK_BAD;
    unsigned type = cursor_be16(c), class = cursor_be16(c);
    if (!cursor_ok(c))
        return DNS_LOOK_SHORT;
    return hint || (dns_type_find((uint16_t)type)->name && class_is_known(class)) ? DNS_LOOK_WHOLE : DNS_LOOK_BAD;
}

static enum dns_look look_record(struct cursor *c)
{
    struct dns_record record;
    enum dns_look look = dns_name_pass(c);
    if (look == DNS_LOOK_BAD || look == DNS_LOOK_SHORT)
        return look;
    if (!dns_record_head(c, &record))
        return DNS_LOOK_SHORT;
    return record.type == DNS_TYPE_OPT || class_is_known(record.class) ? DNS_LOOK_WHOLE : DNS_LOOK_BAD;
}

/* Behind the header. */
static enum dns_look look_sections(struct cursor *c, const uint16_t *count, size_t whole_size, bool hint)
{
    enum dns_look look = DNS_LOOK_WHOLE;
    for (unsigned i = 0; i < count[DNS_SECTION_QUESTION] && look == DNS_LOOK_WHOLE; i++)
        look = look_question(c, hint);
    if (hint && look == DNS_LOOK_WHOLE && c->size == whole_size)
        return look; /* records that are damaged are told as such */
    for (unsigned section = DNS_SECTION_ANSWER; section < DNS_SECTIONS; section++)
        for (unsigned i = 0; i < count[section] && look == DNS_LOOK_WHOLE; i++)
            look = look_record(c);
    if ((look == DNS_LOOK_SHORT && c->size >= whole_size) || (look == DNS_LOOK_WHOLE && !hint && c->at != whole_size))
        return DNS_LOOK_BAD;
    return look;
}

enum dns_look dns_message_look(const uint8_t *data, size_t size, size_t whole_size, bool hint)
{
    if (whole_size < (hint ? DNS_HEADER_BYTES : DNS_MESSAGE_BYTES_LEAST))
        return DNS_LOOK_BAD;
    struct cursor c = cursor_over(data, size);
    uint16_t count[DNS_SECTIONS];
    cursor_skip(&c, 2); /* the identifier may be anything */
    unsigned flags = cursor_be16(&c);
    if (cursor_ok(&c) && !flags_fit(flags, hint))
        return DNS_LOOK_BAD;
    for (unsigned i = 0; i < DNS_SECTIONS; i++)
        count[i] = cursor_be16(&c);
    if (!cursor_ok(&c))
        return size < whole_size ? DNS_LOOK_SHORT : DNS_LOOK_BAD;
    if (!counts_fit(count, flags, whole_size, hint) || (!hint && is_netbios(data, size)))
        return DNS_LOOK_BAD;
    return look_sections(&c, count, whole_size, hint);
}
