/* The box: never above storage_size, whatever is sealed, pinned, transferred and recycled; nothing recyclable left is counted as dropped on the disk, and recording goes on afterwards. */
#include "services/capturer/tape/box.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_rig.h"

#define BOX (UINT64_C(96) << 20)
#define HOUR_NS (INT64_C(3600) * UNITS_NS_PER_S)

static void sizes_are_clamped(void **state)
{
    (void)state;
    assert_int_equal(box_segment_size(UINT64_C(64) << 20, 1), 4 << 20);
    assert_int_equal(box_segment_size(UINT64_C(1) << 30, 1), 32 << 20);
    assert_int_equal(box_segment_size(UINT64_C(1) << 40, 1), 256 << 20);
    assert_int_equal(box_segment_size(UINT64_C(1) << 30, 4), 8 << 20);
    assert_true(box_index_size(box_segment_blocks(4 << 20)) < 512 << 10);
}

struct checker { const char *folder; struct tape *tape; _Atomic bool stop; uint64_t most, most_used, looks; };

static void *checker_main(void *context)
{
    struct checker *checker = context;
    while (!atomic_load(&checker->stop)) {
        uint64_t bytes = tape_folder_bytes(checker->folder);
        struct tape_boundaries b;
        tape_boundaries(checker->tape, &b);
        if (bytes > checker->most)
            checker->most = bytes;
        if (b.used > checker->most_used)
            checker->most_used = b.used;
        checker->looks++;
        usleep(300);
    }
    return NULL;
}

struct held { uint32_t lane; uint64_t sequence; int fd; };

static void one_turn(struct tape_rig *rig, unsigned *seed, struct held *held, size_t *held_count)
{
    int64_t now = units_now_wall_ns();
    struct tape_segment list[64], *granted = NULL, *refused = NULL;
    size_t count = tape_list(rig->tape, 0, list, 64), granted_count, refused_count;
    char lease[16];
    snprintf(lease, sizeof lease, "l%d", rand_r(seed) % 6);
    switch (rand_r(seed) % 8) {
    case 0:
        assert_int_equal(tape_lease(rig->tape, lease, now - rand_r(seed) % 2000000000, now, now + rand_r(seed) % 400000000, &granted, &granted_count, &refused, &refused_count), 0);
        free(granted);
        free(refused);
        break;
    case 1:
        assert_true(tape_release(rig->tape, lease, NULL, 0) >= 0);
        break;
    case 2:
        if (count > 0 && *held_count < 8) {
            const struct tape_segment *s = &list[(size_t)rand_r(seed) % count];
            uint64_t size;
            struct held *h = &held[*held_count];
            *h = (struct held){ .lane = s->lane, .sequence = s->sequence };
            if (tape_transfer_begin(rig->tape, s->lane, s->sequence, rand_r(seed) % 2, &h->fd, &size) == 0)
                (*held_count)++;
        }
        break;
    case 3:
        if (*held_count > 0) {
            struct held h = held[--*held_count];
            close(h.fd);
            tape_transfer_end(rig->tape, h.lane, h.sequence);
        }
        break;
    default:
        break;
    }
    struct tape_boundaries b;
    tape_boundaries(rig->tape, &b);
    assert_true(b.used <= b.storage_size);
    assert_true(b.pinned <= b.storage_size / 2);
}

static void sum_never_exceeds_the_box(void **state)
{
    (void)state;
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    for (int round = 0; round < 3; round++) {
        struct tape_rig rig = { 0 };
        struct held held[8];
        size_t held_count = 0;
        pthread_t thread;
        tape_rig_open(&rig, &(struct tape_options){ .storage_size = BOX, .compress = (enum tape_compress)round, .force_writer_thread = round == 1 });
        tape_rig_start(&rig);
        struct checker checker = { .folder = rig.folder, .tape = rig.tape };
        pthread_create(&thread, NULL, checker_main, &checker);
        while (rig.fake.bytes < 4 * BOX) {
            fake_lane_feed(&rig.fake, 1000 + (uint32_t)rand_r(&seed) % 1000000, 60 + (uint32_t)rand_r(&seed) % 3000, 0, rand_r(&seed) % 4 == 0, 0, &rig.seals);
            if (rand_r(&seed) % 16 == 0)
                lane_request_seal(rig.lane, SEGMENT_SEAL_PIN);
            if (rand_r(&seed) % 2 == 0)
                one_turn(&rig, &seed, held, &held_count);
        }
        tape_rig_stop(&rig);
        atomic_store(&checker.stop, true);
        pthread_join(thread, NULL);
        print_message("most %lu, charged %lu of %lu in %lu looks\n", checker.most, checker.most_used, BOX, checker.looks);
        assert_true(checker.most <= BOX && checker.most_used <= BOX);
        while (held_count > 0) {
            close(held[--held_count].fd);
            tape_transfer_end(rig.tape, held[held_count].lane, held[held_count].sequence);
        }
        tape_rig_close(&rig);
        struct tape_folder_sum sum = tape_folder_verify(rig.folder);
        assert_true(sum.damages == 0 && sum.hidden == 0 && sum.orphans == 0);
        tape_folder_remove(rig.folder);
    }
}

