#include "services/dissector/query/plan_slices_tests.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/query/select.h"

#define NUMBER_LEAST (-(INT64_C(1) << 33))      /* beyond what slices hold, to either side */
#define NUMBER_GREATEST (INT64_C(1) << 33)
#define LIST_MAX 16u                            /* numbers of a list that are tests of their own */
#define TABLE_FIRST 1024

static uint16_t new_node(struct slices_tests *t, struct slices_node node)
{
    t->nodes[t->count] = node;
    return t->count++;
}

void slices_tests_free(struct slices_tests *t)
{
    for (uint16_t i = 0; i < t->count; i++)
        free(t->nodes[i].table);
    t->count = 0;
}

struct maker { const struct query_plan_context *context; struct slices_tests *tests; unsigned nesting; int failed; };

#define ALL 0   /* the node that tells nothing */
static bool is_all(const struct maker *m, uint16_t node) { return m->tests->nodes[node].kind == SLICES_ALL; }
static bool has_room(const struct maker *m) { return m->failed == 0 && m->tests->count + LIST_MAX + 3 < SLICES_NODES_MAX; }

static uint16_t range(struct maker *m, enum slice_column column, int64_t least, int64_t greatest, bool negated)
{
    least = least < NUMBER_LEAST ? NUMBER_LEAST : least > NUMBER_GREATEST ? NUMBER_GREATEST : least;
    greatest = greatest < NUMBER_LEAST ? NUMBER_LEAST : greatest > NUMBER_GREATEST ? NUMBER_GREATEST : greatest;
    return new_node(m->tests, (struct slices_node){ .kind = SLICES_RANGE, .column = column, .least = least, .greatest = greatest, .negated = negated });
}

static int table_put(uint8_t **table, int64_t *room, int64_t id)
{
    if (id >= *room) {
        int64_t grown_room = *room ? *room : TABLE_FIRST;
        while (grown_room <= id)
            grown_room *= 2;
        uint8_t *grown = realloc(*table, (size_t)grown_room);
        if (!grown)
            return -ENOMEM;
        memset(grown + *room, 0, (size_t)(grown_room - *room));
        *table = grown;
        *room = grown_room;
    }
    (*table)[id] = 1;
    return 0;
}

/* The numbers that a statement gives, as a table. Freed with the tests. */
static uint16_t table(struct maker *m, enum slice_column column, const struct sql *sql)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    uint16_t node = new_node(m->tests, (struct slices_node){ .kind = SLICES_TABLE, .column = column });
    struct slices_node *n = &m->tests->nodes[node];
    int r = sql_prepare(m->context->file->db, sql, &statement), step = SQLITE_DONE;
    while (r == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);
        if (id >= (int64_t)SLICES_IDS_MAX)
            n->kind = SLICES_ALL;
        else if (id >= 0)
            r = table_put(&n->table, &n->table_size, id);
    }
    m->failed = r < 0 ? r : step != SQLITE_DONE ? -EIO : 0;
    return node;
}

enum { OF_NOTHING = 0, OF_PROTOCOL = 1, OF_PATH = 2, OF_SRC = 4, OF_DST = 8, OF_MORE = 16 };

/* The names that an expression reads. */
static unsigned names_of(const struct node *n)
{
    unsigned names = OF_NOTHING;
    if (n->kind == NODE_VARIABLE) {
        const struct variable *v = n->variable;
        return v->place == VARIABLE_FLAG || (v->place == VARIABLE_ENTRY && v->any_case) ? OF_PROTOCOL : v->place == VARIABLE_PATH ? OF_PATH : v->src ? OF_SRC : v->dst ? OF_DST : v->place == VARIABLE_RESERVED ? OF_NOTHING : OF_MORE;
    }
    for (const struct node *child = n->first; child; child = child->next)
        names |= names_of(child);
    return names;
}

static bool paths_are_few(struct maker *m)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(m->context->file->db, "SELECT MAX(id) FROM path", -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        return false;
    return sqlite3_column_int64(statement, 0) < (int64_t)SLICES_PATHS_MAX;
}

/* An expression that reads nothing but one column's name: asked of every name once. */
static uint16_t names(struct maker *m, const struct node *n, bool negated)
{
    MEM_CLEANUP(sql_free) struct sql sql = { 0 };
    const struct query_plan_context *c = m->context;
    switch (names_of(n)) {
    case OF_SRC: case OF_DST: {
        bool src = names_of(n) == OF_SRC;
        select_write_peers(&sql, c->vocabulary, "id", n, src, negated);
        return table(m, src ? SLICE_SRC : SLICE_DST, &sql);
    }
    case OF_PROTOCOL: select_write_names(&sql, c->vocabulary, c->file->db, "protocol", n, negated); return table(m, SLICE_PROTOCOL, &sql);
    case OF_PATH:
        if (!paths_are_few(m))
            return ALL;
        select_write_names(&sql, c->vocabulary, c->file->db, "path", n, negated);
        return table(m, SLICE_PATH, &sql);
    default: return ALL;
    }
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
static uint16_t in_set(struct maker *m, const struct node *text, const struct variable *set, bool negated)
{
    uint16_t row = new_node(m->tests, (struct slices_node){ .kind = negated ? SLICES_AND : SLICES_OR }), *place = &m->tests->nodes[row].first;
    for (int src = 0; src < 2 && m->failed == 0; src++) {
        MEM_CLEANUP(sql_free) struct sql sql = { 0 };
        sql_put(&sql, "SELECT id FROM peer WHERE ");
        sql_bind_text(&sql, text->text, text->size);
        sql_format(&sql, negated ? " NOT IN (%s)" : " IN (%s)", set->peer_columns);
        *place = table(m, src ? SLICE_SRC : SLICE_DST, &sql);
        place = &m->tests->nodes[*place].next;
    }
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
        if (a->kind == NODE_LITERAL && a->size && b->kind == NODE_VARIABLE && b->variable->place == VARIABLE_SET && b->variable->peer_columns)
            return in_set(m, a, b->variable, negated);
    }
    return names(m, n, negated);
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
    unsigned of = names_of(n);
    if ((n->kind == NODE_AND || n->kind == NODE_OR) && of != OF_SRC && of != OF_DST)
        return m->nesting < SLICES_NESTING_MAX ? make_row(m, n, negated) : ALL;
    return n->type == TYPE_BOOL ? leaf(m, n, negated) : ALL;
}

int slices_tests_make(const struct query_plan_context *context, const struct node *root, struct slices_tests *tests)
{
    struct maker m = { .context = context, .tests = tests };
    tests->count = 0;
    (void)new_node(tests, (struct slices_node){ .kind = SLICES_ALL });
    tests->root = make(&m, root, false);
    return m.failed;
}
