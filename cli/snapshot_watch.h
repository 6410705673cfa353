/* Following one snapshot.request: the events of its name, from before it was published until it has ended. */
#ifndef CLI_SNAPSHOT_WATCH_H
#define CLI_SNAPSHOT_WATCH_H
#include "cli/ask.h"

/* What the request asked for, to know its events from those of another request of that name. */
struct snapshot_watch_wish { const char *name; int64_t from_ns, to_ns; /* 0: not named */ };
enum snapshot_watch_state { SNAPSHOT_UNHEARD, SNAPSHOT_ACCEPTED, SNAPSHOT_ENDED };

struct snapshot_watch;
/* Subscribes; wish->name stays the caller's. -errno. */
int snapshot_watch_open(struct bus *bus, const struct snapshot_watch_wish *wish, struct snapshot_watch **ret);
void snapshot_watch_close(struct snapshot_watch *watch);
/* After the publish: the request's sequence in its stream. Events heard before count too. */
void snapshot_watch_expect(struct snapshot_watch *watch, uint64_t sequence);
/* Waits up to timeout_ms for news (a new state or progress) and fills what is not NULL. *ret_event is the accepted or final event, for wire_free. */
enum snapshot_watch_state snapshot_watch_wait(struct snapshot_watch *watch, int timeout_ms, Tapeloop__V1__SnapshotEvent **ret_event, Tapeloop__V1__SnapshotProgress *ret_progress,
                                              char *ret_stage /* 32 */);
/* Asks a snapshotter how the snapshot stands: finds an end whose event was lost with a connection. */
void snapshot_watch_ask(struct snapshot_watch *watch);
/* Whether an event belongs to the request. header: of ce-request, NULL where there is none. Pure. */
bool snapshot_watch_matches(const struct snapshot_watch_wish *wish, uint64_t sequence, const Tapeloop__V1__SnapshotEvent *event, const char *header);
#endif
