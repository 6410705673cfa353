#include "services/dissector/query/sql_text.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_BYTES_MAX 256

static void put_bytes(struct sql *s, const char *text, size_t size)
{
    if (s->failed || size > SQL_TEXT_BYTES_MAX - s->size) {
        s->failed = true;
        return;
    }
    if (s->size + size + 1 > s->room) {
        size_t room = (s->size + size + 1) * 2 + 256;
        char *grown = realloc(s->text, room);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->text = grown;
        s->room = room;
    }
    memcpy(s->text + s->size, text, size);
    s->size += size;
    s->text[s->size] = '\0';
}

void sql_put(struct sql *s, const char *text) { put_bytes(s, text, strlen(text)); }

void sql_format(struct sql *s, const char *format, ...)
{
    char buf[FORMAT_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(buf, sizeof buf, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof buf)
        s->failed = true;
    else
        put_bytes(s, buf, (size_t)size);
}

static void bind(struct sql *s, struct sql_value value)
{
    if (!s->failed && s->count == s->values_room) {
        uint32_t room = s->values_room * 2 + 16;
        struct sql_value *grown = realloc(s->values, room * sizeof *grown);
        s->failed = !grown;
        if (grown) {
            s->values = grown;
            s->values_room = room;
        }
    }
    if (s->failed) {
        if (value.kind == SQL_OWN_TEXT)
            free((char *)value.text);
        return;
    }
    s->values[s->count++] = value;
    sql_format(s, "?%u", s->count);
}

void sql_bind_int(struct sql *s, int64_t value) { bind(s, (struct sql_value){ .kind = SQL_INT, .number = value }); }
void sql_bind_real(struct sql *s, double value) { bind(s, (struct sql_value){ .kind = SQL_REAL, .real = value }); }
void sql_bind_text(struct sql *s, const char *text, size_t size) { bind(s, (struct sql_value){ .kind = SQL_TEXT, .text = text, .size = size }); }
void sql_bind_bytes(struct sql *s, const char *data, size_t size) { bind(s, (struct sql_value){ .kind = SQL_BYTES, .text = data, .size = size }); }

void sql_bind_own_text(struct sql *s, char *text, size_t size)
{
    if (text)
        bind(s, (struct sql_value){ .kind = SQL_OWN_TEXT, .text = text, .size = size });
    else
        s->failed = true;
}

void sql_free(struct sql *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->values[i].kind == SQL_OWN_TEXT)
            free((char *)s->values[i].text);
    free(s->values);
    free(s->text);
    *s = (struct sql){ 0 };
}

static int bind_value(sqlite3_stmt *statement, int at, const struct sql_value *v)
{
    switch (v->kind) {
    case SQL_INT: return sqlite3_bind_int64(statement, at, v->number);
    case SQL_REAL: return sqlite3_bind_double(statement, at, v->real);
    case SQL_BYTES: return v->size ? sqlite3_bind_blob64(statement, at, v->text, v->size, SQLITE_STATIC) : sqlite3_bind_zeroblob(statement, at, 0);
    default: return sqlite3_bind_text64(statement, at, v->text ? v->text : "", v->size, SQLITE_STATIC, SQLITE_UTF8);
    }
}

int sql_prepare(sqlite3 *db, const struct sql *s, sqlite3_stmt **ret)
{
    sqlite3_stmt *statement = NULL;
    if (s->failed)
        return -ENOMEM;
    int r = sqlite3_prepare_v3(db, s->text, (int)s->size + 1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    for (uint32_t i = 0; i < s->count && r == SQLITE_OK; i++)
        r = bind_value(statement, (int)i + 1, &s->values[i]);
    if (r != SQLITE_OK) {
        sqlite3_finalize(statement);
        return r == SQLITE_NOMEM ? -ENOMEM : -EIO;
    }
    *ret = statement;
    return 0;
}
