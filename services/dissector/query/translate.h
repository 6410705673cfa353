/* A checked expression as an SQL expression over `entry` and its joins, with CEL's meaning: an error is NULL, and SQL's three-valued AND and OR absorb errors as CEL's && and || do. */
#ifndef DISSECTOR_QUERY_TRANSLATE_H
#define DISSECTOR_QUERY_TRANSLATE_H
#include "services/dissector/query/expression.h"
#include "services/dissector/query/sql_text.h"
#include "services/dissector/query/vocabulary.h"

#define TRANSLATION_DETAILS_MAX 64
#define TRANSLATION_LIST_PART 100u      /* elements of a list written at once: SQLite's functions take 127 arguments */
struct translation {
    struct sql *sql;
    const struct vocabulary *vocabulary;
    sqlite3 *paths;                         /* the database whose path numbers may be written instead of names; NULL: they may change */
    bool few;                               /* entries are fewer than endpoints: what asks for these is asked of each entry's, not of all first */
    const struct detail *details[TRANSLATION_DETAILS_MAX]; /* those whose tables the expression reads */
    uint32_t details_count;
    uint32_t map_loops;                     /* bit: the loop runs over the keys of a map */
    uint32_t int_loops;                     /* ... whose keys are numbers */
};
/* Appends. What goes wrong is in sql->failed. */
void translate(struct translation *t, const struct node *n);
void translate_variable(struct translation *t, const struct variable *variable);
/* "FROM entry ..." with the joins that were needed; call it when all expressions are translated. */
void translate_from(struct translation *t);
/* Whether the expression reads columns of one endpoint's peer and nothing else: then translate() on it writes an expression over `src_peer` (or `dst_peer`) alone. */
bool expression_is_of_peer(const struct node *n, bool *ret_src);
/* The least text past all that begin with prefix, to be freed; *ret_size 0: there is none. NULL: no memory. */
char *translate_prefix_end(const char *prefix, size_t size, size_t *ret_size);
/* Names of the protocols of a set, as "?1, ?2". */
void translate_protocols(struct translation *t, uint64_t protocols);
#endif
