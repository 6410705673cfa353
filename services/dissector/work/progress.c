#include "services/dissector/work/progress.h"

#define WHOLE 1000u                     /* progress of progress is in thousandths */

static unsigned thousandths(uint64_t done, uint64_t total)
{
    return done >= total ? WHOLE : (unsigned)((double)done / (double)total * WHOLE);
}

static bool part_advance(void *context, uint64_t done, uint64_t total)
{
    const struct progress_part *part = context;
    if (total == 0)
        return stage_advance(part->whole, 0, 0);
    return stage_advance(part->whole, part->from + (uint64_t)(part->to - part->from) * thousandths(done, total) / WHOLE, WHOLE);
}

void progress_part_make(const struct stage_progress *whole, unsigned from, unsigned to, struct progress_part *ret)
{
    *ret = (struct progress_part){ .progress = { part_advance, ret }, .whole = whole, .from = from, .to = to };
}

/* Moves the member to `at` of its share. */
static bool move(struct crowd_member *member, unsigned at, bool known)
{
    struct crowd *crowd = member->crowd;
    pthread_mutex_lock(&crowd->lock);
    if (at > member->at) { /* a share of several parts, such as a file that is read again, may begin anew: the crowd does not */
        crowd->done += at - member->at;
        member->at = at;
    }
    if (!crowd->stopped && !stage_advance(crowd->whole, known ? crowd->done : 0, known ? crowd->total : 0))
        crowd->stopped = true;
    bool go_on = !crowd->stopped;
    pthread_mutex_unlock(&crowd->lock);
    return go_on;
}

static bool member_advance(void *context, uint64_t done, uint64_t total)
{
    struct crowd_member *member = context;
    return total == 0 ? move(member, member->at, false) : move(member, thousandths(done, total), true);
}

void crowd_make(const struct stage_progress *whole, uint32_t shares, struct crowd *ret)
{
    *ret = (struct crowd){ .lock = PTHREAD_MUTEX_INITIALIZER, .whole = whole, .total = (uint64_t)shares * WHOLE };
}

void crowd_join(struct crowd *crowd, struct crowd_member *ret)
{
    *ret = (struct crowd_member){ .progress = { member_advance, ret }, .crowd = crowd };
}

bool crowd_share_done(struct crowd_member *member)
{
    bool go_on = move(member, WHOLE, true);
    member->at = 0;
    return go_on;
}

void crowd_stop(struct crowd *crowd)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->stopped = true;
    pthread_mutex_unlock(&crowd->lock);
}
