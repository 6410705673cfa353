#include "services/dissector/query/plan_sets.h"
#include <stdlib.h>
#include <string.h>
#include "services/dissector/query/select.h"
#include "services/dissector/query/translate.h"

#define TABLE_FIRST 1024

void plan_sets_free(struct plan_sets *sets)
{
    if (!sets)
        return;
    for (uint32_t i = 0; i < sets->count; i++)
        free(sets->sets[i].table);
    for (uint32_t i = 0; i < sets->classes_count; i++) {
        free(sets->classes[i].src);
        free(sets->classes[i].dst);
    }
    free(sets);
}

static int64_t size_for(const struct plan_set *set, int64_t id)
{
    int64_t size = set->table_size ? set->table_size : TABLE_FIRST;
    while (size <= id)
        size *= 2;
    return size;
}

static bool fits(const struct plan_sets *sets, const struct plan_set *set, int64_t id)
{
    return id >= 0 && id < (int64_t)PLAN_SET_IDS_MAX && size_for(set, id) <= (int64_t)PLAN_SETS_BYTES_MAX - sets->bytes;
}

static bool put(struct plan_set *set, int64_t id)
{
    if (id >= set->table_size) {
        int64_t size = size_for(set, id);
        uint8_t *grown = realloc(set->table, (size_t)size);
        if (!grown)
            return false;
        memset(grown + set->table_size, 0, (size_t)(size - set->table_size));
        set->table = grown;
        set->table_size = size;
    }
    set->table[id] = 1;
    return true;
}

/* False: no memory, or the file's fault. */
static bool read_ids(const struct query_plan_context *c, const struct sql *sql, struct plan_set *set)
{
    sqlite3_stmt *statement = NULL;
    bool fine = sql_prepare(c->file->db, sql, &statement) == 0, small = fits(c->sets, set, 0);
    int step = SQLITE_DONE;
    if (fine && small && (fine = put(set, 0)))
        set->table[0] = 0; /* so that there is a table, whatever is in it */
    while (fine && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);
        set->least = set->count == 0 || id < set->least ? id : set->least;
        set->greatest = set->count == 0 || id > set->greatest ? id : set->greatest;
        set->count++;
        small = small && fits(c->sets, set, id);
        fine = !small || put(set, id);
    }
    sqlite3_finalize(statement);
    if (!small) {
        free(set->table);
        set->table = NULL;
        set->table_size = 0;
    }
    return fine && step == SQLITE_DONE;
}

static const struct plan_set *find(const struct query_plan_context *c, const struct node *n, enum slice_column column, bool negated)
{
    for (uint32_t i = 0; i < c->sets->count; i++)
        if (c->sets->sets[i].n == n && c->sets->sets[i].column == column && c->sets->sets[i].negated == negated)
            return &c->sets->sets[i];
    return NULL;
}

/* Runs the statement, frees it, and keeps what it gives. */
static const struct plan_set *keep(const struct query_plan_context *c, struct sql *sql, const struct node *n, enum slice_column column, bool negated)
{
    struct plan_set set = { .n = n, .column = column, .negated = negated, .least = 1 };
    bool fine = c->sets->count < PLAN_SETS_MAX && read_ids(c, sql, &set);
    sql_free(sql);
    if (!fine) {
        free(set.table);
        return NULL;
    }
    c->sets->bytes += set.table_size;
    c->sets->sets[c->sets->count] = set;
    return &c->sets->sets[c->sets->count++];
}

enum { OF_NOTHING = 0, OF_PROTOCOL = 1, OF_PATH = 2, OF_SRC = 4, OF_DST = 8, OF_MORE = 16 };

/* The names that an expression reads. */
static unsigned names_of(const struct node *n)
{
    unsigned names = OF_NOTHING;
    if (n->kind == NODE_VARIABLE) {
        const struct variable *v = n->variable;
        return v->place == VARIABLE_FLAG || (v->place == VARIABLE_ENTRY && v->any_case) ? OF_PROTOCOL : v->place == VARIABLE_PATH ? OF_PATH : v->src ? OF_SRC : v->dst ? OF_DST : v->place == VARIABLE_RESERVED ? OF_NOTHING : OF_MORE;
    }
    for (const struct node *child = n->first; child; child = child->next)
        names |= names_of(child);
    return names;
}

