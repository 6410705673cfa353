#include "services/dissector/query/nesting.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/translate.h"

/* What the parser has open when it comes to a child, as translate.c writes them. A call f(a, b): name, bracket and DISTINCT before a; the list so far and the comma, too, before b. */
#define OPEN_BRACKET 1u
#define OPEN_SIDE 3u            /* (a OP here */
#define OPEN_FIRST 3u
#define OPEN_FURTHER 5u
#define OPEN_MACRO_LIST 13u     /* (SELECT f(...) FROM json_each(COALESCE(here */
#define OPEN_MACRO_BODY 8u      /* (SELECT f(here */
#define OPEN_MACRO_RESULT 10u   /* (SELECT f(..., here */

static uint32_t count_children(const struct node *n)
{
    uint32_t count = 0;
    for (const struct node *child = n->first; child; child = child->next)
        count++;
    return count;
}

/* Levels of the balanced tree that a row of && or || becomes. */
static uint32_t row_open(const struct node *n)
{
    uint32_t count = count_children(n), levels = 0;
    while ((1u << levels) < count)
        levels++;
    return levels * OPEN_SIDE;
}

static uint32_t binary_open(const struct node *n, bool first)
{
    bool nested = type_kind(n->first->type) == TYPE_LIST || type_kind(n->first->type) == TYPE_MAP;
    if (n->op == OP_EQUAL || n->op == OP_NOT_EQUAL)
        return (n->op == OP_NOT_EQUAL ? 2u : 0u) + (nested ? OPEN_FURTHER : first ? OPEN_BRACKET : OPEN_SIDE);
    if (n->op < OP_IN || (n->op == OP_ADD && n->type == TYPE_STRING))
        return first ? OPEN_BRACKET : OPEN_SIDE;
    return n->op != OP_IN && first ? OPEN_FIRST : OPEN_FURTHER;
}

/* `index`: which child, from 0. */
static uint32_t opened(const struct node *n, uint32_t index)
{
    static const uint32_t ternary[] = { 2, 6, 7 }; /* (CASE here WHEN 1 THEN here WHEN 0 THEN here END) */
    switch ((enum node_kind)n->kind) {
    case NODE_UNARY: return n->op == OP_NOT ? 2 : OPEN_FIRST;
    case NODE_BINARY: return binary_open(n, index == 0);
    case NODE_AND: case NODE_OR: return row_open(n);
    case NODE_TERNARY: return ternary[index < 3 ? index : 2];
    case NODE_LIST: return OPEN_FURTHER + (count_children(n) > TRANSLATION_LIST_PART ? OPEN_FURTHER : 0); /* cel_concat(..., cel_list(0, here */
    case NODE_MAP: return OPEN_FURTHER;
    case NODE_MACRO: return index == 0 ? OPEN_MACRO_LIST : index == 1 && n->function != FUNCTION_MAP ? OPEN_MACRO_BODY : OPEN_MACRO_RESULT;
    case NODE_HAS: return OPEN_FIRST;
    default: return index == 0 && (n->function < FUNCTION_STRING || n->function > FUNCTION_MILLISECONDS) /* those are cel_text(1, here */ ? OPEN_FIRST : OPEN_FURTHER;
    }
}

static int walk(const struct expression *e, const struct node *n, uint32_t open, struct query_error *error)
{
    uint32_t own = n->kind == NODE_VARIABLE ? NESTING_LEAF : n->first ? 0 : NESTING_CONSTANT;
    if (open + own > NESTING_MAX)
        return expression_error(e, n->start, error, "the expression is nested too deeply here");
    uint32_t index = 0;
    for (const struct node *child = n->first; child; child = child->next) {
        int r = walk(e, child, open + opened(n, index++), error);
        if (r < 0)
            return r;
    }
    return 0;
}

int expression_check_nesting(const struct expression *e, struct query_error *error) { return e->root ? walk(e, e->root, NESTING_STATEMENT, error) : 0; }
