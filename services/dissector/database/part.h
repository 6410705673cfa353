/* One database file while it is built, hidden until it is published. Details' rows go out as they come; the narrow rows, what they refer to, zones and indexes when all are there (database/entries.h).
 * One thread. Errors: -errno, and a sentence in error (OUTPUT_ERROR_TEXT_MAX). */
#ifndef DISSECTOR_DATABASE_PART_H
#define DISSECTOR_DATABASE_PART_H
#include "services/dissector/database/digest.h"
#include "services/dissector/database/schema.h"
#include "services/dissector/output/output.h"

struct part;
/* The schema is borrowed. */
int part_open(const struct schema *schema, const char *path, struct part **ret, char *error);
int part_add(struct part *part, const struct entry *entry, char *error);
uint64_t part_entries(const struct part *part);
/* All rows but info's are in the file; nothing may be added any more. watch: asked between its steps, which take some tenths of a second each for a million rows; NULL: nobody. -ECANCELED: it said so. */
struct part_watch { bool (*advance)(void *context); void *context; };
int part_finish(struct part *part, const struct part_watch *watch, char *error);
const uint8_t *part_digest(const struct part *part); /* DIGEST_BYTES, after part_finish */
/* Writes info, still hidden. counters may be NULL. all: the digest over all parts, or NULL. */
struct part_info { uint32_t number, parts; const struct output_counter *counters; size_t counters_count; const uint8_t *all; };
int part_write_info(struct part *part, const struct part_info *info, char *error);
/* Renames it to its path. */
int part_publish(struct part *part, char *error);
/* Frees it, and removes the file if it has not been published; NULL is fine. */
void part_close(struct part *part);
#endif
