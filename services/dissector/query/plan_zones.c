/* An expression as a condition on a zone's least and greatest values that holds for every zone in which some entry may satisfy it. What a zone says nothing about is 1. */
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/plan.h"
#include "services/dissector/query/plan_internal.h"
#include "services/dissector/query/plan_sets.h"
#include "services/dissector/query/select.h"

enum operator query_plan_turn(enum operator op)
{
    return op == OP_LESS ? OP_GREATER : op == OP_LESS_EQUAL ? OP_GREATER_EQUAL : op == OP_GREATER ? OP_LESS : op == OP_GREATER_EQUAL ? OP_LESS_EQUAL : op;
}

static enum operator opposite(enum operator op)
{
    static const uint8_t others[] = { [OP_LESS] = OP_GREATER_EQUAL, [OP_LESS_EQUAL] = OP_GREATER, [OP_GREATER] = OP_LESS_EQUAL, [OP_GREATER_EQUAL] = OP_LESS, [OP_EQUAL] = OP_NOT_EQUAL, [OP_NOT_EQUAL] = OP_EQUAL };
    return (enum operator)others[op];
}

bool query_plan_comparison(const struct node *n, struct comparison *ret)
{
    if (n->kind != NODE_BINARY || n->op < OP_LESS || n->op > OP_NOT_EQUAL)
        return false;
    const struct node *a = n->first, *b = a->next;
    if (a->kind == NODE_VARIABLE && b->kind == NODE_LITERAL)
        *ret = (struct comparison){ a->variable, b, (enum operator)n->op };
    else if (a->kind == NODE_LITERAL && b->kind == NODE_VARIABLE)
        *ret = (struct comparison){ b->variable, a, query_plan_turn((enum operator)n->op) };
    else
        return false;
    return true;
}

uint64_t query_plan_protocols_of(const struct query_plan_context *c, const struct node *n)
{
    struct comparison comparison;
    uint64_t set = 0;
    bool flag = n->kind == NODE_VARIABLE && n->variable->place == VARIABLE_FLAG;
    bool named = query_plan_comparison(n, &comparison) && comparison.variable->any_case && comparison.op == OP_EQUAL;
    if (!flag && !named)
        return 0;
    for (uint32_t i = 0; i < c->file->protocols_count; i++) {
        bool in = named && strcasecmp(c->file->protocols[i].name, comparison.literal->text) == 0;
        for (size_t p = 0; flag && p < c->vocabulary->protocols_count; p++)
            in = in || ((n->variable->protocols >> p & 1) && strcmp(c->file->protocols[i].name, c->vocabulary->protocols[p]->name) == 0);
        if (in)
            set |= UINT64_C(1) << query_plan_protocol_bit(c->file->protocols[i].id);
    }
    return set | PLAN_PROTOCOLS_KNOWN;
}

unsigned query_plan_protocol_bit(int64_t id) { return id >= 0 && id < DATABASE_PROTOCOL_BITS ? (unsigned)id : DATABASE_PROTOCOL_BITS; }

bool query_plan_path_range(const struct query_plan_context *c, const struct node *n, int64_t *ret_first, int64_t *ret_last)
{
    struct comparison comparison;
    const struct node *text = NULL;
    bool exact = query_plan_comparison(n, &comparison) && comparison.op == OP_EQUAL && comparison.variable->place == VARIABLE_PATH;
    if (exact)
        text = comparison.literal;
    else if (n->kind == NODE_METHOD && n->function == FUNCTION_STARTS_WITH && n->first->kind == NODE_VARIABLE && n->first->variable->place == VARIABLE_PATH && n->first->next->kind == NODE_LITERAL)
        text = n->first->next;
    return text && database_path_range(c->file->db, text->text, text->size, exact, ret_first, ret_last) == 0;
}

bool query_plan_is_in_set(const struct node *n)
{
    const struct node *a = n->first, *set = a ? a->next : NULL;
    return n->kind == NODE_BINARY && n->op == OP_IN && a->kind == NODE_LITERAL && a->size && set->kind == NODE_VARIABLE && set->variable->place == VARIABLE_SET && set->variable->peer_columns;
}

static void write_range(struct sql *sql, const char *column, int64_t least, int64_t greatest)
{
    sql_format(sql, "(%s_greatest >= ", column);
    sql_bind_int(sql, least);
    sql_format(sql, " AND %s_least <= ", column);
    sql_bind_int(sql, greatest);
    sql_put(sql, ")");
}

static void write_comparison(struct sql *sql, const char *column, enum operator op, int64_t number)
{
    switch (op) {
    case OP_LESS: sql_format(sql, "(%s_least < ", column); break;
    case OP_LESS_EQUAL: sql_format(sql, "(%s_least <= ", column); break;
    case OP_GREATER: sql_format(sql, "(%s_greatest > ", column); break;
    case OP_GREATER_EQUAL: sql_format(sql, "(%s_greatest >= ", column); break;
    case OP_EQUAL: write_range(sql, column, number, number); return;
    default: /* not all of them are it */
        sql_format(sql, "(NOT (%s_least = %s_greatest AND %s_least = ", column, column, column);
        sql_bind_int(sql, number);
        sql_put(sql, "))");
        return;
    }
    sql_bind_int(sql, number);
    sql_put(sql, ")");
}

