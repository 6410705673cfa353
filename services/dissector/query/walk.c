#include "services/dissector/query/walk.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/query/plan_slices.h"

#define RANGE_FIRST_ROWS 4096       /* the first statement of a walk; each further one takes twice as many, up to RANGE_ROWS_MAX, because a statement reads the endpoints anew */
#define RANGE_ROWS_MAX (512 * 1024) /* what one statement reads at most, and what a timeout may throw away */
#define LIST_FIRST 100u             /* the usual page: candidates that one statement is asked first; each further one takes twice as many, up to LIST_MAX */
#define LIST_MAX 4096u
#define LISTED_NUMBER_MAX 24
#define DENSE 16u                   /* where one of so many rows is a candidate, all are read: to find a row by its id costs what it costs to pass so many */

struct asked { struct sql sql; sqlite3_stmt *statement; struct select_parameters parameters; };
struct walk {
    struct run *run;
    struct asked range, list;           /* prepared when they are needed */
    int64_t most;                       /* rows of the next statement over a range */
    struct query_plan_range dense;      /* waiting to be read; none: first > last */
    uint32_t goal;                      /* candidates of the next statement over a list */
    uint32_t count;
    int64_t covered;                    /* those that wait are all that may be answers up to there */
    int64_t ids[LIST_MAX + DATABASE_ZONE_ROWS];
};

static void read_value(sqlite3_stmt *statement, int column, const struct variable *variable, struct query_value *ret)
{
    *ret = (struct query_value){ .name = variable->name, .type = variable->type, .text = "" };
    switch (type_kind(variable->type)) {
    case TYPE_BOOL: case TYPE_INT: case TYPE_TIMESTAMP: case TYPE_DURATION: ret->number = sqlite3_column_int64(statement, column); break;
    case TYPE_DOUBLE: ret->real = sqlite3_column_double(statement, column); break;
    default: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        if (text) {
            ret->text = text;
            ret->size = (size_t)sqlite3_column_bytes(statement, column);
        }
    }
    }
}

static int take_row(struct run *run, sqlite3_stmt *statement)
{
    struct query_value values[SELECT_FIELDS_MAX];
    uint32_t count = run->fields.count;
    for (uint32_t i = 0; i < count; i++)
        read_value(statement, (int)i + 1, run->fields.variables[i], &values[i]);
    if (run->groups)
        return groups_add(run->groups, values, count - 1, values[count - 1].number, sqlite3_column_int(statement, (int)count + 1) != 0);
    run->result.rows++;
    run->enough = !run->row(run->context, values, count) || run->result.rows == run->limit;
    return 0;
}

static int prepare(const struct run *run, enum select_from from, struct asked *ret)
{
    const struct select select = { .vocabulary = run->vocabulary, .paths = run->file.db, .root = run->expression.root, .fields = run->fields.variables, .fields_count = run->fields.count,
                                   .further = run->groups ? run->errors.root : NULL, .from = from };
    if (ret->statement)
        return sqlite3_reset(ret->statement) == SQLITE_OK ? 0 : -EIO;
    select_write(&ret->sql, &select, &ret->parameters);
    int r = sql_prepare(run->file.db, &ret->sql, &ret->statement);
    return r < 0 ? query_file_failed(&run->file, r, run->error) : 0;
}

/* Runs the statement as it is bound. Past the last row, the cursor is `last`; after what ends the answer earlier, the last row. */
static int run_statement(struct run *run, sqlite3_stmt *statement, int64_t last)
{
    int r = SQLITE_ROW;
    while (!run->enough && (r = sqlite3_step(statement)) == SQLITE_ROW) {
        run->result.cursor = (uint64_t)sqlite3_column_int64(statement, 0);
        if (take_row(run, statement) < 0)
            return query_run_fail(run->error, -ENOMEM, "no memory");
    }
    if (r == SQLITE_DONE)
        run->result.cursor = (uint64_t)last;
    else if (r != SQLITE_ROW)
        return query_file_failed(&run->file, r, run->error);
    (void)sqlite3_reset(statement);
    return 0;
}

/* A statement that ran out of time has answered up to its last row; where that is nothing at all, the query fails. Groups have counted what they were given. */
static int forgive_timeout(struct run *run, int r, uint64_t cursor_before)
{
    if (r != -ETIMEDOUT || (run->result.cursor == cursor_before && cursor_before == run->request->after))
        return r;
    run->enough = true;
    return 0;
}

static uint64_t budget_left(struct run *run)
{
    uint64_t left = run->budget > run->result.looked ? run->budget - run->result.looked : 0;
    run->enough = run->enough || left == 0;
    return left;
}

/* One statement's worth of a range. What was skipped before it has been answered for, too. */
static int run_piece(struct walk *w, struct query_plan_range piece)
{
    struct run *run = w->run;
    uint64_t before = (uint64_t)piece.first - 1;
    int r = prepare(run, SELECT_RANGE, &w->range);
    if (r < 0)
        return r;
    run->result.cursor = before;
    sqlite3_bind_int64(w->range.statement, w->range.parameters.first, piece.first);
    sqlite3_bind_int64(w->range.statement, w->range.parameters.last, piece.last);
    r = forgive_timeout(run, run_statement(run, w->range.statement, piece.last), before);
    run->result.looked += run->result.cursor - before;
    return r;
}

