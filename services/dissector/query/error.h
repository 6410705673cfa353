/* What is wrong with an expression, and where. */
#ifndef DISSECTOR_QUERY_ERROR_H
#define DISSECTOR_QUERY_ERROR_H
#include <stdint.h>

#define QUERY_ERROR_TEXT_MAX 320
struct query_error {
    uint32_t column;                    /* in characters from the expression's first, which is 1; an end of line is one too. 0: not the expression's fault */
    char text[QUERY_ERROR_TEXT_MAX];    /* one sentence without full stop */
};
#endif
