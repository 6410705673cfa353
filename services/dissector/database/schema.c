#include "services/dissector/database/schema.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/entry/record.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

/* An endpoint's names, as `src.` and as `dst.`. */
#define ENDPOINT(side)                                                                                                       \
    { side ".ip", FIELD_TEXT, "COALESCE(" side "_peer.ip, '')" }, { side ".port", FIELD_INT, "entry." side "_port" },           \
    { side ".name", FIELD_TEXT, "COALESCE(" side "_peer.name, '')" },                                                          \
    { side ".namespace", FIELD_TEXT, "COALESCE(" side "_peer.namespace, '')" },                                                \
    { side ".pod.name", FIELD_TEXT, "COALESCE(" side "_peer.pod_name, '')" },                                                  \
    { side ".pod.namespace", FIELD_TEXT, "COALESCE(" side "_peer.pod_namespace, '')" },                                        \
    { side ".service.name", FIELD_TEXT, "COALESCE(" side "_peer.service_name, '')" },                                          \
    { side ".service.namespace", FIELD_TEXT, "COALESCE(" side "_peer.service_namespace, '')" },                                \
    { side ".dns", FIELD_TEXT, "COALESCE(" side "_peer.dns, '')" },                                                            \
    { side ".process", FIELD_TEXT, "COALESCE(" side "_peer.process, '')" }

const struct schema_name schema_names[] = {
    { "id", FIELD_INT, "entry.id" },
    { "protocol", FIELD_TEXT, "COALESCE(protocol.name, '')" },
    { "timestamp", FIELD_TEXT, "strftime('%Y-%m-%dT%H:%M:%S', entry.timestamp / 1000000000, 'unixepoch') || printf('.%09dZ', entry.timestamp % 1000000000)" },
    { "timestamp_ns", FIELD_INT, "entry.timestamp" },
    { "elapsed_time", FIELD_INT, "entry.elapsed" },
    { "duration", FIELD_INT, "entry.duration" },
    ENDPOINT("src"),
    ENDPOINT("dst"),
    { "node_name", FIELD_TEXT, "COALESCE(node.name, '')" },
    { "conn_id", FIELD_INT, "entry.connection" },
    { "status_code", FIELD_INT, "entry.status" },
    { "summary", FIELD_TEXT, "entry.summary" },
    { "one_way", FIELD_BOOL, "(entry.flags & " TEXT_OF(1) ") <> 0" },
    { "maybe_copy", FIELD_BOOL, "(entry.flags & " TEXT_OF(4) ") <> 0" },
    { "incomplete", FIELD_TEXT, "COALESCE(incomplete.name, '')" },
    { "request_at.segment", FIELD_TEXT, "COALESCE(request_segment.name, '')" },
    { "request_at.frame", FIELD_INT, "entry.request_frame" },
    { "response_at.segment", FIELD_TEXT, "COALESCE(response_segment.name, '')" },
    { "response_at.frame", FIELD_INT, "entry.response_frame" },
};
static_assert(RECORD_ONE_WAY == 1 && RECORD_MAYBE_COPY == 4, "the view's expressions say these numbers");
const size_t schema_names_count = sizeof schema_names / sizeof *schema_names;

const char schema_fixed_from[] = "entry\n"
                                 " LEFT JOIN protocol ON protocol.id = entry.protocol\n"
                                 " LEFT JOIN node ON node.id = entry.node\n"
                                 " LEFT JOIN incomplete ON incomplete.id = entry.incomplete\n"
                                 " LEFT JOIN path ON path.id = entry.path\n"
                                 " LEFT JOIN peer AS src_peer ON src_peer.id = entry.src\n"
                                 " LEFT JOIN peer AS dst_peer ON dst_peer.id = entry.dst\n"
                                 " LEFT JOIN segment AS request_segment ON request_segment.id = entry.request_segment\n"
                                 " LEFT JOIN segment AS response_segment ON response_segment.id = entry.response_segment\n";

