/* Every kind of damage has to be found and named: the checks are made on real files, with a block of each kind in them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include "tests/unit/lib/capfile/segment_builder.h"

static char folder[64], path[128], index_path[160];

static void make(void)
{
    struct builder b;
    uint8_t data[1500];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    builder_open(&b, path, "node.a", 0, 7);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), lo = builder_interface(&b, "lo", 1, true);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (int64_t block = 0; block < 4; block++) {
        for (int64_t i = 0; i < 20; i++)
            builder_packet(&b, eth, 1000000 * (block + 1) + i * 1000 - (i % 5 == 4 ? 1500 : 0), data, (uint32_t)(60 + 70 * i),
                           PCAPNG_FLAG_INBOUND, i == 3 ? 9 : 0);
        builder_event(&b, 1000 * (block + 1) + 30, "a process started");
        builder_packet(&b, lo, 1000000 * (block + 1), data, 64, 0, 0);
        builder_end_block(&b, SEGMENT_BLOCK_DATA, block % 2 == 0);
    }
    builder_statistics(&b);
    builder_seal(&b, 3);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_segment_verify.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/0-7.pcapng.lz4", folder);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(index_path);
    return rmdir(folder);
}

static char told[8][200];
static int told_count;

static void tell(void *context, const struct segment_damage *damage)
{
    (void)context;
    if (told_count < 8)
        snprintf(told[told_count], sizeof told[0], "%s", damage->problem);
    told_count++;
}

static int verify(void)
{
    told_count = 0;
    memset(told, 0, sizeof told);
    int r = segment_file_verify(path, tell, NULL);
    assert_true(r < 0 || r == told_count);
    return r;
}

static void check_told(const char *words)
{
    for (int i = 0; i < 8; i++)
        if (strstr(told[i], words))
            return;
    fail_msg("nobody said \"%s\"; first was \"%s\"", words, told[0]);
}

static uint8_t *slurp(const char *file, size_t *ret_size)
{
    FILE *f = fopen(file, "rb");
    assert_non_null(f);
    uint8_t *data = malloc(1 << 20);
    assert_non_null(data);
    *ret_size = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void spit(const char *file, const uint8_t *data, size_t size)
{
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static void whole_segment_is_intact(void **state)
{
    (void)state;
    int r = verify();
    if (r != 0)
        fail_msg("%d: %s", r, told[0]);
}

static void peers_accept_it(void **state)
{
    (void)state;
    char command[512];
    snprintf(command, sizeof command, "lz4 -tq %s 2>/dev/null", path);
    assert_int_equal(system(command), 0);
    /* 80 packets, 4 canaries and 4 events */
    snprintf(command, sizeof command, "test \"$(tshark -r %s 2>/dev/null | wc -l)\" = 88", path);
    assert_int_equal(system(command), 0);
    /* capinfos does not count events */
    snprintf(command, sizeof command, "capinfos -TMcr %s 2>/dev/null | grep -q '84$'", path);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "tshark -r %s -Y 'frame.packet_flags == 1' 2>/dev/null | wc -l | grep -qx 80", path);
    assert_int_equal(system(command), 0);
}

/* One bit in every byte of both files, frame header and end mark too. */
static void any_flipped_bit_is_found(void **state)
{
    (void)state;
    const char *files[] = { path, index_path };
    for (int k = 0; k < 2; k++) {
        size_t size;
        uint8_t *data = slurp(files[k], &size);
        for (size_t i = 0; i < size; i += k == 0 && i > 600 && i < size - 600 ? 37 : 1) {
            data[i] ^= (uint8_t)(1u << (i % 8));
            spit(files[k], data, size);
            if (verify() <= 0)
                fail_msg("a bit flipped at byte %zu of %s went unseen", i, files[k]);
            data[i] ^= (uint8_t)(1u << (i % 8));
        }
        spit(files[k], data, size);
        free(data);
    }
    assert_int_equal(verify(), 0);
}

static void flipped_bits_are_named(void **state)
{
    (void)state;
    size_t size;
    uint8_t *data = slurp(path, &size);
    data[2] ^= 1;
    spit(path, data, size);
    assert_int_equal(verify(), 1);
    check_told("frame header");
    data[2] ^= 1;
    data[size - 1] ^= 1;
    spit(path, data, size);
    assert_int_equal(verify(), 1);
    check_told("no end mark");
    data[size - 1] ^= 1;
    data[size / 2] ^= 1;
    spit(path, data, size);
    assert_int_equal(verify(), 1);
    check_told("hash");
    data[size / 2] ^= 1;
    spit(path, data, size);
    free(data);
}

/* Takes [from, to) out of the segment. */
static void take_out(uint64_t from, uint64_t to)
{
    size_t size;
    uint8_t *data = slurp(path, &size);
    memmove(data + from, data + to, size - to);
    spit(path, data, size - (to - from));
    free(data);
}

static void missing_block_is_named(void **state)
{
    (void)state;
    struct segment_index *index = NULL;
    assert_int_equal(segment_index_load(index_path, &index), 0);
    assert_int_equal(index->blocks_count, 6);
    const struct segment_block *b = index->blocks;
    take_out(b[2].offset, b[2].offset + b[2].size);
    assert_int_equal(verify(), 1);
    check_told("block 2 is missing: block 3 stands in its place");
    make();
    take_out(b[1].offset, b[3].offset);
    assert_int_equal(verify(), 1);
    check_told("blocks 1 to 2 are missing");
    make();
    take_out(b[4].offset, b[5].offset + b[5].size);
    assert_int_equal(verify(), 1);
    check_told("blocks 4 to 5 are missing before the end mark");
    segment_index_free(index);
}

