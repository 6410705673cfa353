#include "services/dissector/query/translate_calls.h"
#include <stdlib.h>
#include <string.h>
#include "services/dissector/database/schema.h"
#include "services/dissector/query/check.h"

static void infix(struct translation *t, const struct node *a, const char *sign, const struct node *b)
{
    sql_put(t->sql, "(");
    translate(t, a);
    sql_put(t->sql, sign);
    translate(t, b);
    sql_put(t->sql, ")");
}

static bool is_any_case(const struct node *n) { return n->kind == NODE_VARIABLE && n->variable->any_case; }
static bool is_text(const struct node *n) { return n->kind == NODE_LITERAL && n->type == TYPE_STRING; }
static bool is_path(const struct node *n) { return n->kind == NODE_VARIABLE && n->variable->place == VARIABLE_PATH; }

/* Paths are numbered in the order of their names, so a name or a prefix is a range of numbers. */
static bool path_range(struct translation *t, const struct node *a, const struct node *b, bool exact)
{
    int64_t first, last;
    if (!t->paths || !is_path(a) || !is_text(b) || database_path_range(t->paths, b->text, b->size, exact, &first, &last) < 0)
        return false;
    sql_put(t->sql, "(entry.path BETWEEN ");
    sql_bind_int(t->sql, first);
    sql_put(t->sql, " AND ");
    sql_bind_int(t->sql, last);
    sql_put(t->sql, ")");
    return true;
}

/* The protocol by its number, which the walk reads anyway. */
static void protocol_in(struct translation *t, const struct node *first)
{
    sql_put(t->sql, "(entry.protocol IN (SELECT id FROM protocol WHERE name COLLATE NOCASE IN (");
    for (const struct node *n = first; n; n = n->next) {
        if (n != first)
            sql_put(t->sql, ", ");
        translate(t, n);
    }
    sql_put(t->sql, ")))");
}

static void equal(struct translation *t, const struct node *a, const struct node *b)
{
    if (is_any_case(b) || is_path(b)) {
        const struct node *other = a;
        a = b;
        b = other;
    }
    if (path_range(t, a, b, true))
        return;
    if (is_any_case(a) && is_text(b)) {
        struct node only = *b;
        only.next = NULL;
        protocol_in(t, &only);
        return;
    }
    if (translate_is_nested(a->type)) {
        sql_put(t->sql, "cel_same(");
        translate(t, a);
        sql_put(t->sql, ", ");
        translate(t, b);
        sql_put(t->sql, ")");
        return;
    }
    sql_put(t->sql, "(");
    translate(t, a);
    sql_put(t->sql, " = ");
    translate(t, b);
    sql_put(t->sql, is_any_case(a) ? " COLLATE NOCASE)" : ")");
}

static bool all_literals(const struct node *n)
{
    for (const struct node *child = n->first; child; child = child->next)
        if (child->kind != NODE_LITERAL)
            return false;
    return true;
}

/* a IN (?, ?): the elements are constants, so none can be an error. */
static void in_literals(struct translation *t, const struct node *a, const struct node *list)
{
    if (is_any_case(a)) {
        protocol_in(t, list->first);
        return;
    }
    sql_put(t->sql, "(");
    translate(t, a);
    sql_put(t->sql, " IN (");
    for (const struct node *n = list->first; n; n = n->next) {
        translate(t, n);
        if (n->next)
            sql_put(t->sql, ", ");
    }
    sql_put(t->sql, "))");
}

/* A constant in namespaces and the like: asked of the endpoints once, not of every entry. "" is in none. */
static void in_peers(struct translation *t, const struct node *text, const struct variable *set)
{
    if (text->size == 0) {
        sql_put(t->sql, "0");
        return;
    }
    if (t->few) {
        sql_put(t->sql, "COALESCE(");
        translate(t, text);
        sql_format(t->sql, " IN (%s), 0)", set->sql);
        return;
    }
    sql_put(t->sql, "(entry.src IN (SELECT id FROM peer WHERE ");
    translate(t, text);
    sql_format(t->sql, " IN (%s)) OR entry.dst IN (SELECT id FROM peer WHERE ", set->peer_columns);
    translate(t, text);
    sql_format(t->sql, " IN (%s)))", set->peer_columns);
}