static const char fixed_tables[] =
    "CREATE TABLE entry(id INTEGER PRIMARY KEY, protocol INTEGER NOT NULL, status INTEGER NOT NULL DEFAULT 0, src INTEGER NOT NULL, dst INTEGER NOT NULL, path INTEGER NOT NULL DEFAULT 0,\n"
    " timestamp INTEGER NOT NULL, elapsed INTEGER NOT NULL DEFAULT 0, duration INTEGER NOT NULL DEFAULT 0, src_port INTEGER NOT NULL DEFAULT 0, dst_port INTEGER NOT NULL DEFAULT 0,\n"
    " connection INTEGER NOT NULL, node INTEGER NOT NULL DEFAULT 0, incomplete INTEGER NOT NULL DEFAULT 0, flags INTEGER NOT NULL DEFAULT 0,\n"
    " request_segment INTEGER NOT NULL DEFAULT 0, request_frame INTEGER NOT NULL DEFAULT 0, response_segment INTEGER NOT NULL DEFAULT 0, response_frame INTEGER NOT NULL DEFAULT 0,\n"
    " summary TEXT NOT NULL DEFAULT '');\n"
    "CREATE TABLE protocol(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE node(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE segment(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE incomplete(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE path(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE peer(id INTEGER PRIMARY KEY, ip TEXT NOT NULL DEFAULT '', name TEXT NOT NULL DEFAULT '', namespace TEXT NOT NULL DEFAULT '', pod_name TEXT NOT NULL DEFAULT '',\n"
    " pod_namespace TEXT NOT NULL DEFAULT '', service_name TEXT NOT NULL DEFAULT '', service_namespace TEXT NOT NULL DEFAULT '', dns TEXT NOT NULL DEFAULT '', process TEXT NOT NULL DEFAULT '');\n";

#define ZONE_RANGE(column) ", " column "_least INTEGER NOT NULL, " column "_greatest INTEGER NOT NULL"
static const char file_tables[] =
    "CREATE TABLE zone(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL" ZONE_RANGE("timestamp") ZONE_RANGE("status") ZONE_RANGE("elapsed") ZONE_RANGE("duration")
    ZONE_RANGE("src") ZONE_RANGE("dst") ZONE_RANGE("path") ZONE_RANGE("connection") ", protocols INTEGER NOT NULL);\n"
    "CREATE TABLE slice(id INTEGER PRIMARY KEY, least INTEGER NOT NULL, width INTEGER NOT NULL, packed BLOB NOT NULL);\n"
    "CREATE TABLE info(name TEXT NOT NULL PRIMARY KEY, value NOT NULL) WITHOUT ROWID;\n"
    "CREATE INDEX entry_connection ON entry(connection);\n"
    "CREATE INDEX entry_src ON entry(src);\n"
    "CREATE INDEX entry_dst ON entry(dst);\n"
    "CREATE INDEX entry_path ON entry(path);\n"
    "CREATE INDEX entry_error ON entry(status) WHERE status >= 400;\n"
    "CREATE INDEX entry_rare ON entry(protocol) WHERE protocol > 1;\n";

/* Names go into SQL between quotes; these need no escaping, and no reader needs quotes for them (but for SQL's own words). */
static bool name_is_plain(const char *name)
{
    if (!name || *name < 'a' || *name > 'z')
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool name_is_taken(const struct schema *s, const char *table)
{
    static const char *const fixed[] = { "entry", "protocol", "node", "segment", "incomplete", "path", "peer", "zone", "slice", "info", "calls", "src_peer", "dst_peer", "request_segment", "response_segment" };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(fixed[i], table) == 0)
            return true;
    for (uint32_t i = 0; i < s->details_count; i++)
        if (strcmp(s->details[i].detail->table, table) == 0)
            return true;
    return false;
}

/* Numbers first and bodies last, so that a filter on a number reads the row's front and never an overflow page. */
static unsigned column_rank(const struct field *field)
{
    if (field->type == FIELD_INT || field->type == FIELD_BOOL)
        return 0;
    return field->redaction == REDACT_BODY ? 2 : 1;
}

