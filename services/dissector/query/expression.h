/* An expression as a tree, from text (parser.c) over types (check.c) to SQL (translate.c). Source: the CEL language definition, https://github.com/google/cel-spec/blob/master/doc/langdef.md.
 *
 *   Expr           = ConditionalOr ["?" ConditionalOr ":" Expr]
 *   ConditionalOr  = ConditionalAnd {"||" ConditionalAnd}
 *   ConditionalAnd = Relation {"&&" Relation}
 *   Relation       = Addition {("<" | "<=" | ">=" | ">" | "==" | "!=" | "in") Addition}
 *   Addition       = Multiplication {("+" | "-") Multiplication}
 *   Multiplication = Unary {("*" | "/" | "%") Unary}
 *   Unary          = {"!"} Member | {"-"} Member
 *   Member         = Primary {"." NAME ["(" [Exprs] ")"] | "[" Expr "]"}
 *   Primary        = NAME ["(" [Exprs] ")"] | "(" Expr ")" | "[" [Exprs] [","] "]" | "{" [Entries] [","] "}" | LITERAL
 *
 * All memory is the expression's; it borrows nothing once it is parsed. One thread. */
#ifndef DISSECTOR_QUERY_EXPRESSION_H
#define DISSECTOR_QUERY_EXPRESSION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/query/error.h"
#include "services/dissector/query/types.h"

#define EXPRESSION_BYTES_MAX (16u * 1024)   /* what people and tools write has some hundred bytes */
#define EXPRESSION_DEPTH_MAX 64u            /* of the tree; each level is some C frames. SQLite's parser sets a lower one: nesting.h */
#define EXPRESSION_NODES_MAX 2048u          /* SQLite's text and its program grow with them */
#define EXPRESSION_ARGUMENTS_MAX 3u
#define EXPRESSION_LOOPS_MAX 16u            /* macros */

enum node_kind {
    NODE_LITERAL,   /* text for STRING, BYTES and constant LIST and MAP (JSON); number for BOOL, INT, TIMESTAMP, DURATION; real for DOUBLE */
    NODE_NAME,
    NODE_SELECT,    /* first . text */
    NODE_INDEX,     /* first [ second ] */
    NODE_CALL,      /* text(children) */
    NODE_METHOD,    /* first.text(further children) */
    NODE_LIST, NODE_MAP /* key, value, key, value ... */,
    NODE_UNARY, NODE_BINARY, NODE_AND, NODE_OR /* two or more */, NODE_TERNARY,
    /* What check.c makes of some: */
    NODE_VARIABLE,
    NODE_LOOP_NAME, /* the element of the macro `loop` */
    NODE_MACRO,     /* list, then what is done with each element; `loop` numbers it */
    NODE_HAS,       /* of a variable: is not its default */
};
enum operator { OP_NONE, OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_EQUAL, OP_NOT_EQUAL, OP_IN, OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_DIVIDE, OP_MODULO, OP_NOT, OP_NEGATE };

struct variable;
struct node {
    uint8_t kind, op, loop, depth;
    uint16_t function;          /* enum function (functions_table.h), of CALL, METHOD and MACRO once checked */
    query_type type;            /* once checked */
    uint32_t at, start;         /* byte in the source: of the operator or the name; of the first byte of all of it */
    uint32_t size;
    const char *text;           /* with a NUL behind, not counted */
    int64_t number;
    double real;
    const struct variable *variable;
    struct node *first, *next;  /* children; sibling */
};

struct arena_block;
struct expression {
    struct arena_block *blocks;
    char *source;               /* copied */
    uint32_t size, nodes, loops;
    struct node *root;          /* NULL: empty, it matches all */
};

/* 0; -EINVAL: error says what and where; -ENOMEM. ret untouched on failure. */
int expression_parse(const char *text, size_t size, struct expression *ret, struct query_error *error);
void expression_free(struct expression *expression);
/* For parser.c and check.c: NULL without memory. Zeroed. */
void *expression_allocate(struct expression *expression, size_t size);
/* Fills error for the byte `at` of the source and returns -EINVAL. */
__attribute__((format(printf, 4, 5))) int expression_error(const struct expression *expression, uint32_t at, struct query_error *error, const char *format, ...);
#endif
