/* Entries in groups: how many, how many of them errors, and where in the span of elapsed_time half, nine tenths and 99 hundredths of those with a response lie (nearest rank: the exact value of some entry). One thread. */
#ifndef DISSECTOR_QUERY_GROUPS_H
#define DISSECTOR_QUERY_GROUPS_H
#include "services/dissector/query/query.h"

#define GROUPS_KEY_BYTES_MAX 4096u      /* of the values of one group together; longer ones are cut (behind a character, lists and maps behind an element), and then groups may fall together */
#define GROUPS_COLUMNS 5u               /* count, errors and three percentiles, behind what is grouped by */

struct groups;
int groups_make(struct groups **ret);   /* -ENOMEM */
void groups_free(struct groups *groups);
/* values: what is grouped by. 0; -ENOMEM. Entries of groups past QUERY_GROUPS_MAX only count in groups_left_out. */
int groups_add(struct groups *groups, const struct query_value *values, uint32_t count, int64_t elapsed_us, bool error);
uint64_t groups_left_out(const struct groups *groups);
/* Most entries first, equal ones by their values; at most `limit`, and as many as the receiver takes: the entries of the others count in groups_left_out. Once. Returns how many were given. -ENOMEM. */
int64_t groups_give(struct groups *groups, const struct query_value *names, uint32_t count, uint32_t limit, query_row *row, void *context);
#endif
