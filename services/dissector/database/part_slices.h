/* A zone's rows in the table `slice`, which database/schema.h describes: some columns of its entries, packed. After entries_number. 0 or -errno. */
#ifndef DISSECTOR_DATABASE_PART_SLICES_H
#define DISSECTOR_DATABASE_PART_SLICES_H
#include "services/dissector/database/entries.h"
#include "services/dissector/database/part_tables.h"
/* The zone of the rows first..past-1, at most DATABASE_ZONE_ROWS, where `first` (from 0) is a multiple of that. Zones ascend. */
int part_write_slices(struct part_table *table, const struct entries *entries, uint64_t first, uint64_t past);
#endif
