/* The writer thread with a fake lane: every segment is whole, whatever the back end, the compression and the load. Real files, in TMPDIR. */
#include "services/capturer/tape/writer.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "capfile/segment_verify.h"
#include "services/capturer/tape/box.h"
#include "tests/support/fake_lane.h"
#include "tests/support/tape_folder.h"

#define BOX (UINT64_C(128) * 1024 * 1024)

struct run { struct tape *tape; struct lane *lane; struct fake_lane fake; uint32_t seals; char folder[64]; };

static void run_open(struct run *run, const struct tape_options *options)
{
    char error[256] = "";
    memset(run, 0, sizeof *run);
    tape_folder_make(run->folder);
    struct tape_options o = *options;
    o.folder = run->folder;
    o.node = "node-1";
    o.lanes = 1;
    if (o.storage_size == 0)
        o.storage_size = BOX;
    if (tape_open(&o, NULL, NULL, &run->tape, error) != 0)
        fail_msg("%s", error);
    assert_int_equal(lane_new(0, &run->lane), 0);
}

static void run_start(struct run *run)
{
    assert_int_equal(tape_writer_start(run->tape, run->lane), 0);
    fake_lane_init(&run->fake, run->lane);
}

static void run_close(struct run *run)
{
    fake_lane_stop(&run->fake);
    tape_writer_join(run->tape, run->lane);
    lane_free(run->lane);
    tape_close(run->tape);
}

/* All segments of the folder verify; returns the packets in them. */
static uint64_t run_check(struct run *run)
{
    struct tape_folder_sum sum = tape_folder_verify(run->folder);
    assert_int_equal(sum.damages, 0);
    assert_int_equal(sum.hidden, 0);
    tape_folder_remove(run->folder);
    return sum.packets;
}

static void feed_mixed(struct run *run, uint64_t bytes, int64_t fill_ns)
{
    unsigned seed = 7;
    for (uint64_t fed = 0; run->fake.bytes < bytes; fed++) {
        uint32_t content = rand_r(&seed) % 4 ? 1024 * 1024 : 64 + (uint32_t)rand_r(&seed) % 200000;
        fake_lane_feed(&run->fake, content, 60 + (uint32_t)rand_r(&seed) % 8000, fill_ns, rand_r(&seed) % 3 == 0, rand_r(&seed) % 5 == 0 ? (int64_t)fed + 1 : 0, &run->seals);
    }
}

static void one_way(const struct tape_options *options, enum disk_kind kind, int64_t fill_ns)
{
    struct run run;
    run_open(&run, options);
    run.tape->disk_kind = kind;
    run_start(&run);
    feed_mixed(&run, 40 * 1024 * 1024, fill_ns);
    uint64_t packets = run.fake.packets;
    run_close(&run);
    assert_int_equal(run_check(&run), packets);
}

static void every_way_writes_whole_segments(void **state)
{
    (void)state;
    static const enum tape_compress compress[] = { TAPE_COMPRESS_NEVER, TAPE_COMPRESS_ALWAYS, TAPE_COMPRESS_AUTO };
    for (enum disk_kind kind = DISK_URING; kind <= DISK_BUFFERED; kind++)
        for (size_t i = 0; i < sizeof compress / sizeof compress[0]; i++) {
            one_way(&(struct tape_options){ .compress = compress[i] }, kind, 0);
            one_way(&(struct tape_options){ .compress = compress[i] }, kind, INT64_C(1000000000));
        }
}

static void canary_is_proved_when_it_is_on_the_disk(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, &(struct tape_options){ .compress = TAPE_COMPRESS_AUTO });
    run_start(&run);
    for (int64_t i = 1; i <= 20; i++) {
        fake_lane_feed(&run.fake, 300, 100, 400000000, true, i, &run.seals);
        while (atomic_load(&run.lane->canary_proved_ns) != i)
            usleep(100);
        char path[128];
        snprintf(path, sizeof path, "%s/segments/.0-0.pcapng.lz4.idx", run.folder);
        struct segment_index *index = NULL;
        assert_int_equal(segment_index_load(path, &index), 0);
        assert_int_equal(index->blocks_count, 1 + i);
        segment_index_free(index);
    }
    run_close(&run);
    assert_int_equal(run_check(&run), 20);
}

static void a_small_box_recycles_and_never_bursts(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, &(struct tape_options){ .compress = TAPE_COMPRESS_NEVER, .storage_size = 64 * 1024 * 1024 });
    run_start(&run);
    while (run.fake.bytes < 200 * 1024 * 1024) {
        fake_lane_feed(&run.fake, 1024 * 1024, 1400, 0, false, 0, &run.seals);
        assert_true(tape_folder_bytes(run.folder) <= 64 * 1024 * 1024);
    }
    struct tape_boundaries b;
    run_close(&run);
    (void)b;
    run_check(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_writes_whole_segments),
        cmocka_unit_test(canary_is_proved_when_it_is_on_the_disk),
        cmocka_unit_test(a_small_box_recycles_and_never_bursts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
