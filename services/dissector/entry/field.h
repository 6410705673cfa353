/* The vocabulary: what an entry may say. A name here is at once the NDJSON key ("a.b" is the object a with the key b), the column of the view `calls` and the variable of the query language; schema, NDJSON,
 * variables and docs/vocabulary.md are generated from these tables. A missing value is the type's zero ("" 0 false [] {}), or `fallback`. */
#ifndef DISSECTOR_ENTRY_FIELD_H
#define DISSECTOR_ENTRY_FIELD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type { FIELD_TEXT, FIELD_INT, FIELD_BOOL, FIELD_LIST /* of texts */, FIELD_MAP /* text to text */ };

/* What must not be kept of a value (redact/redact.h does it, when a message takes the value). */
enum field_redaction {
    REDACT_NOTHING,
    REDACT_URL,      /* user info and secret query values */
    REDACT_QUERY,    /* a map of query or form values: those with secret names; the others as URLs */
    REDACT_HEADERS,  /* a map of headers, lower-case names */
    REDACT_COOKIES,  /* a map: every value */
    REDACT_BODY,     /* forms and JSON: values with secret names; `strict` drops it whole */
    REDACT_SQL,      /* SQL text */
    REDACT_VALUE,    /* the whole value */
};

struct field {
    const char *name;
    enum field_type type;
    int64_t fallback;               /* INT and BOOL */
    const char *column;             /* in the detail's table */
    enum field_redaction redaction;
    bool read_back;                 /* read again after it was written (by the parser, or for the names of addresses): kept there although nobody wants it in the entry */
    const char *oracle;             /* tshark's field that says the same, or NULL */
    const char *help;               /* for docs/vocabulary.md; one sentence, no full stop */
};

/* The fields of one family of entries, stored in one table of the database. Several protocols may share one (HTTP for every version, gRPC). Fields with a common prefix ("request.") stand together. */
#define DETAIL_FIELDS_MAX 64        /* presence is one 64-bit word */
struct detail { const char *table; const struct field *fields; uint32_t count; };
#endif
