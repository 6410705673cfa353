/* The sealed segments of a node's own tape, as they come: in the order of sealing, each lane's without a hole; what was recycled before it was read is counted.
 * Goes on with another tape that takes the place of this one. One thread. */
#ifndef DISSECTOR_LIVE_TAPE_FEED_H
#define DISSECTOR_LIVE_TAPE_FEED_H
#include <stdint.h>
#include "capfile/segment_index.h"

#define TAPE_FEED_LANES_MAX 64u
#define TAPE_FEED_PATH_MAX 4096

struct tape_feed;
struct tape_segment { char path[TAPE_FEED_PATH_MAX], id[SEGMENT_ID_TEXT_MAX]; uint32_t lane; uint64_t sequence, bytes; int64_t sealed_ns /* wall */; };
/* tape: the capturer's --data folder, which need not be there yet. Segments that are sealed already are not read. */
int tape_feed_new(const char *tape, struct tape_feed **ret);
void tape_feed_free(struct tape_feed *feed);    /* NULL is fine */
/* 1 with the next; 0: there is none just now; -errno. */
int tape_feed_next(struct tape_feed *feed, struct tape_segment *ret);
/* Segments that were gone before it was their turn. */
uint64_t tape_feed_recycled(const struct tape_feed *feed);
/* The segment that was given out could not be opened any more. */
void tape_feed_missed(struct tape_feed *feed);
#endif
