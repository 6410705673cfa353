#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/sqlite_output.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/groups.h"
#include "services/dissector/query/plan_internal.h"
#include "services/dissector/query/query.h"
#include "services/dissector/query/query_fields.h"
#include "services/dissector/query/query_file.h"
#include "services/dissector/query/select.h"
#include "units/units.h"

#define PATH_BYTES_MAX 4096
#define RANGE_FIRST_ROWS 4096       /* the first statement of a walk; each further one takes twice as many, up to RANGE_ROWS_MAX, because a statement reads the endpoints anew */
#define RANGE_ROWS_MAX (512 * 1024) /* what one statement reads at most, and what a timeout may throw away */
#define LISTED_NUMBER_MAX 24

/* What counts as an error in groups: any of these, as far as the vocabulary has the name. */
static const struct { const char *name, *condition; } errors[] = {
    { "http", "http && status_code >= 400" },
    { "grpc_status", "grpc_status > 0" },
    { "dns_response", "dns && dns_response && status_code != 0" },
    { "redis_error", "redis_error != \"\"" },
    { "mysql_error_code", "mysql_error_code != 0" },
    { "postgresql_error_code", "postgresql_error_code != \"\" && !postgresql_success" }, /* notices have a code, too */
    { "mongodb_error_code", "mongodb_error_code != 0" },
    { "tls_alert", "tls_alert.startsWith(\"fatal\")" },
    { "tcp_error_type", "tcp_error_type != \"\"" },
};
#define ERRORS_TEXT_MAX 512

struct run {
    const struct query_request *request;
    const struct vocabulary *vocabulary;
    struct expression expression, errors;
    struct query_fields fields;         /* with groups: what is grouped by, and elapsed_time */
    struct groups *groups;
    int64_t from_ns, to_ns;             /* of the request and of the expression; to: INT64_MAX is no end */
    int64_t first_id, past_id;          /* of the expression; past: INT64_MAX is no end */
    uint64_t limit, budget;
    query_row *row;
    void *context;
    struct query_result result;
    struct query_error *error;
    int64_t deadline_ns;
    bool enough;                        /* limit, budget, time, or the receiver's word */
    /* Of the file at hand. */
    struct query_file file;
    struct select_parameters parameters;
};

static int fail_with(struct query_error *error, int r, const char *text)
{
    error->column = 0;
    (void)snprintf(error->text, sizeof error->text, "%s", text);
    return r;
}

static int compile(const struct run *run, const char *text, int64_t now_ns, struct expression *ret)
{
    int r = expression_parse(text, strlen(text), ret, run->error);
    if (r == 0 && (r = expression_check(ret, run->vocabulary, now_ns, run->error)) < 0)
        expression_free(ret);
    return r == -ENOMEM ? fail_with(run->error, r, "no memory") : r;
}

static void narrow(enum operator op, int64_t number, int64_t *from, int64_t *to)
{
    int64_t past = number < INT64_MAX ? number + 1 : number;
    if ((op == OP_GREATER_EQUAL || op == OP_EQUAL) && number > *from)
        *from = number;
    if (op == OP_GREATER && past > *from)
        *from = past;
    if (op == OP_LESS && number < *to)
        *to = number;
    if ((op == OP_LESS_EQUAL || op == OP_EQUAL) && past < *to)
        *to = past;
}

/* Bounds on timestamps and ids that the whole expression implies: ids are in the order of time, so both are where the walk begins and ends. */
static void narrow_all(struct run *run)
{
    const struct node *conjuncts[SELECT_CONJUNCTS_MAX];
    struct comparison c;
    unsigned count = select_conjuncts(run->expression.root, conjuncts);
    for (unsigned i = 0; i < count; i++) {
        if (!query_plan_comparison(conjuncts[i], &c))
            continue;
        if (c.variable->zone && strcmp(c.variable->zone, "timestamp") == 0)
            narrow(c.op, c.literal->number, &run->from_ns, &run->to_ns);
        else if (strcmp(c.variable->name, "id") == 0)
            narrow(c.op, c.literal->number, &run->first_id, &run->past_id);
    }
}

static int compile_errors(struct run *run)
{
    char text[ERRORS_TEXT_MAX] = "false";
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        size_t size = strlen(text);
        if (vocabulary_find(run->vocabulary, errors[i].name, strlen(errors[i].name)))
            (void)snprintf(text + size, sizeof text - size, " || %s", errors[i].condition);
    }
    return compile(run, text, 0, &run->errors);
}

static int prepare_groups(struct run *run)
{
    const struct query_request *q = run->request;
    if (q->group_by_count > QUERY_GROUP_BY_MAX)
        return fail_with(run->error, -EINVAL, "too many names to group by");
    int r = query_fields_find(run->vocabulary, q->group_by, q->group_by_count, &run->fields, run->error);
    if (r < 0)
        return r;
    if (run->fields.count != q->group_by_count)
        return fail_with(run->error, -EINVAL, "groups need names, not *");
    if ((r = compile_errors(run)) < 0)
        return r;
    run->fields.variables[run->fields.count++] = vocabulary_find(run->vocabulary, "elapsed_time", strlen("elapsed_time"));
    return groups_make(&run->groups) < 0 ? fail_with(run->error, -ENOMEM, "no memory") : 0;
}

