/* Where entries go: a table of operations per form (NDJSON, SQLite). Entries come in the order of their ids, from one thread. 0 or -errno; what is wrong, as a sentence, in error. */
#ifndef DISSECTOR_OUTPUT_OUTPUT_H
#define DISSECTOR_OUTPUT_OUTPUT_H
#include "services/dissector/entry/record.h"
#include "services/dissector/entry/selection.h"
#include "services/dissector/protocols/protocol.h"

#define OUTPUT_ERROR_TEXT_MAX 512

/* What is known of an address at the entry's time. Texts are never NULL. number: dense, from 1, stable while the output lives: same number, same peer. */
struct peer { uint64_t number; const char *ip, *name, *namespace, *pod_name, *pod_namespace, *service_name, *service_namespace, *dns, *process; };

struct entry {
    uint64_t id;                            /* 1..n in the order of time */
    uint64_t connection;                    /* conn_id: dense, from 1, in the order of the connections' first entries */
    const struct record *record;
    const struct protocol *protocol;
    struct values values;                   /* by the protocol's detail */
    uint32_t added;                         /* bytes of those values that are not the record's own */
    const struct peer *source, *destination;
    const char *node;                       /* "" for a file */
    const char *request_segment, *response_segment; /* segment id; "" for a single file */
};
/* What the whole dissection says of itself. */
struct output_counter { const char *name; uint64_t value; };

struct output_driver {
    const char *name;                       /* --format */
    /* path "-": standard output, where the form allows it. fields: what is written of an entry; stays as it is until close; NULL: all. -EINVAL where the form always has all. */
    int (*open)(const char *path, const struct selection *fields, void **ret_state, char *error);
    int (*entry)(void *state, const struct entry *entry, char *error);
    /* Before the first entry, where there is such a function: what takes long (finishing a part, with its indexes) calls advance between its steps. False: it ends with -ECANCELED. */
    void (*watch)(void *state, bool (*advance)(void *context), void *context);
    /* What was taken goes to the reader now; NULL: the form is read when it is whole. */
    int (*flush)(void *state, char *error);
    /* Finishes and publishes the file whole; counters: what was read and what was given up, by name. Frees state, also on failure. */
    int (*close)(void *state, const struct output_counter *counters, size_t counters_count, char *error);
    /* Removes what was written; NULL is fine. */
    void (*abandon)(void *state);
};
extern const struct output_driver output_ndjson, output_sqlite;
#endif
