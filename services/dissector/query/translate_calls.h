/* Between translate.c (nodes) and translate_calls.c (operators of two sides, functions, macros). */
#ifndef DISSECTOR_QUERY_TRANSLATE_CALLS_H
#define DISSECTOR_QUERY_TRANSLATE_CALLS_H
#include "services/dissector/query/translate.h"

void translate_binary(struct translation *t, const struct node *n);
void translate_call(struct translation *t, const struct node *n);
void translate_macro(struct translation *t, const struct node *n);
/* name(count expressions, from this sibling on) */
void translate_function(struct translation *t, const char *name, const struct node *first, unsigned count);
/* Lists and maps: their elements' text is JSON itself. */
bool translate_is_nested(query_type type);
#endif
