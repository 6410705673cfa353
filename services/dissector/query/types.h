/* Types of the query language: CEL's, as far as entries need them. One number each, so that they compare and copy as such: the kind in the low four bits; a list has its element's type above it, a map its key's kind and its
 * value's type. Pure functions, thread-safe. */
#ifndef DISSECTOR_QUERY_TYPES_H
#define DISSECTOR_QUERY_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/entry/field.h"

typedef uint32_t query_type;
enum type_kind { TYPE_ANY /* element of an empty list */, TYPE_BOOL, TYPE_INT, TYPE_DOUBLE, TYPE_STRING, TYPE_BYTES, TYPE_TIMESTAMP /* ns */, TYPE_DURATION /* ns */, TYPE_LIST, TYPE_MAP };

static inline enum type_kind type_kind(query_type t) { return (enum type_kind)(t & 15u); }
static inline query_type type_element(query_type t) { return t >> 4; }
static inline query_type type_key(query_type t) { return (t >> 4) & 15u; }
static inline query_type type_value(query_type t) { return t >> 8; }
/* False: nested more deeply than a number can say (five lists or so). */
bool type_list(query_type element, query_type *ret);
bool type_map(query_type key, query_type value, query_type *ret);
/* Makes one of two that may stand for each other: equal ones, or one with TYPE_ANY where the other knows more. */
bool type_unify(query_type a, query_type b, query_type *ret);
query_type type_of_field(enum field_type type);

#define TYPE_NAME_MAX 96
/* "list(string)"; returns buf. */
char *type_name(query_type t, char *buf, size_t cap);
#endif
