/* What an expression says about the columns that the table `slice` holds packed (database/schema.h): protocol, status, endpoints, path. Asked of a zone at a time, one byte or two of an entry for each column, and without SQLite's
 * machine for each row: whatever is joined by &&, and whatever the columns have to do with each other, a million entries take some milliseconds where a walk over their rows takes a hundred.
 *
 * A test of one column is a range of numbers, or a table of the numbers for which a part of the expression is true: that part is asked of each name once. One test is of two columns: whether something of both endpoints is equal. What slices tell nothing about is taken to be true, so what comes out are
 * candidates: every one is still asked the whole expression. One thread. */
#ifndef DISSECTOR_QUERY_PLAN_SLICES_H
#define DISSECTOR_QUERY_PLAN_SLICES_H
#include "services/dissector/database/schema.h"
#include "services/dissector/query/plan.h"

#define SLICES_NODES_MAX 128u           /* of the tree of tests; what does not fit is taken to be true */
#define SLICES_NESTING_MAX 6u           /* of || in || by way of &&: each takes 8 KiB of stack */

struct slices;
/* Borrows the context's file and sets. *ret NULL: slices tell nothing of this expression, or the file has none. root may be NULL. -EIO (sqlite3_errmsg), -ENOMEM. */
int slices_make(const struct query_plan_context *context, const struct node *root, struct slices **ret);
void slices_free(struct slices *slices); /* NULL is fine */
/* Those ids of the range, which lies in its zone, that may satisfy the expression, ascending. *ret_known false: the file has no slices of this zone that are whole, so all of them may. -EIO. */
int slices_candidates(struct slices *slices, const struct query_plan_range *range, int64_t ret_ids[DATABASE_ZONE_ROWS], uint32_t *ret_count, bool *ret_known);
#endif
