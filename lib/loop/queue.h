/* A bounded queue from any thread to the loop thread. A push wakes the loop, which takes everything that is queued, in the order of pushing; wake-ups coalesce.
 *
 * What happens to an item that finds the queue full is the pusher's choice: push returns -ENOBUFS and the item stays the pusher's. Items are pointers, owned by the queue
 * between push and delivery. */
#ifndef LOOP_QUEUE_H
#define LOOP_QUEUE_H
#include <stddef.h>

struct uv_loop_s;
struct loop_queue;
typedef void loop_queue_take(void *context, void *item);

/* capacity: items that wait for the loop; as many again may be in delivery. take is called on the loop thread and owns its item. The queue keeps the loop alive. -ENOMEM or libuv's error. */
int loop_queue_new(struct uv_loop_s *loop, size_t capacity, loop_queue_take *take, void *context, struct loop_queue **ret);
/* Any thread. 0 or -ENOBUFS. */
int loop_queue_push(struct loop_queue *queue, void *item);
/* Loop thread, also from inside take; nobody pushes any more. Items still queued go to discard (NULL: dropped as they are). The memory goes when the loop has next run. NULL is fine. */
void loop_queue_close(struct loop_queue *queue, loop_queue_take *discard, void *context);
#endif
