/* How a detail's fields become keys of nested objects, worked out once for each detail, so that a line copies ready texts. */
#ifndef DISSECTOR_OUTPUT_NDJSON_PLAN_H
#define DISSECTOR_OUTPUT_NDJSON_PLAN_H
#include "services/dissector/entry/field.h"

#define NDJSON_KEY_MAX 96 /* bytes of two names with their punctuation; names are ours */
struct ndjson_key {
    uint8_t field, group;               /* group 0: the line's own object; others count from 1 */
    uint8_t open_size, next_size;
    char open[NDJSON_KEY_MAX];          /* `,"request":{"headers":`, where the group is not open */
    char next[NDJSON_KEY_MAX];          /* `,"headers":`, where it is; the comma is left out by who opens an object */
};
struct ndjson_plan { const struct detail *detail; uint32_t count, bytes; /* of all keys */ struct ndjson_key keys[DETAIL_FIELDS_MAX]; };
/* wanted: bit per field; the others get no key. -EINVAL: a name has more than one dot, or does not fit. */
int ndjson_plan_make(const struct detail *detail, uint64_t wanted, struct ndjson_plan *ret);
#endif
