/* How deep the SQL of an expression is nested. SQLite's parser keeps at most 100 things open at once (YYSTACKDEPTH) and refuses a statement past that without saying where; so it is counted here, and refused with its place. */
#ifndef DISSECTOR_QUERY_NESTING_H
#define DISSECTOR_QUERY_NESTING_H
#include "services/dissector/query/expression.h"

#define NESTING_MAX 98u         /* of the parser's 100 */
#define NESTING_STATEMENT 20u   /* "SELECT ... FROM ... WHERE ... AND entry.src IN (SELECT id FROM peer WHERE " around an expression */
#define NESTING_LEAF 18u        /* the deepest that one name becomes: "(entry.protocol IN (SELECT id FROM protocol WHERE name IN (?, ?)))" */
#define NESTING_CONSTANT 6u     /* "CAST(j1.key AS INTEGER)", "cel_list(0)" */

/* Of a checked expression. 0, or -EINVAL with the place that is too deep. */
int expression_check_nesting(const struct expression *expression, struct query_error *error);
#endif
