/* Names of KFL that nothing fills yet: they are accepted and always have their default, so that a saved query is never an error for a name. Source: Kubeshark's public KFL reference. */
#ifndef DISSECTOR_QUERY_RESERVED_H
#define DISSECTOR_QUERY_RESERVED_H
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/query/types.h"

struct reserved { const char *name; query_type type; int64_t fallback; };
extern const struct reserved reserved_names[];
extern const size_t reserved_names_count;
#endif
