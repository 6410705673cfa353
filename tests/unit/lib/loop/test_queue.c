#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "loop/loop.h"
#include "loop/queue.h"

#define PRODUCERS 4
#define ITEMS_EACH 20000
#define CAPACITY 64

struct sum { struct loop_queue *queue; size_t next[PRODUCERS], total; uintptr_t order[8]; size_t ordered; };

static void take_in_order(void *context, void *item)
{
    struct sum *sum = context;
    uintptr_t value = (uintptr_t)item;
    size_t producer = value % PRODUCERS;
    assert_int_equal(value / PRODUCERS, sum->next[producer]); /* nothing lost, nothing twice, each producer's order kept */
    sum->next[producer]++;
    sum->total++;
}

struct producer { struct loop_queue *queue; size_t id; };

static void *produce(void *context)
{
    struct producer *producer = context;
    for (size_t i = 0; i < ITEMS_EACH; i++) {
        while (loop_queue_push(producer->queue, (void *)(uintptr_t)(i * PRODUCERS + producer->id)) == -ENOBUFS)
            sched_yield();
    }
    return NULL;
}

static void many_producers_lose_nothing(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct sum sum = { 0 };
    pthread_t threads[PRODUCERS];
    struct producer producers[PRODUCERS];
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(loop_queue_new(&loop, CAPACITY, take_in_order, &sum, &sum.queue), 0);
    for (size_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ .queue = sum.queue, .id = i };
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    while (sum.total < PRODUCERS * ITEMS_EACH)
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (size_t i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    loop_queue_close(sum.queue, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void note(void *context, void *item)
{
    struct sum *sum = context;
    sum->order[sum->ordered++] = (uintptr_t)item;
}

static void a_full_queue_says_so_and_what_is_left_is_discarded(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct sum taken = { 0 }, discarded = { 0 };
    struct loop_queue *queue;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(loop_queue_new(&loop, 2, note, &taken, &queue), 0);
    assert_int_equal(loop_queue_push(queue, (void *)1), 0);
    assert_int_equal(loop_queue_push(queue, (void *)2), 0);
    assert_int_equal(loop_queue_push(queue, (void *)3), -ENOBUFS);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(taken.ordered, 2); /* one wake-up took both */
    assert_int_equal(taken.order[0], 1);
    assert_int_equal(loop_queue_push(queue, (void *)4), 0);
    loop_queue_close(queue, note, &discarded);
    assert_int_equal(discarded.ordered, 1);
    assert_int_equal(discarded.order[0], 4);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(taken.ordered, 2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

struct chain { struct loop_queue *queue; int left; };

static void push_more(void *context, void *item)
{
    struct chain *chain = context;
    (void)item;
    if (--chain->left)
        assert_int_equal(loop_queue_push(chain->queue, item), 0); /* room, although one is in delivery */
}

static void delivery_may_push_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct chain chain = { .left = 5 };
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(loop_queue_new(&loop, 1, push_more, &chain, &chain.queue), 0);
    assert_int_equal(loop_queue_push(chain.queue, NULL), 0);
    while (chain.left > 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    loop_queue_close(chain.queue, NULL, NULL);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

struct closer { struct loop_queue *queue; struct sum discarded; int taken; };

static void close_at_once(void *context, void *item)
{
    struct closer *closer = context;
    (void)item;
    closer->taken++;
    loop_queue_close(closer->queue, note, &closer->discarded);
}

static void delivery_may_close_the_queue(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct closer closer = { 0 };
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(loop_queue_new(&loop, 3, close_at_once, &closer, &closer.queue), 0);
    for (uintptr_t i = 1; i <= 3; i++)
        assert_int_equal(loop_queue_push(closer.queue, (void *)i), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(closer.taken, 1);
    assert_int_equal(closer.discarded.ordered, 2); /* of the same delivery */
    assert_int_equal(closer.discarded.order[0], 2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(many_producers_lose_nothing), cmocka_unit_test(a_full_queue_says_so_and_what_is_left_is_discarded),
                                        cmocka_unit_test(delivery_may_push_again), cmocka_unit_test(delivery_may_close_the_queue) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
