#include "services/dissector/query/plan_slices_tests.h"
#include <string.h>
#include "services/dissector/query/translate.h"

#define NUMBER_LEAST (-(INT64_C(1) << 33))      /* beyond what slices hold, to either side */
#define NUMBER_GREATEST (INT64_C(1) << 33)
#define LIST_MAX 16u                            /* numbers of a list that are tests of their own */

static uint16_t new_node(struct slices_tests *t, struct slices_node node)
{
    t->nodes[t->count] = node;
    return t->count++;
}

struct maker { const struct query_plan_context *context; struct slices_tests *tests; unsigned nesting; };

#define ALL 0   /* the node that tells nothing */
static bool is_all(const struct maker *m, uint16_t node) { return m->tests->nodes[node].kind == SLICES_ALL; }
static bool has_room(const struct maker *m) { return m->tests->count + LIST_MAX + 3 < SLICES_NODES_MAX; }

static uint16_t range(struct maker *m, enum slice_column column, int64_t least, int64_t greatest, bool negated)
{
    least = least < NUMBER_LEAST ? NUMBER_LEAST : least > NUMBER_GREATEST ? NUMBER_GREATEST : least;
    greatest = greatest < NUMBER_LEAST ? NUMBER_LEAST : greatest > NUMBER_GREATEST ? NUMBER_GREATEST : greatest;
    return new_node(m->tests, (struct slices_node){ .kind = SLICES_RANGE, .column = column, .least = least, .greatest = greatest, .negated = negated });
}

static uint16_t table(struct maker *m, enum slice_column column, const struct plan_set *set)
{
    return set && set->table ? new_node(m->tests, (struct slices_node){ .kind = SLICES_TABLE, .column = column, .table = set->table, .table_size = set->table_size }) : ALL;
}

static uint16_t status(struct maker *m, const struct comparison *c, bool negated)
{
    int64_t number = c->literal->number;
    switch (c->op) {
    case OP_LESS: return range(m, SLICE_STATUS, number, INT64_MAX, !negated);
    case OP_LESS_EQUAL: return range(m, SLICE_STATUS, INT64_MIN, number, negated);
    case OP_GREATER: return range(m, SLICE_STATUS, INT64_MIN, number, !negated);
    case OP_GREATER_EQUAL: return range(m, SLICE_STATUS, number, INT64_MAX, negated);
    case OP_EQUAL: return range(m, SLICE_STATUS, number, number, negated);
    default: return range(m, SLICE_STATUS, number, number, !negated);
    }
}

static bool is_status(const struct node *n) { return n->kind == NODE_VARIABLE && n->variable->zone && strcmp(n->variable->zone, "status") == 0; }

/* status in [1, 2, 3]: any of them; outside, none of them. */
static uint16_t status_in(struct maker *m, const struct node *list, bool negated)
{
    uint16_t row = new_node(m->tests, (struct slices_node){ .kind = negated ? SLICES_AND : SLICES_OR }), *place = &m->tests->nodes[row].first;
    unsigned count = 0;
    for (const struct node *n = list->first; n; n = n->next, count++) {
        if (n->kind != NODE_LITERAL || count == LIST_MAX) {
            m->tests->nodes[row].kind = SLICES_ALL;
            break;
        }
        *place = range(m, SLICE_STATUS, n->number, n->number, negated);
        place = &m->tests->nodes[*place].next;
    }
    return row;
}

/* "text" in namespaces: that of either endpoint. */
static uint16_t in_set(struct maker *m, const struct node *n, bool negated)
{
    const struct plan_set *set = plan_sets_find_in(m->context, n, negated);
    if (!set || !set->table)
        return ALL;
    uint16_t row = new_node(m->tests, (struct slices_node){ .kind = negated ? SLICES_AND : SLICES_OR }), src = table(m, SLICE_SRC, set);
    m->tests->nodes[row].first = src;
    m->tests->nodes[src].next = table(m, SLICE_DST, set);
    return row;
}

static uint16_t leaf(struct maker *m, const struct node *n, bool negated)
{
    struct comparison c;
    int64_t first, last;
    if (query_plan_comparison(n, &c) && c.variable->zone && strcmp(c.variable->zone, "status") == 0)
        return status(m, &c, negated);
    if (query_plan_path_range(m->context, n, &first, &last))
        return range(m, SLICE_PATH, first, last, negated);
    if (n->kind == NODE_BINARY && n->op == OP_IN) {
        const struct node *a = n->first, *b = a->next;
        if (is_status(a) && b->kind == NODE_LIST)
            return status_in(m, b, negated);
    }
    if (query_plan_is_in_set(n))
        return in_set(m, n, negated);
    const struct plan_classes *classes = plan_sets_find_classes(m->context, n);
    if (classes)
        return new_node(m->tests, (struct slices_node){ .kind = SLICES_SAME, .classes = classes, .negated = (n->op == OP_NOT_EQUAL) != negated });
    const struct plan_set *set = plan_sets_find(m->context, n, negated);
    return set ? table(m, set->column, set) : ALL;
}

static uint16_t make(struct maker *m, const struct node *n, bool negated);

/* && without what tells nothing; || is nothing where one of its parts is. */
static uint16_t make_row(struct maker *m, const struct node *n, bool negated)
{
    bool and = (n->kind == NODE_AND) != negated;
    uint16_t row = new_node(m->tests, (struct slices_node){ .kind = and ? SLICES_AND : SLICES_OR }), *place = &m->tests->nodes[row].first;
    m->nesting += !and;
    for (const struct node *child = n->first; child; child = child->next) {
        uint16_t made = make(m, child, negated);
        if (is_all(m, made) && and)
            continue;
        if (is_all(m, made)) {
            m->tests->nodes[row].kind = SLICES_ALL;
            break;
        }
        *place = made;
        place = &m->tests->nodes[made].next;
    }
    m->nesting -= !and;
    if (m->tests->nodes[row].first == 0)
        m->tests->nodes[row].kind = SLICES_ALL;
    return row;
}

/* As deep as the expression's tree, in C's frames; in masks, SLICES_NESTING_MAX. */
static uint16_t make(struct maker *m, const struct node *n, bool negated)
{
    if (!has_room(m))
        return ALL;
    if (n->kind == NODE_UNARY && n->op == OP_NOT)
        return make(m, n->first, !negated);
    bool src;
    if ((n->kind == NODE_AND || n->kind == NODE_OR) && !expression_is_of_peer(n, &src))
        return m->nesting < SLICES_NESTING_MAX ? make_row(m, n, negated) : ALL;
    return n->type == TYPE_BOOL ? leaf(m, n, negated) : ALL;
}

void slices_tests_make(const struct query_plan_context *context, const struct node *root, struct slices_tests *tests)
{
    struct maker m = { .context = context, .tests = tests };
    tests->count = 0;
    (void)new_node(tests, (struct slices_node){ .kind = SLICES_ALL });
    tests->root = make(&m, root, false);
}
