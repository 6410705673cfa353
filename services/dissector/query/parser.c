#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/query/expression.h"
#include "services/dissector/query/lexer.h"

#define ARENA_BLOCK_BYTES (16u * 1024)
struct arena_block { struct arena_block *next; size_t used, size; max_align_t data[]; };

void *expression_allocate(struct expression *e, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct arena_block *b = e->blocks;
    if (!b || b->size - b->used < size) {
        size_t room = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;
        b = malloc(sizeof *b + room);
        if (!b)
            return NULL;
        *b = (struct arena_block){ .next = e->blocks, .size = room };
        e->blocks = b;
    }
    void *p = (char *)b->data + b->used;
    b->used += size;
    return memset(p, 0, size);
}

void expression_free(struct expression *e)
{
    for (struct arena_block *b = e->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *e = (struct expression){ 0 };
}

int expression_error(const struct expression *e, uint32_t at, struct query_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->column = 1;
    for (uint32_t i = 0; i < at && i < e->size; i++)
        error->column += ((unsigned char)e->source[i] & 0xc0) != 0x80;
    return -EINVAL;
}

struct parser {
    struct expression *e;
    struct query_error *error;
    struct token token;     /* not yet consumed */
    uint32_t depth;
};

#define FAIL(p, at, ...) expression_error((p)->e, at, (p)->error, __VA_ARGS__)

static int advance(struct parser *p) { return lexer_next(p->e, p->token.end, &p->token, p->error); }

static int expect(struct parser *p, enum token_kind kind, const char *what)
{
    if (p->token.kind != kind)
        return FAIL(p, p->token.at, "%s is missing here", what);
    return advance(p);
}

static int new_node(struct parser *p, enum node_kind kind, uint32_t at, uint32_t start, struct node **ret)
{
    if (p->e->nodes == EXPRESSION_NODES_MAX)
        return FAIL(p, at, "the expression is too long: more than %u parts", EXPRESSION_NODES_MAX);
    struct node *n = expression_allocate(p->e, sizeof *n);
    if (!n)
        return -ENOMEM;
    p->e->nodes++;
    n->kind = (uint8_t)kind;
    n->at = at;
    n->start = start;
    n->depth = 1;
    *ret = n;
    return 0;
}

/* `last` is where the next child hangs. */
static int add_child(struct parser *p, struct node *parent, struct node ***last, struct node *child)
{
    if (child->depth >= EXPRESSION_DEPTH_MAX)
        return FAIL(p, child->at, "the expression is nested too deeply: more than %u levels", EXPRESSION_DEPTH_MAX);
    if (parent->depth <= child->depth)
        parent->depth = (uint8_t)(child->depth + 1);
    **last = child;
    *last = &child->next;
    return 0;
}

static int parse_expression(struct parser *p, struct node **ret);

/* Expressions up to the closing token, which is consumed. */
static int parse_children(struct parser *p, struct node *parent, struct node **last, enum token_kind close, const char *what, bool comma_may_end)
{
    for (bool first = true;; first = false) {
        int r;
        if (p->token.kind == close)
            return advance(p);
        if (!first) {
            if ((r = expect(p, TOKEN_COMMA, what)) < 0)
                return r;
            if (p->token.kind == close && comma_may_end)
                return advance(p);
        }
        struct node *child;
        if ((r = parse_expression(p, &child)) < 0 || (r = add_child(p, parent, &last, child)) < 0)
            return r;
        if (parent->kind != NODE_MAP)
            continue;
        if ((r = expect(p, TOKEN_COLON, "\":\" behind the key")) < 0 || (r = parse_expression(p, &child)) < 0 || (r = add_child(p, parent, &last, child)) < 0)
            return r;
    }
}

static int set_name(struct parser *p, struct node *n, const struct token *t)
{
    char *text = expression_allocate(p->e, t->size + 1);
    if (!text)
        return -ENOMEM;
    memcpy(text, t->text, t->size);
    n->text = text;
    n->size = t->size;
    return 0;
}

static int parse_name(struct parser *p, struct node **ret)
{
    struct token name = p->token;
    struct node *n;
    int r = advance(p);
    if (r < 0)
        return r;
    bool call = p->token.kind == TOKEN_OPEN;
    if (lexer_is_reserved(name.text, name.size))
        return FAIL(p, name.at, "\"%.*s\" is a word that CEL keeps for itself", (int)name.size, name.text);
    if ((r = new_node(p, call ? NODE_CALL : NODE_NAME, name.at, name.at, &n)) < 0 || (r = set_name(p, n, &name)) < 0)
        return r;
    if (call && ((r = advance(p)) < 0 || (r = parse_children(p, n, &n->first, TOKEN_CLOSE, "\",\" or \")\"", false)) < 0))
        return r;
    *ret = n;
    return 0;
}

static int parse_literal(struct parser *p, struct node **ret)
{
    struct token t = p->token;
    struct node *n;
    int r = new_node(p, NODE_LITERAL, t.at, t.at, &n);
    if (r < 0)
        return r;
    switch (t.kind) {
    case TOKEN_INT:
        if (t.number > INT64_MAX)
            return FAIL(p, t.at, "this number does not fit into 64 bits");
        n->type = TYPE_INT;
        n->number = (int64_t)t.number;
        break;
    case TOKEN_DOUBLE: n->type = TYPE_DOUBLE; n->real = t.real; break;
    case TOKEN_TRUE: n->type = TYPE_BOOL; n->number = 1; break;
    case TOKEN_FALSE: n->type = TYPE_BOOL; break;
    case TOKEN_NULL: return FAIL(p, t.at, "no value is null here: what is missing is \"\", 0, false, [] or {}");
    default: n->type = t.kind == TOKEN_BYTES ? TYPE_BYTES : TYPE_STRING; n->text = t.text; n->size = t.size;
    }
    *ret = n;
    return advance(p);
}

static int parse_primary(struct parser *p, struct node **ret)
{
    uint32_t at = p->token.at;
    struct node *n;
    int r;
    switch (p->token.kind) {
    case TOKEN_NAME: return parse_name(p, ret);
    case TOKEN_INT: case TOKEN_DOUBLE: case TOKEN_STRING: case TOKEN_BYTES: case TOKEN_TRUE: case TOKEN_FALSE: case TOKEN_NULL: return parse_literal(p, ret);
    case TOKEN_OPEN:
        if ((r = advance(p)) < 0 || (r = parse_expression(p, &n)) < 0 || (r = expect(p, TOKEN_CLOSE, "\")\"")) < 0)
            return r;
        n->start = at;
        break;
    case TOKEN_OPEN_LIST:
        if ((r = new_node(p, NODE_LIST, at, at, &n)) < 0 || (r = advance(p)) < 0 || (r = parse_children(p, n, &n->first, TOKEN_CLOSE_LIST, "\",\" or \"]\"", true)) < 0)
            return r;
        break;
    case TOKEN_OPEN_MAP:
        if ((r = new_node(p, NODE_MAP, at, at, &n)) < 0 || (r = advance(p)) < 0 || (r = parse_children(p, n, &n->first, TOKEN_CLOSE_MAP, "\",\" or \"}\"", true)) < 0)
            return r;
        break;
    case TOKEN_END: return FAIL(p, at, "the expression ends too early");
    default: return FAIL(p, at, "a value is missing here");
    }
    *ret = n;
    return 0;
}

/* What follows a dot. */
static int parse_field(struct parser *p, struct node *left, struct node **ret)
{
    struct token name = p->token;
    struct node *n, **last;
    if (name.kind != TOKEN_NAME)
        return FAIL(p, name.at, "a name is missing behind the dot");
    int r = advance(p);
    if (r < 0)
        return r;
    bool call = p->token.kind == TOKEN_OPEN;
    if ((r = new_node(p, call ? NODE_METHOD : NODE_SELECT, name.at, left->start, &n)) < 0 || (r = set_name(p, n, &name)) < 0)
        return r;
    last = &n->first;
    if ((r = add_child(p, n, &last, left)) < 0)
        return r;
    if (call && ((r = advance(p)) < 0 || (r = parse_children(p, n, last, TOKEN_CLOSE, "\",\" or \")\"", false)) < 0))
        return r;
    *ret = n;
    return 0;
}

static int parse_index(struct parser *p, struct node *left, struct node **ret)
{
    struct node *n, *index, **last;
    int r = new_node(p, NODE_INDEX, p->token.at, left->start, &n);
    if (r < 0)
        return r;
    last = &n->first;
    if ((r = advance(p)) < 0 || (r = add_child(p, n, &last, left)) < 0 || (r = parse_expression(p, &index)) < 0 || (r = add_child(p, n, &last, index)) < 0 ||
        (r = expect(p, TOKEN_CLOSE_LIST, "\"]\"")) < 0)
        return r;
    *ret = n;
    return 0;
}

static int parse_member(struct parser *p, struct node **ret)
{
    struct node *n = NULL;
    int r = parse_primary(p, &n);
    while (r == 0 && (p->token.kind == TOKEN_DOT || p->token.kind == TOKEN_OPEN_LIST)) {
        if (p->token.kind == TOKEN_OPEN_LIST)
            r = parse_index(p, n, &n);
        else if ((r = advance(p)) == 0)
            r = parse_field(p, n, &n);
    }
    if (r == 0)
        *ret = n;
    return r;
}

static bool is_negative_literal(const struct parser *p) { return p->token.kind == TOKEN_INT && p->token.number > INT64_MAX; }

/* Several in a row nest: each takes a level. */
static int parse_unary(struct parser *p, struct node **ret)
{
    struct token t = p->token;
    struct node *n, *operand, **last;
    if (t.kind != TOKEN_NOT && t.kind != TOKEN_MINUS)
        return parse_member(p, ret);
    if (++p->depth > EXPRESSION_DEPTH_MAX)
        return FAIL(p, t.at, "the expression is nested too deeply: more than %u levels", EXPRESSION_DEPTH_MAX);
    int r = advance(p);
    if (r < 0)
        return r;
    if (t.kind == TOKEN_MINUS && is_negative_literal(p)) { /* the one number that is right only behind a minus */
        if ((r = new_node(p, NODE_LITERAL, t.at, t.at, &n)) < 0)
            return r;
        n->type = TYPE_INT;
        n->number = INT64_MIN;
        r = advance(p);
    } else {
        if ((r = parse_unary(p, &operand)) < 0 || (r = new_node(p, NODE_UNARY, t.at, t.at, &n)) < 0)
            return r;
        n->op = t.kind == TOKEN_NOT ? OP_NOT : OP_NEGATE;
        last = &n->first;
        r = add_child(p, n, &last, operand);
    }
    p->depth--;
    *ret = n;
    return r;
}

static const uint8_t operators[] = {
    [TOKEN_STAR] = OP_MULTIPLY, [TOKEN_SLASH] = OP_DIVIDE, [TOKEN_PERCENT] = OP_MODULO, [TOKEN_PLUS] = OP_ADD, [TOKEN_MINUS] = OP_SUBTRACT, [TOKEN_LESS] = OP_LESS, [TOKEN_LESS_EQUAL] = OP_LESS_EQUAL,
    [TOKEN_GREATER] = OP_GREATER, [TOKEN_GREATER_EQUAL] = OP_GREATER_EQUAL, [TOKEN_EQUAL] = OP_EQUAL, [TOKEN_NOT_EQUAL] = OP_NOT_EQUAL, [TOKEN_IN] = OP_IN,
};
/* How strongly an operator binds: * over + over relations. 0: it is none of these. */
static unsigned strength(enum operator op)
{
    return op >= OP_MULTIPLY && op <= OP_MODULO ? 3 : op == OP_ADD || op == OP_SUBTRACT ? 2 : op != OP_NONE && op <= OP_IN ? 1 : 0;
}
static enum operator operator_of(enum token_kind kind) { return kind < sizeof operators ? (enum operator)operators[kind] : OP_NONE; }

/* All operators of at least this strength; those of one strength from left to right. */
static int parse_binary(struct parser *p, unsigned least, struct node **ret)
{
    struct node *left = NULL, *right, *n, **last;
    int r = least > 3 ? parse_unary(p, &left) : parse_binary(p, least + 1, &left);
    while (r == 0 && least <= 3 && strength(operator_of(p->token.kind)) == least) {
        struct token t = p->token;
        if ((r = new_node(p, NODE_BINARY, t.at, left->start, &n)) < 0)
            return r;
        n->op = (uint8_t)operator_of(t.kind);
        last = &n->first;
        if ((r = advance(p)) < 0 || (r = parse_binary(p, least + 1, &right)) < 0 || (r = add_child(p, n, &last, left)) < 0 || (r = add_child(p, n, &last, right)) < 0)
            return r;
        left = n;
    }
    if (r == 0)
        *ret = left;
    return r;
}

/* Any number of operands side by side: a long row of them is not deep. */
static int parse_row(struct parser *p, enum token_kind sign, struct node **ret)
{
    struct node *n = NULL, *operand, **last;
    int r = sign == TOKEN_OR ? parse_row(p, TOKEN_AND, &n) : parse_binary(p, 1, &n);
    if (r < 0 || p->token.kind != sign) {
        if (r == 0)
            *ret = n;
        return r;
    }
    operand = n;
    if ((r = new_node(p, sign == TOKEN_OR ? NODE_OR : NODE_AND, p->token.at, operand->start, &n)) < 0)
        return r;
    last = &n->first;
    r = add_child(p, n, &last, operand);
    while (r == 0 && p->token.kind == sign)
        if ((r = advance(p)) == 0 && (r = sign == TOKEN_OR ? parse_row(p, TOKEN_AND, &operand) : parse_binary(p, 1, &operand)) == 0)
            r = add_child(p, n, &last, operand);
    if (r == 0)
        *ret = n;
    return r;
}

static int parse_ternary(struct parser *p, struct node *condition, struct node **ret)
{
    struct node *n, *yes, *no, **last;
    int r = new_node(p, NODE_TERNARY, p->token.at, condition->start, &n);
    if (r < 0)
        return r;
    last = &n->first;
    if ((r = advance(p)) < 0 || (r = parse_row(p, TOKEN_OR, &yes)) < 0 || (r = expect(p, TOKEN_COLON, "\":\"")) < 0 || (r = parse_expression(p, &no)) < 0)
        return r;
    if ((r = add_child(p, n, &last, condition)) < 0 || (r = add_child(p, n, &last, yes)) < 0 || (r = add_child(p, n, &last, no)) < 0)
        return r;
    *ret = n;
    return 0;
}

static int parse_expression(struct parser *p, struct node **ret)
{
    struct node *n = NULL;
    if (++p->depth > EXPRESSION_DEPTH_MAX)
        return FAIL(p, p->token.at, "the expression is nested too deeply: more than %u levels", EXPRESSION_DEPTH_MAX);
    int r = parse_row(p, TOKEN_OR, &n);
    if (r == 0 && p->token.kind == TOKEN_QUESTION)
        r = parse_ternary(p, n, &n);
    p->depth--;
    if (r == 0)
        *ret = n;
    return r;
}

int expression_parse(const char *text, size_t size, struct expression *ret, struct query_error *error)
{
    struct expression e = { 0 };
    struct parser p = { .e = &e, .error = error };
    if (size > EXPRESSION_BYTES_MAX)
        return expression_error(&e, 0, error, "the expression is too long: more than %u bytes", EXPRESSION_BYTES_MAX);
    e.source = expression_allocate(&e, size + 3); /* NULs behind, so that two more may be looked at */
    if (!e.source)
        return -ENOMEM;
    memcpy(e.source, text, size);
    e.size = (uint32_t)size;
    int r = lexer_check_text(&e, error);
    if (r == 0)
        r = advance(&p);
    if (r == 0 && p.token.kind != TOKEN_END) {
        r = parse_expression(&p, &e.root);
        if (r == 0 && p.token.kind != TOKEN_END)
            r = FAIL(&p, p.token.at, "the expression should end here");
    }
    if (r < 0) {
        expression_free(&e);
        return r;
    }
    *ret = e;
    return 0;
}
