/* Which entries of an open database satisfy an expression: for entries that are not in a file yet, a batch at a time (database/memory.h). Not for large databases: it reads every entry. One thread, the connection's. */
#ifndef DISSECTOR_QUERY_MATCHER_H
#define DISSECTOR_QUERY_MATCHER_H
#include <stdint.h>
#include "services/dissector/query/error.h"
#include "services/dissector/query/vocabulary.h"

#define QUERY_MATCHER_SECONDS_MAX 60    /* of one run: a batch of 65,536 entries takes a tenth of a second; an expression may say loops in loops that take years */

struct sqlite3;
struct query_matcher;
/* Prepared once for the connection and its tables, which must be there; it registers functions on it. now_ns: what now() says. vocabulary NULL: the registry's. -EINVAL: the expression is wrong, error says where; -EIO, -ENOMEM. */
int query_matcher_open(struct sqlite3 *db, const struct vocabulary *vocabulary, const char *expression, int64_t now_ns, struct query_matcher **ret, struct query_error *error);
/* Calls match with each id, ascending, over what is in the tables now. May be called again when that has changed. -EIO: error->text says why (a limit of a pattern or of time, a broken database). */
int query_matcher_run(struct query_matcher *matcher, void (*match)(void *context, int64_t id), void *context, struct query_error *error);
/* Before the connection is closed. NULL is fine. */
void query_matcher_close(struct query_matcher *matcher);

/* Whether an expression is right, without any database. */
int query_check(const struct vocabulary *vocabulary, const char *expression, struct query_error *error);
#endif
