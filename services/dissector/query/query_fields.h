/* Names that a request asks for, as variables. */
#ifndef DISSECTOR_QUERY_QUERY_FIELDS_H
#define DISSECTOR_QUERY_QUERY_FIELDS_H
#include "services/dissector/query/query.h"
#include "services/dissector/query/select.h"

struct query_fields { const struct variable *variables[SELECT_FIELDS_MAX]; uint32_t count; };
/* No names: the usual ones; "*" among them: all that are filled. -EINVAL: a name that is not in the vocabulary, twice the same, or too many. */
int query_fields_find(const struct vocabulary *vocabulary, const char *const *names, uint32_t count, struct query_fields *ret, struct query_error *error);
/* Those of every entry, then those of one protocol's detail (NULL: none), in their tables' order. */
void query_fields_of_protocol(const struct vocabulary *vocabulary, const struct detail *detail, struct query_fields *ret);
#endif