static void in(struct translation *t, const struct node *a, const struct node *b)
{
    if (type_kind(b->type) == TYPE_MAP) {
        sql_put(t->sql, "cel_has(");
        translate(t, b);
        sql_put(t->sql, ", ");
        translate(t, a);
        sql_put(t->sql, ")");
        return;
    }
    if (b->kind == NODE_LIST && b->first /* to SQL nothing is in (), not even an error */ && all_literals(b) && !translate_is_nested(a->type)) {
        in_literals(t, a, b);
        return;
    }
    if (b->kind == NODE_VARIABLE && b->variable->place == VARIABLE_SET && is_text(a)) {
        in_peers(t, a, b->variable);
        return;
    }
    sql_format(t->sql, "cel_in(%d, ", translate_is_nested(a->type));
    translate(t, a);
    sql_put(t->sql, ", ");
    translate(t, b);
    sql_put(t->sql, ")");
}

void translate_binary(struct translation *t, const struct node *n)
{
    static const char *const signs[] = { [OP_LESS] = " < ", [OP_LESS_EQUAL] = " <= ", [OP_GREATER] = " > ", [OP_GREATER_EQUAL] = " >= " };
    static const char *const functions[] = { [OP_ADD] = "cel_add", [OP_SUBTRACT] = "cel_subtract", [OP_MULTIPLY] = "cel_multiply", [OP_DIVIDE] = "cel_divide", [OP_MODULO] = "cel_modulo" };
    const struct node *a = n->first, *b = a->next;
    switch ((enum operator)n->op) {
    case OP_EQUAL: equal(t, a, b); break;
    case OP_NOT_EQUAL:
        sql_put(t->sql, "(NOT ");
        equal(t, a, b);
        sql_put(t->sql, ")");
        break;
    case OP_IN: in(t, a, b); break;
    case OP_LESS: case OP_LESS_EQUAL: case OP_GREATER: case OP_GREATER_EQUAL: infix(t, a, signs[n->op], b); break;
    case OP_ADD:
        if (n->type == TYPE_STRING) {
            infix(t, a, " || ", b);
            break;
        }
        translate_function(t, type_kind(n->type) == TYPE_LIST ? "cel_concat" : functions[OP_ADD], a, 2);
        break;
    default: translate_function(t, functions[n->op], a, 2);
    }
}

/* A prefix of a column is a range; of anything else, a function, so that it is worked out once. */
static void starts_with(struct translation *t, const struct node *a, const struct node *b)
{
    size_t size = 0;
    if (path_range(t, a, b, false))
        return;
    if (a->kind != NODE_VARIABLE || !is_text(b) || b->size == 0) {
        translate_function(t, "cel_starts", a, 2);
        return;
    }
    char *end = translate_prefix_end(b->text, b->size, &size);
    sql_put(t->sql, "(");
    translate(t, a);
    sql_put(t->sql, " >= ");
    translate(t, b);
    sql_put(t->sql, " AND ");
    translate(t, a);
    sql_put(t->sql, " < ");
    sql_bind_own_text(t->sql, end, size); /* never empty: a text in UTF-8 has no byte 0xff */
    sql_put(t->sql, ")");
}

static void size_of(struct translation *t, const struct node *a)
{
    enum type_kind kind = type_kind(a->type);
    translate_function(t, kind == TYPE_STRING ? "cel_length" : kind == TYPE_BYTES ? "length" : "cel_count", a, 1);
}

static void to_text(struct translation *t, const struct node *a)
{
    if (a->type == TYPE_STRING) {
        translate(t, a);
        return;
    }
    sql_format(t->sql, "cel_text(%d, ", (int)type_kind(a->type));
    translate(t, a);
    sql_put(t->sql, ")");
}

/* Of a duration: all its hours, all its minutes, all its seconds, and the milliseconds of its last second. */
static void part(struct translation *t, const struct node *n)
{
    sql_format(t->sql, "cel_part(%d, %d, ", (int)n->function, n->first->type == TYPE_DURATION);
    translate(t, n->first);
    sql_put(t->sql, ")");
}

