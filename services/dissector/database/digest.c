#include "services/dissector/database/digest.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/database/row.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/output/output.h"

int digest_open(struct digest *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        return -ENOMEM;
    }
    digest->context = context;
    return 0;
}

int digest_finish(struct digest *digest, uint8_t ret[DIGEST_BYTES])
{
    bool fine = EVP_DigestFinal_ex(digest->context, ret, NULL) == 1;
    digest_close(digest);
    return fine ? 0 : -EIO;
}

void digest_close(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

void digest_hex(const uint8_t digest[DIGEST_BYTES], char ret[DIGEST_HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < DIGEST_BYTES; i++) {
        ret[i * 2] = digits[digest[i] >> 4];
        ret[i * 2 + 1] = digits[digest[i] & 15];
    }
    ret[DIGEST_BYTES * 2] = '\0';
}

static void digest_close_p(struct digest *digest) { digest_close(digest); }
static void finalize_p(sqlite3_stmt **statement) { sqlite3_finalize(*statement); }
static void sqlite_free_p(char **text) { sqlite3_free(*text); }
static void database_close_p(sqlite3 **db) { sqlite3_close(*db); }

static int row_columns(sqlite3_stmt *row, struct column *columns, uint32_t count)
{
    columns[0] = ROW_ID();
    for (uint32_t i = 1; i < count; i++)
        switch (sqlite3_column_type(row, (int)i)) {
        case SQLITE_INTEGER: columns[i] = ROW_NUMBER(sqlite3_column_int64(row, (int)i)); break;
        case SQLITE_TEXT: {
            const char *text = (const char *)sqlite3_column_text(row, (int)i);
            columns[i] = ROW_TEXT(text, (uint32_t)sqlite3_column_bytes(row, (int)i));
            break;
        }
        case SQLITE_BLOB: {
            const char *bytes = sqlite3_column_blob(row, (int)i);
            columns[i] = ROW_BYTES(bytes, (uint32_t)sqlite3_column_bytes(row, (int)i));
            break;
        }
        default: return -EBADMSG; /* no such database writes NULL or REAL */
        }
    return 0;
}

struct cell_buffer { uint8_t *data; size_t room; };

static int row_add(struct digest *digest, int64_t id, const struct column *columns, uint32_t count, struct cell_buffer *buffer)
{
    size_t header, payload = row_payload_size(columns, count, &header), size = varint_size(payload) + varint_size((uint64_t)id) + payload;
    if (size > buffer->room) {
        uint8_t *data = realloc(buffer->data, size * 2);
        if (!data)
            return -ENOMEM;
        *buffer = (struct cell_buffer){ data, size * 2 };
    }
    row_put_payload(varint_put(varint_put(buffer->data, payload), (uint64_t)id), columns, count, header);
    return digest_add(digest, buffer->data, size) < 0 ? -EIO : 0;
}

static int table_digest(sqlite3 *db, const char *name, uint8_t ret[DIGEST_BYTES])
{
    MEM_CLEANUP(finalize_p) sqlite3_stmt *rows = NULL;
    MEM_CLEANUP(digest_close_p) struct digest digest = { 0 };
    MEM_CLEANUP(sqlite_free_p) char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", name);
    if (!sql)
        return -ENOMEM;
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK || sqlite3_column_count(rows) > (int)ROW_COLUMNS_MAX)
        return -EBADMSG;
    int r = digest_open(&digest);
    struct column columns[ROW_COLUMNS_MAX];
    struct cell_buffer buffer = { 0 };
    uint32_t count = (uint32_t)sqlite3_column_count(rows);
    int step = SQLITE_ROW;
    while (r == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        r = row_columns(rows, columns, count);
        if (r == 0)
            r = row_add(&digest, sqlite3_column_int64(rows, 0), columns, count, &buffer);
    }
    free(buffer.data);
    if (r == 0 && step != SQLITE_DONE)
        r = -EIO;
    return r < 0 ? r : digest_finish(&digest, ret);
}

