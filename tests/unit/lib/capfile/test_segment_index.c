#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "capfile/segment_index.h"

static const struct segment_record samples[] = {
    { .type = SEGMENT_RECORD_IDENTITY, .identity = { .tape_id = 0x0102030405060708, .sequence = 9, .lane = 2, .opened_ns = -5, .node = "node.a" } },
    { .type = SEGMENT_RECORD_BLOCK, .block = { .offset = 7, .size = 100, .content_size = 200, .hash = 0xf0f1f2f3f4f5f6f7, .first_ns = 10, .last_ns = 20, .disorder_ns = 3, .packets = 4,
                                               .events = 5, .canaries = 6, .kind = SEGMENT_BLOCK_DATA, .compressed = true } },
    { .type = SEGMENT_RECORD_INTERFACE, .interface = { .id = 1, .ifindex = 2, .link_type = 276, .canary = true, .name = "lo" } },
    { .type = SEGMENT_RECORD_CLOCK, .clock = { .wall_ns = -1, .mono_ns = 2 } },
    { .type = SEGMENT_RECORD_GAP, .gap = { .from_ns = 1, .to_ns = 2, .packets = 3, .count_unknown = true, .reason = SEGMENT_GAP_DISK } },
    { .type = SEGMENT_RECORD_INTERFACE_LEDGER, .interface_ledger = { .id = 1, .offered_packets = 2, .offered_bytes = 3, .written_packets = 4, .written_bytes = 5, .dropped_packets = 6, .filtered_packets = 7 } },
    { .type = SEGMENT_RECORD_LEDGER, .ledger = { .offered_packets = 1, .offered_bytes = 2, .written_packets = 3, .written_bytes = 4, .dropped_kernel_packets = 5, .dropped_disk_packets = 6,
                                                 .filtered_packets = 7, .truncated_packets = 8, .canaries = 9, .events = 10 } },
    { .type = SEGMENT_RECORD_SEAL, .seal = { .ordinal = 1, .size = 2, .blocks = 3, .first_ns = 4, .last_ns = 5, .sealed_ns = 6, .hash = 7, .reason = SEGMENT_SEAL_PIN } },
};
#define SAMPLES (sizeof samples / sizeof *samples)

static void records_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX + 8], again[SEGMENT_INDEX_RECORD_BYTES_MAX];
        struct segment_record back;
        size_t size = segment_index_put(bytes, &samples[i]);
        assert_true(size % 8 == 0 && size <= SEGMENT_INDEX_RECORD_BYTES_MAX);
        assert_int_equal(segment_index_get(bytes, sizeof bytes, &back), size);
        assert_int_equal(back.type, samples[i].type);
        assert_int_equal(segment_index_put(again, &back), size);
        assert_memory_equal(again, bytes, size);
        for (size_t cut = 0; cut < size; cut++)
            assert_int_equal(segment_index_get(bytes, cut, &back), 0);
        for (size_t bit = 0; bit < size * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(segment_index_get(bytes, size, &back), 0);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void block_records_are_golden(void **state)
{
    (void)state;
    static const uint8_t want[72] = {
        2, 0, 72, 0, 0xd6, 0x21, 0x5d, 0x77, 7, 0, 0, 0, 0, 0, 0, 0, 0xf7, 0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1, 0xf0, 10, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0,
        3, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 200, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 2, 1,
    };
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    assert_int_equal(segment_index_put_header(bytes), 16);
    assert_memory_equal(bytes, "TLSEGIDX\1\0\0\0\0\0\0\0", 16);
    assert_true(segment_index_is_header(bytes));
    assert_int_equal(segment_index_put(bytes, &samples[1]), sizeof want);
    assert_memory_equal(bytes, want, sizeof want);
}

/* A record whose check is right and whose payload is not. */
static int get_changed(const struct segment_record *record, size_t at, uint8_t value)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    struct segment_record back;
    size_t size = segment_index_put(bytes, record);
    bytes[at] = value;
    memset(bytes + 4, 0, 4);
    uint32_t check = htole32((uint32_t)segment_block_hash(bytes, size));
    memcpy(bytes + 4, &check, 4);
    return segment_index_get(bytes, size, &back);
}

static void nonsense_that_checks_is_refused(void **state)
{
    (void)state;
    assert_int_equal(get_changed(&samples[1], 68, 0), -EBADMSG);   /* kind */
    assert_int_equal(get_changed(&samples[1], 69, 2), -EBADMSG);   /* flag */
    assert_int_equal(get_changed(&samples[1], 70, 1), -EBADMSG);   /* reserved */
    assert_int_equal(get_changed(&samples[1], 24, 21), -EBADMSG);  /* span */
    assert_int_equal(get_changed(&samples[1], 50, 0xff), -EBADMSG);/* size */
    assert_int_equal(get_changed(&samples[1], 54, 0xff), -EBADMSG);/* content */
    assert_int_equal(get_changed(&samples[1], 15, 0xff), -EBADMSG);/* offset */
    assert_int_equal(get_changed(&samples[2], 22, 200), -EBADMSG); /* name's length */
    assert_int_equal(get_changed(&samples[2], 24, 0), -EBADMSG);   /* NUL in the name */
    assert_int_equal(get_changed(&samples[7], 64, 99), -EBADMSG);  /* reason */
    assert_int_equal(get_changed(&samples[4], 8, 3), -EBADMSG);    /* from after to */
    assert_int_equal(get_changed(&samples[1], 0, 0x77), 72);       /* a type of the future */
}

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
    static const char *const bad[] = { "", "/00000000000000ff/0/1", "a", "a/ff/0/1", "a/00000000000000FF/0/1", "a/00000000000000ff/01/1", "a/00000000000000ff/0/", "a/00000000000000ff/0/1x",
                                       "a/00000000000000ff/4294967296/1", "a/00000000000000ff/0/18446744073709551616", "a/00000000000000ff/-1/1", "a/00000000000000ff" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(segment_id_parse(bad[i], &back), -EBADMSG);
    uint32_t lane = 9;
    uint64_t sequence = 9;
    segment_file_name(3, 17, name);
    assert_string_equal(name, "3-17.pcapng.lz4");
    assert_int_equal(segment_file_name_parse(name, &lane, &sequence), 0);
    assert_true(lane == 3 && sequence == 17);
    static const char *const not_names[] = { "", ".3-17.pcapng.lz4", "3-17.pcapng", "3-17.pcapng.lz4.idx", "3-.pcapng.lz4", "-1-2.pcapng.lz4", "3-017.pcapng.lz4", "3-17pcapng.lz4" };
    for (size_t i = 0; i < sizeof not_names / sizeof *not_names; i++)
        assert_int_equal(segment_file_name_parse(not_names[i], &lane, &sequence), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back), cmocka_unit_test(block_records_are_golden), cmocka_unit_test(nonsense_that_checks_is_refused), cmocka_unit_test(whole_index_is_parsed),
        cmocka_unit_test(torn_index_is_parsed_as_far_as_it_goes), cmocka_unit_test(ids_and_names_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
