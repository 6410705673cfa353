/* Between plan_slices_tests.c and plan_slices.c: an expression as a tree of tests of the columns that slices hold. */
#ifndef DISSECTOR_QUERY_PLAN_SLICES_TESTS_H
#define DISSECTOR_QUERY_PLAN_SLICES_TESTS_H
#include "services/dissector/database/schema.h"
#include "services/dissector/query/plan_sets.h"
#include "services/dissector/query/plan_slices.h"

enum slices_kind { SLICES_ALL /* slices tell nothing of it */, SLICES_AND, SLICES_OR, SLICES_RANGE, SLICES_TABLE, SLICES_SAME /* src and dst, by the classes of something of theirs */ };
struct slices_node {
    enum slices_kind kind;
    enum slice_column column;
    bool negated;                       /* of RANGE: what lies outside; of SAME: of different classes */
    uint16_t first, next;               /* children; sibling; 0: none */
    int64_t least, greatest;            /* within 32 bits and a little more, so that differences never overflow */
    const uint8_t *table;               /* of TABLE: 1 for each number that may be; borrowed from the context's sets */
    int64_t table_size;
    const struct plan_classes *classes; /* of SAME; borrowed likewise */
};
struct slices_tests { struct slices_node nodes[SLICES_NODES_MAX]; uint16_t count, root; /* node 0 is none */ };

void slices_tests_make(const struct query_plan_context *context, const struct node *root, struct slices_tests *tests);
#endif
