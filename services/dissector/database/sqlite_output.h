/* The database as an output (output/output.h: output_sqlite), in parts of a million entries: NAME, NAME.part-2, ... Nothing is seen of it before all is written; the first part appears last.
 * Here as functions, for other protocols than the registry's and other parts' sizes. One thread. -errno, and a sentence in error (OUTPUT_ERROR_TEXT_MAX). */
#ifndef DISSECTOR_DATABASE_SQLITE_OUTPUT_H
#define DISSECTOR_DATABASE_SQLITE_OUTPUT_H
#include "services/dissector/output/output.h"

struct sqlite_output;
int sqlite_output_open(const char *path, const struct protocol *const *list, size_t count, uint64_t part_rows, struct sqlite_output **ret, char *error);
int sqlite_output_entry(struct sqlite_output *output, const struct entry *entry, char *error);
int sqlite_output_close(struct sqlite_output *output, const struct output_counter *counters, size_t counters_count, char *error);
void sqlite_output_abandon(struct sqlite_output *output);
#endif
