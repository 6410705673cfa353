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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back), cmocka_unit_test(block_records_are_golden), cmocka_unit_test(nonsense_that_checks_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
