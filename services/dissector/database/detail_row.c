#include "services/dissector/database/detail_row.h"
#include <errno.h>
#include <stdlib.h>
#include "services/dissector/output/json_text.h"

int scratch_reserve(struct scratch *scratch, size_t room)
{
    if (scratch->room >= room)
        return 0;
    char *data = malloc(room * 2);
    if (!data)
        return -ENOMEM;
    free(scratch->data);
    *scratch = (struct scratch){ data, room * 2 };
    return 0;
}

static bool is_present(const struct values *values, uint32_t field) { return values->present >> field & 1; }

static struct text clean_text(const struct value *value, char **scratch)
{
    if (utf8_is_clean(value->data, value->size))
        return (struct text){ (const char *)value->data, value->size };
    char *start = *scratch, *end = utf8_put_clean(start, value->data, value->size);
    *scratch = end;
    return (struct text){ start, (uint32_t)(end - start) };
}

static struct text value_text(enum field_type type, const struct value *value, char **scratch)
{
    if (type == FIELD_TEXT)
        return clean_text(value, scratch);
    char *start = *scratch, *end = type == FIELD_LIST ? json_put_list(start, value) : json_put_map(start, value);
    *scratch = end;
    return (struct text){ start, (uint32_t)(end - start) };
}

static const struct text empty_texts[] = { [FIELD_TEXT] = { "", 0 }, [FIELD_LIST] = { "[]", 2 }, [FIELD_MAP] = { "{}", 2 } };

int detail_row(const struct schema_detail *d, const struct values *values, struct scratch *scratch, struct column *columns, struct text *ret_path)
{
    size_t room = 0;
    for (uint64_t present = values->present; present; present &= present - 1) {
        uint32_t field = (uint32_t)__builtin_ctzll(present);
        enum field_type type = d->detail->fields[field].type;
        if (type != FIELD_INT && type != FIELD_BOOL)
            room += JSON_VALUES_ROOM((size_t)values->at[field].size);
    }
    if (room > UINT32_MAX || scratch_reserve(scratch, room) < 0)
        return -ENOMEM;
    char *at = scratch->data;
    columns[0] = ROW_ID();
    for (uint32_t i = 0; i < d->columns; i++) {
        const struct field *field = &d->detail->fields[d->field[i]];
        const struct value *value = is_present(values, d->field[i]) ? &values->at[d->field[i]] : NULL;
        if (field->type == FIELD_INT || field->type == FIELD_BOOL) {
            columns[i + 1] = ROW_NUMBER(value ? value->number : field->fallback);
        } else {
            struct text text = value && value->size ? value_text(field->type, value, &at) : empty_texts[field->type];
            columns[i + 1] = ROW_TEXT(text.data, text.size);
        }
    }
    *ret_path = d->path >= 0 && is_present(values, (uint32_t)d->path) ? clean_text(&values->at[d->path], &at) : (struct text){ "", 0 };
    return 0;
}