static void cut_and_grown_files_are_named(void **state)
{
    (void)state;
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size + 4096), 0);
    assert_int_equal(verify(), 1);
    check_told("4096 bytes stand behind the end mark");
    for (off_t size = status.st_size - 1; size >= 0; size = size > 200 ? size - 97 : size - 1) {
        make();
        assert_int_equal(truncate(path, size), 0);
        assert_true(verify() > 0);
        if (size >= status.st_size - 4)
            check_told("ends before its end mark");
        else if (size > 11)
            check_told("the file ends inside block");
    }
    make();
    assert_int_equal(stat(index_path, &status), 0);
    assert_int_equal(truncate(index_path, status.st_size + 8), 0);
    assert_int_equal(verify(), 1);
    check_told("index: bytes stand behind the seal");
    for (off_t size = 0; size < status.st_size; size++) {
        make();
        assert_int_equal(truncate(index_path, size), 0);
        assert_true(verify() > 0);
        check_told("index: ");
    }
}

/* Rewrites the index with one record changed, its check put right: what a bug would write. */
static void change_record(enum segment_record_type type, size_t which, void (*change)(struct segment_record *record))
{
    size_t size, at = SEGMENT_INDEX_HEADER_BYTES, seen = 0, used = SEGMENT_INDEX_HEADER_BYTES;
    uint8_t *data = slurp(index_path, &size), *out = malloc(2 * size);
    assert_non_null(out);
    memcpy(out, data, used);
    while (at < size) {
        struct segment_record record;
        int n = segment_index_get(data + at, size - at, &record);
        assert_true(n > 0);
        bool chosen = record.type == type && seen++ == which;
        if (chosen && change)
            change(&record);
        if (!chosen || change)
            used += segment_index_put(out + used, &record);
        at += (size_t)n;
    }
    spit(index_path, out, used);
    free(data);
    free(out);
}

static void more_packets(struct segment_record *r) { r->block.packets++; }
static void more_events(struct segment_record *r) { r->block.events++; }
static void later(struct segment_record *r) { r->block.last_ns++; }
static void less_disorder(struct segment_record *r) { r->block.disorder_ns--; }
static void more_blocks(struct segment_record *r) { r->seal.blocks++; }
static void longer(struct segment_record *r) { r->seal.size++; }
static void other_hash(struct segment_record *r) { r->seal.hash++; }
static void more_written(struct segment_record *r) { r->ledger.written_packets++; }
static void other_name(struct segment_record *r) { r->interface.name[0]++; }
static void other_lane(struct segment_record *r) { r->identity.lane++; }
static void other_place(struct segment_record *r) { r->block.offset++; }

static void false_claims_are_named(void **state)
{
    (void)state;
    static const struct { enum segment_record_type type; size_t which; void (*change)(struct segment_record *); const char *words; } cases[] = {
        { SEGMENT_RECORD_BLOCK, 2, more_packets, "block 2 holds 20 packets, the index says 21" },
        { SEGMENT_RECORD_BLOCK, 3, more_events, "block 3 holds 1 events, the index says 2" },
        { SEGMENT_RECORD_BLOCK, 1, later, "block 1 spans" },
        { SEGMENT_RECORD_BLOCK, 1, less_disorder, "disorder" },
        { SEGMENT_RECORD_BLOCK, 3, NULL, "block 3 begins at byte" },
        { SEGMENT_RECORD_BLOCK, 4, other_place, "block 4 begins at byte" },
        { SEGMENT_RECORD_SEAL, 0, more_blocks, "the seal counts 7 blocks" },
        { SEGMENT_RECORD_SEAL, 0, longer, "its seal says" },
        { SEGMENT_RECORD_SEAL, 0, other_hash, "the seal's hash" },
        { SEGMENT_RECORD_SEAL, 0, NULL, "ends without a seal" },
        { SEGMENT_RECORD_LEDGER, 0, more_written, "the ledger counts 81 packets written, the blocks hold 80" },
        { SEGMENT_RECORD_LEDGER, 0, NULL, "there is no ledger" },
        { SEGMENT_RECORD_INTERFACE, 0, other_name, "interface 0 is eth0" },
        { SEGMENT_RECORD_INTERFACE, 1, NULL, "interface 1 (lo) is not in the index" },
        { SEGMENT_RECORD_IDENTITY, 0, other_lane, "belongs to 1-7" },
        { SEGMENT_RECORD_IDENTITY, 0, NULL, "not a segment's index" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make();
        change_record(cases[i].type, cases[i].which, cases[i].change);
        assert_true(verify() > 0);
        check_told(cases[i].words);
    }
}

static void missing_files_are_errors(void **state)
{
    (void)state;
    unlink(index_path);
    assert_int_equal(verify(), -ENOENT);
    make();
    unlink(path);
    assert_int_equal(verify(), -ENOENT);
    make();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whole_segment_is_intact, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_accept_it, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_bit_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(flipped_bits_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_block_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_and_grown_files_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(false_claims_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_files_are_errors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
