#include "services/dissector/database/row.h"
#include <string.h>

uint8_t *varint_put(uint8_t *p, uint64_t value)
{
    size_t size = varint_size(value);
    if (size == VARINT_MAX) { /* the ninth byte holds eight bits */
        p[8] = (uint8_t)value;
        value >>= 8;
        for (int i = 7; i >= 0; i--, value >>= 7)
            p[i] = (uint8_t)(0x80 | (value & 0x7f));
        return p + VARINT_MAX;
    }
    p[size - 1] = (uint8_t)(value & 0x7f);
    for (size_t i = size - 1; i-- > 0;) {
        value >>= 7;
        p[i] = (uint8_t)(0x80 | (value & 0x7f));
    }
    return p + size;
}

/* Serial types 1 to 6 hold these bytes; 8 and 9 are the numbers 0 and 1 without any. */
static inline uint32_t number_type(int64_t n)
{
    if (n == 0 || n == 1)
        return n ? 9 : 8;
    uint64_t magnitude = n < 0 ? ~(uint64_t)n : (uint64_t)n;
    if (magnitude < UINT64_C(1) << 7) return 1;
    if (magnitude < UINT64_C(1) << 15) return 2;
    if (magnitude < UINT64_C(1) << 23) return 3;
    if (magnitude < UINT64_C(1) << 31) return 4;
    return magnitude < UINT64_C(1) << 47 ? 5 : 6;
}

static const uint8_t number_bytes[] = { 0, 1, 2, 3, 4, 6, 8, 0, 0, 0 };

static inline uint64_t serial_type(const struct column *c)
{
    switch (c->kind) {
    case COLUMN_NUMBER: return number_type(c->number);
    case COLUMN_TEXT: return (uint64_t)c->size * 2 + 13;
    case COLUMN_BYTES: return (uint64_t)c->size * 2 + 12;
    default: return 0;
    }
}

static inline uint8_t *put_number(uint8_t *p, int64_t n, uint32_t bytes)
{
    uint64_t big = __builtin_bswap64((uint64_t)n);
    memcpy(p, (const uint8_t *)&big + 8 - bytes, bytes);
    return p + bytes;
}

size_t row_payload_size(const struct column *columns, uint32_t count, size_t *ret_header)
{
    size_t types = 0, values = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = &columns[i];
        if (c->kind == COLUMN_TEXT || c->kind == COLUMN_BYTES) {
            types += varint_size((uint64_t)c->size * 2 + 13); /* odd or even, as many bytes */
            values += c->size;
        } else {
            types++;
            if (c->kind == COLUMN_NUMBER)
                values += number_bytes[number_type(c->number)];
        }
    }
    /* The header's size counts itself. */
    size_t header = types + 1;
    while (types + varint_size(header) != header)
        header = types + varint_size(header);
    *ret_header = header;
    return header + values;
}

uint8_t *row_put_payload(uint8_t *p, const struct column *columns, uint32_t count, size_t header)
{
    uint8_t *type = varint_put(p, header);
    uint8_t *value = p + header;
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = &columns[i];
        uint64_t t = serial_type(c);
        if (t < 0x80)
            *type++ = (uint8_t)t;
        else
            type = varint_put(type, t);
        if (c->kind == COLUMN_TEXT || c->kind == COLUMN_BYTES) {
            if (c->size)
                memcpy(value, c->text, c->size);
            value += c->size;
        } else if (c->kind == COLUMN_NUMBER) {
            value = put_number(value, c->number, number_bytes[t]);
        }
    }
    return value;
}
