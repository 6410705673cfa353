/* Between check.c (names and operators) and check_calls.c (functions, methods, macros). */
#ifndef DISSECTOR_QUERY_CHECK_INTERNAL_H
#define DISSECTOR_QUERY_CHECK_INTERNAL_H
#include "services/dissector/query/check.h"

struct loop_name { const char *name; uint32_t size; query_type type; uint8_t loop; };
struct checker {
    struct expression *e;
    const struct vocabulary *vocabulary;
    struct query_error *error;
    int64_t now_ns;
    struct loop_name loops[EXPRESSION_LOOPS_MAX]; /* open ones, the innermost last */
    uint32_t loops_count;
};
#define CHECK_FAIL(c, at, ...) expression_error((c)->e, at, (c)->error, __VA_ARGS__)

int check_node(struct checker *c, struct node *n);
int check_call(struct checker *c, struct node *n);
int check_method(struct checker *c, struct node *n);
int check_binary(struct checker *c, struct node *n);
/* `what` ("the condition of ?:") must have this type. */
int check_wants(struct checker *c, const struct node *n, query_type type, const char *what);
/* The dotted names of a chain of selects down to a name, into buf; false: it is none, or longer. */
bool check_dotted(const struct checker *c, const struct node *n, char *buf, size_t cap, uint32_t *ret_size);
int check_unknown_name(struct checker *c, const struct node *n, const char *name, uint32_t size);
static inline bool node_is_literal(const struct node *n, query_type type) { return n->kind == NODE_LITERAL && n->type == type; }
#endif