static int flush_dense(struct walk *w)
{
    struct query_plan_range *left = &w->dense;
    while (left->first <= left->last) {
        uint64_t budget = budget_left(w->run);
        if (w->run->enough)
            return 0;
        struct query_plan_range piece = *left;
        int64_t rows = (uint64_t)w->most < budget ? w->most : (int64_t)budget;
        if (piece.last - piece.first >= rows)
            piece.last = piece.first + rows - 1;
        int r = run_piece(w, piece);
        if (r < 0)
            return r;
        left->first = piece.last + 1;
        w->most = w->most * 2 < RANGE_ROWS_MAX ? w->most * 2 : RANGE_ROWS_MAX;
    }
    return 0;
}

/* Asks ids, ascending, which are all that may be answers up to `covered`. */
static int run_list(struct walk *w, const int64_t *ids, uint32_t count, int64_t covered)
{
    struct run *run = w->run;
    mem_auto_free char *list = malloc((size_t)count * LISTED_NUMBER_MAX + 4);
    uint64_t before = run->result.cursor;
    if (!list)
        return query_run_fail(run->error, -ENOMEM, "no memory");
    int r = prepare(run, SELECT_LISTED, &w->list);
    if (r < 0)
        return r;
    size_t size = 0;
    list[size++] = '[';
    for (uint32_t i = 0; i < count; i++)
        size += (size_t)snprintf(list + size, LISTED_NUMBER_MAX, i ? ",%lld" : "%lld", (long long)ids[i]);
    list[size++] = ']';
    sqlite3_bind_text64(w->list.statement, w->list.parameters.listed, list, size, SQLITE_STATIC, SQLITE_UTF8);
    r = forgive_timeout(run, run_statement(run, w->list.statement, covered), before);
    run->result.looked += count;
    sqlite3_reset(w->list.statement);
    sqlite3_bind_null(w->list.statement, w->list.parameters.listed);
    return r;
}

/* So many ids, in statements of `goal`, as far as the budget goes. */
static int run_lists(struct walk *w, const int64_t *ids, uint32_t count, int64_t covered)
{
    for (uint32_t at = 0, part; at < count; at += part) {
        uint64_t budget = budget_left(w->run);
        if (w->run->enough)
            return 0;
        part = count - at < w->goal ? count - at : w->goal;
        part = part < budget ? part : (uint32_t)budget;
        int r = run_list(w, ids + at, part, at + part == count ? covered : ids[at + part - 1]);
        if (r < 0)
            return r;
        w->goal = w->goal * 2 < LIST_MAX ? w->goal * 2 : LIST_MAX;
    }
    return 0;
}

static int flush_list(struct walk *w)
{
    uint32_t count = w->count;
    w->count = 0;
    return run_lists(w, w->ids, count, w->covered);
}

/* All of a range may be answers. Ranges that follow each other are read together. */
static int add_dense(struct walk *w, struct query_plan_range range)
{
    bool waits = w->dense.first <= w->dense.last;
    int r = w->count ? flush_list(w) : 0;
    if (r == 0 && waits && w->dense.last + 1 != range.first)
        r = flush_dense(w);
    if (r < 0 || w->run->enough)
        return r;
    if (w->dense.first > w->dense.last)
        w->dense = range;
    else
        w->dense.last = range.last;
    return w->dense.last - w->dense.first + 1 >= w->most ? flush_dense(w) : 0;
}

/* The candidates of a range stand behind those that wait. */
static int add_listed(struct walk *w, struct query_plan_range range, uint32_t count)
{
    int r = flush_dense(w);
    if (r < 0 || w->run->enough)
        return r;
    w->count += count;
    w->covered = range.last;
    if (w->count == 0)
        w->run->result.cursor = (uint64_t)range.last;
    return w->count >= w->goal ? flush_list(w) : 0;
}

static int add_range(struct walk *w, struct slices *slices, struct query_plan_range range)
{
    uint32_t count = 0;
    bool known = false;
    uint64_t cursor = w->run->result.cursor;
    if (slices && slices_candidates(slices, &range, w->ids + w->count, &count, &known) < 0)
        return forgive_timeout(w->run, query_file_failed(&w->run->file, -EIO, w->run->error), cursor);
    return known && (uint64_t)count * DENSE <= (uint64_t)(range.last - range.first + 1) ? add_listed(w, range, count) : add_dense(w, range);
}

static int walk_ranges(struct walk *w, const struct query_plan *plan)
{
    int r = 0;
    for (uint32_t i = 0; i < plan->ranges_count && r == 0 && !w->run->enough; i++)
        r = add_range(w, plan->slices, plan->ranges[i]);
    if (r == 0 && !w->run->enough)
        r = flush_dense(w);
    return r == 0 && !w->run->enough ? flush_list(w) : r;
}

static void walk_free(struct walk **walk)
{
    struct walk *w = *walk;
    if (!w)
        return;
    sqlite3_finalize(w->range.statement);
    sqlite3_finalize(w->list.statement);
    sql_free(&w->range.sql);
    sql_free(&w->list.sql);
    free(w);
}

int query_walk(struct run *run, const struct query_plan *plan, int64_t last)
{
    MEM_CLEANUP(walk_free) struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return query_run_fail(run->error, -ENOMEM, "no memory");
    w->run = run;
    w->most = RANGE_FIRST_ROWS;
    w->dense = (struct query_plan_range){ .first = 1, .last = 0 };
    w->goal = run->groups || run->limit > LIST_MAX ? LIST_MAX : run->limit > LIST_FIRST ? (uint32_t)run->limit : LIST_FIRST;
    int r = plan->listed ? run_lists(w, plan->ids, plan->ids_count, last) : walk_ranges(w, plan);
    if (r == 0 && !run->enough)
        run->result.cursor = (uint64_t)last;
    return r;
}