static void to_timestamp(struct translation *t, const struct node *a)
{
    if (a->type != TYPE_INT) {
        translate_function(t, "cel_timestamp", a, 1);
        return;
    }
    sql_put(t->sql, "cel_multiply(");
    translate(t, a);
    sql_put(t->sql, ", 1000000000)");
}

void translate_call(struct translation *t, const struct node *n)
{
    const struct node *a = n->first;
    switch ((enum function)n->function) {
    case FUNCTION_CONTAINS: translate_function(t, "cel_contains", a, 2); break;
    case FUNCTION_STARTS_WITH: starts_with(t, a, a->next); break;
    case FUNCTION_ENDS_WITH: translate_function(t, "cel_ends", a, 2); break;
    case FUNCTION_MATCHES: translate_function(t, "cel_matches", a, 2); break;
    case FUNCTION_SIZE: size_of(t, a); break;
    case FUNCTION_MAP_GET: translate_function(t, "cel_map_get", a, 3); break;
    case FUNCTION_STRING: to_text(t, a); break;
    case FUNCTION_TIMESTAMP:
        if (a->type == TYPE_TIMESTAMP)
            translate(t, a);
        else
            to_timestamp(t, a);
        break;
    case FUNCTION_DURATION: translate_function(t, a->type == TYPE_DURATION ? "" : "cel_duration", a, 1); break;
    case FUNCTION_INT: translate_function(t, a->type == TYPE_INT ? "" : a->type == TYPE_TIMESTAMP ? "cel_seconds" : "cel_int", a, 1); break;
    case FUNCTION_DOUBLE: translate_function(t, "cel_double", a, 1); break;
    case FUNCTION_BOOL: translate_function(t, a->type == TYPE_BOOL ? "" : "cel_bool", a, 1); break;
    case FUNCTION_YEAR: case FUNCTION_MONTH: case FUNCTION_DATE: case FUNCTION_DAY_OF_MONTH: case FUNCTION_DAY_OF_WEEK: case FUNCTION_DAY_OF_YEAR:
    case FUNCTION_HOURS: case FUNCTION_MINUTES: case FUNCTION_SECONDS: case FUNCTION_MILLISECONDS: part(t, n); break;
    default: t->sql->failed = true; /* check.c makes something else of the others */
    }
}

/* The list's error goes in as the one element null, which no list has; the aggregates know it by its type. */
static void loop_over(struct translation *t, const struct node *n)
{
    sql_put(t->sql, " FROM json_each(COALESCE(");
    translate(t, n->first);
    sql_format(t->sql, ", '[null]')) AS j%u)", n->loop);
}

void translate_macro(struct translation *t, const struct node *n)
{
    static const char *const gatherers[] = { [FUNCTION_EXISTS] = "cel_any", [FUNCTION_ALL] = "cel_all", [FUNCTION_EXISTS_ONE] = "cel_one", [FUNCTION_FILTER] = "cel_collect", [FUNCTION_MAP] = "cel_collect" };
    const struct node *list = n->first, *body = list->next;
    enum function function = (enum function)n->function;
    if (type_kind(list->type) == TYPE_MAP) {
        t->map_loops |= 1u << n->loop;
        t->int_loops |= (type_key(list->type) != TYPE_STRING ? 1u : 0u) << n->loop;
    }
    sql_format(t->sql, "(SELECT %s(", gatherers[function]);
    if (function == FUNCTION_MAP && !body->next)
        sql_put(t->sql, "1");
    else
        translate(t, body);
    sql_format(t->sql, ", j%u.type", n->loop);
    if (function == FUNCTION_MAP || function == FUNCTION_FILTER) {
        sql_format(t->sql, ", %d, ", translate_is_nested(type_element(n->type)));
        if (function == FUNCTION_MAP)
            translate(t, body->next ? body->next : body);
        else { /* the element itself, as the macro's name would say it */
            struct node element = { .kind = NODE_LOOP_NAME, .loop = n->loop, .type = type_element(n->type) };
            translate(t, &element);
        }
    }
    sql_put(t->sql, ")");
    loop_over(t, n);
}
