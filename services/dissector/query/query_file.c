#include "services/dissector/query/query_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/query/functions.h"
#include "services/dissector/query/sql_text.h"
#include "units/units.h"

/* "file:" and the path, with what a URI would take otherwise as %xx; in front of one from the root an authority that is empty, or "//data" would have it for one. NULL: no memory. */
static char *make_uri(const char *path)
{
    static const char head[] = "file://", tail[] = "?immutable=1", hex[] = "0123456789abcdef";
    char *uri = malloc(strlen(path) * 3 + sizeof head + sizeof tail), *p = uri;
    if (!uri)
        return NULL;
    p = mempcpy(p, head, *path == '/' ? sizeof head - 1 : strlen("file:"));
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;
        if (c == '%' || c == '?' || c == '#' || c < 0x21 || c > 0x7e) {
            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        } else
            *p++ = (char)c;
    }
    memcpy(p, tail, sizeof tail);
    return uri;
}

static int past_deadline(void *context)
{
    const struct query_file *f = context;
    return f->deadline_ns && units_now_mono_ns() > f->deadline_ns;
}

static int fail_with(struct query_error *error, int r, const char *text)
{
    error->column = 0;
    (void)snprintf(error->text, sizeof error->text, "%s", text);
    return r;
}

int query_file_failed(const struct query_file *f, int r, struct query_error *error)
{
    if (r == -ENOMEM || r == SQLITE_NOMEM)
        return fail_with(error, -ENOMEM, "no memory");
    if (sqlite3_errcode(f->db) == SQLITE_INTERRUPT)
        return fail_with(error, -ETIMEDOUT, "the time for this query is over: narrow it, or look at fewer entries at once");
    return fail_with(error, -EIO, sqlite3_errmsg(f->db));
}

static int read_number(const struct query_file *f, const char *text, int64_t *ret)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(f->db, text, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        return -EIO;
    *ret = sqlite3_column_int64(statement, 0);
    return 0;
}

static int read_protocols(struct query_file *f)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(f->db, "SELECT id, name FROM protocol", -1, &statement, NULL) != SQLITE_OK)
        return -EIO;
    int r;
    while ((r = sqlite3_step(statement)) == SQLITE_ROW && f->protocols_count < QUERY_FILE_PROTOCOLS_MAX) {
        const char *name = (const char *)sqlite3_column_text(statement, 1);
        f->protocols[f->protocols_count].id = sqlite3_column_int64(statement, 0);
        (void)snprintf(f->protocols[f->protocols_count++].name, QUERY_FILE_PROTOCOL_NAME_MAX, "%s", name ? name : "");
    }
    return r == SQLITE_DONE ? 0 : -EIO;
}

static int check_version(const struct query_file *f, struct query_error *error)
{
    int64_t version;
    if (read_number(f, "SELECT value FROM info WHERE name = 'schema_version'", &version) < 0)
        return sqlite3_errcode(f->db) == SQLITE_INTERRUPT ? query_file_failed(f, -EIO, error) : fail_with(error, -EINVAL, "this file is no dissection");
    if (version == DATABASE_SCHEMA_VERSION)
        return 0;
    (void)snprintf(error->text, sizeof error->text, "this dissection has schema version %lld; only %d can be read", (long long)version, DATABASE_SCHEMA_VERSION);
    return -EINVAL;
}

/* The file came from somewhere: nothing in it may run. */
static void set_limits(sqlite3 *db, struct query_file *f)
{
    char pragma[64];
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, QUERY_FILE_VALUE_BYTES_MAX);
    (void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    (void)snprintf(pragma, sizeof pragma, "PRAGMA cache_size = -%d", QUERY_FILE_CACHE_KIB);
    (void)sqlite3_exec(db, pragma, NULL, NULL, NULL);
    sqlite3_progress_handler(db, QUERY_FILE_OPS_PER_LOOK, past_deadline, f);
}

static int open_db(const char *path, struct query_file *f, struct query_error *error)
{
    mem_auto_free char *uri = make_uri(path);
    if (!uri)
        return fail_with(error, -ENOMEM, "no memory");
    if (access(path, R_OK) < 0)
        return fail_with(error, errno == ENOENT ? -ENOENT : -EIO, errno == ENOENT ? "there is no such dissection" : strerror(errno));
    int r = sqlite3_open_v2(uri, &f->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    if (r != SQLITE_OK)
        return fail_with(error, -EIO, f->db ? sqlite3_errmsg(f->db) : "no memory");
    set_limits(f->db, f);
    return functions_register(f->db) < 0 ? fail_with(error, -ENOMEM, "no memory") : 0;
}

int query_file_open(const char *path, int64_t deadline_ns, struct query_file *ret, struct query_error *error)
{
    *ret = (struct query_file){ .first = 1, .deadline_ns = deadline_ns };
    int r = open_db(path, ret, error);
    if (r == 0)
        r = check_version(ret, error);
    if (r == 0 && (read_protocols(ret) < 0 || read_number(ret, "SELECT COALESCE(MIN(id), 1) FROM entry", &ret->first) < 0 || read_number(ret, "SELECT COALESCE(MAX(id), 0) FROM entry", &ret->last) < 0))
        r = query_file_failed(ret, -EIO, error);
    if (r == 0 && (ret->first < 1 || ret->last > QUERY_FILE_ID_MAX))
        r = fail_with(error, -EINVAL, "this file is no dissection: its entries have impossible numbers");
    if (r < 0)
        query_file_close(ret);
    return r;
}

void query_file_close(struct query_file *f)
{
    (void)sqlite3_close(f->db);
    f->db = NULL;
}

int query_file_timestamp(const struct query_file *f, int64_t id, int64_t *ret_ns)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(f->db, "SELECT timestamp FROM entry WHERE id <= ? ORDER BY id DESC LIMIT 1", -1, &statement, NULL) != SQLITE_OK)
        return -EIO;
    sqlite3_bind_int64(statement, 1, id);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return -EIO;
    *ret_ns = sqlite3_column_int64(statement, 0);
    return 0;
}

int query_file_find_time(const struct query_file *f, int64_t ns, int64_t *ret_id)
{
    MEM_CLEANUP(sql_finalize_p) sqlite3_stmt *statement = NULL;
    int64_t low = f->first, high = f->last + 1;
    if (sqlite3_prepare_v2(f->db, "SELECT id, timestamp FROM entry WHERE id >= ? ORDER BY id LIMIT 1", -1, &statement, NULL) != SQLITE_OK)
        return -EIO;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(statement, 1, middle);
        if (sqlite3_step(statement) != SQLITE_ROW)
            return -EIO;
        if (sqlite3_column_int64(statement, 1) < ns)
            low = sqlite3_column_int64(statement, 0) + 1;
        else
            high = middle;
        sqlite3_reset(statement);
    }
    *ret_id = low;
    return 0;
}
