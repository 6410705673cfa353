#include "services/dissector/protocols/dns/dns_records.h"
#include <time.h>
#include "services/dissector/protocols/dns/dns_name.h"
#include "services/dissector/protocols/dns/dns_types.h"

void dns_ipv4_text(const uint8_t address[4], struct text_buffer *t)
{
    for (unsigned i = 0; i < 4; i++) {
        if (i > 0)
            text_buffer_char(t, '.');
        text_buffer_number(t, address[i]);
    }
}

static void put_group(const uint8_t *address, unsigned group, struct text_buffer *t)
{
    unsigned value = (unsigned)address[2 * group] << 8 | address[2 * group + 1];
    bool any = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = value >> shift & 15;
        any = any || digit != 0 || shift == 0;
        if (any)
            text_buffer_char(t, "0123456789abcdef"[digit]);
    }
}

/* The first of the longest runs of two or more zero groups is left out. */
void dns_ipv6_text(const uint8_t address[16], struct text_buffer *t)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (memcmp(address, mapped, sizeof mapped) == 0) {
        text_buffer_string(t, "::ffff:");
        dns_ipv4_text(address + 12, t);
        return;
    }
    unsigned start = 8, longest = 1;
    for (unsigned i = 0, run = 0; i < 8; i++) {
        run = address[2 * i] == 0 && address[2 * i + 1] == 0 ? run + 1 : 0;
        if (run > longest) {
            longest = run;
            start = i + 1 - run;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == start) {
            text_buffer_string(t, "::");
            i += longest - 1;
            continue;
        }
        if (i > 0 && i != start + longest)
            text_buffer_char(t, ':');
        put_group(address, i, t);
    }
}

void dns_type_text(uint16_t type, struct text_buffer *t)
{
    const char *name = dns_type_find(type)->name;
    if (name) {
        text_buffer_string(t, name);
    } else {
        text_buffer_string(t, "TYPE");
        text_buffer_number(t, type);
    }
}

bool dns_record_head(struct cursor *c, struct dns_record *ret)
{
    ret->type = cursor_be16(c);
    ret->class = cursor_be16(c);
    ret->ttl = cursor_be32(c);
    ret->data_size = cursor_be16(c);
    ret->data_at = c->at;
    cursor_skip(c, ret->data_size);
    return cursor_ok(c);
}

/* ---- Parts of data: each reads from c, which ends where the data does. ---- */

static void put_string(struct cursor *c, bool quoted, struct text_buffer *t)
{
    uint8_t size = cursor_u8(c);
    const uint8_t *data = cursor_take(c, size);
    if (quoted)
        text_buffer_char(t, '"');
    if (data)
        text_buffer_bytes(t, data, size, quoted ? "\"\\" : "");
    if (quoted)
        text_buffer_char(t, '"');
}

static void put_strings(struct cursor *c, struct text_buffer *t)
{
    for (bool first = true; cursor_left(c) > 0; first = false) {
        if (!first)
            text_buffer_char(t, ' ');
        put_string(c, false, t);
    }
}

static void put_base64(const uint8_t *data, size_t size, struct text_buffer *t)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        char four[4] = { digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '=' };
        text_buffer_put(t, four, sizeof four);
    }
}

/* Base32 with the extended hex alphabet and no padding, as RFC 5155 writes hashes. */
static void put_base32(const uint8_t *data, size_t size, struct text_buffer *t)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= 5; have -= 5)
            text_buffer_char(t, "0123456789ABCDEFGHIJKLMNOPQRSTUV"[bits >> (have - 5) & 31]);
    }
    if (have > 0)
        text_buffer_char(t, "0123456789ABCDEFGHIJKLMNOPQRSTUV"[bits << (5 - have) & 31]);
}

static void put_time(uint32_t seconds, struct text_buffer *t)
{
    time_t time = seconds;
    struct tm tm;
    char text[16];
    if (gmtime_r(&time, &tm))
        text_buffer_put(t, text, strftime(text, sizeof text, "%Y%m%d%H%M%S", &tm));
}

static void put_hyphenated(struct cursor *c, struct text_buffer *t)
{
    for (bool first = true; cursor_left(c) > 0; first = false) {
        uint8_t byte = cursor_u8(c);
        if (!first)
            text_buffer_char(t, '-');
        text_buffer_hex(t, &byte, 1);
    }
}

/* RFC 4034 section 4.1.2: windows of up to 32 bytes, a bit per type. */
static void put_type_bitmap(struct cursor *c, struct text_buffer *t)
{
    for (bool first = true; cursor_left(c) > 0;) {
        unsigned window = cursor_u8(c), size = cursor_u8(c);
        const uint8_t *bits = cursor_take(c, size);
        for (unsigned i = 0; bits && i < size * 8; i++) {
            if (!(bits[i / 8] & 0x80u >> i % 8))
                continue;
            if (!first)
                text_buffer_char(t, ' ');
            first = false;
            dns_type_text((uint16_t)(window << 8 | i), t);
        }
    }
}

