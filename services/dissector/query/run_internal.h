/* Between run.c and walk.c: one request while it is answered. */
#ifndef DISSECTOR_QUERY_RUN_INTERNAL_H
#define DISSECTOR_QUERY_RUN_INTERNAL_H
#include "services/dissector/query/expression.h"
#include "services/dissector/query/groups.h"
#include "services/dissector/query/query.h"
#include "services/dissector/query/query_fields.h"
#include "services/dissector/query/query_file.h"

struct run {
    const struct query_request *request;
    const struct vocabulary *vocabulary;
    struct expression expression, errors;
    struct query_fields fields;         /* with groups: what is grouped by, and elapsed_time */
    struct groups *groups;
    int64_t from_ns, to_ns;             /* of the request and of the expression; to: INT64_MAX is no end */
    int64_t first_id, past_id;          /* of the expression; past: INT64_MAX is no end */
    uint64_t limit, budget;
    query_row *row;
    void *context;
    struct query_result result;
    struct query_error *error;
    int64_t deadline_ns;
    bool enough;                        /* limit, budget, time, or the receiver's word */
    struct query_file file;             /* the one at hand */
};

/* Puts the sentence into error and returns r. */
int query_run_fail(struct query_error *error, int r, const char *text);
#endif
