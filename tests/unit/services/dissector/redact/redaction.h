/* What a redactor made of a text, in a buffer that is exactly as large as it may be. */
#ifndef TESTS_REDACTION_H
#define TESTS_REDACTION_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static inline void expect_text(const char *text, const char *dst, ssize_t got, const char *expected)
{
    const char *shown = got < 0 ? text : dst;
    size_t size = got < 0 ? strlen(text) : (size_t)got;
    if (size != strlen(expected) || memcmp(shown, expected, size) != 0 || (got >= 0 && strcmp(text, expected) == 0)) {
        fprintf(stderr, "of:       %s\nexpected: %s\ngot:      %.*s%s\n", text, expected, (int)size, shown, got >= 0 && strcmp(text, expected) == 0 ? " (as a copy)" : "");
        fail();
    }
}
#endif
