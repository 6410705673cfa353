/* The Range and Content-Range headers. See range.h. */
#include "http/range.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Digits only, below 2^63 (a file offset). Returns what follows, or NULL. */
static const char *parse_position(const char *p, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = p;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > INT64_MAX || p - start >= 19)
            return NULL;
    }
    *ret = value;
    return p == start ? NULL : p;
}

int range_parse(const char *value, uint64_t *ret_from, uint64_t *ret_to)
{
    static const char unit[] = "bytes=";
    uint64_t from, last;
    if (strncmp(value, unit, sizeof unit - 1) != 0)
        return -EINVAL;
    const char *p = parse_position(value + sizeof unit - 1, &from);
    if (!p || *p++ != '-')
        return -EINVAL;
    if (!*p) {
        *ret_from = from;
        *ret_to = RANGE_TO_END;
        return 0;
    }
    p = parse_position(p, &last);
    if (!p || *p || last < from)
        return -EINVAL;
    *ret_from = from;
    *ret_to = last + 1;
    return 0;
}

int range_parse_content(const char *value, uint64_t *ret_from, uint64_t *ret_to)
{
    static const char unit[] = "bytes ";
    uint64_t from, last, total = INT64_MAX;
    if (strncmp(value, unit, sizeof unit - 1) != 0)
        return -EINVAL;
    const char *p = parse_position(value + sizeof unit - 1, &from);
    p = p && *p == '-' ? parse_position(p + 1, &last) : NULL;
    if (!p || *p++ != '/')
        return -EINVAL;
    p = strcmp(p, "*") == 0 ? p + 1 : parse_position(p, &total);
    if (!p || *p || last < from || last >= total)
        return -EINVAL;
    *ret_from = from;
    *ret_to = last + 1;
    return 0;
}
