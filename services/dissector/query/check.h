/* Names and types of a parsed expression: every node gets its type, names become variables of the vocabulary or elements of macros, and what is constant (timestamps, durations, now) is worked out. */
#ifndef DISSECTOR_QUERY_CHECK_H
#define DISSECTOR_QUERY_CHECK_H
#include "services/dissector/query/expression.h"
#include "services/dissector/query/vocabulary.h"

enum function {
    FUNCTION_NONE, FUNCTION_CONTAINS, FUNCTION_STARTS_WITH, FUNCTION_ENDS_WITH, FUNCTION_MATCHES, FUNCTION_SIZE, FUNCTION_MAP_GET, FUNCTION_TIMESTAMP, FUNCTION_DURATION, FUNCTION_NOW, FUNCTION_INT,
    FUNCTION_STRING, FUNCTION_DOUBLE, FUNCTION_BOOL,
    /* Parts of a time, in UTC; the last four also of a duration. */
    FUNCTION_YEAR, FUNCTION_MONTH, FUNCTION_DATE, FUNCTION_DAY_OF_MONTH, FUNCTION_DAY_OF_WEEK, FUNCTION_DAY_OF_YEAR, FUNCTION_HOURS, FUNCTION_MINUTES, FUNCTION_SECONDS, FUNCTION_MILLISECONDS,
    FUNCTION_HAS, FUNCTION_EXISTS, FUNCTION_ALL, FUNCTION_EXISTS_ONE, FUNCTION_FILTER, FUNCTION_MAP,
};
/* now_ns: what now() says. The result must be bool. 0; -EINVAL: error says what and where; -ENOMEM. Afterwards the expression borrows the vocabulary. */
int expression_check(struct expression *expression, const struct vocabulary *vocabulary, int64_t now_ns, struct query_error *error);

/* "1h30m", "-1.5s", "250ms", as CEL has them: h, m, s, ms, us, ns. -EINVAL, -ERANGE. */
int duration_parse(const char *text, size_t size, int64_t *ret_ns);
/* RFC 3339. -EINVAL, -ERANGE (years 1678 to 2261 fit). */
int timestamp_parse(const char *text, size_t size, int64_t *ret_ns);
#endif
