#include "services/dissector/database/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/entries.h"
#include "services/dissector/database/part_tables.h"
#include "services/dissector/output/publish.h"

static const char place[] = "the database in memory";

enum { ENTRY, PROTOCOL, NODE, SEGMENT, INCOMPLETE, PATH, PEER, FIXED_COUNT };
static const struct { const char *name; uint32_t columns; } fixed[FIXED_COUNT] = {
    [ENTRY] = { "entry", ENTRY_COLUMNS }, [PROTOCOL] = { "protocol", 2 }, [NODE] = { "node", 2 }, [SEGMENT] = { "segment", 2 }, [INCOMPLETE] = { "incomplete", 2 }, [PATH] = { "path", 2 }, [PEER] = { "peer", PEER_COLUMNS },
};

struct database_memory {
    sqlite3 *db;
    struct schema schema;
    sqlite3_stmt *inserts[FIXED_COUNT + SCHEMA_DETAILS_MAX], *deletes[FIXED_COUNT + SCHEMA_DETAILS_MAX];
    struct entries entries;
    struct scratch scratch;
    bool open;  /* a transaction is: entries have been added, and the tables do not hold them all */
};

void database_memory_close(struct database_memory *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < FIXED_COUNT + SCHEMA_DETAILS_MAX; i++) {
        sqlite3_finalize(m->inserts[i]);
        sqlite3_finalize(m->deletes[i]);
    }
    sqlite3_close_v2(m->db);
    entries_close(&m->entries);
    free(m->scratch.data);
    free(m);
}

static int prepare_table(struct database_memory *m, uint32_t at, const char *name, uint32_t columns)
{
    char sql[64 + 2 * ROW_COLUMNS_MAX + 256];
    int size = snprintf(sql, sizeof sql, "INSERT INTO \"%.200s\" VALUES(?", name);
    for (uint32_t i = 1; i < columns; i++, size += 2)
        memcpy(sql + size, ",?", 2);
    memcpy(sql + size, ")", 2);
    if (sqlite3_prepare_v3(m->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &m->inserts[at], NULL) != SQLITE_OK)
        return -EIO;
    snprintf(sql, sizeof sql, "DELETE FROM \"%.200s\"", name);
    return sqlite3_prepare_v3(m->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &m->deletes[at], NULL) == SQLITE_OK ? 0 : -EIO;
}

static int prepare_all(struct database_memory *m)
{
    int r = 0;
    for (uint32_t i = 0; i < FIXED_COUNT && r == 0; i++)
        r = prepare_table(m, i, fixed[i].name, fixed[i].columns);
    for (uint32_t i = 0; i < m->schema.details_count && r == 0; i++)
        r = prepare_table(m, FIXED_COUNT + i, m->schema.details[i].detail->table, m->schema.details[i].columns + 1);
    return r;
}

static void memory_close_p(struct database_memory **m) { database_memory_close(*m); }