/* Half of the box is leased, the rest is under transfer: nothing may go. */
static void nothing_recyclable_is_counted_and_ends(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &(struct tape_options){ .storage_size = UINT64_C(64) << 20, .compress = TAPE_COMPRESS_NEVER });
    tape_rig_start(&rig);
    struct tape_segment list[64];
    size_t held = 0;
    int fds[64];
    while (atomic_load(&rig.lane->disk_dropped_packets) == 0) {
        uint64_t size;
        while (tape_list(rig.tape, held ? list[held - 1].ordinal : 0, &list[held], 1) == 1) {
            int rc = tape_transfer_begin(rig.tape, list[held].lane, list[held].sequence, false, &fds[held], &size);
            assert_true(rc == 0 || rc == -ENOENT);  /* recycled just now */
            held += rc == 0;
        }
        fake_lane_feed(&rig.fake, 200000, 1000, 0, true, 0, &rig.seals);
        usleep(500);
    }
    assert_true(held > 0);
    for (int i = 0; i < 50; i++) {
        fake_lane_feed(&rig.fake, 500000, 1000, 0, true, 0, &rig.seals);
        usleep(1000);
    }
    for (size_t i = 0; i < held; i++) {
        close(fds[i]);
        tape_transfer_end(rig.tape, list[i].lane, list[i].sequence);
    }
    /* It asks for a new segment within a second and records again. */
    int64_t canary = 1;
    while (atomic_load(&rig.lane->canary_proved_ns) == 0) {
        fake_lane_feed(&rig.fake, 5000, 1000, 0, true, canary++, &rig.seals);
        usleep(2000);
    }
    tape_rig_stop(&rig);
    uint64_t dropped = 0;
    struct tape_segment last = { 0 };
    struct segment_ledger total = { 0 };
    struct tape_lost lost;
    tape_lost(rig.tape, &lost);
    cursor_add_ledger(&total, &lost.ledger);
    for (uint64_t after = 0; tape_list(rig.tape, after, &last, 1) == 1; after = last.ordinal) {
        cursor_add_ledger(&total, &last.ledger);
        struct segment_index *index = NULL;
        assert_int_equal(tape_load_index(rig.tape, last.lane, last.sequence, &index), 0);
        for (size_t i = 0; i < index->gaps_count; i++)
            if (index->gaps[i].reason == SEGMENT_GAP_DISK)
                dropped += index->gaps[i].packets;
        segment_index_free(index);
    }
    assert_int_equal(total.offered_packets, rig.fake.packets);
    assert_int_equal(total.written_packets + total.dropped_disk_packets, rig.fake.packets);
    assert_true(total.dropped_disk_packets > 0);
    assert_int_equal(total.dropped_disk_packets, dropped);
    tape_rig_close(&rig);
    struct tape_folder_sum sum = tape_folder_verify(rig.folder);
    assert_true(sum.damages == 0 && sum.hidden == 0);
    tape_folder_remove(rig.folder);
}

static void a_pin_takes_half_at_most_oldest_first(void **state)
{
    (void)state;
    struct tape_rig rig = { 0 };
    tape_rig_open(&rig, &(struct tape_options){ .storage_size = UINT64_C(64) << 20, .compress = TAPE_COMPRESS_NEVER });
    tape_rig_start(&rig);
    for (int i = 0; i < 11; i++)
        tape_rig_segment(&rig, 3500000);
    int64_t now = units_now_wall_ns();
    struct tape_segment *granted, *refused;
    size_t granted_count, refused_count;
    assert_int_equal(tape_lease(rig.tape, "snap.1", now - HOUR_NS, now + HOUR_NS, now + HOUR_NS, &granted, &granted_count, &refused, &refused_count), 0);
    assert_true(granted_count > 5 && refused_count > 0);
    for (size_t i = 1; i < granted_count; i++)
        assert_true(granted[i].ordinal > granted[i - 1].ordinal);
    assert_true(refused[0].ordinal > granted[granted_count - 1].ordinal);
    struct tape_boundaries b;
    tape_boundaries(rig.tape, &b);
    assert_true(b.pinned <= b.storage_size / 2 && b.pinned + (4 << 20) > b.storage_size / 2);
    uint64_t first = granted[0].sequence;
    /* What is leased stays while a box and a half pass. */
    for (int i = 0; i < 24; i++)
        tape_rig_segment(&rig, 3500000);
    struct tape_segment oldest;
    assert_int_equal(tape_list(rig.tape, 0, &oldest, 1), 1);
    assert_int_equal(oldest.sequence, first);
    /* Unpinned one by one. */
    assert_int_equal(tape_release(rig.tape, "snap.1", granted, 1), 1);
    assert_int_equal(tape_release(rig.tape, "snap.1", granted, 1), 0);
    free(granted);
    free(refused);
    tape_rig_close(&rig);

    /* Leases outlive the process. */
    tape_rig_open(&rig, &(struct tape_options){ .storage_size = UINT64_C(64) << 20, .compress = TAPE_COMPRESS_NEVER });
    tape_boundaries(rig.tape, &b);
    assert_true(b.pinned > 0);
    assert_int_equal(tape_release(rig.tape, "snap.1", NULL, 0), (int)granted_count - 1);
    assert_int_equal(tape_release(rig.tape, "snap.1", NULL, 0), 0);
    tape_boundaries(rig.tape, &b);
    assert_int_equal(b.pinned, 0);
    tape_rig_close(&rig);
    tape_folder_remove(rig.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_clamped),
        cmocka_unit_test(a_pin_takes_half_at_most_oldest_first),
        cmocka_unit_test(nothing_recyclable_is_counted_and_ends),
        cmocka_unit_test(sum_never_exceeds_the_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
