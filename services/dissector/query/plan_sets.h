/* Which endpoints, protocols or paths a part of an expression is true of, where it reads nothing else: asked of each name once for a query and a file, and kept, since indexes, zones and slices all want to know. */
#ifndef DISSECTOR_QUERY_PLAN_SETS_H
#define DISSECTOR_QUERY_PLAN_SETS_H
#include "services/dissector/database/schema.h"
#include "services/dissector/query/plan_internal.h"

#define PLAN_SETS_MAX 64u               /* of an expression; what does not fit is unknown */
#define PLAN_SET_IDS_MAX (2u << 20)     /* names of one kind: a set has a byte for each. No part has more endpoints */
#define PLAN_SETS_BYTES_MAX (64u << 20) /* of all sets of an expression: the others have no table, whatever numbers a file gives its names */
#define PLAN_SET_PATHS_MAX 50000u       /* with more, a set of paths is unknown: to ask each would take longer than the first page may. A range by bisection (plan_internal.h) is none */

struct plan_set {
    const struct node *n;
    enum slice_column column;
    bool negated;
    int64_t count, least, greatest;     /* none: 0, 1, 0 */
    uint8_t *table;                     /* 1 for each number that is in it; NULL: some number is too large for a table, or all tables together are */
    int64_t table_size;
};
/* Of src.x == dst.y or !=: each endpoint's number of its text, as client and as server, equal for equal texts; 0: it has none. */
struct plan_classes { const struct node *n; uint32_t *src, *dst; int64_t size; };
#define PLAN_CLASSES_MAX 8u
#define PLAN_CLASSES_PEERS_MAX 20000u   /* with more, to sort their texts would take longer than the first page may */
struct plan_sets { struct plan_set sets[PLAN_SETS_MAX]; uint32_t count; int64_t bytes; /* of their tables */ struct plan_classes classes[PLAN_CLASSES_MAX]; uint32_t classes_count; };

/* Those of one endpoint, protocol or path that n is true of (negated: false of). NULL: n reads something else too, or it is unknown. Borrowed from the context's sets. */
const struct plan_set *plan_sets_find(const struct query_plan_context *context, const struct node *n, bool negated);
/* "text" in namespaces and the like: the endpoints that have it (negated: have not); its column says nothing. */
const struct plan_set *plan_sets_find_in(const struct query_plan_context *context, const struct node *n, bool negated);
/* NULL: n compares something else, or it is unknown. */
const struct plan_classes *plan_sets_find_classes(const struct query_plan_context *context, const struct node *n);
void plan_sets_free(struct plan_sets *sets); /* NULL is fine */
#endif
