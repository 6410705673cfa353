/* What this node says of itself: once a second into the bucket `nodes`, and whenever node.<node>.status asks.
 *
 * "recording" is a proof of work, not of life: every lane's canary came back from the disk within HEARTBEAT_PROOF_S. Times are judged by the monotonic clock, so
 * a step of the wall clock is no stall. The loop thread builds, one thread of its own sends, and only the newest. */
#ifndef CAPTURER_HEARTBEAT_H
#define CAPTURER_HEARTBEAT_H
#include "bus/bus.h"
#include "options/options.h"
#include "services/capturer/capture/capture.h"
#include "services/capturer/tape/tape.h"
#include "wire/wire.h"

#define HEARTBEAT_PROOF_S 5              /* canaries go out every second; flush, write and a busy machine take the rest */
#define HEARTBEAT_START_S 15             /* how long a lane may take for its first proof */
#define HEARTBEAT_GAPS_MAX 32
#define HEARTBEAT_INTERFACES_MAX 512     /* of the ledger; the node's total counts all */
#define HEARTBEAT_NOT_VISIBLE_MAX 16

enum heartbeat_state { HEARTBEAT_STARTING, HEARTBEAT_RECORDING, HEARTBEAT_STALLED, HEARTBEAT_STOPPED };

struct heartbeat_options {
    struct bus *bus;
    struct tape *tape;
    struct capture *capture;             /* NULL in tests without one */
    struct lane *const *lanes;
    uint32_t lanes_count;
    uint64_t ring_bytes;
    const char *node, *segment_server;
    const struct option_list *labels;
};
struct heartbeat;
/* Everything in options outlives the heartbeat. */
int heartbeat_start(const struct heartbeat_options *options, struct heartbeat **ret);
/* Loop thread, once a second: judges, logs the begin and the end of a stall, hands the message to the sender. Returns the state. */
enum heartbeat_state heartbeat_tick(struct heartbeat *heartbeat);
/* Any thread, never waits. */
void heartbeat_note_disk(struct heartbeat *heartbeat, enum tape_event_kind kind, int error);
/* Any thread, never waits: recording was switched off or on. While off the state is "stopped" and no proof is missed. */
void heartbeat_note_switch(struct heartbeat *heartbeat, bool on);
/* Any thread: the last message, for wire_free; NULL before the first tick. */
Tapeloop__V1__NodeHeartbeat *heartbeat_copy(struct heartbeat *heartbeat);
/* Loop thread: capture is no longer asked; says "stopped" if the bus is there. */
void heartbeat_stop(struct heartbeat *heartbeat, const char *reason); /* NULL is fine */
#endif