/* The greatest number that a statement gives; -1: none. */
static int64_t read_greatest(const struct query_plan_context *c, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t greatest = -1;
    if (sqlite3_prepare_v2(c->file->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        greatest = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return greatest;
}

static bool paths_are_few(const struct query_plan_context *c)
{
    int64_t greatest = read_greatest(c, "SELECT MAX(id) FROM path");
    return greatest >= 0 && greatest < (int64_t)PLAN_SET_PATHS_MAX;
}

const struct plan_set *plan_sets_find(const struct query_plan_context *c, const struct node *n, bool negated)
{
    unsigned names = n->type == TYPE_BOOL ? names_of(n) : OF_MORE;
    if (names != OF_SRC && names != OF_DST && names != OF_PROTOCOL && names != OF_PATH)
        return NULL;
    enum slice_column column = names == OF_SRC ? SLICE_SRC : names == OF_DST ? SLICE_DST : names == OF_PROTOCOL ? SLICE_PROTOCOL : SLICE_PATH;
    const struct plan_set *found = find(c, n, column, negated);
    struct sql sql = { 0 };
    if (found || (column == SLICE_PATH && !paths_are_few(c)))
        return found;
    if (names == OF_SRC || names == OF_DST)
        select_write_peers(&sql, c->vocabulary, "id", n, names == OF_SRC, negated);
    else
        select_write_names(&sql, c->vocabulary, c->file->db, names == OF_PROTOCOL ? "protocol" : "path", n, negated);
    return keep(c, &sql, n, column, negated);
}

const struct plan_set *plan_sets_find_in(const struct query_plan_context *c, const struct node *n, bool negated)
{
    const struct plan_set *found = find(c, n, SLICE_SRC, negated);
    const struct node *text = n->first;
    struct sql sql = { 0 };
    if (found)
        return found;
    sql_put(&sql, "SELECT id FROM peer WHERE ");
    sql_bind_text(&sql, text->text, text->size);
    sql_format(&sql, negated ? " NOT IN (%s)" : " IN (%s)", text->next->variable->peer_columns);
    return keep(c, &sql, n, SLICE_SRC, negated);
}

static bool compares_endpoints(const struct node *n, const struct node **ret_src, const struct node **ret_dst)
{
    if (n->kind != NODE_BINARY || (n->op != OP_EQUAL && n->op != OP_NOT_EQUAL) || n->first->type != TYPE_STRING)
        return false;
    const struct node *a = n->first, *b = a->next;
    bool turned = names_of(a) == OF_DST;
    *ret_src = turned ? b : a;
    *ret_dst = turned ? a : b;
    return names_of(*ret_src) == OF_SRC && names_of(*ret_dst) == OF_DST;
}

/* Every text of either side, numbered in their order; a text that is an error has no number. */
static bool read_classes(const struct query_plan_context *c, const struct node *src, const struct node *dst, struct plan_classes *ret)
{
    struct sql sql = { 0 };
    struct translation t = { .sql = &sql, .vocabulary = c->vocabulary };
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR;
    sql_put(&sql, "SELECT id, side, DENSE_RANK() OVER (ORDER BY text) FROM (SELECT id, 0 AS side, ");
    translate(&t, src);
    sql_put(&sql, " AS text FROM peer AS src_peer UNION ALL SELECT id, 1, ");
    translate(&t, dst);
    sql_put(&sql, " FROM peer AS dst_peer) WHERE text IS NOT NULL");
    if (sql_prepare(c->file->db, &sql, &statement) == 0)
        while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
            int64_t id = sqlite3_column_int64(statement, 0);
            if (id >= 0 && id < ret->size)
                (sqlite3_column_int(statement, 1) ? ret->dst : ret->src)[id] = (uint32_t)sqlite3_column_int64(statement, 2);
        }
    sqlite3_finalize(statement);
    sql_free(&sql);
    return step == SQLITE_DONE;
}

const struct plan_classes *plan_sets_find_classes(const struct query_plan_context *c, const struct node *n)
{
    const struct node *src, *dst;
    struct plan_sets *sets = c->sets;
    if (!compares_endpoints(n, &src, &dst))
        return NULL;
    for (uint32_t i = 0; i < sets->classes_count; i++)
        if (sets->classes[i].n == n)
            return &sets->classes[i];
    int64_t size = read_greatest(c, "SELECT MAX(id) FROM peer") + 1;
    if (sets->classes_count == PLAN_CLASSES_MAX || size <= 0 || size > (int64_t)PLAN_CLASSES_PEERS_MAX)
        return NULL;
    struct plan_classes classes = { n, calloc((size_t)size, sizeof *classes.src), calloc((size_t)size, sizeof *classes.dst), size };
    if (!classes.src || !classes.dst || !read_classes(c, src, dst, &classes)) {
        free(classes.src);
        free(classes.dst);
        return NULL;
    }
    sets->classes[sets->classes_count] = classes;
    return &sets->classes[sets->classes_count++];
}
