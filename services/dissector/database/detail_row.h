/* The row of a detail's table from an entry's values: numbers as they are, texts made clean, lists and maps as JSON, what is missing as its default. */
#ifndef DISSECTOR_DATABASE_DETAIL_ROW_H
#define DISSECTOR_DATABASE_DETAIL_ROW_H
#include "services/dissector/database/row.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/entry/record.h"

struct scratch { char *data; size_t room; }; /* zeroed, it is ready; free data */
/* columns: id and one per column of the detail: d->columns + 1 of them. Their texts lie in the values or in scratch, and are good until the next call. *ret_path: what entry.path takes; empty where there is none. -ENOMEM. */
int detail_row(const struct schema_detail *d, const struct values *values, struct scratch *scratch, struct column *columns, struct text *ret_path);
/* At least `room` bytes, what was there is lost. */
int scratch_reserve(struct scratch *scratch, size_t room);
#endif
