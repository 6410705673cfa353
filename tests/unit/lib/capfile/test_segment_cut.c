#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/lib/capfile/segment_builder.h"

#define SECOND INT64_C(1000000000)

static char folder[64], path[128], cut_path[128];
static struct segment_index *source;

/* Blocks: 0 header, 1 and 2 data in seconds 1 and 2, 3 header (a later interface), 4 data in second 3, 5 canaries alone, 6 data in second
 * 4, 7 statistics. */
static int setup(void **state)
{
    (void)state;
    struct builder b;
    uint8_t data[200] = { 0 };
    char index_path[160];
    snprintf(folder, sizeof folder, "/tmp/test_segment_cut.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/0-1.pcapng.lz4", folder);
    snprintf(cut_path, sizeof cut_path, "%s/part.pcapng.lz4", folder);
    builder_open(&b, path, "n", 0, 1);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), lo = builder_interface(&b, "lo", 1, true), late = 0;
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (int64_t second = 1; second <= 4; second++) {
        if (second == 3) {
            late = builder_interface(&b, "veth9", 1, false);
            builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
        }
        for (int64_t i = 0; i < 10; i++)
            builder_packet(&b, second >= 3 && i % 2 ? late : eth, second * SECOND + i * 1000, data, 100, 1, 0);
        builder_packet(&b, lo, second * SECOND + 5, data, 60, 0, 0);
        builder_end_block(&b, SEGMENT_BLOCK_DATA, true);
        if (second == 3) {
            builder_packet(&b, lo, second * SECOND + 5, data, 60, 0, 0);
            builder_end_block(&b, SEGMENT_BLOCK_DATA, true);
        }
        builder_record(&b, &(struct segment_record){ .type = SEGMENT_RECORD_GAP,
                                                     .gap = { .from_ns = second * SECOND, .to_ns = second * SECOND + 9, .packets = 1,
                                                              .reason = SEGMENT_GAP_RING } });
    }
    builder_statistics(&b);
    builder_seal(&b, 42);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    return segment_index_load(index_path, &source);
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    segment_index_free(source);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void check_plan(int64_t from_ns, int64_t to_ns, const char *want, size_t data)
{
    bool keep[8];
    char text[9] = "";
    assert_int_equal(segment_cut_plan(source, from_ns, to_ns, keep), data);
    for (int i = 0; i < 8; i++)
        text[i] = keep[i] ? 'x' : '.';
    assert_string_equal(text, want);
}

static void plans_keep_what_is_needed(void **state)
{
    (void)state;
    assert_int_equal(source->blocks_count, 8);
    check_plan(INT64_MIN, INT64_MAX, "xxxxx.x.", 4);
    check_plan(0, SECOND, "xx......", 1);
    check_plan(0, SECOND - 1, "........", 0);
    check_plan(2 * SECOND, 2 * SECOND, "x.x.....", 1);
    check_plan(2 * SECOND + 9000, 3 * SECOND, "x.xxx...", 2);
    check_plan(4 * SECOND + 9000, INT64_MAX, "x..x..x.", 1);
    check_plan(4 * SECOND + 9001, INT64_MAX, "........", 0);
}

static int loud(const char *file)
{
    return segment_file_verify(file, NULL, NULL);
}

static void cuts_are_whole_segments(void **state)
{
    (void)state;
    bool keep[8];
    void *data = NULL;
    size_t size = 0;
    uint64_t segment_size = 0;
    char command[600], index_path[160];
    segment_cut_plan(source, 2 * SECOND, 3 * SECOND, keep);
    assert_int_equal(segment_cut_index(source, keep, 2 * SECOND, 3 * SECOND, &data, &size, &segment_size), 0);
    snprintf(index_path, sizeof index_path, "%s.idx", cut_path);
    int fd = open(index_path, O_CREAT | O_WRONLY, 0600), in = open(path, O_RDONLY), out = open(cut_path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0 && in >= 0 && out >= 0);
    builder_write(fd, data, size);
    static uint8_t bytes[LZ4FRAME_BLOCK_BYTES_MAX];
    builder_write(out, bytes, lz4frame_put_header(bytes));
    for (int i = 0; i < 8; i++) {
        if (!keep[i])
            continue;
        assert_int_equal(segment_pread(in, bytes, source->blocks[i].size, source->blocks[i].offset), 0);
        builder_write(out, bytes, source->blocks[i].size);
    }
    builder_write(out, bytes, lz4frame_put_end(bytes));
    assert_int_equal(lseek(out, 0, SEEK_CUR), segment_size);
    close(fd);
    close(in);
    close(out);
    free(data);
    assert_int_equal(loud(cut_path), 0);
    snprintf(command, sizeof command, "lz4 -tq %s && tshark -r %s 2>/dev/null | wc -l | grep -qx 22", cut_path, cut_path);
    assert_int_equal(system(command), 0);
    struct segment_index *cut = NULL;
    assert_int_equal(segment_index_load(index_path, &cut), 0);
    assert_int_equal(cut->seal.reason, SEGMENT_SEAL_CUT);
    assert_int_equal(cut->seal.ordinal, 42);
    assert_int_equal(cut->seal.first_ns, 2 * SECOND);
    assert_int_equal(cut->seal.last_ns, 3 * SECOND + 9000);
    assert_int_equal(cut->gaps_count, 2);
    assert_int_equal(cut->interfaces_count, 3);
    assert_false(cut->has_ledger);
    segment_index_free(cut);
    /* With all packets in it, the ledger describes it too. */
    segment_cut_plan(source, INT64_MIN, INT64_MAX, keep);
    assert_int_equal(segment_cut_index(source, keep, INT64_MIN, INT64_MAX, &data, &size, &segment_size), 0);
    assert_int_equal(segment_index_parse(data, size, &cut), 0);
    assert_true(cut->has_ledger && cut->valid_size == size);
    assert_int_equal(cut->ledger.written_packets, 40);
    assert_int_equal(cut->interface_ledgers_count, source->interface_ledgers_count);
    segment_index_free(cut);
    free(data);
    memset(keep, 0, sizeof keep);
    assert_int_equal(segment_cut_index(source, keep, 0, 1, &data, &size, &segment_size), -EINVAL);
}

static uint64_t count(int64_t from_ns, int64_t to_ns)
{
    uint64_t packets = 77;
    assert_int_equal(segment_window_count(path, from_ns, to_ns, &packets), 0);
    return packets;
}

static void packets_of_a_window_are_counted(void **state)
{
    (void)state;
    assert_int_equal(count(INT64_MIN, INT64_MAX), 40);
    assert_int_equal(count(SECOND, SECOND), 1);
    assert_int_equal(count(SECOND + 1, SECOND + 999), 0);
    assert_int_equal(count(SECOND + 8000, 3 * SECOND + 1000), 2 + 10 + 2);
    assert_int_equal(count(5 * SECOND, 6 * SECOND), 0);
    uint64_t packets = 77;
    assert_int_equal(truncate(path, (off_t)source->blocks[4].offset + 9), 0);
    assert_int_equal(count(SECOND, 2 * SECOND), 11); /* what is not looked at is not missed */
    assert_int_equal(segment_window_count(path, SECOND, 3 * SECOND, &packets), -EBADMSG);
    assert_int_equal(segment_window_count("/nowhere/x", 0, 1, &packets), -ENOENT);
    assert_int_equal(packets, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(plans_keep_what_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(cuts_are_whole_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(packets_of_a_window_are_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
