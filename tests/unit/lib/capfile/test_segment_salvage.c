/* A writer killed at any byte: what is on the disk with its record is kept, and nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include "tests/unit/lib/capfile/segment_builder.h"

static char folder[64], path[128], index_path[160];
static int folder_fd;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_segment_salvage.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/.0-3.pcapng.lz4", folder);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    folder_fd = open(folder, O_DIRECTORY | O_RDONLY);
    return folder_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(folder_fd);
    unlink(path);
    unlink(index_path);
    return rmdir(folder);
}

/* Four data blocks of ten packets, an event and a canary. Interface records come with the seal, as a writer may have them. */
static void make(bool seal)
{
    struct builder b;
    uint8_t data[300] = { 0 };
    builder_open(&b, path, "n", 0, 3);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), lo = builder_interface(&b, "lo", 1, true);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (int64_t block = 0; block < 4; block++) {
        for (int64_t i = 0; i < 10; i++)
            builder_packet(&b, eth, 1000000 * (block + 1) + i * 1000, data, (uint32_t)(60 + i), 1, 0);
        builder_event(&b, 1000 * (block + 1) + 20, "event");
        builder_packet(&b, lo, 1000000 * (block + 1), data, 64, 0, 0);
        builder_end_block(&b, SEGMENT_BLOCK_DATA, block % 2);
    }
    if (seal) {
        builder_statistics(&b);
        builder_seal(&b, 9);
    } else {
        builder_abandon(&b);
    }
}

static void tell(void *context, const struct segment_damage *damage)
{
    (void)context;
    print_error("%s\n", damage->problem);
}

/* Salvages and checks that the result is a whole segment. Returns its data blocks, or -errno. */
static int salvage(struct segment_index **ret)
{
    struct segment_index *index = NULL;
    int r = segment_salvage(folder_fd, ".0-3.pcapng.lz4", 5, &index);
    if (r < 0)
        return r;
    assert_int_equal(segment_file_verify(path, tell, NULL), 0);
    assert_int_equal(index->seal.ordinal, 5);
    int data = 0;
    for (size_t i = 0; i < index->blocks_count; i++)
        data += index->blocks[i].kind == SEGMENT_BLOCK_DATA;
    assert_int_equal(index->ledger.written_packets, 10 * data);
    assert_int_equal(index->ledger.offered_packets, 10 * data);
    assert_int_equal(index->ledger.events, data);
    assert_int_equal(index->ledger.canaries, data);
    assert_int_equal(index->interface_ledgers[0].written_bytes, 645 * data);
    if (ret)
        *ret = index;
    else
        segment_index_free(index);
    return data;
}

