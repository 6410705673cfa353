/* The processes of `tapeloop up`, in the order in which they start: nats-server, capturer, snapshotter, dissector. One thread, the main one. */
#ifndef CLI_UP_STACK_H
#define CLI_UP_STACK_H
#include <stdbool.h>
#include <stdint.h>

#include "cli/up_child.h"

enum { STACK_NATS, STACK_CAPTURER, STACK_SNAPSHOTTER, STACK_DISSECTOR, STACK_COUNT };

struct up_stack {
    struct up_child children[STACK_COUNT];
    bool wanted[STACK_COUNT];   /* started by the caller: kept running */
    bool settled;               /* everything ran once: from now on a failure means a restart, however often */
    int failed;                 /* the child that cannot be started, or -1 */
    bool stopped_badly;         /* one crashed or had to be killed while it was being stopped */
};

/* Blocks the signals that the loop takes with sigtimedwait. Before any other thread starts. */
void up_stack_block_signals(void);
/* Waits up to ms for a signal and does what is due: notes ends, restarts. Returns 0, or the number of the signal that asks to stop. */
int up_stack_turn(struct up_stack *stack, int ms);
/* -errno, having said so. */
int up_stack_start(struct up_stack *stack, int which);
/* Stops all, last started first, each before the next; what does not stop in time, or after a second signal, is killed. True: all stopped well, by themselves. */
bool up_stack_stop(struct up_stack *stack);
#endif
