/* What a tape remembers beside its segments: how far it is published, what was recycled before it could be, where recycling stands, and when nothing was recorded. One file, "cursor". Guarded by the tape's mutex.
 * It is not flushed to the platter: after a loss of power an older one only means that segments are published again, which the stream refuses by their sequence. */
#ifndef CAPTURER_TAPE_CURSOR_H
#define CAPTURER_TAPE_CURSOR_H
#include "services/capturer/tape/tape.h"

#define CURSOR_GAPS_MAX 256u                     /* restarts that a tape remembers; the oldest are merged into one */

struct cursor_state {
    uint64_t published_ordinal, stream_sequence;
    uint64_t next_ordinal;                       /* no recycled segment had this or a later one */
    uint64_t next_sequence[LANES_MAX];           /* the same per lane */
    int64_t recorded_ns;                         /* the newest time known to be on the tape when a segment was recycled or the tape closed */
    struct tape_lost lost;
    struct segment_gap gaps[CURSOR_GAPS_MAX];    /* not recording; oldest first */
    uint32_t gaps_count;
};

/* -ENOENT: none yet; -EBADMSG: not readable. */
int cursor_load(int folder_fd, struct cursor_state *ret);
int cursor_save(int folder_fd, const struct cursor_state *state);
/* Adds a stretch without recording (from < to). */
void cursor_add_gap(struct cursor_state *state, int64_t from_ns, int64_t to_ns);
/* Remembers that a segment that is still owed goes. */
void cursor_add_lost(struct cursor_state *state, const struct tape_segment *segment);
/* Takes away what has been published of it. */
void cursor_sub_lost(struct cursor_state *state, const struct tape_lost *published);
void cursor_add_ledger(struct segment_ledger *sum, const struct segment_ledger *part);
#endif
