#include "services/dissector/database/part_tables.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/output/output.h"

static void finalize_p(sqlite3_stmt **statement) { sqlite3_finalize(*statement); }
static void database_close_p(sqlite3 **db) { sqlite3_close(*db); }
static void sqlite_free_p(char **text) { sqlite3_free(*text); }

int database_failure(sqlite3 *db, char *error, const char *doing, const char *path)
{
    int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM, system = db ? sqlite3_system_errno(db) : 0;
    snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: %s: %s%s%.64s", path, doing, db ? sqlite3_errmsg(db) : "out of memory", system ? ": " : "", system ? strerror(system) : "");
    return code == SQLITE_FULL ? -ENOSPC : code == SQLITE_NOMEM ? -ENOMEM : system ? -system : -EIO;
}

static int add_table(struct part_tables *t, const char *type, const char *name, const char *sql, uint32_t root)
{
    if (t->count == PART_TABLES_MAX || !sql)
        return -E2BIG;
    struct part_table *table = &t->tables[t->count++];
    table->index = strcmp(type, "index") == 0;
    table->name = strdup(name);
    table->sql = strdup(sql);
    tree_open(&table->tree, &t->pages, root, table->index);
    return !table->name || !table->sql ? -ENOMEM : table->index ? 0 : digest_open(&table->digest);
}

/* In the byte order of names, which is the dump's; info is SQLite's to fill. */
static int read_tables(struct part_tables *t, sqlite3 *db, const char *path, char *error)
{
    MEM_CLEANUP(finalize_p) sqlite3_stmt *found = NULL;
    if (sqlite3_prepare_v2(db, "SELECT type, name, sql, rootpage FROM sqlite_schema WHERE rootpage > 0 AND name <> 'info' AND sql IS NOT NULL ORDER BY name COLLATE BINARY", -1, &found, NULL) != SQLITE_OK)
        return database_failure(db, error, "reading its schema", path);
    int step, r = 0;
    while (r == 0 && (step = sqlite3_step(found)) == SQLITE_ROW)
        r = add_table(t, (const char *)sqlite3_column_text(found, 0), (const char *)sqlite3_column_text(found, 1), (const char *)sqlite3_column_text(found, 2), (uint32_t)sqlite3_column_int(found, 3));
    if (r < 0)
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: reading its schema: %s", path, strerror(-r));
    return r == 0 && step != SQLITE_DONE ? database_failure(db, error, "reading its schema", path) : r;
}

static int count_pages(sqlite3 *db, uint32_t *ret)
{
    MEM_CLEANUP(finalize_p) sqlite3_stmt *count = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA page_count", -1, &count, NULL) != SQLITE_OK || sqlite3_step(count) != SQLITE_ROW)
        return -EIO;
    *ret = (uint32_t)sqlite3_column_int(count, 0);
    return 0;
}

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
/* No journal and no sync: a file that does not become whole is removed. auto_vacuum would put pages of pointers among ours. */
static const char settings[] = "PRAGMA page_size = " TEXT_OF(DATABASE_PAGE_BYTES) "; PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA application_id = " TEXT_OF(DATABASE_APPLICATION_ID)
                               "; PRAGMA user_version = " TEXT_OF(DATABASE_SCHEMA_VERSION);

int part_tables_open(struct part_tables *t, const char *path, int fd, const char *sql, char *error)
{
    MEM_CLEANUP(database_close_p) sqlite3 *db = NULL;
    MEM_CLEANUP(sqlite_free_p) char *all = sqlite3_mprintf("%s; BEGIN; %s COMMIT;", settings, sql);
    uint32_t pages;
    if (!all || sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK || sqlite3_exec(db, all, NULL, NULL, NULL) != SQLITE_OK || count_pages(db, &pages) < 0)
        return database_failure(db, error, "making the tables", path);
    int r = read_tables(t, db, path, error);
    if (r < 0)
        return r;
    r = pages_open(&t->pages, fd, pages + 1);
    if (r < 0)
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: %s", path, strerror(-r));
    return r;
}

struct part_table *part_tables_find(struct part_tables *t, const char *name)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (strcmp(t->tables[i].name, name) == 0)
            return &t->tables[i];
    return NULL;
}

int part_table_add(struct part_table *table, int64_t id, const struct column *columns, uint32_t count)
{
    const uint8_t *cell;
    size_t size;
    int r = tree_add_row(&table->tree, id, columns, count, &cell, &size);
    return r < 0 ? r : digest_add(&table->digest, cell, size) < 0 ? -EIO : 0;
}

static int add_table_digest(struct digest *all, struct part_table *table)
{
    uint8_t rows[DIGEST_BYTES];
    int r = digest_finish(&table->digest, rows);
    if (r < 0)
        return r;
    return digest_add(all, table->name, strlen(table->name) + 1) < 0 || digest_add(all, table->sql, strlen(table->sql) + 1) < 0 || digest_add(all, rows, sizeof rows) < 0 ? -EIO : 0;
}

int part_tables_finish(struct part_tables *t, uint8_t ret_digest[DIGEST_BYTES])
{
    struct digest all;
    int r = digest_open(&all);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < t->count && r == 0; i++) {
        r = tree_finish(&t->tables[i].tree);
        if (r == 0 && !t->tables[i].index)
            r = add_table_digest(&all, &t->tables[i]);
    }
    if (r == 0)
        r = pages_finish(&t->pages);
    if (r == 0)
        return digest_finish(&all, ret_digest);
    digest_close(&all);
    return r;
}

void part_tables_close(struct part_tables *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        free(t->tables[i].name);
        free(t->tables[i].sql);
        tree_close(&t->tables[i].tree);
        digest_close(&t->tables[i].digest);
    }
    pages_close(&t->pages);
    t->count = 0;
}