static void put_service_value(unsigned key, struct cursor *c, struct text_buffer *t)
{
    for (bool first = true; cursor_left(c) > 0; first = false) {
        if (!first)
            text_buffer_char(t, ',');
        const uint8_t *address;
        switch (key) {
        case 0: {
            uint16_t named = cursor_be16(c);
            const char *name = dns_service_key_name(named);
            text_buffer_string(t, name ? name : "key");
            if (!name)
                text_buffer_number(t, named);
            break;
        }
        case 1: put_string(c, false, t); break;
        case 3: text_buffer_number(t, cursor_be16(c)); break;
        case 4:
            if ((address = cursor_take(c, 4)))
                dns_ipv4_text(address, t);
            break;
        case 6:
            if ((address = cursor_take(c, 16)))
                dns_ipv6_text(address, t);
            break;
        case 5: {
            size_t size = cursor_left(c);
            put_base64(cursor_take(c, size), size, t);
            break;
        }
        default: {
            size_t size = cursor_left(c);
            text_buffer_bytes(t, cursor_take(c, size), size, "");
        }
        }
    }
}

/* RFC 9460 section 2.1: key, length, value. */
static void put_service_parameters(struct cursor *c, struct text_buffer *t)
{
    for (bool first = true; cursor_left(c) > 0; first = false) {
        unsigned key = cursor_be16(c);
        size_t size = cursor_be16(c);
        const uint8_t *data = cursor_take(c, size);
        if (!data)
            return;
        if (!first)
            text_buffer_char(t, ' ');
        const char *name = dns_service_key_name(key);
        text_buffer_string(t, name ? name : "key");
        if (!name)
            text_buffer_number(t, key);
        if (size == 0)
            continue;
        text_buffer_char(t, '=');
        struct cursor value = cursor_over(data, size);
        put_service_value(key, &value, t);
        if (!cursor_ok(&value)) {
            c->failed = true;
            return;
        }
    }
}

static void put_counted(struct cursor *c, bool base32, struct text_buffer *t)
{
    size_t size = cursor_u8(c);
    const uint8_t *data = cursor_take(c, size);
    if (!data)
        return;
    if (size == 0)
        text_buffer_char(t, '-');
    else if (base32)
        put_base32(data, size, t);
    else
        text_buffer_hex(t, data, size);
}

static void put_rest(char part, struct cursor *c, struct text_buffer *t)
{
    size_t size = cursor_left(c);
    const uint8_t *data = cursor_take(c, size);
    if (!data)
        return;
    if (part == 'x') {
        text_buffer_hex(t, data, size);
    } else if (part == 'b') {
        put_base64(data, size, t);
    } else {
        text_buffer_char(t, '"');
        text_buffer_bytes(t, data, size, "\"\\");
        text_buffer_char(t, '"');
    }
}

static void put_part(char part, struct cursor *c, struct text_buffer *t)
{
    const uint8_t *address;
    switch (part) {
    case 'n': (void)dns_name_text(c, t); break;
    case '1': text_buffer_number(t, cursor_u8(c)); break;
    case '2': text_buffer_number(t, cursor_be16(c)); break;
    case '4': text_buffer_number(t, cursor_be32(c)); break;
    case 'a':
        if ((address = cursor_take(c, 4)))
            dns_ipv4_text(address, t);
        break;
    case '6':
        if ((address = cursor_take(c, 16)))
            dns_ipv6_text(address, t);
        break;
    case 't': dns_type_text(cursor_be16(c), t); break;
    case 'T': put_time(cursor_be32(c), t); break;
    case 's': put_string(c, false, t); break;
    case 'q': put_string(c, true, t); break;
    case 'S': put_strings(c, t); break;
    case 'h': put_counted(c, false, t); break;
    case 'H': put_counted(c, true, t); break;
    case 'y': put_type_bitmap(c, t); break;
    case 'p': put_service_parameters(c, t); break;
    case 'e': put_hyphenated(c, t); break;
    default: put_rest(part, c, t);
    }
}

void dns_record_text(const struct cursor *message, const struct dns_record *record, struct text_buffer *t)
{
    size_t before = t->size, end = record->data_at + record->data_size;
    bool cut = t->cut;
    struct cursor c = { .data = message->data, .size = end, .at = record->data_at };
    for (const char *part = dns_type_find(record->type)->shape; *part && cursor_ok(&c); part++) {
        if (part[1] == '\0' && cursor_left(&c) == 0 && (*part == 'p' || *part == 'y' || *part == 'x' || *part == 'b'))
            break;
        if (t->size > before)
            text_buffer_char(t, ' ');
        put_part(*part, &c, t);
    }
    if (!cursor_ok(&c) || cursor_left(&c) > 0) {
        t->size = before;
        t->cut = cut;
        text_buffer_hex(t, message->data + record->data_at, record->data_size);
    }
}
