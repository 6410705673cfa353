/* The names that every entry has, whatever its protocol: their SQL over `entry` and the joins of the view `calls` (database/schema.h). */
#ifndef DISSECTOR_QUERY_ENTRY_VARIABLES_H
#define DISSECTOR_QUERY_ENTRY_VARIABLES_H
#include "services/dissector/query/vocabulary.h"

extern const struct variable entry_variables[];
extern const size_t entry_variables_count;
#endif
