/* Says on the bus what the tape holds: segment.sealed.<node> once for each segment and in order, segment.recycled.<node> for what is gone.
 *
 * What is owed is the tape's catalogue past its cursor, so that a bus that is gone for an hour costs no memory. One thread, one publish in flight, each with
 * Nats-Msg-Id = segment id and Nats-Expected-Last-Subject-Sequence; when the stream has another last sequence, its last message says whether the own publish
 * arrived after all, somebody else's came between, or an operator made the stream anew. */
#ifndef CAPTURER_PUBLISHER_H
#define CAPTURER_PUBLISHER_H
#include "bus/bus.h"
#include "services/capturer/tape/tape.h"

struct publisher;
/* Starts the thread. bus and tape outlive it; node is copied. */
int publisher_start(struct bus *bus, struct tape *tape, const char *node, struct publisher **ret);
/* Any thread, never waits: a segment was sealed, or the bus is back. */
void publisher_wake(struct publisher *publisher);
/* Any thread, never waits: segments were recycled. Marks go out at most once a second. */
void publisher_note_recycled(struct publisher *publisher);
/* Goes on until nothing is owed, but no longer than patience_ms and not at all without the bus. NULL is fine. */
void publisher_stop(struct publisher *publisher, int patience_ms);
#endif
