#include "services/dissector/database/part.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/detail_row.h"
#include "services/dissector/database/entries.h"
#include "services/dissector/database/part_indexes.h"
#include "services/dissector/database/part_tables.h"
#include "services/dissector/output/publish.h"

struct part {
    const struct schema *schema;
    struct publish publish;
    struct part_tables tables;
    struct part_table *details[SCHEMA_DETAILS_MAX];
    struct entries entries;
    uint64_t count;
    struct scratch scratch;
    uint8_t digest[DIGEST_BYTES];
};

static void part_close_p(struct part **part) { part_close(*part); }

int part_open(const struct schema *schema, const char *path, struct part **ret, char *error)
{
    MEM_CLEANUP(part_close_p) struct part *part = calloc(1, sizeof *part);
    mem_auto_free char *sql = NULL;
    if (!part || schema_sql(schema, true, &sql) < 0)
        return output_failure(error, -ENOMEM, "opening", path);
    part->schema = schema;
    int r = publish_open(&part->publish, path, error);
    if (r == 0)
        r = part_tables_open(&part->tables, part->publish.hidden, part->publish.fd, sql, error);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < schema->details_count; i++)
        part->details[i] = part_tables_find(&part->tables, schema->details[i].detail->table);
    *ret = mem_take(part);
    return 0;
}

static void free_rows(struct part *part)
{
    part_tables_close(&part->tables);
    entries_close(&part->entries);
    free(mem_take(part->scratch.data));
}

void part_close(struct part *part)
{
    if (!part)
        return;
    free_rows(part);
    if (part->publish.path[0])
        publish_abandon(&part->publish);
    free(part);
}

uint64_t part_entries(const struct part *part) { return part->count; }
const uint8_t *part_digest(const struct part *part) { return part->digest; }

int part_add(struct part *part, const struct entry *entry, char *error)
{
    int detail = schema_detail_of(part->schema, entry->protocol->detail);
    if (detail < 0 || entry->id > INT64_MAX)
        return output_failure(error, -EINVAL, "adding an entry of no known protocol", part->publish.path);
    struct column columns[DETAIL_FIELDS_MAX + 1];
    struct text path;
    int r = detail_row(&part->schema->details[detail], &entry->values, &part->scratch, columns, &path);
    /* The narrow row first: it says no to an id that does not ascend. */
    if (r == 0)
        r = entries_add(&part->entries, part->schema, entry, &path);
    if (r == 0)
        r = part_table_add(part->details[detail], (int64_t)entry->id, columns, part->schema->details[detail].columns + 1);
    if (r < 0)
        return output_failure(error, r, "writing an entry", part->publish.path);
    part->count++;
    return 0;
}

static int add_name(struct part_table *table, int64_t id, const char *name, size_t size)
{
    const struct column columns[] = { ROW_ID(), ROW_TEXT(name, (uint32_t)size) };
    return part_table_add(table, id, columns, 2);
}

static int write_dictionary(struct part *part, const char *name, const struct dictionary *texts, const uint32_t *order)
{
    struct part_table *table = part_tables_find(&part->tables, name);
    int r = add_name(table, 0, "", 0);
    for (uint32_t i = 0; i < texts->count && r == 0; i++) {
        uint32_t size;
        const char *text = dictionary_text(texts, order ? order[i] : i + 1, &size);
        r = add_name(table, (int64_t)i + 1, text, size);
    }
    return r;
}

static int write_names(struct part *part)
{
    const struct entries *e = &part->entries;
    int r = 0;
    struct part_table *table = part_tables_find(&part->tables, "protocol");
    for (uint8_t i = 0; i < e->protocols_count && r == 0; i++) {
        const char *name = part->schema->protocols[e->protocol_order[i]]->name;
        r = add_name(table, i + 1, name, strlen(name));
    }
    table = part_tables_find(&part->tables, "incomplete");
    for (int i = 0; i < INCOMPLETE_COUNT && r == 0; i++)
        r = add_name(table, i, incomplete_names[i], strlen(incomplete_names[i]));
    table = part_tables_find(&part->tables, "peer");
    for (uint32_t i = 0; i < e->peers_count && r == 0; i++) {
        struct column columns[PEER_COLUMNS];
        entries_peer_columns(e, i, columns);
        r = part_table_add(table, e->peers[i].number, columns, PEER_COLUMNS);
    }
    return r;
}

