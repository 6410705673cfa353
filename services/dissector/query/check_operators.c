#include "services/dissector/query/check_internal.h"

static const char *const signs[] = { [OP_LESS] = "<", [OP_LESS_EQUAL] = "<=", [OP_GREATER] = ">", [OP_GREATER_EQUAL] = ">=", [OP_EQUAL] = "==", [OP_NOT_EQUAL] = "!=", [OP_IN] = "in", [OP_ADD] = "+",
                                     [OP_SUBTRACT] = "-", [OP_MULTIPLY] = "*", [OP_DIVIDE] = "/", [OP_MODULO] = "%" };

/* What a mistake often made needs instead. */
static const char *hint(const struct node *n, const struct node *a, const struct node *b)
{
    enum type_kind x = type_kind(a->type), y = type_kind(b->type);
    if (n->op == OP_IN)
        return y == TYPE_STRING ? ": a part of a text is text.contains(part)" : "";
    if ((x == TYPE_TIMESTAMP && y == TYPE_STRING) || (x == TYPE_STRING && y == TYPE_TIMESTAMP))
        return ": a time is written timestamp(\"2026-03-14T22:00:00Z\")";
    if ((x == TYPE_DURATION && y == TYPE_STRING) || (x == TYPE_STRING && y == TYPE_DURATION))
        return ": a length of time is written duration(\"5m\")";
    if ((x == TYPE_INT && y == TYPE_STRING) || (x == TYPE_STRING && y == TYPE_INT))
        return ": a number is written without quotes";
    if ((x == TYPE_INT && y == TYPE_DOUBLE) || (x == TYPE_DOUBLE && y == TYPE_INT))
        return ": make both the same with double() or int()";
    if (x == TYPE_LIST && y == TYPE_STRING)
        return ": an element of a list is asked for with in";
    return "";
}

static int no_overload(struct checker *c, const struct node *n, const struct node *a, const struct node *b)
{
    char left[TYPE_NAME_MAX], right[TYPE_NAME_MAX];
    return CHECK_FAIL(c, n->at, "%s does not go with %s and %s%s", signs[n->op], type_name(a->type, left, sizeof left), type_name(b->type, right, sizeof right), hint(n, a, b));
}

static bool is_number(query_type t) { return t == TYPE_INT || t == TYPE_DOUBLE; }

static bool add_type(query_type a, query_type b, query_type *ret)
{
    if ((a == TYPE_TIMESTAMP && b == TYPE_DURATION) || (a == TYPE_DURATION && b == TYPE_TIMESTAMP)) {
        *ret = TYPE_TIMESTAMP;
        return true;
    }
    if (a == TYPE_TIMESTAMP || type_kind(a) == TYPE_MAP || a == TYPE_BOOL || a == TYPE_BYTES)
        return false;
    return type_unify(a, b, ret);
}

static bool arithmetic_type(enum operator op, query_type a, query_type b, query_type *ret)
{
    if (op == OP_ADD)
        return add_type(a, b, ret);
    *ret = a;
    if (op == OP_SUBTRACT && a == TYPE_TIMESTAMP) {
        *ret = b == TYPE_TIMESTAMP ? TYPE_DURATION : TYPE_TIMESTAMP;
        return b == TYPE_TIMESTAMP || b == TYPE_DURATION;
    }
    if (op == OP_SUBTRACT && a == TYPE_DURATION)
        return b == TYPE_DURATION;
    return a == b && (op == OP_MODULO ? a == TYPE_INT : is_number(a));
}

static bool relation_fits(enum operator op, query_type a, query_type b)
{
    query_type both;
    if (op == OP_IN)
        return type_kind(b) == TYPE_LIST ? type_unify(a, type_element(b), &both) : type_kind(b) == TYPE_MAP && type_unify(a, type_key(b), &both);
    return type_unify(a, b, &both) && (op == OP_EQUAL || op == OP_NOT_EQUAL || (type_kind(a) != TYPE_LIST && type_kind(a) != TYPE_MAP));
}

/* Numbers and times that are known now become one literal; an overflow stays for SQL, where it is an error of the evaluation. */
static void fold(struct node *n, const struct node *a, const struct node *b)
{
    bool numbers = n->type == TYPE_INT || n->type == TYPE_TIMESTAMP || n->type == TYPE_DURATION;
    int64_t result;
    if (!numbers || a->kind != NODE_LITERAL || b->kind != NODE_LITERAL)
        return;
    bool overflow = n->op == OP_ADD        ? __builtin_add_overflow(a->number, b->number, &result)
                    : n->op == OP_SUBTRACT ? __builtin_sub_overflow(a->number, b->number, &result)
                    : n->op == OP_MULTIPLY ? __builtin_mul_overflow(a->number, b->number, &result)
                                           : true;
    if (overflow)
        return;
    n->kind = NODE_LITERAL;
    n->number = result;
    n->first = NULL;
}

int check_binary(struct checker *c, struct node *n)
{
    struct node *a = n->first, *b = a->next;
    int r = check_node(c, a);
    if (r < 0 || (r = check_node(c, b)) < 0)
        return r;
    if (n->op >= OP_LESS && n->op <= OP_IN) {
        if (!relation_fits((enum operator)n->op, a->type, b->type))
            return no_overload(c, n, a, b);
        n->type = TYPE_BOOL;
        return 0;
    }
    if (!arithmetic_type((enum operator)n->op, a->type, b->type, &n->type))
        return no_overload(c, n, a, b);
    fold(n, a, b);
    return 0;
}
