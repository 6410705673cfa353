#include "services/dissector/query/plan.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/query/plan_internal.h"
#include "services/dissector/query/plan_sets.h"
#include "services/dissector/query/plan_slices.h"
#include "services/dissector/query/select.h"

#define ERROR_STATUS_MIN 400        /* the index entry_error holds these and above */

/* Behind a value that is one, an index goes on in the order of ids, and a span of them is found at once. Behind a span of values it is not: there all of the index's span would be read to find few, so what is outside counts, too. */
static void write_ids(struct sql *sql, bool one, int64_t first, int64_t last)
{
    if (one) {
        sql_put(sql, " AND id BETWEEN ");
        sql_bind_int(sql, first);
        sql_put(sql, " AND ");
        sql_bind_int(sql, last);
    }
    sql_format(sql, " LIMIT %u", PLAN_CANDIDATES_MAX + 1);
}

/* The partial index of all protocols but the most frequent, which has the number 1. */
static bool write_rare(struct sql *sql, uint64_t set)
{
    uint64_t unknown = ~((UINT64_C(1) << query_plan_protocol_bit(INT64_MAX)) - 1) & ~PLAN_PROTOCOLS_KNOWN;
    if ((set & 3) || (set & unknown))
        return false;
    sql_put(sql, "SELECT id FROM entry INDEXED BY entry_rare WHERE protocol > 1 AND protocol IN (-1");
    for (unsigned i = 2; i < query_plan_protocol_bit(INT64_MAX); i++)
        if (set >> i & 1) {
            sql_put(sql, ", ");
            sql_bind_int(sql, i);
        }
    sql_put(sql, ")");
    return true;
}

/* The partial index of status codes from 400 on; its condition must stand in the text for SQLite to see that it serves. */
static bool write_error(struct sql *sql, const struct comparison *comparison)
{
    int64_t number = comparison->literal->number;
    static const char *const signs[] = { [OP_GREATER] = ">", [OP_GREATER_EQUAL] = ">=", [OP_EQUAL] = "=" };
    if ((comparison->op != OP_GREATER && comparison->op != OP_GREATER_EQUAL && comparison->op != OP_EQUAL) || number < ERROR_STATUS_MIN - (comparison->op == OP_GREATER))
        return false;
    sql_format(sql, "SELECT id FROM entry INDEXED BY entry_error WHERE status >= %d AND status %s ", ERROR_STATUS_MIN, signs[comparison->op]);
    sql_bind_int(sql, number);
    return true;
}

static bool write_peers(struct sql *sql, const struct query_plan_context *c, const struct node *n)
{
    const struct plan_set *set = plan_sets_find(c, n, false);
    if (!set || (set->column != SLICE_SRC && set->column != SLICE_DST) || set->count > (int64_t)PLAN_PEERS_MAX || !set->table)
        return false;
    const char *side = set->column == SLICE_SRC ? "src" : "dst", *comma = "";
    sql_format(sql, "SELECT id FROM entry INDEXED BY entry_%s WHERE %s IN (", side, side);
    for (int64_t id = set->least; id <= set->greatest; id++)
        if (set->table[id]) {
            sql_format(sql, "%s%lld", comma, (long long)id);
            comma = ", ";
        }
    sql_put(sql, ")");
    return true;
}

static bool write_path(struct sql *sql, int64_t first, int64_t last)
{
    sql_put(sql, first == last ? "SELECT id FROM entry INDEXED BY entry_path WHERE path = " : "SELECT id FROM entry INDEXED BY entry_path WHERE path BETWEEN ");
    sql_bind_int(sql, first);
    if (first != last) {
        sql_put(sql, " AND ");
        sql_bind_int(sql, last);
    }
    return true;
}

static bool write_connection(struct sql *sql, int64_t number)
{
    sql_put(sql, "SELECT id FROM entry INDEXED BY entry_connection WHERE connection = ");
    sql_bind_int(sql, number);
    return true;
}

