#include "services/dissector/query/translate.h"
#include <stdlib.h>
#include <string.h>
#include "services/dissector/database/schema.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/translate_calls.h"

char *translate_prefix_end(const char *prefix, size_t size, size_t *ret_size)
{
    char *end = malloc(size + 1);
    if (!end)
        return NULL;
    if (size)
        memcpy(end, prefix, size);
    while (size && (unsigned char)end[size - 1] == 0xff)
        size--;
    if (size)
        end[size - 1]++;
    *ret_size = size;
    return end;
}

static void use_detail(struct translation *t, const struct detail *detail)
{
    for (uint32_t i = 0; i < t->details_count; i++)
        if (t->details[i] == detail)
            return;
    if (t->details_count < TRANSLATION_DETAILS_MAX)
        t->details[t->details_count++] = detail;
    else
        t->sql->failed = true;
}

static void put_default(struct translation *t, const struct variable *v)
{
    switch (type_kind(v->type)) {
    case TYPE_STRING: sql_put(t->sql, "''"); break;
    case TYPE_BYTES: sql_put(t->sql, "x''"); break;
    case TYPE_LIST: sql_put(t->sql, "'[]'"); break;
    case TYPE_MAP: sql_put(t->sql, "'{}'"); break;
    default: sql_format(t->sql, "%lld", (long long)v->fallback);
    }
}

void translate_protocols(struct translation *t, uint64_t set)
{
    const char *comma = "";
    for (size_t i = 0; i < t->vocabulary->protocols_count; i++)
        if (set >> i & 1) {
            sql_put(t->sql, comma);
            sql_bind_text(t->sql, t->vocabulary->protocols[i]->name, strlen(t->vocabulary->protocols[i]->name));
            comma = ", ";
        }
}

void translate_variable(struct translation *t, const struct variable *v)
{
    switch (v->place) {
    case VARIABLE_RESERVED: put_default(t, v); break;
    case VARIABLE_ENTRY: case VARIABLE_PATH:
        sql_put(t->sql, "(");
        sql_put(t->sql, v->sql);
        sql_put(t->sql, ")");
        break;
    case VARIABLE_FLAG:
        sql_put(t->sql, "(entry.protocol IN (SELECT id FROM protocol WHERE name IN (");
        translate_protocols(t, v->protocols);
        sql_put(t->sql, ")))");
        break;
    case VARIABLE_SET:
        sql_put(t->sql, "cel_set(");
        sql_put(t->sql, v->sql);
        sql_put(t->sql, ")");
        break;
    case VARIABLE_DETAIL:
        sql_put(t->sql, "COALESCE(");
        for (uint32_t i = 0; i < v->sources_count; i++) {
            use_detail(t, v->sources[i].detail);
            sql_format(t->sql, "\"%s\".\"%s\", ", v->sources[i].detail->table, v->sources[i].column);
        }
        put_default(t, v);
        sql_put(t->sql, ")");
    }
}

void translate_from(struct translation *t)
{
    /* Only rowids lead: which index serves is the planner's choice (plan.h), not SQLite's. */
    sql_put(t->sql, " FROM entry NOT INDEXED ");
    sql_put(t->sql, schema_fixed_from + strlen("entry"));
    for (uint32_t i = 0; i < t->details_count; i++)
        sql_format(t->sql, " LEFT JOIN \"%s\" ON \"%s\".id = entry.id", t->details[i]->table, t->details[i]->table);
}

static void literal(struct translation *t, const struct node *n)
{
    switch (type_kind(n->type)) {
    case TYPE_BOOL: sql_put(t->sql, n->number ? "1" : "0"); break;
    case TYPE_DOUBLE: sql_bind_real(t->sql, n->real); break;
    case TYPE_STRING: sql_bind_text(t->sql, n->text, n->size); break;
    case TYPE_BYTES: sql_bind_bytes(t->sql, n->text, n->size); break;
    default: sql_bind_int(t->sql, n->number);
    }
}

void translate_function(struct translation *t, const char *name, const struct node *first, unsigned count)
{
    sql_put(t->sql, name);
    sql_put(t->sql, "(");
    for (unsigned i = 0; i < count; i++, first = first->next) {
        if (i)
            sql_put(t->sql, ", ");
        translate(t, first);
    }
    sql_put(t->sql, ")");
}

bool translate_is_nested(query_type type) { return type_kind(type) == TYPE_LIST || type_kind(type) == TYPE_MAP; }

/* TRANSLATION_LIST_PART elements at a time, side by side. */
static void list(struct translation *t, const struct node *child, bool nested)
{
    unsigned count = 0;
    for (const struct node *n = child; n; n = n->next)
        count++;
    if (count > TRANSLATION_LIST_PART)
        sql_put(t->sql, "cel_concat(");
    for (bool first = true; first || child; first = false) {
        sql_format(t->sql, first ? "cel_list(%d" : ", cel_list(%d", nested);
        for (unsigned i = 0; i < TRANSLATION_LIST_PART && child; i++, child = child->next) {
            sql_put(t->sql, ", ");
            translate(t, child);
        }
        sql_put(t->sql, ")");
    }
    if (count > TRANSLATION_LIST_PART)
        sql_put(t->sql, ")");
}

