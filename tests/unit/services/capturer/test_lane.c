/* lane.c: the two queues in order, full and empty, and one long run with a thread on each side (made for SAN=thread). */
#include "services/capturer/lane.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BLOCKS 20000u /* enough for both queues to wrap hundreds of times */

static void chunks_go_round(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    assert_int_equal(lane_new(3, &lane), 0);
    assert_int_equal(lane->number, 3);
    assert_true(lane->enabled == 1);
    for (unsigned round = 0; round < 5; round++) {
        uint32_t chunk;
        for (uint32_t i = 0; i < LANE_CHUNKS; i++) {
            assert_true(lane_take_chunk(lane, &chunk));
            assert_int_equal(chunk, i);
            assert_int_equal((uintptr_t)lane->chunks[chunk] % LANE_ALIGN, 0);
            lane->chunks[chunk][0] = lane->chunks[chunk][LANE_CHUNK_BYTES - 1] = (uint8_t)round;
        }
        assert_false(lane_take_chunk(lane, &chunk));
        for (uint32_t i = 0; i < LANE_CHUNKS; i++)
            lane_give_chunk(lane, i);
    }
    lane_free(lane);
    lane_free(NULL);
}

static void queue_refuses_when_full(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    assert_int_equal(lane_new(0, &lane), 0);
    struct lane_block block = { 0 }, got;
    assert_false(lane_pop_block(lane, &got));
    for (uint32_t i = 0; i < LANE_QUEUE_BLOCKS; i++) {
        assert_int_equal(lane_queue_room(lane), LANE_QUEUE_BLOCKS - i);
        block.stored_offset = i;
        assert_true(lane_push_block(lane, &block));
    }
    assert_false(lane_push_block(lane, &block));
    for (uint32_t i = 0; i < LANE_QUEUE_BLOCKS; i++) {
        assert_true(lane_pop_block(lane, &got));
        assert_int_equal(got.stored_offset, i);
    }
    assert_false(lane_pop_block(lane, &got));
    lane_free(lane);
}

static void requests_are_seen(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    assert_int_equal(lane_new(0, &lane), 0);
    uint32_t before = lane->seal_request;
    lane_request_seal(lane, SEGMENT_SEAL_PIN);
    assert_int_equal(lane->seal_request, before + 1);
    assert_int_equal(lane->seal_reason, SEGMENT_SEAL_PIN);
    lane_request_stop(lane);
    assert_true(lane->stop);
    assert_true(lane_writer_may_sleep(lane));
    lane_writer_awake(lane);
    lane_end_capture(lane);
    assert_false(lane_writer_may_sleep(lane)); /* ended: nothing would wake it */
    lane_free(lane);
}

/* The capture side: fills a chunk with its number in the sequence, hands it over, sleeps when there is none. */
static void *produce(void *argument)
{
    struct lane *lane = argument;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t chunk;
        while (!lane_take_chunk(lane, &chunk))
            if (lane_capture_may_sleep(lane)) {
                uint64_t count;
                while (read(lane->capture_wake, &count, sizeof count) < 0 && !atomic_load(&lane->stop))
                    sched_yield();
                lane_capture_awake(lane);
            }
        memcpy(lane->chunks[chunk], &i, sizeof i);
        struct lane_block block = { .chunk = chunk, .stored_offset = i };
        while (!lane_push_block(lane, &block))
            sched_yield();
    }
    lane_end_capture(lane);
    return NULL;
}

static void two_threads_lose_nothing(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    assert_int_equal(lane_new(0, &lane), 0);
    pthread_t producer;
    assert_int_equal(pthread_create(&producer, NULL, produce, lane), 0);
    uint32_t seen = 0;
    for (;;) {
        bool ended = atomic_load(&lane->capture_ended); /* before the queue: what was pushed before the end is then there */
        struct lane_block block;
        if (!lane_pop_block(lane, &block)) {
            if (ended)
                break;
            lane_wait_block(lane, 1000);
            continue;
        }
        uint32_t number;
        memcpy(&number, lane->chunks[block.chunk], sizeof number);
        assert_int_equal(number, seen);
        assert_int_equal(block.stored_offset, seen);
        lane_give_chunk(lane, block.chunk);
        seen++;
    }
    assert_int_equal(seen, BLOCKS);
    assert_int_equal(pthread_join(producer, NULL), 0);
    lane_free(lane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_go_round),
        cmocka_unit_test(queue_refuses_when_full),
        cmocka_unit_test(requests_are_seen),
        cmocka_unit_test(two_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