static int write_entries(struct part *part)
{
    struct part_table *table = part_tables_find(&part->tables, "entry");
    int r = 0;
    for (uint64_t i = 0; i < part->entries.count && r == 0; i++) {
        struct column columns[ENTRY_COLUMNS];
        entries_columns(&part->entries, i, columns);
        r = part_table_add(table, (int64_t)entries_row(&part->entries, i)->id, columns, ENTRY_COLUMNS);
    }
    return r;
}

static int write_paths(struct part *part) { return write_dictionary(part, "path", &part->entries.paths, part->entries.path_order); }
static int write_nodes(struct part *part) { return write_dictionary(part, "node", &part->entries.nodes, NULL); }
static int write_segments(struct part *part) { return write_dictionary(part, "segment", &part->entries.segments, NULL); }
static int number_entries(struct part *part) { return entries_number(&part->entries, part->schema); }
static int write_zones(struct part *part) { return part_write_zones(&part->tables, &part->entries); }
static int write_indexes(struct part *part) { return part_write_indexes(&part->tables, &part->entries); }
static int finish_tables(struct part *part) { return part_tables_finish(&part->tables, part->digest); }
static int flush(struct part *part) { return publish_written(&part->publish); }
static int (*const steps[])(struct part *part) = { number_entries, write_names, write_paths, write_nodes, write_segments, write_entries, write_zones, write_indexes, finish_tables, flush };

int part_finish(struct part *part, const struct part_watch *watch, char *error)
{
    int r = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && r == 0; i++) {
        r = watch && watch->advance && !watch->advance(watch->context) ? -ECANCELED : 0;
        if (r == 0)
            r = steps[i](part);
    }
    free_rows(part); /* a dissection may have many parts, and all wait for the last */
    return r < 0 && r != -ECANCELED ? output_failure(error, r, "writing", part->publish.path) : r;
}

static void finalize_p(sqlite3_stmt **statement) { sqlite3_finalize(*statement); }
static void database_close_p(sqlite3 **db) { sqlite3_close(*db); }

static bool put_info(sqlite3_stmt *insert, const char *name, const char *text, uint64_t number)
{
    sqlite3_bind_text(insert, 1, name, -1, SQLITE_STATIC);
    if (text)
        sqlite3_bind_text(insert, 2, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(insert, 2, (sqlite3_int64)number);
    bool done = sqlite3_step(insert) == SQLITE_DONE;
    return sqlite3_reset(insert) == SQLITE_OK && done;
}

static bool put_all_info(sqlite3_stmt *insert, const struct part *part, const struct part_info *info)
{
    char hex[DIGEST_HEX_MAX];
    digest_hex(part->digest, hex);
    bool fine = put_info(insert, "schema_version", NULL, DATABASE_SCHEMA_VERSION) && put_info(insert, "entries", NULL, part->count) && put_info(insert, "part", NULL, info->number) &&
                put_info(insert, "parts", NULL, info->parts) && put_info(insert, "sha256", hex, 0);
    if (fine && info->all) {
        digest_hex(info->all, hex);
        fine = put_info(insert, "sha256_all", hex, 0);
    }
    for (size_t i = 0; i < info->counters_count && fine; i++)
        fine = put_info(insert, info->counters[i].name, NULL, info->counters[i].value);
    return fine;
}

int part_write_info(struct part *part, const struct part_info *info, char *error)
{
    MEM_CLEANUP(database_close_p) sqlite3 *db = NULL;
    MEM_CLEANUP(finalize_p) sqlite3_stmt *insert = NULL;
    const char *path = part->publish.path;
    if (sqlite3_open_v2(part->publish.hidden, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO info(name, value) VALUES(?, ?)", -1, &insert, NULL) != SQLITE_OK || !put_all_info(insert, part, info) ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return database_failure(db, error, "writing its info", path);
    return 0;
}

int part_publish(struct part *part, char *error) { return publish_commit(&part->publish, error); }
