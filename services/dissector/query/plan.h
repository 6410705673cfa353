/* How the entries that satisfy an expression are found in one file: which ids can be among them, from an index where it leads to few, else from the table `zone`. Only a choice of ids: every one is still asked the whole expression.
 *
 * Measured, over a million entries: a candidate of an index costs 5 us, because it lies on a page of its own, and to test a zone of 4,096 by its slices 10 us, 3 ms for all; a walk over all rows takes a hundred. Hence an index is
 * probed for at most PLAN_CANDIDATES_MAX, and else the walk goes by id, past zones that cannot match, and in each of the others to what its slices leave (plan_slices.h). */
#ifndef DISSECTOR_QUERY_PLAN_H
#define DISSECTOR_QUERY_PLAN_H
#include "services/dissector/query/expression.h"
#include "services/dissector/query/query_file.h"
#include "services/dissector/query/sql_text.h"

#define PLAN_CANDIDATES_MAX 1000u
#define PLAN_CANDIDATES_FEW 200u        /* with so few no other index is asked */
#define PLAN_PEERS_MAX 200u             /* endpoints that an index of src or dst is asked for */
#define PLAN_ZONES_MAX 1024u            /* of a file: DATABASE_PART_ROWS / DATABASE_ZONE_ROWS are 245 */

struct slices;
struct plan_sets;
/* zone: the number of the zone in which all of it lies, and that zone's first id and length; 0: it is no zone, or several. */
struct query_plan_range { int64_t first, last, zone, zone_first, zone_rows; };
struct query_plan {
    bool listed;                        /* ids says which; else ranges */
    int64_t *ids;                       /* ascending */
    uint32_t ids_count;
    struct query_plan_range ranges[PLAN_ZONES_MAX]; /* ascending, apart */
    uint32_t ranges_count;
    struct slices *slices;              /* which ids of a range; NULL: all may be. Each range is then of one zone */
    struct plan_sets *sets;             /* of the names that conditions are true of */
};
/* Within ids first..last. root may be NULL. -EIO (sqlite3_errmsg), -ENOMEM. query_plan_free afterwards, also on failure. */
int query_plan_make(const struct query_file *file, const struct vocabulary *vocabulary, const struct node *root, int64_t first, int64_t last, struct query_plan *ret);
void query_plan_free(struct query_plan *plan);

/* What the parts of a plan are made from; sets: plan_sets.h. */
struct query_plan_context { const struct query_file *file; const struct vocabulary *vocabulary; struct plan_sets *sets; };
/* "SELECT id FROM entry INDEXED BY ... WHERE ..." for what one conjunct leads to, at most one more than PLAN_CANDIDATES_MAX; they may lie outside first..last. False: no index serves it. */
bool query_plan_write_probe(struct sql *sql, const struct query_plan_context *context, const struct node *conjunct, int64_t first, int64_t last);
/* "SELECT first, last, id FROM zone WHERE ...": zones that may hold what satisfies the expression. */
void query_plan_write_zones(struct sql *sql, const struct query_plan_context *context, const struct node *root, int64_t first, int64_t last);
#endif
