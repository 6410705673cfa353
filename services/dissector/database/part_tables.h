/* The tables and indexes of a database file that is being built: their names and root pages come from the empty file that SQLite has made, their pages and digests are ours. */
#ifndef DISSECTOR_DATABASE_PART_TABLES_H
#define DISSECTOR_DATABASE_PART_TABLES_H
#include "services/dissector/database/digest.h"
#include "services/dissector/database/tree.h"

#define PART_TABLES_MAX (SCHEMA_DETAILS_MAX + 24u) /* with the fixed tables and the indexes */
struct part_table { char *name, *sql; bool index; struct tree tree; struct digest digest; };
struct part_tables { struct part_table tables[PART_TABLES_MAX]; uint32_t count; struct pages pages; };

/* Makes the empty file at path with this DDL and reads what it holds; fd is the same file, for the pages. The struct is zeroed before. -errno with a sentence in error. */
int part_tables_open(struct part_tables *tables, const char *path, int fd, const char *sql, char *error);
struct part_table *part_tables_find(struct part_tables *tables, const char *name);
/* A row, into its tree and its digest. */
int part_table_add(struct part_table *table, int64_t id, const struct column *columns, uint32_t count);
/* All trees and the file's header are written, the digest of all is known. */
int part_tables_finish(struct part_tables *tables, uint8_t ret_digest[DIGEST_BYTES]);
void part_tables_close(struct part_tables *tables);

/* "PATH: DOING: what SQLite says" in error; the errno that is nearest. */
int database_failure(sqlite3 *db, char *error, const char *doing, const char *path);
#endif
