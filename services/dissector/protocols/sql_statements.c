#include "services/dissector/protocols/sql_statements.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 8u

struct sql_text *sql_text_new(const void *name, size_t name_size, const void *data, size_t size)
{
    name_size = name_size < SQL_STATEMENT_NAME_MAX ? name_size : SQL_STATEMENT_NAME_MAX;
    size = size < SQL_STATEMENT_TEXT_MAX ? size : SQL_STATEMENT_TEXT_MAX;
    struct sql_text *text = malloc(sizeof *text + size);
    if (!text)
        return NULL;
    text->references = 1;
    text->size = (uint32_t)size;
    text->name_size = (uint8_t)name_size;
    if (name_size)
        memcpy(text->name, name, name_size);
    if (size)
        memcpy(text->data, data, size);
    return text;
}

void sql_text_drop(struct sql_text *text)
{
    if (text && --text->references == 0)
        free(text);
}

static uint32_t hash_of(const char *name, size_t size)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

static struct sql_statement *find(const struct sql_statements *statements, const char *name, size_t size, uint32_t hash)
{
    for (uint32_t i = 0; i < statements->count; i++) {
        struct sql_statement *s = &statements->all[i];
        if (s->hash == hash && s->name_size == size && memcmp(s->name, name, size) == 0)
            return s;
    }
    return NULL;
}

static void forget(struct sql_statements *statements, struct sql_statement *s)
{
    statements->bytes -= s->text->size;
    sql_text_drop(s->text);
    *s = statements->all[--statements->count];
}

static void forget_oldest(struct sql_statements *statements)
{
    struct sql_statement *oldest = &statements->all[0];
    for (uint32_t i = 1; i < statements->count; i++)
        if (statements->all[i].age < oldest->age)
            oldest = &statements->all[i];
    forget(statements, oldest);
}

static bool make_room(struct sql_statements *statements, size_t bytes)
{
    while (statements->count > 0 && (statements->count == SQL_STATEMENTS_MAX || statements->bytes + bytes > SQL_STATEMENTS_BYTES_MAX))
        forget_oldest(statements);
    if (statements->count < statements->room)
        return true;
    uint32_t room = statements->room ? statements->room * 2 : ROOM_LEAST;
    struct sql_statement *all = realloc(statements->all, room * sizeof *all);
    if (!all)
        return false;
    statements->all = all;
    statements->room = room;
    return true;
}

void sql_statements_put(struct sql_statements *statements, const void *name, size_t size, struct sql_text *text)
{
    if (size > SQL_STATEMENT_NAME_MAX)
        return;
    uint32_t hash = hash_of(name, size);
    struct sql_statement *s = find(statements, name, size, hash);
    if (s)
        forget(statements, s);
    if (!text || !make_room(statements, text->size))
        return;
    s = &statements->all[statements->count++];
    *s = (struct sql_statement){ .hash = hash, .name_size = (uint8_t)size, .text = sql_text_ref(text), .age = statements->clock++ };
    if (size)
        memcpy(s->name, name, size);
    statements->bytes += text->size;
}

struct sql_text *sql_statements_get(const struct sql_statements *statements, const void *name, size_t size)
{
    struct sql_statement *s = size <= SQL_STATEMENT_NAME_MAX ? find(statements, name, size, hash_of(name, size)) : NULL;
    return s ? s->text : NULL;
}

void sql_statements_free(struct sql_statements *statements)
{
    for (uint32_t i = 0; i < statements->count; i++)
        sql_text_drop(statements->all[i].text);
    free(statements->all);
    *statements = (struct sql_statements){ 0 };
}
