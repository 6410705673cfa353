/* Between plan_zones.c, plan.c and run.c: what a part of an expression says about columns that have an index or a zone. */
#ifndef DISSECTOR_QUERY_PLAN_INTERNAL_H
#define DISSECTOR_QUERY_PLAN_INTERNAL_H
#include "services/dissector/query/plan.h"

/* variable op literal; turned round where it is written the other way. */
struct comparison { const struct variable *variable; const struct node *literal; enum operator op; };
bool query_plan_comparison(const struct node *n, struct comparison *ret);
enum operator query_plan_turn(enum operator op);

/* The file's protocols for which a flag, or protocol == "X", is true, as bits; 0: it is neither. */
#define PLAN_PROTOCOLS_KNOWN (UINT64_C(1) << 63)    /* set beside them, so that an empty set differs from none */
uint64_t query_plan_protocols_of(const struct query_plan_context *c, const struct node *n);
unsigned query_plan_protocol_bit(int64_t id);

/* path == "..." or path.startsWith("..."): a range of path numbers. */
bool query_plan_path_range(const struct query_plan_context *c, const struct node *n, int64_t *ret_first, int64_t *ret_last);
/* "text" in namespaces and the like, where text is not "", which is in none. */
bool query_plan_is_in_set(const struct node *n);
#endif
