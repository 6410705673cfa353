#include "services/dissector/entry/record.h"
#include <errno.h>
#include <string.h>
#include "bytes/cursor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they lie in memory");

#define ORDER(x, y) \
    if ((x) != (y)) \
        return (x) < (y) ? -1 : 1
int record_compare(const struct record *a, const struct record *b)
{
    ORDER(a->timestamp_ns, b->timestamp_ns);
    ORDER(a->node, b->node);
    int r = memcmp(&a->tuple, &b->tuple, sizeof a->tuple);
    if (r != 0)
        return r;
    ORDER(a->connection_ns, b->connection_ns);
    ORDER(a->index, b->index);
    ORDER(a->protocol, b->protocol);
    ORDER(a->view, b->view);
    ORDER(a->size, b->size);
    return memcmp(a, b, a->size);
}

static bool read_value(struct cursor *c, enum field_type type, struct value *ret)
{
    switch (type) {
    case FIELD_INT: *ret = (struct value){ .number = (int64_t)cursor_le64(c) }; break;
    case FIELD_BOOL: *ret = (struct value){ .number = cursor_u8(c) != 0 }; break;
    default: {
        uint32_t size = cursor_le32(c);
        const uint8_t *data = cursor_take(c, size);
        *ret = (struct value){ .data = data, .size = size };
    }
    }
    return cursor_ok(c);
}

/* Once for each item, so that value_next_... needs no checks of its own against what the file says. One walk for all: plain sums are half of what a cursor costs here, and every header passes. */
static bool items_fit(const struct value *value, unsigned texts)
{
    uint64_t at = 0, count = 0;
    for (; at < value->size; count++) {
        uint32_t size;
        if (value->size - at < sizeof size)
            return false;
        memcpy(&size, value->data + at, sizeof size);
        at += sizeof size + (uint64_t)size;
    }
    return at == value->size && count % texts == 0;
}

int record_read_values(const struct record *r, const struct detail *detail, struct values *ret)
{
    if (r->size < sizeof *r || (uint64_t)r->summary_size + r->values_size > r->size - sizeof *r)
        return -EBADMSG;
    struct cursor c = cursor_over(record_values(r), r->values_size);
    ret->present = 0;
    while (cursor_left(&c) > 0) {
        uint8_t field = cursor_u8(&c);
        if (field >= detail->count)
            return -EBADMSG;
        enum field_type type = detail->fields[field].type;
        struct value value;
        if (!read_value(&c, type, &value) || (type == FIELD_LIST && !items_fit(&value, 1)) || (type == FIELD_MAP && !items_fit(&value, 2)))
            return -EBADMSG;
        ret->at[field] = value;
        ret->present |= UINT64_C(1) << field;
    }
    return 0;
}

void record_take_values(const struct record *r, const struct detail *detail, struct values *ret)
{
    const uint8_t *p = record_values(r), *end = p + r->values_size;
    ret->present = 0;
    while (p < end) {
        uint8_t field = *p++;
        struct value *value = &ret->at[field];
        *value = (struct value){ 0 };
        ret->present |= UINT64_C(1) << field;
        switch (detail->fields[field].type) {
        case FIELD_INT:
            memcpy(&value->number, p, sizeof value->number);
            p += sizeof value->number;
            break;
        case FIELD_BOOL:
            value->number = *p++ != 0;
            break;
        default:
            memcpy(&value->size, p, sizeof value->size);
            value->data = p + sizeof value->size;
            p = value->data + value->size;
        }
    }
}
