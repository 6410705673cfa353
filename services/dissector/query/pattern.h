/* Regular expressions as RE2 reads them, matched by PCRE2 with limits. What RE2 does not have (backreferences, lookaround, possessive and atomic groups, recursion, verbs) is refused with its place, so that a pattern means the
 * same here and in CEL. Source: https://github.com/google/re2/wiki/Syntax. A compiled pattern belongs to one thread. */
#ifndef DISSECTOR_QUERY_PATTERN_H
#define DISSECTOR_QUERY_PATTERN_H
#include <stdbool.h>
#include <stddef.h>

#define PATTERN_BYTES_MAX 4096u
#define PATTERN_REPEAT_MAX 1000u        /* RE2's */
#define PATTERN_STEPS_MAX 1000000u      /* of backtracking, for one text: some milliseconds */
#define PATTERN_DEPTH_MAX 10000u
#define PATTERN_HEAP_KIB_MAX 8192u      /* of the interpreter; of compiled code as much stack */
#define PATTERN_ERROR_TEXT_MAX 160

struct pattern;
/* 0; -EINVAL: *ret_at is the byte that is wrong, and why is in error[PATTERN_ERROR_TEXT_MAX]; -ENOMEM. */
int pattern_compile(const char *text, size_t size, struct pattern **ret, size_t *ret_at, char *error);
/* 1: it is somewhere in the text; 0: nowhere; -E2BIG: a limit was hit; -ENOMEM. */
int pattern_match(struct pattern *pattern, const char *text, size_t size);
void pattern_free(void *pattern);
#endif
