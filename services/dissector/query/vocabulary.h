/* Every name that an expression may say, made once from the tables: what each entry has (database/schema.h and below), the protocols' fields and flags, and what is reserved (reserved.h).
 * A protocol that is added later adds its names by itself; where a field table has a name, the reserved one yields. Read-only once made: any thread. */
#ifndef DISSECTOR_QUERY_VOCABULARY_H
#define DISSECTOR_QUERY_VOCABULARY_H
#include <stdbool.h>
#include <stdio.h>
#include "services/dissector/protocols/protocol.h"
#include "services/dissector/query/types.h"

#define VARIABLE_SOURCES_MAX 4          /* tables with a field of one name */
struct variable_source { const struct detail *detail; const char *column; };

enum variable_place {
    VARIABLE_RESERVED,  /* always its default */
    VARIABLE_ENTRY,     /* every entry has it: `sql`, over entry and its fixed joins */
    VARIABLE_PATH,      /* entry.path, which has a table and an index of its own */
    VARIABLE_FLAG,      /* true for the protocols of `protocols` */
    VARIABLE_DETAIL,    /* of `sources` */
    VARIABLE_SET,       /* list of what is not "" of the columns of the endpoints, `sql` with commas, each once */
};
struct variable {
    const char *name, *help;
    query_type type;
    enum variable_place place;
    int64_t fallback;                   /* what is missing has; INT and BOOL */
    bool any_case;                      /* compared without case: protocol */
    bool src, dst;                      /* only columns of this endpoint's peer are read */
    const char *sql;
    const char *peer_columns;           /* SET: the same columns as they stand in peer */
    const char *zone;                   /* its columns in the zone table begin so; NULL: none */
    uint64_t protocols;                 /* bit: number in the vocabulary's list */
    struct variable_source sources[VARIABLE_SOURCES_MAX];
    uint32_t sources_count;
};

struct vocabulary {
    const struct protocol *const *protocols;
    size_t protocols_count;
    struct variable *variables;         /* by name */
    size_t count;
};
/* -ENOMEM; -EINVAL: two fields of one name have different types; -E2BIG: more than 64 protocols or VARIABLE_SOURCES_MAX sources. The protocols are borrowed. */
int vocabulary_make(const struct protocol *const *protocols, size_t count, struct vocabulary *ret);
void vocabulary_free(struct vocabulary *vocabulary);
/* That of this build's registry. NULL: the registry is wrong, or there is no memory. */
const struct vocabulary *vocabulary_of_registry(void);

/* NULL: no such name. */
const struct variable *vocabulary_find(const struct vocabulary *vocabulary, const char *name, size_t size);
/* A name so near that it may have been meant, or NULL. */
const struct variable *vocabulary_nearest(const struct vocabulary *vocabulary, const char *name, size_t size);
/* True: some name goes on with a dot behind this. */
bool vocabulary_is_prefix(const struct vocabulary *vocabulary, const char *name, size_t size);

/* docs/vocabulary.md, from the registry. 0, -ENOMEM, -EIO. */
int vocabulary_write_markdown(FILE *out);
#endif
