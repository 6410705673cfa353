/* Which events belong to a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/snapshot_watch.h"
#include "units/units.h"

#define FROM "2026-01-31T12:00:00Z"
#define TO "2026-01-31T12:00:30Z"

static Tapeloop__V1__SnapshotEvent event_of(char *name, char *from, char *to)
{
    Tapeloop__V1__SnapshotEvent event = TAPELOOP__V1__SNAPSHOT_EVENT__INIT;
    event.name = name;
    event.from = from;
    event.to = to;
    return event;
}

static struct snapshot_watch_wish wish_of(const char *name, const char *from, const char *to)
{
    struct snapshot_watch_wish wish = { .name = name };
    if (from)
        assert_int_equal(units_parse_time(from, &wish.from_ns), 0);
    if (to)
        assert_int_equal(units_parse_time(to, &wish.to_ns), 0);
    return wish;
}

static void sequence_decides(void **state)
{
    (void)state;
    Tapeloop__V1__SnapshotEvent event = event_of("a", FROM, TO);
    struct snapshot_watch_wish wish = wish_of("a", NULL, NULL);
    assert_true(job_watch_matches(&snapshot_watch_kind, &wish, 7, &event.base, "7"));
    assert_false(job_watch_matches(&snapshot_watch_kind, &wish, 7, &event.base, "8"));
    assert_true(job_watch_matches(&snapshot_watch_kind, &wish, 7, &event.base, NULL));
    wish.name = "b";
    assert_false(job_watch_matches(&snapshot_watch_kind, &wish, 7, &event.base, "7"));
}

static void same_window_is_same_snapshot(void **state)
{
    (void)state;
    Tapeloop__V1__SnapshotEvent event = event_of("a", FROM, TO);
    struct snapshot_watch_wish same = wish_of("a", FROM, TO), open = wish_of("a", FROM, NULL), other = wish_of("a", FROM, FROM);
    assert_true(job_watch_matches(&snapshot_watch_kind, &same, 7, &event.base, "6"));
    assert_false(job_watch_matches(&snapshot_watch_kind, &open, 7, &event.base, "6"));
    assert_false(job_watch_matches(&snapshot_watch_kind, &other, 7, &event.base, "6"));
    event = event_of("a", "", "");
    assert_false(job_watch_matches(&snapshot_watch_kind, &same, 7, &event.base, "6")); /* a refusal of another request has no window */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sequence_decides), cmocka_unit_test(same_window_is_same_snapshot) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
