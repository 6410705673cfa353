/* What is made of a part's narrow rows when all are there: the tables zone and slice, and the indexes (database/schema.h names them). After entries_number. 0 or -errno. */
#ifndef DISSECTOR_DATABASE_PART_INDEXES_H
#define DISSECTOR_DATABASE_PART_INDEXES_H
#include "services/dissector/database/entries.h"
#include "services/dissector/database/part_tables.h"
int part_write_zones(struct part_tables *tables, const struct entries *entries);
int part_write_indexes(struct part_tables *tables, const struct entries *entries);
#endif
