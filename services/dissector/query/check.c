#include "services/dissector/query/check.h"
#include <errno.h>
#include <string.h>
#include "services/dissector/query/check_internal.h"
#include "services/dissector/query/nesting.h"

#define MAP_PAIRS_MAX 60u        /* in a literal: SQLite's functions take 127 arguments */
#define DOTTED_MAX 128          /* bytes of a dotted name; the longest variable has some 30 */

int check_wants(struct checker *c, const struct node *n, query_type type, const char *what)
{
    char got[TYPE_NAME_MAX], wanted[TYPE_NAME_MAX];
    if (n->type == type)
        return 0;
    return CHECK_FAIL(c, n->start, "%s must be %s, and this is %s", what, type_name(type, wanted, sizeof wanted), type_name(n->type, got, sizeof got));
}

static const struct loop_name *find_loop(const struct checker *c, const char *name, uint32_t size)
{
    for (uint32_t i = c->loops_count; i-- > 0;)
        if (c->loops[i].size == size && memcmp(c->loops[i].name, name, size) == 0)
            return &c->loops[i];
    return NULL;
}

bool check_dotted(const struct checker *c, const struct node *n, char *buf, size_t cap, uint32_t *ret_size)
{
    uint32_t size = 0;
    const struct node *names[EXPRESSION_DEPTH_MAX];
    uint32_t count = 0;
    for (; n->kind == NODE_SELECT; n = n->first)
        names[count++] = n;
    if (n->kind != NODE_NAME || find_loop(c, n->text, n->size))
        return false;
    for (uint32_t i = count + 1; i-- > 0;) {
        const struct node *part = i == count ? n : names[i];
        if (size + part->size + 1 >= cap)
            return false;
        if (size)
            buf[size++] = '.';
        memcpy(buf + size, part->text, part->size);
        size += part->size;
    }
    buf[size] = '\0';
    *ret_size = size;
    return true;
}

int check_unknown_name(struct checker *c, const struct node *n, const char *name, uint32_t size)
{
    const struct variable *near = vocabulary_nearest(c->vocabulary, name, size);
    if (vocabulary_is_prefix(c->vocabulary, name, size))
        return CHECK_FAIL(c, n->start, "\"%.*s\" alone is no name: it goes on with a dot, as in docs/vocabulary.md", (int)size, name);
    if (near)
        return CHECK_FAIL(c, n->start, "there is no name \"%.*s\": perhaps %s is meant", (int)size, name, near->name);
    return CHECK_FAIL(c, n->start, "there is no name \"%.*s\"", (int)size, name);
}

static void make_variable(struct node *n, const struct variable *variable)
{
    n->kind = NODE_VARIABLE;
    n->variable = variable;
    n->type = variable->type;
    n->first = NULL;
}

static int check_name(struct checker *c, struct node *n)
{
    const struct loop_name *loop = find_loop(c, n->text, n->size);
    const struct variable *variable;
    if (loop) {
        n->kind = NODE_LOOP_NAME;
        n->loop = loop->loop;
        n->type = loop->type;
        return 0;
    }
    if ((variable = vocabulary_find(c->vocabulary, n->text, n->size))) {
        make_variable(n, variable);
        return 0;
    }
    return check_unknown_name(c, n, n->text, n->size);
}

/* The longest dotted name that is a variable is one; what follows are keys of its map. */
static int check_select(struct checker *c, struct node *n)
{
    char name[DOTTED_MAX], type[TYPE_NAME_MAX];
    uint32_t size = 0;
    bool dotted = check_dotted(c, n, name, sizeof name, &size);
    const struct variable *variable = dotted ? vocabulary_find(c->vocabulary, name, size) : NULL;
    if (variable) {
        make_variable(n, variable);
        return 0;
    }
    for (uint32_t end = size; dotted && !variable;) {
        const char *dot = memrchr(name, '.', end);
        if (!dot)
            return check_unknown_name(c, n, name, size);
        end = (uint32_t)(dot - name);
        variable = vocabulary_find(c->vocabulary, name, end);
        if (variable && type_kind(variable->type) != TYPE_MAP)
            return check_unknown_name(c, n, name, size);
    }
    int r = check_node(c, n->first);
    if (r < 0)
        return r;
    if (type_kind(n->first->type) != TYPE_MAP || (type_key(n->first->type) != TYPE_STRING && type_key(n->first->type) != TYPE_ANY))
        return CHECK_FAIL(c, n->at, "%s has no fields", type_name(n->first->type, type, sizeof type));
    n->type = type_value(n->first->type);
    return 0;
}

static int check_index(struct checker *c, struct node *n)
{
    struct node *of = n->first, *index = of->next;
    char type[TYPE_NAME_MAX];
    query_type both;
    int r = check_node(c, of);
    if (r < 0 || (r = check_node(c, index)) < 0)
        return r;
    if (type_kind(of->type) == TYPE_LIST) {
        n->type = type_element(of->type);
        return check_wants(c, index, TYPE_INT, "the index of a list");
    }
    if (type_kind(of->type) != TYPE_MAP)
        return CHECK_FAIL(c, n->at, "%s has no elements: [] goes with lists and maps", type_name(of->type, type, sizeof type));
    n->type = type_value(of->type);
    return type_unify(type_key(of->type), index->type, &both) ? 0 : check_wants(c, index, type_key(of->type), "the key of this map");
}