static int prepare(struct run *run)
{
    const struct query_request *q = run->request;
    int r = compile(run, q->expression, q->now_ns ? q->now_ns : units_now_wall_ns(), &run->expression);
    if (r < 0)
        return r;
    if (q->limit > QUERY_LIMIT_MAX)
        return fail_with(run->error, -EINVAL, "the limit is too large");
    run->limit = q->limit ? q->limit : QUERY_LIMIT_USUAL;
    run->budget = q->budget ? q->budget : QUERY_BUDGET_USUAL;
    run->deadline_ns = units_now_mono_ns() + (q->timeout_ms ? q->timeout_ms : QUERY_TIMEOUT_MS_USUAL) * UNITS_NS_PER_MS;
    run->from_ns = q->from_ns;
    run->to_ns = q->to_ns ? q->to_ns : INT64_MAX;
    run->past_id = INT64_MAX;
    narrow_all(run);
    return q->group_by_count ? prepare_groups(run) : query_fields_find(run->vocabulary, q->fields, q->fields_count, &run->fields, run->error);
}

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

static void bind_range(const struct run *run, sqlite3_stmt *statement, struct query_plan_range range)
{
    sqlite3_reset(statement);
    sqlite3_bind_int64(statement, run->parameters.first, range.first);
    sqlite3_bind_int64(statement, run->parameters.last, range.last);
}

/* Runs the statement as it is bound. Past the last row, the cursor is `last`; after what ends the answer earlier, the last row. */
static int run_statement(struct run *run, sqlite3_stmt *statement, int64_t last)
{
    int r = SQLITE_ROW;
    while (!run->enough && (r = sqlite3_step(statement)) == SQLITE_ROW) {
        run->result.cursor = (uint64_t)sqlite3_column_int64(statement, 0);
        if (take_row(run, statement) < 0)
            return fail_with(run->error, -ENOMEM, "no memory");
    }
    if (r == SQLITE_DONE)
        run->result.cursor = (uint64_t)last;
    else if (r != SQLITE_ROW)
        return query_file_failed(&run->file, r, run->error);
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

/* One statement's worth of a range. What was skipped before it has been answered for, too. */
static int run_piece(struct run *run, sqlite3_stmt *statement, struct query_plan_range piece)
{
    uint64_t before = (uint64_t)piece.first - 1;
    run->result.cursor = before;
    bind_range(run, statement, piece);
    int r = forgive_timeout(run, run_statement(run, statement, piece.last), before);
    run->result.looked += run->result.cursor - before;
    return r;
}

static int run_ranges(struct run *run, sqlite3_stmt *statement, const struct query_plan *plan)
{
    int64_t most = RANGE_FIRST_ROWS;
    for (uint32_t i = 0; i < plan->ranges_count; i++) {
        struct query_plan_range left = plan->ranges[i];
        while (left.first <= left.last) {
            uint64_t budget = run->budget > run->result.looked ? run->budget - run->result.looked : 0;
            run->enough = run->enough || budget == 0;
            if (run->enough)
                return 0;
            struct query_plan_range piece = left;
            int64_t rows = (uint64_t)most < budget ? most : (int64_t)budget;
            if (piece.last - piece.first >= rows)
                piece.last = piece.first + rows - 1;
            int r = run_piece(run, statement, piece);
            if (r < 0)
                return r;
            left.first = piece.last + 1;
            most = most * 2 < RANGE_ROWS_MAX ? most * 2 : RANGE_ROWS_MAX;
        }
    }
    return 0;
}

static int run_listed(struct run *run, sqlite3_stmt *statement, const struct query_plan *plan, int64_t last)
{
    mem_auto_free char *list = malloc((size_t)plan->ids_count * LISTED_NUMBER_MAX + 4);
    uint64_t before = run->result.cursor;
    if (!list)
        return fail_with(run->error, -ENOMEM, "no memory");
    size_t size = 0;
    list[size++] = '[';
    for (uint32_t i = 0; i < plan->ids_count; i++)
        size += (size_t)snprintf(list + size, LISTED_NUMBER_MAX, i ? ",%lld" : "%lld", (long long)plan->ids[i]);
    list[size++] = ']';
    sqlite3_reset(statement);
    sqlite3_bind_text64(statement, run->parameters.listed, list, size, SQLITE_STATIC, SQLITE_UTF8);
    int r = forgive_timeout(run, run_statement(run, statement, last), before);
    run->result.looked += plan->ids_count;
    sqlite3_reset(statement);
    sqlite3_bind_null(statement, run->parameters.listed);
    return r;
}

static int run_plan(struct run *run, const struct query_plan *plan, int64_t last)
{
    MEM_CLEANUP(sql_free) struct sql sql = { 0 };
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    const struct select select = { .vocabulary = run->vocabulary, .paths = run->file.db, .root = run->expression.root, .fields = run->fields.variables, .fields_count = run->fields.count,
                                   .further = run->groups ? run->errors.root : NULL, .from = plan->listed ? SELECT_LISTED : SELECT_RANGE };
    select_write(&sql, &select, &run->parameters);
    int r = sql_prepare(run->file.db, &sql, &statement);
    if (r < 0)
        return query_file_failed(&run->file, r, run->error);
    r = plan->listed ? run_listed(run, statement, plan, last) : run_ranges(run, statement, plan);
    if (r == 0 && !run->enough)
        run->result.cursor = (uint64_t)last;
    return r;
}

/* The ids of this file that the request is about. */
static int find_window(struct run *run, int64_t *ret_first, int64_t *ret_last)
{
    const struct query_file *f = &run->file;
    int64_t first = f->first, past = f->last + 1;
    if (run->from_ns > 0 && query_file_find_time(f, run->from_ns, &first) < 0)
        return query_file_failed(f, -EIO, run->error);
    if (run->to_ns < INT64_MAX && query_file_find_time(f, run->to_ns, &past) < 0)
        return query_file_failed(f, -EIO, run->error);
    if (run->request->after >= (uint64_t)INT64_MAX)
        first = past;
    else if (first <= (int64_t)run->request->after)
        first = (int64_t)run->request->after + 1;
    *ret_first = first > run->first_id ? first : run->first_id;
    *ret_last = (past < run->past_id ? past : run->past_id) - 1;
    return 0;
}

static int run_file(struct run *run)
{
    int64_t first = 1, last = 0;
    int r = find_window(run, &first, &last);
    if (r < 0 || first > last)
        return r;
    mem_auto_free struct query_plan *plan = malloc(sizeof *plan);
    if (!plan)
        return fail_with(run->error, -ENOMEM, "no memory");
    r = query_plan_make(&run->file, run->vocabulary, run->expression.root, first, last, plan);
    r = r < 0 ? query_file_failed(&run->file, r, run->error) : run_plan(run, plan, last);
    query_plan_free(plan);
    if (r == 0 && run->result.cursor)
        (void)query_file_timestamp(&run->file, (int64_t)run->result.cursor, &run->result.looked_to_ns);
    run->result.more = run->enough && run->result.cursor < (uint64_t)last;
    return r;
}

static int read_parts(const struct run *run, uint32_t *ret)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(run->file.db, "SELECT value FROM info WHERE name = 'parts'", -1, &statement, NULL) != SQLITE_OK)
        return query_file_failed(&run->file, -EIO, run->error);
    *ret = sqlite3_step(statement) == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(statement, 0) : 1;
    return 0;
}

