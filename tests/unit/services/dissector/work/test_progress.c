#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "services/dissector/work/progress.h"

/* What is shown: it never goes back, and is never called by two at once. */
struct shown { uint64_t done, total; unsigned calls, unknown; bool stop, back, inside; };
static bool show(void *context, uint64_t done, uint64_t total)
{
    struct shown *shown = context;
    shown->back = shown->back || shown->inside || (total > 0 && done < shown->done);
    shown->inside = true;
    shown->calls++;
    shown->unknown += total == 0;
    if (total > 0) {
        shown->done = done;
        shown->total = total;
    }
    shown->inside = false;
    return !shown->stop;
}

static void parts_are_one_way(void **state)
{
    (void)state;
    struct shown shown = { 0 };
    const struct stage_progress whole = { show, &shown };
    struct progress_part first, second, inner;
    progress_part_make(&whole, 0, 300, &first);
    progress_part_make(&whole, 300, 1000, &second);
    progress_part_make(&second.progress, 500, 1000, &inner);
    assert_true(stage_advance(&first.progress, 50, 100));
    assert_int_equal(shown.done, 150);
    assert_int_equal(shown.total, 1000);
    assert_true(stage_advance(&first.progress, UINT64_MAX, 1)); /* more than all is all */
    assert_int_equal(shown.done, 300);
    assert_true(stage_advance(&second.progress, 1, 7));
    assert_int_equal(shown.done, 399);
    assert_true(stage_advance(&inner.progress, 0, UINT64_MAX));
    assert_int_equal(shown.done, 650);
    assert_true(stage_advance(&inner.progress, UINT64_MAX - 1, UINT64_MAX));
    assert_true(shown.done <= 1000 && shown.done >= 999);
    assert_false(shown.back);
    assert_true(stage_advance(&inner.progress, 0, 0)); /* how far is not known; whether to stop is asked all the same */
    assert_int_equal(shown.unknown, 1);
    shown.stop = true;
    assert_false(stage_advance(&inner.progress, 0, 0));
    assert_false(stage_advance(&first.progress, 1, 2));
    progress_part_make(NULL, 0, 1000, &first); /* nobody looks */
    assert_true(stage_advance(&first.progress, 1, 2));
}

#define THREADS 4
#define SHARES 64u                      /* of all threads together */
static void *work(void *context)
{
    struct crowd *crowd = context;
    struct crowd_member member;
    bool go_on = true;
    crowd_join(crowd, &member);
    for (unsigned share = 0; share < SHARES / THREADS && go_on; share++) {
        for (uint64_t done = 0; done <= 20 && go_on; done++)
            go_on = stage_advance(&member.progress, done % 15, 20); /* it begins anew, and never says that it is over */
        go_on = crowd_share_done(&member) && go_on;
    }
    return NULL;
}

static void run(struct crowd *crowd)
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, crowd), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void a_crowd_is_as_far_as_its_members_together(void **state)
{
    (void)state;
    struct shown shown = { 0 };
    const struct stage_progress whole = { show, &shown };
    struct crowd crowd;
    crowd_make(&whole, SHARES, &crowd);
    run(&crowd);
    assert_false(shown.back);
    assert_int_equal(shown.done, shown.total);
    assert_int_equal(shown.calls, SHARES * 22);
}

static void a_crowd_stops_as_one(void **state)
{
    (void)state;
    struct shown shown = { .stop = true };
    const struct stage_progress whole = { show, &shown };
    struct crowd crowd;
    struct crowd_member member;
    crowd_make(&whole, SHARES, &crowd);
    run(&crowd);
    assert_int_equal(shown.calls, 1); /* who has said no is not asked again */
    shown = (struct shown){ 0 };
    crowd_make(&whole, 2, &crowd);
    crowd_join(&crowd, &member);
    assert_true(stage_advance(&member.progress, 0, 0));
    crowd_stop(&crowd);
    assert_false(stage_advance(&member.progress, 1, 2));
    assert_int_equal(shown.calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_one_way),
        cmocka_unit_test(a_crowd_is_as_far_as_its_members_together),
        cmocka_unit_test(a_crowd_stops_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
