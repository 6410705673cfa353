/* Asks a dissection: an expression, a span of time and a page at a time; rows, groups, or one entry whole.
 *
 * Every answer is bounded by `budget`, the entries looked at, and by time. Past either it ends with what it found; then `more` is set and `cursor` says how far it looked: everything up to there has been answered for, and the same
 * request with `after` set to it goes on behind. One call, one thread; several may ask one file. Errors: -EINVAL: the request, and where error->column is not 0, the expression there; -ENOENT: no such dissection;
 * -EIO, -ENOMEM, -ETIMEDOUT (not even the first entries could be looked at in time: the expression is too expensive); a sentence is in error->text. */
#ifndef DISSECTOR_QUERY_QUERY_H
#define DISSECTOR_QUERY_QUERY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "services/dissector/query/error.h"
#include "services/dissector/query/types.h"
#include "services/dissector/query/vocabulary.h"

#define QUERY_LIMIT_USUAL 100u
#define QUERY_LIMIT_MAX 10000u
#define QUERY_BUDGET_USUAL UINT64_C(2000000)    /* a scan of a million narrow rows takes a tenth of a second, one that reads headers half a second */
#define QUERY_TIMEOUT_MS_USUAL 20000u
#define QUERY_GROUPS_MAX 10000u                 /* beyond it, entries of further groups count in query_result.left_out */
#define QUERY_GROUP_BY_MAX 16u

struct groups;
struct query_request {
    const struct vocabulary *vocabulary;    /* NULL: the registry's */
    const char *path;                       /* the dissection's first file */
    const char *expression;                 /* "" matches all */
    int64_t from_ns, to_ns;                 /* from <= timestamp < to; to 0: no end */
    const char *const *fields;              /* names of docs/vocabulary.md; none: the usual ones; "*": all that are filled */
    uint32_t fields_count;
    const char *const *group_by;            /* not none: a row per group: these names, count, errors, elapsed_p50, elapsed_p90, elapsed_p99 (us, of entries with a response); most entries first */
    uint32_t group_by_count;
    struct groups *gather;                  /* not NULL: groups of several dissections together (query/groups.h). The entries go into them, no row is given; query_gathered() gives the rows in the end */
    uint32_t limit;                         /* of rows; 0: the usual */
    uint64_t after;                         /* cursor of the answer before; 0: from the start */
    uint64_t budget;                        /* 0: the usual */
    uint32_t timeout_ms;                    /* 0: the usual */
    int64_t now_ns;                         /* what now() says; 0: the clock */
};

/* INT, BOOL, TIMESTAMP and DURATION (ns) in number; DOUBLE in real; STRING, and LIST and MAP as JSON, in text. Borrowed during the call. */
struct query_value { const char *name; query_type type; int64_t number; double real; const char *text; size_t size; };
/* False: enough; the answer ends behind this row. */
typedef bool query_row(void *context, const struct query_value *values, size_t count);

struct query_result {
    uint64_t rows;          /* given */
    uint64_t looked;        /* entries looked at: read; not those that zones and slices (query/plan.h) rule out */
    uint64_t cursor;        /* id of the last entry that the answer covers; 0: none */
    int64_t looked_to_ns;   /* its timestamp */
    bool more;              /* there may be more behind the cursor */
    uint64_t left_out;      /* entries in groups past QUERY_GROUPS_MAX, past the limit, or past what the receiver took; of gathered ones, query_gathered() says it */
};
/* Rows come in the order of ids. With group_by they come at the end, over the entries behind `after` and up to the cursor. */
int query_run(const struct query_request *request, query_row *row, void *context, struct query_result *ret, struct query_error *error);
/* The rows of groups that requests with this group_by have gathered; limit as the request says. */
int query_gathered(const struct query_request *request, query_row *row, void *context, struct query_result *ret, struct query_error *error);
/* One entry with all that its protocol fills. -ENOENT: there is no such entry. vocabulary NULL: the registry's. */
int query_call(const struct vocabulary *vocabulary, const char *path, uint64_t id, query_row *row, void *context, struct query_error *error);

/* The row as one JSON object, nested at the dots, times as RFC 3339; to be freed. NULL: no memory. */
char *query_row_json(const struct query_value *values, size_t count, size_t *ret_size);
#endif