static int run_files(struct run *run)
{
    uint32_t parts = 1;
    int r = 0;
    for (uint32_t part = 1; part <= parts && r == 0; part++) {
        char path[PATH_BYTES_MAX];
        if (run->enough) { /* there is another part behind */
            run->result.more = true;
            break;
        }
        database_part_path(run->request->path, part, path, sizeof path);
        r = query_file_open(path, run->deadline_ns, &run->file, run->error);
        if (r == -ENOENT && part > 1)
            r = fail_with(run->error, -EIO, "a part of the dissection is missing");
        if (r < 0)
            return r;
        if (part == 1)
            r = read_parts(run, &parts);
        if (r == 0)
            r = run_file(run);
        query_file_close(&run->file);
    }
    return r;
}

static int give_groups(struct run *run)
{
    struct query_value names[QUERY_GROUP_BY_MAX];
    for (uint32_t i = 0; i + 1 < run->fields.count; i++)
        names[i] = (struct query_value){ .name = run->fields.variables[i]->name, .type = run->fields.variables[i]->type };
    int64_t given = groups_give(run->groups, names, run->fields.count - 1, (uint32_t)run->limit, run->row, run->context);
    if (given < 0)
        return fail_with(run->error, -ENOMEM, "no memory");
    run->result.rows = (uint64_t)given;
    run->result.left_out = groups_left_out(run->groups);
    return 0;
}

int query_run(const struct query_request *request, query_row *row, void *context, struct query_result *ret, struct query_error *error)
{
    mem_auto_free struct run *run = calloc(1, sizeof *run);
    const struct vocabulary *vocabulary = request->vocabulary ? request->vocabulary : vocabulary_of_registry();
    if (!run || !vocabulary)
        return fail_with(error, -ENOMEM, "no memory");
    *run = (struct run){ .request = request, .vocabulary = vocabulary, .row = row, .context = context, .error = error, .result.cursor = request->after };
    int r = prepare(run);
    if (r == 0)
        r = run_files(run);
    if (r == 0 && run->groups)
        r = give_groups(run);
    if (r == 0)
        *ret = run->result;
    groups_free(run->groups);
    expression_free(&run->expression);
    expression_free(&run->errors);
    return r;
}
