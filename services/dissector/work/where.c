#include "services/dissector/work/where.h"
#include <errno.h>
#include <stdio.h>
int where_new(const char *expression, int (*matched)(void *context, struct entry *entry), void *context, struct where **ret, char *error)
{
    (void)expression, (void)matched, (void)context, (void)ret;
    snprintf(error, OUTPUT_ERROR_TEXT_MAX, "expressions come with the query engine");
    return -EINVAL;
}
int where_add(struct where *where, const struct entry *entry, char *error) { (void)where, (void)entry, (void)error; return -EINVAL; }
int where_finish(struct where *where, char *error) { (void)where, (void)error; return -EINVAL; }
void where_free(struct where *where) { (void)where; }
