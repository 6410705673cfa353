#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capfile/segment_index.h"

static const struct segment_record samples[] = {
    { .type = SEGMENT_RECORD_IDENTITY, .identity = { .tape_id = 0x0102030405060708, .sequence = 9, .lane = 2, .opened_ns = -5,
                                                     .node = "node.a" } },
    { .type = SEGMENT_RECORD_BLOCK, .block = { .offset = 7, .size = 100, .content_size = 200, .hash = 0xf0f1f2f3f4f5f6f7, .first_ns = 10,
                                               .last_ns = 20, .disorder_ns = 3, .packets = 4,
                                               .events = 5, .canaries = 6, .kind = SEGMENT_BLOCK_DATA, .compressed = true } },
    { .type = SEGMENT_RECORD_INTERFACE, .interface = { .id = 1, .ifindex = 2, .link_type = 276, .canary = true, .name = "lo" } },
    { .type = SEGMENT_RECORD_CLOCK, .clock = { .wall_ns = -1, .mono_ns = 2 } },
    { .type = SEGMENT_RECORD_GAP, .gap = { .from_ns = 1, .to_ns = 2, .packets = 3, .count_unknown = true, .reason = SEGMENT_GAP_DISK } },
    { .type = SEGMENT_RECORD_INTERFACE_LEDGER, .interface_ledger = { .id = 1, .offered_packets = 2, .offered_bytes = 3,
                                                                     .written_packets = 4, .written_bytes = 5, .dropped_packets = 6, .filtered_packets = 7 } },
    { .type = SEGMENT_RECORD_LEDGER, .ledger = { .offered_packets = 1, .offered_bytes = 2, .written_packets = 3, .written_bytes = 4,
                                                 .dropped_kernel_packets = 5, .dropped_disk_packets = 6,
                                                 .filtered_packets = 7, .truncated_packets = 8, .canaries = 9, .events = 10 } },
    { .type = SEGMENT_RECORD_SEAL, .seal = { .ordinal = 1, .size = 2, .blocks = 3, .first_ns = 4, .last_ns = 5, .sealed_ns = 6, .hash = 7,
                                             .reason = SEGMENT_SEAL_PIN } },
};
#define SAMPLES (sizeof samples / sizeof *samples)

static size_t put_all(uint8_t *out)
{
    size_t size = segment_index_put_header(out);
    for (size_t i = 0; i < SAMPLES; i++)
        size += segment_index_put(out + size, &samples[i]);
    return size;
}

static void whole_index_is_parsed(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t size = put_all(bytes);
    struct segment_index *index = NULL;
    memset(bytes + size, 0, 100);
    assert_int_equal(segment_index_parse(bytes, size + 100, &index), 0);
    assert_int_equal(index->valid_size, size);
    assert_true(index->sealed && index->has_ledger);
    assert_int_equal(index->blocks_count, 1);
    assert_int_equal(index->interfaces_count, 1);
    assert_int_equal(index->clocks_count, 1);
    assert_int_equal(index->gaps_count, 1);
    assert_int_equal(index->interface_ledgers_count, 1);
    assert_string_equal(index->identity.node, "node.a");
    assert_int_equal(index->identity.opened_ns, -5);
    assert_string_equal(index->interfaces[0].name, "lo");
    assert_int_equal(index->gaps[0].reason, SEGMENT_GAP_DISK);
    assert_int_equal(index->ledger.events, 10);
    assert_int_equal(index->seal.reason, SEGMENT_SEAL_PIN);
    segment_index_free(index);
    segment_index_free(NULL);
}

static void torn_index_is_parsed_as_far_as_it_goes(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    size_t size = put_all(bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct segment_index *index = NULL;
        int r = segment_index_parse(bytes, cut, &index);
        if (cut < 16 + 48) { /* header and identity */
            assert_int_equal(r, -EBADMSG);
            continue;
        }
        assert_int_equal(r, 0);
        assert_true(index->valid_size <= cut && !index->sealed);
        segment_index_free(index);
    }
    bytes[0] ^= 1;
    struct segment_index *index = NULL;
    assert_int_equal(segment_index_parse(bytes, size, &index), -EBADMSG);
    assert_null(index);
}

