#include "services/dissector/query/select.h"

/* False: they are too many. As deep as the tree. */
static bool flatten(const struct node *n, const struct node *ret[SELECT_CONJUNCTS_MAX], unsigned *count)
{
    if (n->kind != NODE_AND) {
        if (*count == SELECT_CONJUNCTS_MAX)
            return false;
        ret[(*count)++] = n;
        return true;
    }
    for (const struct node *child = n->first; child; child = child->next)
        if (!flatten(child, ret, count))
            return false;
    return true;
}

unsigned select_conjuncts(const struct node *root, const struct node *ret[SELECT_CONJUNCTS_MAX])
{
    unsigned count = 0;
    if (!root)
        return 0;
    if (!flatten(root, ret, &count)) {
        ret[0] = root;
        return 1;
    }
    return count;
}

void select_write_peers(struct sql *sql, const struct vocabulary *vocabulary, const char *what, const struct node *n, bool src, bool negated)
{
    struct translation t = { .sql = sql, .vocabulary = vocabulary };
    sql_format(sql, "SELECT %s FROM peer AS %s_peer WHERE %s", what, src ? "src" : "dst", negated ? "NOT " : "");
    translate(&t, n);
}

void select_write_names(struct sql *sql, const struct vocabulary *vocabulary, sqlite3 *paths, const char *names, const struct node *n, bool negated)
{
    struct translation t = { .sql = sql, .vocabulary = vocabulary, .paths = paths };
    /* As if there were an entry for each. */
    sql_format(sql, "SELECT entry.%s FROM (SELECT id AS %s FROM %s) AS entry JOIN %s ON %s.id = entry.%s WHERE %s", names, names, names, names, names, names, negated ? "NOT " : "");
    translate(&t, n);
}

/* What asks for one endpoint only is asked of the endpoints, once, and not of every entry; but where entries are listed, they are fewer. */
static void write_condition(struct translation *t, const struct node *n)
{
    bool src;
    if (t->few || !expression_is_of_peer(n, &src)) {
        translate(t, n);
        return;
    }
    sql_format(t->sql, "entry.%s IN (", src ? "src" : "dst");
    select_write_peers(t->sql, t->vocabulary, "id", n, src, false);
    sql_put(t->sql, ")");
}

static void write_ids(struct sql *sql, enum select_from from, struct select_parameters *ret)
{
    *ret = (struct select_parameters){ 0 };
    if (from == SELECT_RANGE) {
        sql_put(sql, " AND entry.id BETWEEN ");
        sql_bind_int(sql, 0);
        ret->first = (int)sql->count;
        sql_put(sql, " AND ");
        sql_bind_int(sql, 0);
        ret->last = (int)sql->count;
    } else if (from == SELECT_LISTED) {
        sql_put(sql, " AND entry.id IN (SELECT value FROM json_each(");
        sql_bind_text(sql, "[]", 2);
        ret->listed = (int)sql->count;
        sql_put(sql, "))");
    }
}

void select_write(struct sql *sql, const struct select *select, struct select_parameters *ret)
{
    const struct node *conjuncts[SELECT_CONJUNCTS_MAX];
    unsigned count = select_conjuncts(select->root, conjuncts);
    struct sql where = { 0 };
    struct translation t = { .sql = sql, .vocabulary = select->vocabulary, .paths = select->paths, .few = select->from == SELECT_LISTED };
    sql_put(sql, "SELECT entry.id");
    for (uint32_t i = 0; i < select->fields_count; i++) {
        sql_put(sql, ", ");
        translate_variable(&t, select->fields[i]);
    }
    if (select->further) {
        sql_put(sql, ", ");
        translate(&t, select->further);
    }
    /* The joins are known only when the condition is; it goes on counting parameters where the fields stopped. */
    where.values = sql->values;
    where.count = sql->count;
    where.values_room = sql->values_room;
    t.sql = &where;
    sql_put(&where, " WHERE 1");
    for (unsigned i = 0; i < count; i++) {
        sql_put(&where, " AND ");
        write_condition(&t, conjuncts[i]);
    }
    write_ids(&where, select->from, ret);
    sql_put(&where, " ORDER BY entry.id");
    sql->values = where.values;
    sql->count = where.count;
    sql->values_room = where.values_room;
    t.sql = sql;
    translate_from(&t);
    if (where.text)
        sql_put(sql, where.text);
    sql->failed = sql->failed || where.failed;
    where.values = NULL;
    where.count = 0;
    sql_free(&where);
}