static void map(struct translation *t, const struct node *n)
{
    sql_format(t->sql, "cel_map(%d", translate_is_nested(type_value(n->type)));
    for (const struct node *child = n->first; child; child = child->next) {
        sql_put(t->sql, ", ");
        translate(t, child);
    }
    sql_put(t->sql, ")");
}

/* A row of operands as a balanced tree, so that SQLite does not see it as deep as it is long. */
static const struct node *row(struct translation *t, const struct node *child, unsigned count, const char *sign)
{
    if (count == 1) {
        translate(t, child);
        return child->next;
    }
    sql_put(t->sql, "(");
    child = row(t, child, count / 2, sign);
    sql_put(t->sql, sign);
    child = row(t, child, count - count / 2, sign);
    sql_put(t->sql, ")");
    return child;
}

static unsigned children(const struct node *n)
{
    unsigned count = 0;
    for (const struct node *child = n->first; child; child = child->next)
        count++;
    return count;
}

static void ternary(struct translation *t, const struct node *n)
{
    const struct node *condition = n->first, *yes = condition->next, *no = yes->next;
    sql_put(t->sql, "(CASE ");
    translate(t, condition);
    sql_put(t->sql, " WHEN 1 THEN ");
    translate(t, yes);
    sql_put(t->sql, " WHEN 0 THEN ");
    translate(t, no);
    sql_put(t->sql, " END)");
}

static void unary(struct translation *t, const struct node *n)
{
    sql_put(t->sql, n->op == OP_NOT ? "(NOT " : "cel_negate(");
    translate(t, n->first);
    sql_put(t->sql, ")");
}

static void loop_name(struct translation *t, const struct node *n)
{
    uint32_t bit = 1u << n->loop;
    if (t->int_loops & bit)
        sql_format(t->sql, "CAST(j%u.key AS INTEGER)", n->loop);
    else
        sql_format(t->sql, t->map_loops & bit ? "j%u.key" : "j%u.value", n->loop);
}

static void has(struct translation *t, const struct node *n)
{
    const struct node *a = n->first;
    if (a->kind == NODE_VARIABLE) {
        sql_put(t->sql, "(");
        translate(t, a);
        sql_put(t->sql, " <> ");
        put_default(t, a->variable);
        sql_put(t->sql, ")");
        return;
    }
    sql_put(t->sql, "cel_has(");
    translate(t, a->first);
    sql_put(t->sql, ", ");
    sql_bind_text(t->sql, a->text, a->size);
    sql_put(t->sql, ")");
}

static void select_key(struct translation *t, const struct node *n)
{
    sql_put(t->sql, "cel_get(");
    translate(t, n->first);
    sql_put(t->sql, ", ");
    sql_bind_text(t->sql, n->text, n->size);
    sql_put(t->sql, ")");
}

/* As deep as the parser lets a tree be. */
void translate(struct translation *t, const struct node *n)
{
    switch ((enum node_kind)n->kind) {
    case NODE_LITERAL: literal(t, n); break;
    case NODE_VARIABLE: translate_variable(t, n->variable); break;
    case NODE_LOOP_NAME: loop_name(t, n); break;
    case NODE_SELECT: select_key(t, n); break;
    case NODE_INDEX: translate_function(t, type_kind(n->first->type) == TYPE_LIST ? "cel_at" : "cel_get", n->first, 2); break;
    case NODE_CALL: case NODE_METHOD: translate_call(t, n); break;
    case NODE_MACRO: translate_macro(t, n); break;
    case NODE_HAS: has(t, n); break;
    case NODE_LIST: list(t, n->first, translate_is_nested(type_element(n->type))); break;
    case NODE_MAP: map(t, n); break;
    case NODE_UNARY: unary(t, n); break;
    case NODE_BINARY: translate_binary(t, n); break;
    case NODE_AND: (void)row(t, n->first, children(n), " AND "); break;
    case NODE_OR: (void)row(t, n->first, children(n), " OR "); break;
    case NODE_TERNARY: ternary(t, n); break;
    case NODE_NAME: t->sql->failed = true; /* check.c leaves none */
    }
}

/* 1: of src; 2: of dst; 0: of neither (constants); 4: of more. */
static unsigned peers_of(const struct node *n)
{
    unsigned sides = 0;
    if (n->kind == NODE_VARIABLE)
        return n->variable->src ? 1 : n->variable->dst ? 2 : 4;
    for (const struct node *child = n->first; child; child = child->next)
        sides |= peers_of(child);
    return sides;
}

bool expression_is_of_peer(const struct node *n, bool *ret_src)
{
    unsigned sides = peers_of(n);
    *ret_src = sides == 1;
    return sides == 1 || sides == 2;
}