static void ids_and_names_come_back(void **state)
{
    (void)state;
    char text[SEGMENT_ID_TEXT_MAX], name[SEGMENT_FILE_NAME_MAX];
    struct segment_identity identity = { .tape_id = 0xab, .lane = 3, .sequence = UINT64_MAX }, back;
    memset(identity.node, 'n', SEGMENT_NODE_NAME_MAX);
    segment_id_format(&identity, text);
    assert_int_equal(segment_id_parse(text, &back), 0);
    assert_string_equal(back.node, identity.node);
    assert_true(back.tape_id == 0xab && back.lane == 3 && back.sequence == UINT64_MAX);
    assert_int_equal(segment_id_parse("a.b/00000000000000ff/0/12", &back), 0);
    assert_int_equal(back.tape_id, 255);
    static const char *const bad[] = { "", "/00000000000000ff/0/1", "a", "a/ff/0/1", "a/00000000000000FF/0/1", "a/00000000000000ff/01/1",
                                       "a/00000000000000ff/0/", "a/00000000000000ff/0/1x",
                                       "a/00000000000000ff/4294967296/1", "a/00000000000000ff/0/18446744073709551616", "a/00000000000000ff/-1/1", "a/00000000000000ff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(segment_id_parse(bad[i], &back), -EBADMSG);
    uint32_t lane = 9;
    uint64_t sequence = 9;
    segment_file_name(3, 17, name);
    assert_string_equal(name, "3-17.pcapng.lz4");
    assert_int_equal(segment_file_name_parse(name, &lane, &sequence), 0);
    assert_true(lane == 3 && sequence == 17);
    static const char *const not_names[] = { "", ".3-17.pcapng.lz4", "3-17.pcapng", "3-17.pcapng.lz4.idx", "3-.pcapng.lz4",
                                             "-1-2.pcapng.lz4", "3-017.pcapng.lz4", "3-17pcapng.lz4" };
    for (size_t i = 0; i < sizeof not_names / sizeof *not_names; i++)
        assert_int_equal(segment_file_name_parse(not_names[i], &lane, &sequence), -EBADMSG);
}

static void files_are_loaded(void **state)
{
    (void)state;
    char path[] = "/tmp/test_segment_index_load.XXXXXX";
    uint8_t bytes[4096];
    size_t size = put_all(bytes);
    struct segment_index *index = NULL;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(segment_index_load(path, &index), 0);
    assert_int_equal(index->valid_size, size);
    segment_index_free(index);
    index = NULL;
    assert_int_equal(ftruncate(fd, (off_t)SEGMENT_INDEX_BYTES_MAX + 1), 0);
    assert_int_equal(segment_index_read(fd, &index), -E2BIG);
    close(fd);
    unlink(path);
    assert_int_equal(segment_index_load(path, &index), -ENOENT);
    assert_null(index);
}

static void the_order_of_records_is_checked(void **state)
{
    (void)state;
    uint8_t bytes[4096];
    struct segment_index *index = NULL;
    size_t size = segment_index_put_header(bytes);
    size += segment_index_put(bytes + size, &samples[1]);
    size += segment_index_put(bytes + size, &samples[0]);
    assert_int_equal(segment_index_parse(bytes, size, &index), -EBADMSG); /* identity is not first */
    size = put_all(bytes);
    size_t with_more = size + segment_index_put(bytes + size, &samples[1]);
    assert_int_equal(segment_index_parse(bytes, with_more, &index), 0);
    assert_int_equal(index->valid_size, size); /* behind the seal nothing counts */
    assert_int_equal(index->blocks_count, 1);
    segment_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_index_is_parsed), cmocka_unit_test(torn_index_is_parsed_as_far_as_it_goes), cmocka_unit_test(files_are_loaded),
        cmocka_unit_test(the_order_of_records_is_checked), cmocka_unit_test(ids_and_names_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
