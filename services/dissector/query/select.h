/* The statements that an expression becomes: which entries, and which values of them. */
#ifndef DISSECTOR_QUERY_SELECT_H
#define DISSECTOR_QUERY_SELECT_H
#include "services/dissector/query/translate.h"

#define SELECT_FIELDS_MAX 512u      /* "*" are some 250; SQLite takes 2,000 */
#define SELECT_CONJUNCTS_MAX 64u    /* more stay together as one */

enum select_from {
    SELECT_ALL,         /* every entry */
    SELECT_RANGE,       /* ids from first to last, both inside */
    SELECT_LISTED,      /* ids in a JSON list */
};
/* Numbers of the parameters to bind before each run: RANGE has two, LISTED one. */
struct select_parameters { int first, last, listed; };

/* What && joins at the top: an entry must satisfy each. Returns how many; none for an empty expression. */
unsigned select_conjuncts(const struct node *root, const struct node *ret[SELECT_CONJUNCTS_MAX]);
/* "SELECT entry.id, fields, further FROM ... WHERE expression AND ids ORDER BY entry.id". */
struct select {
    const struct vocabulary *vocabulary;
    sqlite3 *paths;                     /* see translate.h */
    const struct node *root;            /* NULL: all */
    const struct variable *const *fields;
    uint32_t fields_count;
    const struct node *further;         /* NULL: none */
    enum select_from from;
};
/* The sql goes to sql_prepare and must be freed. */
void select_write(struct sql *sql, const struct select *select, struct select_parameters *ret);
/* "SELECT id ...": the numbers of those names in the table `names`, protocol or path, for which the expression, which reads nothing but them, is true (or, negated, false). paths: see translate.h. */
void select_write_names(struct sql *sql, const struct vocabulary *vocabulary, sqlite3 *paths, const char *names, const struct node *n, bool negated);
/* "SELECT what FROM peer AS src_peer WHERE expression": the endpoints for which the expression, which reads nothing but one of them, is true (or, negated, false). */
void select_write_peers(struct sql *sql, const struct vocabulary *vocabulary, const char *what, const struct node *n, bool src, bool negated);
#endif
