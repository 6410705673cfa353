/* Opening a tape: identity and lock, what a kill leaves between two steps, a smaller box, the gap, publishing across restarts, clocks that stepped back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_rig.h"

#define SEGMENT 600000u

static const struct tape_options plain = { .storage_size = UINT64_C(64) << 20, .compress = TAPE_COMPRESS_NEVER };

static void path_of(const struct tape_rig *rig, const char *name, char *path)
{
    snprintf(path, 256, "%s/%s", rig->folder, name);
}

static void move(const struct tape_rig *rig, const char *from, const char *to)
{
    char a[256], b[256];
    path_of(rig, from, a);
    path_of(rig, to, b);
    assert_int_equal(rename(a, b), 0);
}

static void record(struct tape_rig *rig, int segments)
{
    tape_rig_open(rig, &plain);
    tape_rig_start(rig);
    for (int i = 0; i < segments; i++)
        tape_rig_segment(rig, SEGMENT);
    tape_rig_close(rig);
}

static size_t reopened(struct tape_rig *rig, struct tape_segment *list)
{
    tape_rig_open(rig, &plain);
    size_t count = tape_list(rig->tape, 0, list, 64);
    return count;
}

static void identity_stays_and_is_locked(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &plain);
    uint64_t id = tape_id(rig.tape);
    char error[256];
    struct tape *second = NULL;
    struct tape_options options = plain;
    options.folder = rig.folder;
    options.node = "n";
    options.lanes = 1;
    assert_int_equal(tape_open(&options, NULL, NULL, &second, error), -EWOULDBLOCK);
    assert_non_null(strstr(error, "another process"));
    assert_null(second);
    options.storage_size = (UINT64_C(64) << 20) - 1;
    assert_int_equal(tape_open(&options, NULL, NULL, &second, error), -ENOSPC);
    tape_rig_close(&rig);
    tape_rig_open(&rig, &plain);
    assert_true(tape_id(rig.tape) == id && id != 0);
    tape_rig_close(&rig);
    char path[256];
    path_of(&rig, "tape.id", path);
    assert_int_equal(truncate(path, 5), 0);
    options.storage_size = plain.storage_size;
    assert_int_equal(tape_open(&options, NULL, NULL, &second, error), -EBADMSG);
    tape_folder_remove(rig.folder);
}

static void killed_between_renames_and_removals(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct tape_segment list[64];
    record(&rig, 6);
    move(&rig, "segments/0-0.pcapng.lz4", "segments/.0-0.pcapng.lz4");                     /* index published, segment not yet */
    move(&rig, "segments/0-1.pcapng.lz4", "segments/.0-1.pcapng.lz4");                     /* both hidden, sealed */
    move(&rig, "segments/0-1.pcapng.lz4.idx", "segments/.0-1.pcapng.lz4.idx");
    char path[256];
    path_of(&rig, "segments/0-2.pcapng.lz4", path);                                        /* removed, its index not yet */
    assert_int_equal(unlink(path), 0);
    path_of(&rig, "segments/0-3.pcapng.lz4.idx", path);                                    /* cannot be by itself: damage */
    assert_int_equal(unlink(path), 0);
    path_of(&rig, "segments/.0-9.pcapng.lz4", path);                                       /* made, its index not yet */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    path_of(&rig, "segments/0-4.pcapng.lz4", path);                                        /* cut short */
    assert_int_equal(truncate(path, 1000), 0);
    path_of(&rig, "segments/notes.txt", path);                                             /* not ours */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    size_t count = reopened(&rig, list);
    assert_int_equal(count, 3);
    bool seen[10] = { false };
    for (size_t i = 0; i < count; i++)
        seen[list[i].sequence] = true;
    assert_true(seen[0] && seen[1] && seen[5]);
    assert_int_equal(access(path, F_OK), 0);
    /* The sequence goes on behind the greatest that was seen. */
    tape_rig_start(&rig);
    assert_int_equal(rig.lane->first_sequence, 10);
    tape_rig_segment(&rig, SEGMENT);
    tape_rig_close(&rig);
    unlink(path);
    struct tape_folder_sum sum = tape_folder_verify(rig.folder);
    assert_true(sum.damages == 0 && sum.hidden == 0 && sum.orphans == 0 && sum.segments == 4);
    tape_folder_remove(rig.folder);
}

static void heard(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    snprintf(context, 256, "%s", what);
}

