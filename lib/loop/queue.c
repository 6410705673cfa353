/* A bounded queue to the loop thread. See queue.h. */
#include "loop/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "loop/loop.h"

struct loop_queue {
    uv_async_t wake;
    pthread_mutex_t lock;
    void **waiting, **taken; /* exchanged at each wake-up, so that the lock is never held during delivery */
    size_t count, capacity;
    loop_queue_take *take;
    void *context;
    size_t taken_count, left; /* of the delivery under way; left: not yet given to take */
};

static void free_queue(struct loop_queue *queue)
{
    if (!queue)
        return;
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue->waiting);
    free(queue->taken);
    free(queue);
}

static void on_wake(uv_async_t *wake)
{
    struct loop_queue *queue = wake->data;
    (void)pthread_mutex_lock(&queue->lock);
    void **items = queue->waiting;
    size_t count = queue->count;
    queue->waiting = queue->taken;
    queue->taken = items;
    queue->taken_count = count;
    queue->count = 0;
    (void)pthread_mutex_unlock(&queue->lock);
    for (queue->left = count; queue->left > 0;) /* take may close the queue, which takes `left` away */
        queue->take(queue->context, items[count - queue->left--]);
}

int loop_queue_new(struct uv_loop_s *loop, size_t capacity, loop_queue_take *take, void *context, struct loop_queue **ret)
{
    assert(capacity > 0);
    struct loop_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return -ENOMEM;
    (void)pthread_mutex_init(&queue->lock, NULL);
    queue->waiting = calloc(capacity, sizeof *queue->waiting);
    queue->taken = calloc(capacity, sizeof *queue->taken);
    queue->capacity = capacity;
    queue->take = take;
    queue->context = context;
    int rc = queue->waiting && queue->taken ? uv_async_init(loop, &queue->wake, on_wake) : -ENOMEM;
    if (rc < 0) {
        free_queue(queue);
        return rc;
    }
    queue->wake.data = queue;
    *ret = queue;
    return 0;
}

int loop_queue_push(struct loop_queue *queue, void *item)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool full = queue->count == queue->capacity;
    if (!full)
        queue->waiting[queue->count++] = item;
    (void)pthread_mutex_unlock(&queue->lock);
    if (full)
        return -ENOBUFS;
    (void)uv_async_send(&queue->wake);
    return 0;
}

static void on_closed(uv_handle_t *handle) { free_queue(handle->data); }

void loop_queue_close(struct loop_queue *queue, loop_queue_take *discard, void *context)
{
    if (!queue)
        return;
    size_t taken = queue->taken_count;
    for (size_t i = taken - queue->left; discard && i < taken; i++)
        discard(context, queue->taken[i]);
    queue->left = 0;
    for (size_t i = 0; discard && i < queue->count; i++)
        discard(context, queue->waiting[i]);
    uv_close((uv_handle_t *)&queue->wake, on_closed);
}
