#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/query/check.h"
#include "services/dissector/query/plan_internal.h"
#include "services/dissector/query/run_internal.h"
#include "services/dissector/query/walk.h"
#include "units/units.h"

#define PATH_BYTES_MAX 4096
static_assert(QUERY_LIMIT_MAX == 10000 && QUERY_GROUP_BY_MAX == 16, "sentences below say these numbers");

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

int query_run_fail(struct query_error *error, int r, const char *text)
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
    return r == -ENOMEM ? query_run_fail(run->error, r, "no memory") : r;
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
        return query_run_fail(run->error, -EINVAL, "too many names to group by: 16 at most");
    int r = query_fields_find(run->vocabulary, q->group_by, q->group_by_count, &run->fields, run->error);
    if (r < 0)
        return r;
    if (run->fields.count != q->group_by_count)
        return query_run_fail(run->error, -EINVAL, "groups need names, not *");
    if ((r = compile_errors(run)) < 0)
        return r;
    run->fields.variables[run->fields.count++] = vocabulary_find(run->vocabulary, "elapsed_time", strlen("elapsed_time"));
    run->groups = q->gather;
    return !run->groups && groups_make(&run->groups) < 0 ? query_run_fail(run->error, -ENOMEM, "no memory") : 0;
}

static int prepare(struct run *run)
{
    const struct query_request *q = run->request;
    int r = compile(run, q->expression, q->now_ns ? q->now_ns : units_now_wall_ns(), &run->expression);
    if (r < 0)
        return r;
    if (q->limit > QUERY_LIMIT_MAX)
        return query_run_fail(run->error, -EINVAL, "the limit is too large: a page has 10,000 rows at most, and its cursor leads to the next one");
    run->limit = q->limit ? q->limit : QUERY_LIMIT_USUAL;
    run->budget = q->budget ? q->budget : QUERY_BUDGET_USUAL;
    run->deadline_ns = units_now_mono_ns() + (q->timeout_ms ? q->timeout_ms : QUERY_TIMEOUT_MS_USUAL) * UNITS_NS_PER_MS;
    run->from_ns = q->from_ns;
    run->to_ns = q->to_ns ? q->to_ns : INT64_MAX;
    run->past_id = INT64_MAX;
    narrow_all(run);
    return q->group_by_count ? prepare_groups(run) : query_fields_find(run->vocabulary, q->fields, q->fields_count, &run->fields, run->error);
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
    past = past < run->past_id ? past : run->past_id;
    *ret_last = past > 0 ? past - 1 : 0; /* an expression may ask for ids below any that there are */
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
        return query_run_fail(run->error, -ENOMEM, "no memory");
    r = query_plan_make(&run->file, run->vocabulary, run->expression.root, first, last, plan);
    r = r < 0 ? query_file_failed(&run->file, r, run->error) : query_walk(run, plan, last);
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

/* One part file. *ret_parts: of the whole dissection, which the first one says. */
static int run_part(struct run *run, uint32_t part, uint32_t *ret_parts)
{
    char path[PATH_BYTES_MAX];
    database_part_path(run->request->path, part, path, sizeof path);
    int r = query_file_open(path, run->deadline_ns, &run->file, run->error);
    if (r == -ENOENT && part > 1)
        r = query_run_fail(run->error, -EIO, "a part of the dissection is missing");
    if (r < 0)
        return r;
    if (part == 1)
        r = read_parts(run, ret_parts);
    if (r == 0)
        r = run_file(run);
    query_file_close(&run->file);
    return r;
}

static int run_files(struct run *run)
{
    uint32_t parts = 1;
    int r = 0;
    for (uint32_t part = 1; part <= parts && r == 0; part++) {
        if (run->enough) { /* there is another part behind */
            run->result.more = true;
            break;
        }
        r = run_part(run, part, &parts);
    }
    if (r == -ETIMEDOUT && run->result.cursor > run->request->after) { /* before its first entry, but those up to the cursor are answered for */
        run->result.more = true;
        r = 0;
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
        return query_run_fail(run->error, -ENOMEM, "no memory");
    run->result.rows = (uint64_t)given;
    run->result.left_out = groups_left_out(run->groups);
    return 0;
}

int query_run(const struct query_request *request, query_row *row, void *context, struct query_result *ret, struct query_error *error)
{
    mem_auto_free struct run *run = calloc(1, sizeof *run);
    const struct vocabulary *vocabulary = request->vocabulary ? request->vocabulary : vocabulary_of_registry();
    if (!run || !vocabulary)
        return query_run_fail(error, -ENOMEM, "no memory");
    *run = (struct run){ .request = request, .vocabulary = vocabulary, .row = row, .context = context, .error = error, .result.cursor = request->after };
    int r = prepare(run);
    if (r == 0)
        r = run_files(run);
    if (r == 0 && run->groups && !request->gather)
        r = give_groups(run);
    if (r == 0)
        *ret = run->result;
    if (!request->gather)
        groups_free(run->groups);
    expression_free(&run->expression);
    expression_free(&run->errors);
    return r;
}

int query_gathered(const struct query_request *request, query_row *row, void *context, struct query_result *ret, struct query_error *error)
{
    mem_auto_free struct run *run = calloc(1, sizeof *run);
    const struct vocabulary *vocabulary = request->vocabulary ? request->vocabulary : vocabulary_of_registry();
    if (!run || !vocabulary)
        return query_run_fail(error, -ENOMEM, "no memory");
    *run = (struct run){ .request = request, .vocabulary = vocabulary, .row = row, .context = context, .error = error };
    int r = prepare(run);
    if (r == 0)
        r = give_groups(run);
    if (r == 0)
        *ret = run->result;
    expression_free(&run->expression);
    expression_free(&run->errors);
    return r;
}