/* number in [1, 2, 3] */
static bool write_in(struct sql *sql, const struct node *n)
{
    const struct node *a = n->first, *list = a->next;
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    if (n->op != OP_IN || a->kind != NODE_VARIABLE || !a->variable->zone || a->variable->place == VARIABLE_PATH || list->kind != NODE_LIST)
        return false;
    for (const struct node *child = list->first; child; child = child->next) {
        if (child->kind != NODE_LITERAL)
            return false;
        least = child->number < least ? child->number : least;
        greatest = child->number > greatest ? child->number : greatest;
    }
    write_range(sql, a->variable->zone, least, greatest);
    return true;
}

/* "text" in namespaces: one of the endpoints is among those that have it. */
static bool write_in_set(const struct query_plan_context *c, struct sql *sql, const struct node *n)
{
    const struct plan_set *set = query_plan_is_in_set(n) ? plan_sets_find_in(c, n, false) : NULL;
    if (!set)
        return false;
    sql_put(sql, "(");
    write_range(sql, "src", set->least, set->greatest);
    sql_put(sql, " OR ");
    write_range(sql, "dst", set->least, set->greatest);
    sql_put(sql, ")");
    return true;
}

static void write_protocols(struct sql *sql, uint64_t set, bool negated)
{
    uint64_t last = UINT64_C(1) << DATABASE_PROTOCOL_BITS;
    set &= ~PLAN_PROTOCOLS_KNOWN;
    if (negated) /* some other protocol is there; the last bit may be one */
        set = (~set & (last - 1)) | last;
    sql_put(sql, "(protocols & ");
    sql_bind_int(sql, (int64_t)set);
    sql_put(sql, " <> 0)");
}

static void write_zone(const struct query_plan_context *c, struct sql *sql, const struct node *n, bool negated);

static void write_row(const struct query_plan_context *c, struct sql *sql, const struct node *n, bool negated)
{
    const char *sign = (n->kind == NODE_AND) != negated ? " AND " : " OR ";
    sql_put(sql, "(");
    for (const struct node *child = n->first; child; child = child->next) {
        write_zone(c, sql, child, negated);
        if (child->next)
            sql_put(sql, sign);
    }
    sql_put(sql, ")");
}

static bool write_leaf(const struct query_plan_context *c, struct sql *sql, const struct node *n, bool negated)
{
    struct comparison comparison;
    int64_t first, last;
    uint64_t set = query_plan_protocols_of(c, n);
    if (set) {
        write_protocols(sql, set, negated);
        return true;
    }
    if (query_plan_comparison(n, &comparison) && comparison.variable->zone && comparison.variable->place != VARIABLE_PATH) {
        write_comparison(sql, comparison.variable->zone, negated ? opposite(comparison.op) : comparison.op, comparison.literal->number);
        return true;
    }
    if (!negated && query_plan_path_range(c, n, &first, &last)) {
        write_range(sql, "path", first, last);
        return true;
    }
    const struct plan_set *names = plan_sets_find(c, n, negated);
    if (names && names->column != SLICE_PROTOCOL) {
        write_range(sql, names->column == SLICE_SRC ? "src" : names->column == SLICE_DST ? "dst" : "path", names->least, names->greatest);
        return true;
    }
    return !negated && n->kind == NODE_BINARY && (write_in(sql, n) || write_in_set(c, sql, n));
}

static void write_zone(const struct query_plan_context *c, struct sql *sql, const struct node *n, bool negated)
{
    if (n->kind == NODE_LITERAL)
        sql_put(sql, (n->number != 0) != negated ? "1" : "0");
    else if (n->kind == NODE_VARIABLE && n->variable->place == VARIABLE_RESERVED)
        sql_put(sql, (n->variable->fallback != 0) != negated ? "1" : "0");
    else if (n->kind == NODE_UNARY && n->op == OP_NOT)
        write_zone(c, sql, n->first, !negated);
    else if (write_leaf(c, sql, n, negated))
        return;
    else if (n->kind == NODE_AND || n->kind == NODE_OR)
        write_row(c, sql, n, negated);
    else
        sql_put(sql, "1");
}

void query_plan_write_zones(struct sql *sql, const struct query_plan_context *c, const struct node *root, int64_t first, int64_t last)
{
    sql_put(sql, "SELECT first, last, id FROM zone WHERE last >= ");
    sql_bind_int(sql, first);
    sql_put(sql, " AND first <= ");
    sql_bind_int(sql, last);
    if (root) {
        sql_put(sql, " AND ");
        write_zone(c, sql, root, false);
    }
    sql_put(sql, " ORDER BY id");
}