static int check_list(struct checker *c, struct node *n)
{
    query_type element = TYPE_ANY;
    char first[TYPE_NAME_MAX], other[TYPE_NAME_MAX];
    for (struct node *child = n->first; child; child = child->next) {
        int r = check_node(c, child);
        if (r < 0)
            return r;
        if (child->type == TYPE_BYTES)
            return CHECK_FAIL(c, child->start, "a list of bytes is not possible here");
        if (!type_unify(element, child->type, &element))
            return CHECK_FAIL(c, child->start, "the elements of a list have one type: this is %s, those before it %s", type_name(child->type, other, sizeof other), type_name(element, first, sizeof first));
    }
    return type_list(element, &n->type) ? 0 : CHECK_FAIL(c, n->at, "lists are nested too deeply");
}

static int check_map(struct checker *c, struct node *n)
{
    query_type key = TYPE_ANY, value = TYPE_ANY;
    unsigned pairs = 0;
    for (struct node *k = n->first, *v; k; k = v->next) {
        v = k->next;
        if (pairs++ == MAP_PAIRS_MAX)
            return CHECK_FAIL(c, k->start, "this map is too large: more than %u keys", MAP_PAIRS_MAX);
        int r = check_node(c, k);
        if (r < 0 || (r = check_node(c, v)) < 0)
            return r;
        if (k->type != TYPE_STRING && k->type != TYPE_INT && k->type != TYPE_BOOL)
            return CHECK_FAIL(c, k->start, "the keys of a map are strings, ints or bools");
        if (!type_unify(key, k->type, &key))
            return CHECK_FAIL(c, k->start, "the keys of a map have one type");
        if (v->type == TYPE_BYTES || !type_unify(value, v->type, &value))
            return CHECK_FAIL(c, v->start, "the values of a map have one type, and are no bytes");
    }
    return type_map(key, value, &n->type) ? 0 : CHECK_FAIL(c, n->at, "maps are nested too deeply");
}

static int check_unary(struct checker *c, struct node *n)
{
    struct node *a = n->first;
    char type[TYPE_NAME_MAX];
    int r = check_node(c, a);
    if (r < 0)
        return r;
    n->type = a->type;
    if (n->op == OP_NOT)
        return check_wants(c, a, TYPE_BOOL, "what ! turns round");
    if (a->type != TYPE_INT && a->type != TYPE_DOUBLE)
        return CHECK_FAIL(c, n->at, "- does not go with %s", type_name(a->type, type, sizeof type));
    if (a->kind != NODE_LITERAL || (a->type == TYPE_INT && a->number == INT64_MIN))
        return 0;
    n->kind = NODE_LITERAL;
    n->number = a->type == TYPE_INT ? -a->number : 0;
    n->real = -a->real;
    n->first = NULL;
    return 0;
}

static int check_row(struct checker *c, struct node *n)
{
    for (struct node *child = n->first; child; child = child->next) {
        int r = check_node(c, child);
        if (r < 0 || (r = check_wants(c, child, TYPE_BOOL, n->kind == NODE_AND ? "what && joins" : "what || joins")) < 0)
            return r;
    }
    n->type = TYPE_BOOL;
    return 0;
}

static int check_ternary(struct checker *c, struct node *n)
{
    struct node *condition = n->first, *yes = condition->next, *no = yes->next;
    char a[TYPE_NAME_MAX], b[TYPE_NAME_MAX];
    int r = check_node(c, condition);
    if (r < 0 || (r = check_wants(c, condition, TYPE_BOOL, "the condition of ?:")) < 0 || (r = check_node(c, yes)) < 0 || (r = check_node(c, no)) < 0)
        return r;
    if (!type_unify(yes->type, no->type, &n->type))
        return CHECK_FAIL(c, no->start, "both answers of ?: have one type: this is %s, the other %s", type_name(no->type, a, sizeof a), type_name(yes->type, b, sizeof b));
    return 0;
}

/* As deep as the parser lets a tree be. */
int check_node(struct checker *c, struct node *n)
{
    switch ((enum node_kind)n->kind) {
    case NODE_NAME: return check_name(c, n);
    case NODE_SELECT: return check_select(c, n);
    case NODE_INDEX: return check_index(c, n);
    case NODE_CALL: return check_call(c, n);
    case NODE_METHOD: return check_method(c, n);
    case NODE_LIST: return check_list(c, n);
    case NODE_MAP: return check_map(c, n);
    case NODE_UNARY: return check_unary(c, n);
    case NODE_BINARY: return check_binary(c, n);
    case NODE_AND: case NODE_OR: return check_row(c, n);
    case NODE_TERNARY: return check_ternary(c, n);
    default: return 0;
    }
}

int expression_check(struct expression *e, const struct vocabulary *vocabulary, int64_t now_ns, struct query_error *error)
{
    struct checker c = { .e = e, .vocabulary = vocabulary, .error = error, .now_ns = now_ns };
    if (!e->root)
        return 0;
    int r = check_node(&c, e->root);
    if (r < 0 || (r = check_wants(&c, e->root, TYPE_BOOL, "an expression")) < 0)
        return r;
    return expression_check_nesting(e, error);
}