static void grow(const char *file, const char *garbage, size_t size)
{
    int fd = open(file, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    builder_write(fd, garbage, size);
    close(fd);
}

static void torn_tails_are_cut(void **state)
{
    (void)state;
    static const char zeros[4096];
    struct segment_index *index = NULL;
    make(false);
    assert_int_equal(salvage(&index), 4);
    assert_int_equal(index->seal.reason, SEGMENT_SEAL_SALVAGE);
    assert_int_equal(index->seal.first_ns, 1000000);
    assert_int_equal(index->seal.last_ns, 4020000);
    segment_index_free(index);
    make(false);
    grow(path, zeros, sizeof zeros);
    assert_int_equal(salvage(NULL), 4);
    make(false);
    grow(path, "garbage in the last page", 24);
    grow(index_path, "\2\0\x48\0garbage", 11);
    assert_int_equal(salvage(NULL), 4);
    char command[300];
    snprintf(command, sizeof command, "lz4 -dqc %s | tshark -r - 2>/dev/null | wc -l | grep -qx 48", path);
    assert_int_equal(system(command), 0);
}

static size_t size_of(const char *file)
{
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    return (size_t)status.st_size;
}

/* The blocks that are whole when the segment ends at `size` and the index at index_size. */
static int whole_blocks(const struct segment_index *full, size_t size, size_t index_size)
{
    int data = 0;
    for (size_t i = 0; i < full->blocks_count; i++) {
        /* Identity 48 bytes, two interface records of 32, then 72 for each block. */
        size_t record_end = SEGMENT_INDEX_HEADER_BYTES + 48 + 2 * 32 + 72 * (i + 1);
        if (full->blocks[i].offset + full->blocks[i].size > size || record_end > index_size)
            break;
        data += full->blocks[i].kind == SEGMENT_BLOCK_DATA;
    }
    return data;
}

static void a_kill_at_any_byte_keeps_the_whole_blocks(void **state)
{
    (void)state;
    struct segment_index *full = NULL;
    make(false);
    assert_int_equal(segment_index_load(index_path, &full), 0);
    size_t size = size_of(path), index_size = size_of(index_path);
    for (size_t cut = 0; cut <= size; cut += cut < 200 || cut + 30 > size ? 1 : 61) {
        make(false);
        assert_int_equal(truncate(path, (off_t)cut), 0);
        int want = whole_blocks(full, cut, index_size);
        assert_int_equal(salvage(NULL), want ? want : -ENODATA);
    }
    for (size_t cut = 0; cut <= index_size; cut++) {
        make(false);
        assert_int_equal(truncate(index_path, (off_t)cut), 0);
        int want = whole_blocks(full, size, cut);
        assert_int_equal(salvage(NULL), want ? want : -ENODATA);
    }
    segment_index_free(full);
}

/* A write that a power cut left half done: the block has its record but not its bytes. */
static void bad_blocks_end_the_segment(void **state)
{
    (void)state;
    struct segment_index *full = NULL;
    make(false);
    assert_int_equal(segment_index_load(index_path, &full), 0);
    for (int i = 0; i < 5; i++) {
        make(false);
        int fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff", 5, (off_t)(full->blocks[i].offset + full->blocks[i].size) - 5), 5);
        close(fd);
        assert_int_equal(salvage(NULL), i > 1 ? i - 1 : -ENODATA);
    }
    segment_index_free(full);
}

/* Killed between the seal and the rename, or in the middle of a salvage. */
static void it_can_be_done_again(void **state)
{
    (void)state;
    struct segment_index *index = NULL;
    make(true);
    size_t size = size_of(path), index_size = size_of(index_path);
    assert_int_equal(salvage(&index), 4);
    assert_int_equal(index->seal.reason, SEGMENT_SEAL_SIZE);
    assert_int_equal(size_of(path), size);
    assert_int_equal(size_of(index_path), index_size);
    segment_index_free(index);
    assert_int_equal(salvage(NULL), 4);
    for (size_t cut = index_size; cut > index_size - 250; cut--) { /* ledgers and seal half written */
        make(true);
        assert_int_equal(truncate(index_path, (off_t)cut), 0);
        assert_int_equal(salvage(NULL), 4);
    }
    make(true);
    assert_int_equal(truncate(path, (off_t)size / 2), 0); /* sealed in the index, but its data never came to the disk */
    int data = salvage(&index);
    assert_true(data > 0 && data < 4);
    assert_int_equal(index->seal.reason, SEGMENT_SEAL_SALVAGE);
    segment_index_free(index);
}

static void what_cannot_be_salvaged_is_left_alone(void **state)
{
    (void)state;
    struct segment_index *index = NULL;
    assert_int_equal(segment_salvage(folder_fd, ".0-3.pcapng.lz4", 1, &index), -ENODATA);
    make(false);
    int fd = open(index_path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 0), 1); /* not our header */
    close(fd);
    size_t size = size_of(path);
    assert_int_equal(segment_salvage(folder_fd, ".0-3.pcapng.lz4", 1, &index), -EBADMSG);
    assert_int_equal(size_of(path), size);
    assert_null(index);
    make(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(torn_tails_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kill_at_any_byte_keeps_the_whole_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_blocks_end_the_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_done_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_salvaged_is_left_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
