/* A segment whose file can no longer be written: what is proved stays and is whole, the rest is counted, by interface too, and the next segment goes on. The file is exchanged under the writer for /dev/full. */
#include "services/capturer/tape/output.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_rig.h"

static void feed_proved(struct tape_rig *rig, int64_t canary)
{
    fake_lane_feed(&rig->fake, 150000, 700, 1000000000, true, canary, &rig->seals);
    while (atomic_load(&rig->lane->canary_proved_ns) != canary)
        usleep(100);
}

static int exchange(struct tape_rig *rig)
{
    int fd = rig->tape->open[0].fd, saved = dup(fd), full = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0 && saved >= 0 && full >= 0);
    assert_int_equal(dup2(full, fd), fd);
    close(full);
    return saved;
}

static void check_totals(struct tape_rig *rig, uint64_t offered)
{
    struct segment_ledger total = { 0 };
    uint64_t written_bytes = 0, interface_written = 0, interface_offered = 0, interface_dropped = 0, interface_bytes = 0, gap = 0;
    struct tape_segment s;
    for (uint64_t after = 0; tape_list(rig->tape, after, &s, 1) == 1; after = s.ordinal) {
        struct segment_index *index = NULL;
        assert_int_equal(tape_load_index(rig->tape, s.lane, s.sequence, &index), 0);
        cursor_add_ledger(&total, &index->ledger);
        for (size_t i = 0; i < index->interface_ledgers_count; i++) {
            interface_offered += index->interface_ledgers[i].offered_packets;
            interface_written += index->interface_ledgers[i].written_packets;
            interface_dropped += index->interface_ledgers[i].dropped_packets;
            interface_bytes += index->interface_ledgers[i].written_bytes;
        }
        for (size_t i = 0; i < index->blocks_count; i++)
            written_bytes += (uint64_t)index->blocks[i].packets * 700;
        for (size_t i = 0; i < index->gaps_count; i++)
            gap += index->gaps[i].packets;
        segment_index_free(index);
    }
    assert_int_equal(total.offered_packets, offered);
    assert_int_equal(total.written_packets + total.dropped_disk_packets, offered);
    assert_true(total.dropped_disk_packets > 0);
    assert_int_equal(total.written_bytes, written_bytes);
    assert_int_equal(interface_offered, offered);
    assert_int_equal(interface_written, total.written_packets);
    assert_int_equal(interface_dropped, total.dropped_disk_packets);
    assert_int_equal(interface_bytes, written_bytes);
    assert_int_equal(gap, total.dropped_disk_packets);
}

static void one_failure(enum tape_compress compress, bool no_uring, bool comes_back)
{
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &(struct tape_options){ .storage_size = UINT64_C(64) << 20, .compress = compress, .force_writer_thread = no_uring });
    tape_rig_start(&rig);
    int64_t canary = 1;
    for (; canary < 5; canary++)
        feed_proved(&rig, canary);
    uint64_t whole = rig.fake.packets;
    int saved = exchange(&rig);
    fake_lane_feed(&rig.fake, 150000, 700, 1000000000, true, 0, &rig.seals);
    while (atomic_load(&rig.lane->disk_dropped_packets) == 0)
        usleep(100);
    if (comes_back)
        assert_int_equal(dup2(saved, rig.tape->open[0].fd), rig.tape->open[0].fd);
    close(saved);
    for (int i = 0; i < 5; i++)
        fake_lane_feed(&rig.fake, 150000, 700, 1000000000, true, 0, &rig.seals);
    /* It asks for a new segment by itself. */
    for (atomic_store(&rig.lane->canary_proved_ns, 0); atomic_load(&rig.lane->canary_proved_ns) == 0; canary++) {
        fake_lane_feed(&rig.fake, 3000, 700, 1000000000, true, canary, &rig.seals);
        usleep(2000);
    }
    uint64_t offered = rig.fake.packets;
    tape_rig_stop(&rig);
    check_totals(&rig, offered);
    struct tape_segment first;
    assert_int_equal(tape_list(rig.tape, 0, &first, 1), 1);
    if (comes_back)
        assert_true(first.sequence == 0 && first.ledger.written_packets >= whole);
    else
        assert_true(first.sequence > 0);
    tape_rig_close(&rig);
    struct tape_folder_sum sum = tape_folder_verify(rig.folder);
    assert_true(sum.damages == 0 && sum.hidden == 0 && sum.orphans == 0);
    tape_folder_remove(rig.folder);
}

static void what_is_proved_stays(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        one_failure(i & 1 ? TAPE_COMPRESS_ALWAYS : TAPE_COMPRESS_NEVER, i & 2, true);
}

static void a_segment_that_is_gone_is_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        one_failure(i & 1 ? TAPE_COMPRESS_ALWAYS : TAPE_COMPRESS_NEVER, i & 2, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_proved_stays), cmocka_unit_test(a_segment_that_is_gone_is_counted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
