/* The entries of one file in the order of ids, as far as the plan lets them be answers: each is asked the whole expression, and given to the request's receiver or to its groups. */
#ifndef DISSECTOR_QUERY_WALK_H
#define DISSECTOR_QUERY_WALK_H
#include "services/dissector/query/plan.h"
#include "services/dissector/query/run_internal.h"
/* Up to the id `last`, or until run->enough; run->result says how far it came. 0, or what query_run says, with a sentence in run->error. */
int query_walk(struct run *run, const struct query_plan *plan, int64_t last);
#endif
