#include "services/dissector/query/types.h"
#include <stdio.h>
#include <string.h>

bool type_list(query_type element, query_type *ret)
{
    if (element >> 28)
        return false;
    *ret = TYPE_LIST | element << 4;
    return true;
}

bool type_map(query_type key, query_type value, query_type *ret)
{
    if (value >> 24 || key > 15)
        return false;
    *ret = TYPE_MAP | key << 4 | value << 8;
    return true;
}

bool type_unify(query_type a, query_type b, query_type *ret)
{
    query_type key, value;
    if (a == b || b == TYPE_ANY) {
        *ret = a;
        return true;
    }
    if (a == TYPE_ANY) {
        *ret = b;
        return true;
    }
    if (type_kind(a) != type_kind(b))
        return false;
    if (type_kind(a) == TYPE_LIST)
        return type_unify(type_element(a), type_element(b), &value) && type_list(value, ret);
    if (type_kind(a) == TYPE_MAP)
        return type_unify(type_key(a), type_key(b), &key) && type_unify(type_value(a), type_value(b), &value) && type_map(key, value, ret);
    return false;
}

query_type type_of_field(enum field_type type)
{
    static const query_type types[] = {
        [FIELD_TEXT] = TYPE_STRING, [FIELD_INT] = TYPE_INT, [FIELD_BOOL] = TYPE_BOOL, [FIELD_LIST] = TYPE_LIST | TYPE_STRING << 4, [FIELD_MAP] = TYPE_MAP | TYPE_STRING << 4 | TYPE_STRING << 8,
    };
    return types[type];
}

char *type_name(query_type t, char *buf, size_t cap)
{
    static const char *const names[16] = { "any", "bool", "int", "double", "string", "bytes", "timestamp", "duration", "list", "map" };
    char inner[TYPE_NAME_MAX];
    const char *name = names[type_kind(t)] ? names[type_kind(t)] : "?";
    if (type_kind(t) == TYPE_LIST)
        (void)snprintf(buf, cap, "list(%s)", type_name(type_element(t), inner, sizeof inner));
    else if (type_kind(t) == TYPE_MAP)
        (void)snprintf(buf, cap, "map(%s, %s)", names[type_key(t)] ? names[type_key(t)] : "?", type_name(type_value(t), inner, sizeof inner));
    else
        (void)snprintf(buf, cap, "%s", name);
    return buf;
}