int database_memory_open(const struct protocol *const *list, size_t count, struct database_memory **ret, char *error)
{
    MEM_CLEANUP(memory_close_p) struct database_memory *m = calloc(1, sizeof *m);
    mem_auto_free char *sql = NULL;
    if (!m)
        return output_failure(error, -ENOMEM, "opening", place);
    int r = schema_make(list, count, &m->schema);
    if (r == 0)
        r = schema_sql(&m->schema, false, &sql);
    if (r < 0)
        return output_failure(error, r, "making its schema of the protocols' fields", place);
    if (sqlite3_open_v2(":memory:", &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(m->db, "PRAGMA journal_mode = OFF; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(m->db, sql, NULL, NULL, NULL) != SQLITE_OK || prepare_all(m) < 0)
        return database_failure(m->db, error, "making the tables", place);
    *ret = mem_take(m);
    return 0;
}

sqlite3 *database_memory_handle(struct database_memory *m) { return m->db; }

static bool insert(sqlite3_stmt *statement, int64_t id, const struct column *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        switch (columns[i].kind) {
        case COLUMN_ID: sqlite3_bind_int64(statement, (int)i + 1, id); break;
        case COLUMN_NUMBER: sqlite3_bind_int64(statement, (int)i + 1, columns[i].number); break;
        case COLUMN_BYTES: sqlite3_bind_blob64(statement, (int)i + 1, columns[i].text, columns[i].size, SQLITE_STATIC); break;
        case COLUMN_TEXT: sqlite3_bind_text64(statement, (int)i + 1, columns[i].text, columns[i].size, SQLITE_STATIC, SQLITE_UTF8); break;
        }
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && done;
}

static bool insert_name(sqlite3_stmt *statement, int64_t id, const char *name, size_t size)
{
    const struct column columns[] = { ROW_ID(), ROW_TEXT(name, (uint32_t)size) };
    return insert(statement, id, columns, 2);
}

int database_memory_add(struct database_memory *m, const struct entry *entry, char *error)
{
    int detail = schema_detail_of(&m->schema, entry->protocol->detail);
    if (detail < 0 || entry->id > INT64_MAX)
        return output_failure(error, -EINVAL, "adding an entry of no known protocol", place);
    if (m->entries.count >= DATABASE_MEMORY_ENTRIES_MAX)
        return output_failure(error, -ENOSPC, "adding an entry", place);
    if (!m->open && sqlite3_exec(m->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        return database_failure(m->db, error, "adding an entry", place);
    m->open = true;
    struct column columns[DETAIL_FIELDS_MAX + 1];
    struct text path;
    int r = detail_row(&m->schema.details[detail], &entry->values, &m->scratch, columns, &path);
    if (r == 0)
        r = entries_add(&m->entries, &m->schema, entry, &path);
    if (r < 0)
        return output_failure(error, r, "adding an entry", place);
    if (!insert(m->inserts[FIXED_COUNT + detail], (int64_t)entry->id, columns, m->schema.details[detail].columns + 1))
        return database_failure(m->db, error, "adding an entry", place);
    return 0;
}

static bool insert_dictionary(sqlite3_stmt *statement, const struct dictionary *texts, const uint32_t *order)
{
    bool fine = insert_name(statement, 0, "", 0);
    for (uint32_t i = 0; i < texts->count && fine; i++) {
        uint32_t size;
        const char *text = dictionary_text(texts, order ? order[i] : i + 1, &size);
        fine = insert_name(statement, (int64_t)i + 1, text, size);
    }
    return fine;
}

static bool insert_all(struct database_memory *m)
{
    const struct entries *e = &m->entries;
    bool fine = insert_dictionary(m->inserts[PATH], &e->paths, e->path_order) && insert_dictionary(m->inserts[NODE], &e->nodes, NULL) && insert_dictionary(m->inserts[SEGMENT], &e->segments, NULL);
    for (uint8_t i = 0; i < e->protocols_count && fine; i++) {
        const char *name = m->schema.protocols[e->protocol_order[i]]->name;
        fine = insert_name(m->inserts[PROTOCOL], i + 1, name, strlen(name));
    }
    for (int i = 0; i < INCOMPLETE_COUNT && fine; i++)
        fine = insert_name(m->inserts[INCOMPLETE], i, incomplete_names[i], strlen(incomplete_names[i]));
    for (uint32_t i = 0; i < e->peers_count && fine; i++) {
        struct column columns[PEER_COLUMNS];
        entries_peer_columns(e, i, columns);
        fine = insert(m->inserts[PEER], e->peers[i].number, columns, PEER_COLUMNS);
    }
    for (uint64_t i = 0; i < e->count && fine; i++) {
        struct column columns[ENTRY_COLUMNS];
        entries_columns(e, i, columns);
        fine = insert(m->inserts[ENTRY], (int64_t)entries_row(e, i)->id, columns, ENTRY_COLUMNS);
    }
    return fine;
}

int database_memory_ready(struct database_memory *m, char *error)
{
    if (!m->open)
        return 0;
    int r = entries_number(&m->entries, &m->schema);
    if (r < 0)
        return output_failure(error, r, "numbering its entries", place);
    if (!insert_all(m) || sqlite3_exec(m->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return database_failure(m->db, error, "adding its entries", place);
    m->open = false;
    return 0;
}

int database_memory_clear(struct database_memory *m, char *error)
{
    entries_clear(&m->entries);
    if (m->open && sqlite3_exec(m->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return database_failure(m->db, error, "emptying it", place);
    m->open = false;
    for (uint32_t i = 0; i < FIXED_COUNT + m->schema.details_count; i++) {
        int step = sqlite3_step(m->deletes[i]);
        if (sqlite3_reset(m->deletes[i]) != SQLITE_OK || step != SQLITE_DONE)
            return database_failure(m->db, error, "emptying it", place);
    }
    return 0;
}