static int all_digest(sqlite3 *db, uint8_t ret[DIGEST_BYTES])
{
    MEM_CLEANUP(finalize_p) sqlite3_stmt *tables = NULL;
    MEM_CLEANUP(digest_close_p) struct digest digest = { 0 };
    if (sqlite3_prepare_v2(db, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name <> 'info' AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name COLLATE BINARY", -1, &tables, NULL) != SQLITE_OK)
        return -EBADMSG;
    int r = digest_open(&digest), step = SQLITE_ROW;
    while (r == 0 && (step = sqlite3_step(tables)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(tables, 0), *sql = (const char *)sqlite3_column_text(tables, 1);
        uint8_t rows[DIGEST_BYTES];
        r = name && sql ? table_digest(db, name, rows) : -EBADMSG;
        if (r == 0 && (digest_add(&digest, name, strlen(name) + 1) < 0 || digest_add(&digest, sql, strlen(sql) + 1) < 0 || digest_add(&digest, rows, sizeof rows) < 0))
            r = -EIO;
    }
    if (r == 0 && step != SQLITE_DONE)
        r = -EBADMSG;
    return r < 0 ? r : digest_finish(&digest, ret);
}

static int open_database(const char *path, sqlite3 **ret, char *error)
{
    /* CANTOPEN would not say why. */
    if (access(path, R_OK) < 0) {
        int code = -errno;
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: %s", path, strerror(-code));
        return code;
    }
    if (sqlite3_open_v2(path, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: %s", path, *ret ? sqlite3_errmsg(*ret) : "out of memory");
        return -EBADMSG;
    }
    return 0;
}

int database_digest(const char *path, char ret[DIGEST_HEX_MAX], char *error)
{
    MEM_CLEANUP(database_close_p) sqlite3 *db = NULL;
    uint8_t digest[DIGEST_BYTES];
    int r = open_database(path, &db, error);
    if (r < 0)
        return r;
    r = all_digest(db, digest);
    if (r < 0) {
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: not whole: %s", path, sqlite3_errcode(db) == SQLITE_OK ? "a row of no known form" : sqlite3_errmsg(db));
        return r;
    }
    digest_hex(digest, ret);
    return 0;
}

/* What info says under a name. */
static int read_info(const char *path, const char *name, char *ret, size_t room, char *error)
{
    MEM_CLEANUP(database_close_p) sqlite3 *db = NULL;
    MEM_CLEANUP(finalize_p) sqlite3_stmt *said = NULL;
    int r = open_database(path, &db, error);
    if (r < 0)
        return r;
    const char *text = NULL;
    if (sqlite3_prepare_v2(db, "SELECT value FROM info WHERE name = ?", -1, &said, NULL) == SQLITE_OK && sqlite3_bind_text(said, 1, name, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(said) == SQLITE_ROW)
        text = (const char *)sqlite3_column_text(said, 0);
    if (!text || strlen(text) >= room) {
        snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.256s: its info says no %s", path, name);
        return -EBADMSG;
    }
    memcpy(ret, text, strlen(text) + 1);
    return 0;
}

static int compare_digests(const char *path, const char *found, const char *said, char *error)
{
    if (strcmp(found, said) == 0)
        return 0;
    snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.200s: its rows have SHA-256 %s, its info says %s", path, found, said);
    return -EBADMSG;
}

int database_verify(const char *path, char *error)
{
    char found[DIGEST_HEX_MAX], said[DIGEST_HEX_MAX];
    int r = read_info(path, "sha256", said, sizeof said, error);
    if (r == 0)
        r = database_digest(path, found, error);
    return r < 0 ? r : compare_digests(path, found, said, error);
}

int database_all_digest(const char *path, char ret[DIGEST_HEX_MAX], char *error)
{
    char said[DIGEST_HEX_MAX];
    int r = read_info(path, "sha256_all", said, sizeof said, error);
    if (r == 0)
        memcpy(ret, said, sizeof said);
    return r;
}

/* Two hexadecimal digits for each byte, which digest_hex has written. */
static void digest_bytes(const char *hex, uint8_t ret[DIGEST_BYTES])
{
    for (unsigned i = 0; i < DIGEST_BYTES * 2; i++) {
        unsigned digit = (unsigned)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
        ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] << 4 | digit : digit);
    }
}

int database_all_verify(const char *path, char *error)
{
    MEM_CLEANUP(digest_close_p) struct digest all = { 0 };
    char parts[16], said[DIGEST_HEX_MAX], found[DIGEST_HEX_MAX];
    uint8_t bytes[DIGEST_BYTES];
    int r = read_info(path, "parts", parts, sizeof parts, error);
    if (r == 0)
        r = database_all_digest(path, said, error);
    if (r == 0 && digest_open(&all) < 0)
        r = -ENOMEM;
    unsigned long count = r == 0 ? strtoul(parts, NULL, 10) : 0;
    for (uint32_t part = 1; part <= count && r == 0; part++) {
        char name[PATH_MAX + 16];
        database_part_path(path, part, name, sizeof name);
        r = database_digest(name, found, error);
        if (r < 0)
            return r;
        digest_bytes(found, bytes);
        if (digest_add(&all, bytes, sizeof bytes) < 0)
            return -EIO;
    }
    if (r < 0 || (r = digest_finish(&all, bytes)) < 0)
        return r;
    digest_hex(bytes, found);
    return compare_digests(path, found, said, error);
}
