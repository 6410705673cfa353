/* A row as JSON. Names that begin alike stand together in one object, where the first of them stands. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/query/json_scan.h"
#include "services/dissector/query/query.h"
#include "units/units.h"

#define NUMBER_TEXT_MAX 64
#define NAME_PARTS_MAX 8        /* "src.pod.name" has three */

static void put_time(struct json_made *out, int64_t ns)
{
    char text[UNITS_TIME_TEXT_MAX + 2];
    units_format_time(ns, text, sizeof text);
    json_append_string(out, text, strlen(text));
}

static void put_value(struct json_made *out, const struct query_value *v)
{
    char number[NUMBER_TEXT_MAX];
    switch (type_kind(v->type)) {
    case TYPE_BOOL: json_append(out, v->number ? "true" : "false", v->number ? 4 : 5); break;
    case TYPE_TIMESTAMP: put_time(out, v->number); break;
    case TYPE_STRING: case TYPE_BYTES: json_append_string(out, v->text, v->size); break;
    case TYPE_LIST: case TYPE_MAP: json_append(out, v->text, v->size); break;
    case TYPE_DOUBLE:
        (void)snprintf(number, sizeof number, "%.17g", isfinite(v->real) ? v->real : 0.0);
        json_append(out, number, strlen(number));
        break;
    default:
        (void)snprintf(number, sizeof number, "%" PRId64, v->number);
        json_append(out, number, strlen(number));
    }
}

/* Whether both names have the same first `size` bytes, which end with a dot or with the name. */
static bool begins(const char *name, const char *other, size_t size) { return strncmp(name, other, size) == 0 && (other[size] == '\0' || other[size] == '.'); }

/* The object of all values whose names begin with the first `prefix` bytes of values[from].name. As deep as names have dots. */
static void put_object(struct json_made *out, const struct query_value *values, size_t count, size_t from, size_t prefix, unsigned depth)
{
    const char *comma = "";
    const char *of = values[from].name;
    json_append(out, "{", 1);
    for (size_t i = from; i < count; i++) {
        const char *name = values[i].name;
        if (prefix && (strncmp(name, of, prefix) != 0))
            continue;
        const char *dot = depth < NAME_PARTS_MAX ? strchr(name + prefix, '.') : NULL;
        size_t size = dot ? (size_t)(dot - name) : strlen(name);
        bool before = false;
        for (size_t k = from; dot && k < i && !before; k++)
            before = begins(name, values[k].name, size);
        if (before)
            continue;
        json_append(out, comma, strlen(comma));
        json_append_string(out, name + prefix, size - prefix);
        json_append(out, ":", 1);
        if (dot)
            put_object(out, values, count, i, size + 1, depth + 1);
        else
            put_value(out, &values[i]);
        comma = ",";
    }
    json_append(out, "}", 1);
}

char *query_row_json(const struct query_value *values, size_t count, size_t *ret_size)
{
    struct json_made out = { 0 };
    if (count)
        put_object(&out, values, count, 0, 0, 0);
    else
        json_append(&out, "{}", 2);
    json_append(&out, "", 1); /* a NUL, for those who print it */
    if (out.failed) {
        free(out.data);
        return NULL;
    }
    *ret_size = out.size - 1;
    return out.data;
}
