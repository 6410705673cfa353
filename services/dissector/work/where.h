/* Lets through the entries that match an expression of the query language: batches go into a database in memory, and the one engine of the language answers. */
#ifndef DISSECTOR_WORK_WHERE_H
#define DISSECTOR_WORK_WHERE_H
#include "services/dissector/output/output.h"
struct where;
/* matched: called in the order of adding, with an entry of its own values (id 0 until the caller gives one). -EINVAL: the expression does not compile; error says where. */
int where_new(const char *expression, int (*matched)(void *context, struct entry *entry), void *context, struct where **ret, char *error);
int where_add(struct where *where, const struct entry *entry, char *error);
int where_finish(struct where *where, char *error);
void where_free(struct where *where); /* NULL is fine */
#endif