bool query_plan_write_probe(struct sql *sql, const struct query_plan_context *c, const struct node *n, int64_t first, int64_t last)
{
    struct comparison comparison;
    int64_t least, greatest;
    uint64_t set = query_plan_protocols_of(c, n);
    bool fits, one = true, compares = query_plan_comparison(n, &comparison) && comparison.variable->zone;
    if (set)
        fits = write_rare(sql, set);
    else if (compares && strcmp(comparison.variable->zone, "connection") == 0 && comparison.op == OP_EQUAL)
        fits = write_connection(sql, comparison.literal->number);
    else if (compares && strcmp(comparison.variable->zone, "status") == 0) {
        fits = write_error(sql, &comparison);
        one = comparison.op == OP_EQUAL;
    } else if (query_plan_path_range(c, n, &least, &greatest)) {
        fits = write_path(sql, least, greatest);
        one = least == greatest;
    } else
        fits = write_peers(sql, c, n);
    if (fits)
        write_ids(sql, one, first, last);
    return fits;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Candidates of one conjunct into ids. Returns how many; PLAN_CANDIDATES_MAX + 1: they are too many. */
static int64_t probe(const struct query_plan_context *c, const struct node *n, int64_t first, int64_t last, int64_t *ids)
{
    MEM_CLEANUP(sql_free) struct sql sql = { 0 };
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    uint32_t count = 0, seen = 0;
    int r;
    if (!query_plan_write_probe(&sql, c, n, first, last))
        return PLAN_CANDIDATES_MAX + 1;
    r = sql_prepare(c->file->db, &sql, &statement);
    if (r < 0)
        return r == -ENOMEM ? r : (int64_t)PLAN_CANDIDATES_MAX + 1; /* a file without this index */
    while ((r = sqlite3_step(statement)) == SQLITE_ROW && ++seen <= PLAN_CANDIDATES_MAX) {
        int64_t id = sqlite3_column_int64(statement, 0);
        if (id >= first && id <= last)
            ids[count++] = id;
    }
    return r == SQLITE_DONE ? (int64_t)count : r == SQLITE_ROW ? (int64_t)PLAN_CANDIDATES_MAX + 1 : -EIO;
}

/* The conjunct with the fewest candidates. */
static int probe_all(const struct query_plan_context *c, const struct node *root, int64_t first, int64_t last, struct query_plan *p)
{
    const struct node *conjuncts[SELECT_CONJUNCTS_MAX];
    unsigned count = select_conjuncts(root, conjuncts);
    mem_auto_free int64_t *ids = malloc((PLAN_CANDIDATES_MAX + 1) * sizeof *ids);
    if (!ids)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        if (p->listed && p->ids_count <= PLAN_CANDIDATES_FEW)
            break;
        int64_t found = probe(c, conjuncts[i], first, last, ids);
        if (found < 0)
            return (int)found;
        if (found > (int64_t)PLAN_CANDIDATES_MAX || (p->listed && found >= (int64_t)p->ids_count))
            continue;
        int64_t *best = p->ids;
        p->ids = ids;
        p->ids_count = (uint32_t)found;
        p->listed = true;
        ids = best ? best : malloc((PLAN_CANDIDATES_MAX + 1) * sizeof *ids);
        if (!ids)
            return -ENOMEM;
    }
    if (p->listed)
        qsort(p->ids, p->ids_count, sizeof *p->ids, compare_ids);
    return 0;
}

/* Neighbours become one, unless each has slices. */
static void add_range(struct query_plan *p, struct query_plan_range range)
{
    struct query_plan_range *before = p->ranges_count ? &p->ranges[p->ranges_count - 1] : NULL;
    if (before && range.first <= before->last)
        range.first = before->last + 1;
    if (range.first > range.last)
        return;
    if (before && ((!p->slices && before->last + 1 == range.first) || p->ranges_count == PLAN_ZONES_MAX)) {
        before->last = range.last;
        before->zone = 0;
    } else
        p->ranges[p->ranges_count++] = range;
}

static int find_zones(const struct query_plan_context *c, const struct node *root, int64_t first, int64_t last, struct query_plan *p)
{
    MEM_CLEANUP(sql_free) struct sql sql = { 0 };
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    query_plan_write_zones(&sql, c, root, first, last);
    int r = sql_prepare(c->file->db, &sql, &statement);
    if (r < 0)
        return r;
    while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t zone_first = sqlite3_column_int64(statement, 0), zone_last = sqlite3_column_int64(statement, 1);
        struct query_plan_range range = { .first = zone_first > first ? zone_first : first, .last = zone_last < last ? zone_last : last, .zone = sqlite3_column_int64(statement, 2), .zone_first = zone_first };
        range.zone_rows = zone_first > 0 && zone_last >= zone_first ? zone_last - zone_first + 1 : 0;
        add_range(p, range);
    }
    return r == SQLITE_DONE ? 0 : -EIO;
}

int query_plan_make(const struct query_file *file, const struct vocabulary *vocabulary, const struct node *root, int64_t first, int64_t last, struct query_plan *ret)
{
    memset(ret, 0, sizeof *ret);
    if (first > last)
        return 0;
    struct query_plan_context c = { file, vocabulary, calloc(1, sizeof *c.sets) };
    ret->sets = c.sets;
    if (!c.sets)
        return -ENOMEM;
    int r = root ? probe_all(&c, root, first, last, ret) : 0;
    if (r == 0 && !ret->listed)
        r = slices_make(&c, root, &ret->slices);
    return r < 0 || ret->listed ? r : find_zones(&c, root, first, last, ret);
}

void query_plan_free(struct query_plan *p)
{
    free(p->ids);
    slices_free(p->slices);
    plan_sets_free(p->sets);
    p->slices = NULL;
    p->sets = NULL;
    p->ids = NULL;
    p->ids_count = 0;
}
