/* Which fields of entries somebody wants, by their names in NDJSON (docs/vocabulary.md): what nobody wants is not copied, kept and written. A name that is an object's ("src", "request", "dst.pod") stands for all in it.
 * Made once, then read-only: any thread. NULL in place of a selection: everything. */
#ifndef DISSECTOR_ENTRY_SELECTION_H
#define DISSECTOR_ENTRY_SELECTION_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every entry has. One end's fields are SELECT_SRC or SELECT_DST plus enum selected_end. */
enum selected_end { END_IP, END_PORT, END_NAME, END_NAMESPACE, END_POD_NAME, END_POD_NAMESPACE, END_SERVICE_NAME, END_SERVICE_NAMESPACE, END_DNS, END_PROCESS, END_FIELDS };
enum selected {
    SELECT_SRC, SELECT_DST = SELECT_SRC + END_FIELDS, SELECT_ID = SELECT_DST + END_FIELDS, SELECT_PROTOCOL, SELECT_TIMESTAMP, SELECT_ELAPSED_TIME, SELECT_DURATION, SELECT_NODE_NAME, SELECT_CONN_ID, SELECT_STATUS_CODE,
    SELECT_SUMMARY, SELECT_ONE_WAY, SELECT_MAYBE_COPY, SELECT_INCOMPLETE, SELECT_REQUEST_AT, SELECT_RESPONSE_AT, SELECT_COUNT
};
#define SELECTION_PROTOCOLS_MAX 64      /* as a set of protocols has bits */
struct selection {
    uint64_t always;                            /* bit per enum selected */
    uint64_t fields[SELECTION_PROTOCOLS_MAX];   /* by protocol_number(): bit per field of its detail */
};

/* names: each one name, or several with commas. -EINVAL with a sentence in error (room bytes): a name that there is not. */
int selection_parse(const char *const *names, size_t count, struct selection *ret, char *error, size_t room);
static inline bool selection_has(const struct selection *s, enum selected what) { return !s || (s->always >> what & 1); }
/* Fields of the protocol's detail that a message need not take. One that is read again (struct field, read_back) is not among them. */
uint64_t selection_skipped(const struct selection *s, int protocol);
/* Whether names of addresses are wanted: DNS answers tell them. */
bool selection_needs_names(const struct selection *s);
#endif
