/* The texts of prepared statements (and of portals), remembered by name for one conversation, so that an execute can tell what it executes. Names are bytes: a statement's name, or the four of an id.
 * Bounded in number and in bytes: beyond that the one that was put longest ago is forgotten. All zero is empty. One thread. */
#ifndef DISSECTOR_PROTOCOLS_SQL_STATEMENTS_H
#define DISSECTOR_PROTOCOLS_SQL_STATEMENTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQL_STATEMENTS_MAX 512          /* drivers keep up to 256 per connection */
#define SQL_STATEMENT_NAME_MAX 63       /* PostgreSQL cuts identifiers there; a longer name is not remembered */
#define SQL_STATEMENT_TEXT_MAX (64u * 1024)
#define SQL_STATEMENTS_BYTES_MAX (1024u * 1024) /* of texts, per conversation */

/* A text that statements and portals share, and the name of the statement. */
struct sql_text { uint32_t references, size; uint8_t name_size; char name[SQL_STATEMENT_NAME_MAX]; char data[]; };
struct sql_statement { uint32_t hash; uint8_t name_size; char name[SQL_STATEMENT_NAME_MAX]; struct sql_text *text; uint64_t age; };
struct sql_statements { struct sql_statement *all; uint32_t count, room; size_t bytes; uint64_t clock; };

/* One reference for the caller; a longer text or name is cut. NULL: no memory. */
struct sql_text *sql_text_new(const void *name, size_t name_size, const void *data, size_t size);
static inline struct sql_text *sql_text_ref(struct sql_text *text)
{
    if (text)
        text->references++;
    return text;
}
void sql_text_drop(struct sql_text *text); /* NULL is fine */

/* Takes a reference of its own. text NULL: the name is forgotten. */
void sql_statements_put(struct sql_statements *statements, const void *name, size_t size, struct sql_text *text);
/* Borrowed until the next put; NULL: not known. */
struct sql_text *sql_statements_get(const struct sql_statements *statements, const void *name, size_t size);
/* Bytes of all that is remembered; texts that portals share with statements count for both. */
static inline size_t sql_statements_memory(const struct sql_statements *s) { return s->bytes + s->count * sizeof(struct sql_text) + s->room * sizeof *s->all; }
void sql_statements_free(struct sql_statements *statements);
#endif