static bool is_fixed_name(const char *name)
{
    for (size_t i = 0; i < schema_names_count; i++)
        if (strcmp(schema_names[i].name, name) == 0)
            return true;
    return false;
}

static int detail_add(struct schema *s, const struct detail *detail)
{
    if (s->details_count == SCHEMA_DETAILS_MAX || detail->count > DETAIL_FIELDS_MAX)
        return -E2BIG;
    if (!name_is_plain(detail->table) || name_is_taken(s, detail->table))
        return -EINVAL;
    struct schema_detail *d = &s->details[s->details_count];
    *d = (struct schema_detail){ .detail = detail, .path = -1 };
    for (unsigned rank = 0; rank < 3; rank++)
        for (uint32_t i = 0; i < detail->count; i++) {
            const struct field *field = &detail->fields[i];
            if (column_rank(field) != rank)
                continue;
            if (!name_is_plain(field->column) || strcmp(field->column, "id") == 0 || !field->name || is_fixed_name(field->name))
                return -EINVAL;
            for (uint32_t k = 0; k < i; k++)
                if (strcmp(detail->fields[k].column, field->column) == 0 || strcmp(detail->fields[k].name, field->name) == 0)
                    return -EINVAL;
            if (field->type == FIELD_TEXT && strcmp(field->name, "path") == 0)
                d->path = (int)i;
            else
                d->field[d->columns++] = (uint8_t)i;
        }
    s->details_count++;
    return 0;
}

int schema_make(const struct protocol *const *list, size_t count, struct schema *ret)
{
    struct schema s = { .protocols = list, .protocols_count = count };
    if (count > UINT8_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        int r = schema_detail_of(&s, list[i]->detail) >= 0 ? 0 : detail_add(&s, list[i]->detail);
        if (r < 0)
            return r;
    }
    *ret = s;
    return 0;
}

int schema_detail_of(const struct schema *s, const struct detail *detail)
{
    for (uint32_t i = 0; i < s->details_count; i++)
        if (s->details[i].detail == detail)
            return (int)i;
    return -1;
}

static void write_fallback(FILE *out, const struct field *field)
{
    static const char *const empty[] = { [FIELD_TEXT] = "''", [FIELD_LIST] = "'[]'", [FIELD_MAP] = "'{}'" };
    if (field->type == FIELD_INT || field->type == FIELD_BOOL)
        fprintf(out, "%" PRId64, field->fallback);
    else
        fputs(empty[field->type], out);
}

static void write_detail(FILE *out, const struct schema_detail *d)
{
    fprintf(out, "CREATE TABLE \"%s\"(id INTEGER PRIMARY KEY", d->detail->table);
    for (uint32_t i = 0; i < d->columns; i++) {
        const struct field *field = &d->detail->fields[d->field[i]];
        bool number = field->type == FIELD_INT || field->type == FIELD_BOOL;
        fprintf(out, ", \"%s\" %s NOT NULL DEFAULT ", field->column, number ? "INTEGER" : "TEXT");
        write_fallback(out, field);
    }
    fputs(");\n", out);
}

/* Whether an earlier detail has a field of this name: then the first one's column says it for all. */
static bool name_seen(const struct schema *s, uint32_t detail, const char *name)
{
    for (uint32_t d = 0; d < detail; d++)
        for (uint32_t i = 0; i < s->details[d].detail->count; i++)
            if (strcmp(s->details[d].detail->fields[i].name, name) == 0)
                return true;
    return false;
}

/* One column for a name, whichever details have it: an entry has a row in one of them at most. */
static void write_view_column(FILE *out, const struct schema *s, uint32_t detail, const struct field *field)
{
    fputs(",\n COALESCE(", out);
    for (uint32_t d = detail; d < s->details_count; d++) {
        const struct schema_detail *other = &s->details[d];
        for (uint32_t i = 0; i < other->columns; i++)
            if (strcmp(other->detail->fields[other->field[i]].name, field->name) == 0)
                fprintf(out, "\"%s\".\"%s\", ", other->detail->table, other->detail->fields[other->field[i]].column);
    }
    write_fallback(out, field);
    fprintf(out, ") AS \"%s\"", field->name);
}