/* An index that cannot be opened, for a reason that says nothing about the segment. */
static void what_cannot_be_read_now_is_left(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct tape_segment list[64];
    record(&rig, 3);
    char path[256], moved[256], said[256] = "", error[256];
    path_of(&rig, "segments/0-1.pcapng.lz4.idx", path);
    path_of(&rig, "kept", moved);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink("0-1.pcapng.lz4.idx", path), 0); /* ELOOP */
    struct tape_options options = plain;
    options.folder = rig.folder;
    options.node = "node-1";
    options.lanes = 1;
    assert_int_equal(tape_open(&options, heard, said, &rig.tape, error), 0);
    assert_non_null(strstr(said, "left for the next start"));
    assert_int_equal(tape_list(rig.tape, 0, list, 64), 2);
    struct tape_boundaries b;
    tape_boundaries(rig.tape, &b);
    assert_true(b.used > 3 * (uint64_t)SEGMENT);
    tape_rig_close(&rig);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(moved, path), 0);
    assert_int_equal(reopened(&rig, list), 3);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void a_smaller_box_recycles_at_start(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct tape_segment list[64];
    struct tape_options large = plain, small = plain;
    large.storage_size = UINT64_C(128) << 20;
    tape_rig_open(&rig, &large);
    tape_rig_start(&rig);
    for (int i = 0; i < 26; i++)
        tape_rig_segment(&rig, 3900000);
    tape_rig_close(&rig);
    assert_true(tape_folder_bytes(rig.folder) > small.storage_size);
    tape_rig_open(&rig, &small);
    assert_true(tape_folder_bytes(rig.folder) <= small.storage_size);
    size_t count = tape_list(rig.tape, 0, list, 64);
    assert_true(count > 8 && list[count - 1].sequence == 25);
    struct tape_boundaries b;
    tape_boundaries(rig.tape, &b);
    assert_int_equal(b.first_sequence[0], list[0].sequence);
    /* They were owed: told as lost, with their ledger. */
    struct tape_lost lost;
    tape_lost(rig.tape, &lost);
    assert_true(lost.first_ordinal == 1 && lost.last_ordinal == list[0].ordinal - 1);
    assert_true(lost.ledger.written_packets > 0 && lost.first_ns > 0 && lost.last_ns >= lost.first_ns);
    assert_int_equal(tape_lost_published(rig.tape, &lost), 0);
    tape_lost(rig.tape, &lost);
    assert_true(lost.last_ordinal == 0 && lost.ledger.written_packets == 0);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void a_smaller_box_wins_over_leases(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct tape_options large = plain;
    large.storage_size = UINT64_C(160) << 20;
    tape_rig_open(&rig, &large);
    tape_rig_start(&rig);
    for (int i = 0; i < 22; i++)
        tape_rig_segment(&rig, 3900000);
    struct tape_segment *granted, *refused;
    size_t granted_count, refused_count;
    int64_t now = units_now_wall_ns();
    assert_int_equal(tape_lease(rig.tape, "all", 0, now, now + 3600 * UNITS_NS_PER_S, &granted, &granted_count, &refused, &refused_count), 0);
    assert_true(granted_count > 15);
    struct tape_segment last = granted[granted_count - 1];
    free(granted);
    free(refused);
    assert_int_equal(tape_lease(rig.tape, "short", 0, 1, now + 60 * UNITS_NS_PER_S, &granted, &granted_count, &refused, &refused_count), 0);
    assert_int_equal(granted_count + refused_count, 0);
    free(granted);
    free(refused);
    tape_rig_close(&rig);
    tape_rig_open(&rig, &plain);
    struct tape_boundaries b;
    tape_boundaries(rig.tape, &b);
    assert_true(b.pinned == 0 && b.used <= b.storage_size && b.segments > 5);
    assert_int_equal(tape_release(rig.tape, "all", &last, 1), 0);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void owed_segments_are_published_in_order_across_restarts(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct tape_segment owed, list[64];
    record(&rig, 4);
    tape_rig_open(&rig, &plain);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_int_equal(tape_owed(rig.tape, &owed), 0);
        assert_int_equal(owed.ordinal, i);
        assert_int_equal(tape_published(rig.tape, owed.ordinal, 100 + i), 0);
    }
    tape_rig_close(&rig);
    assert_int_equal(reopened(&rig, list), 4);
    assert_int_equal(tape_cursor_stream_sequence(rig.tape), 102);
    assert_true(list[1].published && !list[2].published);
    assert_int_equal(tape_owed(rig.tape, &owed), 0);
    assert_int_equal(owed.ordinal, 3);
    struct tape_boundaries b;
    tape_boundaries(rig.tape, &b);
    assert_int_equal(b.owed, 2);
    assert_int_equal(tape_published(rig.tape, 4, 104), 0);
    assert_int_equal(tape_owed(rig.tape, &owed), -ENOENT);
    tape_rig_close(&rig);
    /* An unreadable cursor: everything is owed again, no ordinal is used twice. */
    char path[256];
    path_of(&rig, "cursor", path);
    assert_int_equal(truncate(path, 20), 0);
    tape_rig_open(&rig, &plain);
    assert_int_equal(tape_owed(rig.tape, &owed), 0);
    assert_int_equal(owed.ordinal, 1);
    tape_rig_start(&rig);
    tape_rig_segment(&rig, SEGMENT);
    assert_int_equal(tape_list(rig.tape, 4, list, 64), 1);
    assert_int_equal(list[0].ordinal, 5);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void stops_are_gaps(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    struct segment_gap gaps[8];
    record(&rig, 1);
    tape_rig_open(&rig, &plain);
    struct tape_segment list[4];
    assert_int_equal(tape_list(rig.tape, 0, list, 4), 1);
    assert_int_equal(tape_gaps(rig.tape, 0, INT64_MAX, gaps, 8), 1);
    assert_true(gaps[0].from_ns >= list[0].last_ns && gaps[0].to_ns > gaps[0].from_ns && gaps[0].count_unknown);
    int64_t at_open = gaps[0].to_ns;
    usleep(20000);
    tape_rig_start(&rig);
    tape_rig_segment(&rig, SEGMENT);
    assert_int_equal(tape_list(rig.tape, list[0].ordinal, list, 4), 1);
    assert_int_equal(tape_gaps(rig.tape, 0, INT64_MAX, gaps, 8), 1);
    assert_true(gaps[0].to_ns > at_open && gaps[0].to_ns == list[0].opened_ns);            /* until recording really began */
    assert_int_equal(tape_gaps(rig.tape, gaps[0].to_ns + 1, INT64_MAX, gaps, 8), 0);
    tape_rig_close(&rig);
    tape_rig_open(&rig, &plain);
    assert_int_equal(tape_gaps(rig.tape, 0, INT64_MAX, gaps, 8), 2);
    assert_true(gaps[0].from_ns > gaps[1].to_ns);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void a_time_that_occurred_twice_finds_both(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &plain);
    tape_rig_start(&rig);
    int64_t t = units_now_wall_ns();
    rig.fake.clock_ns = t;
    tape_rig_segment(&rig, SEGMENT);
    rig.fake.clock_ns = t - INT64_C(10) * UNITS_NS_PER_S;                                  /* the clock stepped back */
    tape_rig_segment(&rig, SEGMENT);
    rig.fake.clock_ns = t;                                                                 /* and the same time came again */
    tape_rig_segment(&rig, SEGMENT);
    struct tape_segment *granted, *refused;
    size_t granted_count, refused_count;
    assert_int_equal(tape_lease(rig.tape, "both", t, t + 1000, t + INT64_C(60) * UNITS_NS_PER_S, &granted, &granted_count, &refused, &refused_count), 0);
    bool seen[3] = { false };
    for (size_t i = 0; i < granted_count; i++)
        seen[granted[i].sequence] = true;
    assert_true(seen[0] && seen[2]);
    free(granted);
    free(refused);
    assert_int_equal(tape_lease(rig.tape, "", t, t, t, &granted, &granted_count, &refused, &refused_count), -EINVAL);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

static void an_open_segment_reaches(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &plain);
    tape_rig_start(&rig);
    int64_t now = units_now_wall_ns();
    assert_false(tape_open_reaches(rig.tape, now - UNITS_NS_PER_S, now));
    fake_lane_feed(&rig.fake, 1000, 100, 0, true, 7, &rig.seals);
    while (atomic_load(&rig.lane->canary_proved_ns) != 7)
        usleep(200);
    assert_true(tape_open_reaches(rig.tape, now - UNITS_NS_PER_S, units_now_wall_ns()));
    assert_false(tape_open_reaches(rig.tape, now - 20 * UNITS_NS_PER_S, now - 10 * UNITS_NS_PER_S));
    assert_false(tape_open_reaches(rig.tape, now + 3600 * UNITS_NS_PER_S, now + 7200 * UNITS_NS_PER_S));
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_stays_and_is_locked),
        cmocka_unit_test(killed_between_renames_and_removals),
        cmocka_unit_test(what_cannot_be_read_now_is_left),
        cmocka_unit_test(a_smaller_box_recycles_at_start),
        cmocka_unit_test(a_smaller_box_wins_over_leases),
        cmocka_unit_test(owed_segments_are_published_in_order_across_restarts),
        cmocka_unit_test(stops_are_gaps),
        cmocka_unit_test(a_time_that_occurred_twice_finds_both),
        cmocka_unit_test(an_open_segment_reaches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
