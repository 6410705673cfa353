/* Which views are one connection, and which of them tells of it. A view is what one observation point (node, interface) saw of a connection; packets pass several.
 *
 * Same innermost five-tuple, other point, spans that overlap (or both initial sequence numbers equal, where clocks differ) and no initial sequence number that differs: one connection. Different tuples (address translation): one only where both initial sequence numbers are known,
 * equal, and the spans overlap; where just the client's is known to both: two, and both may be copies. Never two views of one point, and never more than FILLING_VIEWS_MAX: further ones are connections of their own. Of each connection the view with most payload tells; what the others gave is left out. */
#ifndef DISSECTOR_WORK_VIEWS_H
#define DISSECTOR_WORK_VIEWS_H
#include "services/dissector/engine/shard.h"
#include "services/dissector/input/names.h"
#include "services/dissector/work/run.h"

struct views;
/* views of all shards, in any order: the result depends on their contents alone. -EBADMSG: numbers that cannot be. -ENOMEM. */
int views_new(const struct run_view *list, size_t count, struct views **ret);
struct view_fate { bool tells, maybe_copy, filled; };
/* -EBADMSG: no such view. */
int views_fate(const struct views *views, const struct record *record, struct view_fate *ret);
/* conn_id: dense, from 1, in the order in which connections are first asked for. */
uint64_t views_connection(struct views *views, const struct record *record);
/* All views of the record's connection where they are more than one: as a LIST's bytes (entry/message.h), each "node interface client:port > server:port", where node and interface are known, and " (gave N bytes)" where it filled
 * gaps of the one that tells; borrowed until the next call. names may be NULL. False: it is the only one. */
bool views_list(struct views *views, const struct record *record, const char *const *nodes, uint32_t nodes_count, const struct input_names *names, struct value *ret);
/* Connections whose teller lost something that another view may have: its members, the teller first, to be dissected together (fill.h). Borrowed. */
uint32_t views_fillings(const struct views *views);
const struct run_view *views_filling(const struct views *views, uint32_t filling, uint32_t *ret_count);
/* The second dissection counts: of that connection the entries with RECORD_FILLED tell. given: bytes of each member. */
void views_set_filled(struct views *views, uint32_t filling, const uint64_t *given);
uint64_t views_left_out(const struct views *views);    /* views that do not tell */
uint64_t views_connections(const struct views *views); /* numbers given so far */
void views_free(struct views *views);
#endif
