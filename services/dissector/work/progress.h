/* How far several threads, or one after the other several parts, are together: one way from nothing to all, that never goes back. */
#ifndef DISSECTOR_WORK_PROGRESS_H
#define DISSECTOR_WORK_PROGRESS_H
#include <pthread.h>
#include "services/dissector/work/stages.h"

/* A part of the way: what advances in it stands between `from` and `to` thousandths of the whole. Of a part whose total is not known (0) nothing is told, but it is asked whether to stop. */
struct progress_part { struct stage_progress progress; const struct stage_progress *whole; unsigned from, to; };
/* whole may be NULL. ret stays where it is while its progress is used. */
void progress_part_make(const struct stage_progress *whole, unsigned from, unsigned to, struct progress_part *ret);

/* Threads that do `shares` equal shares of the work. whole is called by any of them, one at a time. */
struct crowd { pthread_mutex_t lock; const struct stage_progress *whole; uint64_t done, total /* thousandths of shares */; bool stopped; };
/* One thread's place in it: .progress is that of the share at hand. */
struct crowd_member { struct stage_progress progress; struct crowd *crowd; unsigned at; };
void crowd_make(const struct stage_progress *whole, uint32_t shares, struct crowd *ret);
void crowd_join(struct crowd *crowd, struct crowd_member *ret);
/* The member's share is done; the next one begins. False: stop. */
bool crowd_share_done(struct crowd_member *member);
/* All members are told to stop. */
void crowd_stop(struct crowd *crowd);
#endif
