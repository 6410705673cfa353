/* A database in memory for a few entries at a time, so that one engine answers a query wherever the entries are: fill it, ask it, empty it, again and again.
 * The same tables, numbers and texts as in a file (database/schema.h), and the view `calls`; no indexes, no zone, no info. One thread. Errors: -errno, and a sentence in error (OUTPUT_ERROR_TEXT_MAX). */
#ifndef DISSECTOR_DATABASE_MEMORY_H
#define DISSECTOR_DATABASE_MEMORY_H
#include <sqlite3.h>
#include "services/dissector/output/output.h"

struct database_memory;
/* The protocols are borrowed. */
int database_memory_open(const struct protocol *const *protocols, size_t count, struct database_memory **ret, char *error);
/* Statements prepared on it stay good over clear(). Borrowed. */
sqlite3 *database_memory_handle(struct database_memory *memory);
/* Entries keep their ids, and come in ascending order of them. -ENOSPC: DATABASE_MEMORY_ENTRIES_MAX are in: ask and clear. */
#define DATABASE_MEMORY_ENTRIES_MAX 65536u
int database_memory_add(struct database_memory *memory, const struct entry *entry, char *error);
/* Only from here on are the added entries in the tables: paths get their numbers when all are known. Afterwards nothing may be added before clear(). */
int database_memory_ready(struct database_memory *memory, char *error);
/* Empties all tables. Every statement must have been reset. */
int database_memory_clear(struct database_memory *memory, char *error);
void database_memory_close(struct database_memory *memory); /* NULL is fine */
#endif