static void write_view(FILE *out, const struct schema *s)
{
    fputs("CREATE VIEW calls AS SELECT", out);
    for (size_t i = 0; i < schema_names_count; i++)
        fprintf(out, "%s\n %s AS \"%s\"", i ? "," : "", schema_names[i].sql, schema_names[i].name);
    fputs(",\n COALESCE(path.name, '') AS \"path\"", out);
    for (uint32_t d = 0; d < s->details_count; d++)
        for (uint32_t i = 0; i < s->details[d].columns; i++) {
            const struct field *field = &s->details[d].detail->fields[s->details[d].field[i]];
            if (!name_seen(s, d, field->name))
                write_view_column(out, s, d, field);
        }
    fprintf(out, "\nFROM %s", schema_fixed_from);
    for (uint32_t d = 0; d < s->details_count; d++)
        fprintf(out, " LEFT JOIN \"%s\" ON \"%s\".id = entry.id\n", s->details[d].detail->table, s->details[d].detail->table);
    fputs(";\n", out);
}

int schema_sql(const struct schema *s, bool file, char **ret)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return -ENOMEM;
    fputs(fixed_tables, out);
    for (uint32_t d = 0; d < s->details_count; d++)
        write_detail(out, &s->details[d]);
    if (file)
        fputs(file_tables, out);
    write_view(out, s);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return -ENOMEM;
    }
    *ret = text;
    return 0;
}

/* The least id whose name is not before `prefix`; with `past`, the least whose name is after all that begin with it. */
static int bound(sqlite3_stmt *name_of, const char *prefix, size_t size, bool past, bool exact, int64_t end, int64_t *ret)
{
    int64_t low = 1, high = end; /* id 0 is "", which callers treat themselves */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(name_of, 1, middle);
        if (sqlite3_step(name_of) != SQLITE_ROW)
            return sqlite3_reset(name_of), -EIO;
        size_t length = (size_t)sqlite3_column_bytes(name_of, 0);
        const void *name = sqlite3_column_blob(name_of, 0);
        size_t common = length < size ? length : size;
        int order = common ? memcmp(name, prefix, common) : 0;
        if (order == 0)
            order = length < size ? -1 : exact && length > size ? 1 : 0;
        sqlite3_reset(name_of);
        if (order < 0 || (past && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return 0;
}

static void finalize_p(sqlite3_stmt **statement) { sqlite3_finalize(*statement); }

int database_path_range(sqlite3 *db, const char *prefix, size_t size, bool exact, int64_t *ret_first, int64_t *ret_last)
{
    MEM_CLEANUP(finalize_p) sqlite3_stmt *greatest = NULL, *name_of = NULL;
    if (sqlite3_prepare_v2(db, "SELECT COALESCE(MAX(id), 0) FROM path", -1, &greatest, NULL) != SQLITE_OK || sqlite3_step(greatest) != SQLITE_ROW ||
        sqlite3_prepare_v2(db, "SELECT name FROM path WHERE id = ?", -1, &name_of, NULL) != SQLITE_OK)
        return -EIO;
    int64_t end = sqlite3_column_int64(greatest, 0) + 1, first, past;
    if (bound(name_of, prefix, size, false, exact, end, &first) < 0 || bound(name_of, prefix, size, true, exact, end, &past) < 0)
        return -EIO;
    if (size == 0) { /* every path begins with "", and "" itself is id 0 */
        first = 0;
        past = exact ? 1 : end;
    }
    *ret_first = first;
    *ret_last = past - 1;
    return 0;
}

void database_part_path(const char *path, uint32_t part, char *ret, size_t room)
{
    if (part == 1)
        snprintf(ret, room, "%s", path);
    else
        snprintf(ret, room, "%s.part-%u", path, part);
}
