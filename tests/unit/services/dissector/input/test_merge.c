#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/dissector/input/merge.h"
#include "tests/unit/lib/capfile/segment_builder.h"

#define PATH_BYTES 64
#define INPUTS 300          /* more than may hold a decoded block at once */
#define PACKETS 40
static char folder[PATH_BYTES];
static char paths[INPUTS][PATH_BYTES + 32];

/* Segment s: PACKETS packets, every `step` ns from `start` on; each says (s, i). Every seventh comes a little late. Two blocks, compressed. */
static void make_segment(uint32_t s, int64_t start, int64_t step)
{
    struct builder b;
    char node[16];
    snprintf(node, sizeof node, "node-%u", s % 3);
    snprintf(paths[s], sizeof paths[s], "%s/%u-%u.pcapng.lz4", folder, s % 5, s);
    builder_open(&b, paths[s], node, s % 5, s);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (uint32_t i = 0; i < PACKETS; i++) {
        uint32_t data[20] = { s, i };
        builder_packet(&b, eth, start + (int64_t)i * step - (i % 7 == 6 ? step * 2 : 0), data, sizeof data, 0, 0);
        if (i == PACKETS / 2)
            builder_end_block(&b, SEGMENT_BLOCK_DATA, true);
    }
    builder_seal(&b, s + 1);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_merge.XXXXXX");
    assert_non_null(mkdtemp(folder));
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char index[2 * PATH_BYTES];
    for (uint32_t s = 0; s < INPUTS; s++) {
        snprintf(index, sizeof index, "%.100s.idx", paths[s]);
        unlink(paths[s]);
        unlink(index);
    }
    rmdir(folder);
    return 0;
}

struct seen { int64_t order_ns; uint32_t input, segment, number; };
static struct seen seen[INPUTS * PACKETS];
static uint32_t problems;

static void count_problem(void *context, uint32_t input, const char *problem)
{
    (void)context;
    (void)input;
    assert_int_not_equal(*problem, 0);
    problems++;
}

static uint32_t merge_all(const struct input_plan *plan, uint32_t most)
{
    struct input_merge *merge = NULL;
    const struct input_packet *packets;
    uint32_t count = 0;
    int n;
    problems = 0;
    assert_int_equal(input_merge_new(plan, count_problem, NULL, &merge), 0);
    while ((n = input_merge_next(merge, most, &packets)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t data[2];
            memcpy(data, packets[i].data, sizeof data);
            assert_true(count < INPUTS * PACKETS);
            seen[count++] = (struct seen){ packets[i].order_ns, packets[i].input, data[0], data[1] };
            assert_int_equal(packets[i].frame, data[1] + 1);
        }
    assert_int_equal(n, 0);
    assert_int_equal(input_merge_counters(merge)->packets, count);
    input_merge_free(merge);
    return count;
}

static struct input_plan *plan_of(uint32_t count)
{
    const char *names[INPUTS];
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_plan *plan = NULL;
    for (uint32_t s = 0; s < count; s++)
        names[s] = paths[s];
    assert_int_equal(input_plan_new(names, count, &plan, error), 0);
    assert_int_equal(plan->count, count);
    return plan;
}

/* By (order, input), and inside an input as in the file. */
static void check_order(const struct input_plan *plan, uint32_t count, uint32_t inputs)
{
    static uint32_t next[INPUTS];
    memset(next, 0, sizeof next);
    assert_int_equal(count, inputs * PACKETS);
    for (uint32_t i = 0; i < count; i++) {
        const struct seen *s = &seen[i];
        assert_true(i == 0 || seen[i - 1].order_ns < s->order_ns || (seen[i - 1].order_ns == s->order_ns && seen[i - 1].input <= s->input));
        assert_int_equal(s->number, next[s->input]++);
        assert_string_equal(plan->inputs[s->input].path, paths[s->segment]);
    }
}

static void all_at_once(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < INPUTS; s++)
        make_segment(s, 1000 + s % 10, 100);
    struct input_plan *plan = plan_of(INPUTS);
    assert_int_equal(plan->nodes_count, 3);
    check_order(plan, merge_all(plan, INPUT_BATCH_MAX), INPUTS);
    struct seen *first = malloc(sizeof seen);
    assert_non_null(first);
    memcpy(first, seen, sizeof seen);
    check_order(plan, merge_all(plan, 1), INPUTS);
    assert_memory_equal(first, seen, sizeof seen);
    free(first);
    assert_int_equal(problems, 0);
    input_plan_free(plan);
}

static void one_behind_the_other(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < 50; s++)
        make_segment(s, 1000000 - (int64_t)s * 3000, 100); /* some overlap by a third */
    struct input_plan *plan = plan_of(50);
    check_order(plan, merge_all(plan, INPUT_BATCH_MAX), 50);
    input_plan_free(plan);
}

static void one_is_missing(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < 3; s++)
        make_segment(s, 1000, 100);
    struct input_plan *plan = plan_of(3);
    unlink(paths[1]);
    assert_int_equal(merge_all(plan, 10), 2 * PACKETS);
    assert_int_equal(problems, 1);
    input_plan_free(plan);
    struct input_plan none = { 0 };
    assert_int_equal(merge_all(&none, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_at_once), cmocka_unit_test(one_behind_the_other), cmocka_unit_test(one_is_missing) };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
