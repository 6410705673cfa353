#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capfile/segment_file.h"

static uint8_t content[8192], raw[16384], back[8192];

/* A block as its record would have it. */
static struct segment_block make_block(bool compress)
{
    memset(content, 'a', sizeof content);
    size_t size = sizeof content + 4;
    if (compress)
        size = lz4frame_put_block(raw, content, sizeof content);
    else
        lz4frame_put_stored_word(raw, sizeof content);
    if (!compress)
        memcpy(raw + 4, content, sizeof content);
    return (struct segment_block){ .size = (uint32_t)size, .content_size = sizeof content, .compressed = compress,
                                   .hash = segment_block_hash(raw, size) };
}

static void blocks_are_decoded(void **state)
{
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        struct segment_block block = make_block(compress);
        const uint8_t *got = NULL;
        const char *problem = NULL;
        assert_int_equal(segment_block_decode(&block, raw, back, &got, &problem), 0);
        assert_ptr_equal(got, compress ? back : raw + 4); /* a stored block is not copied */
        assert_memory_equal(got, content, sizeof content);
    }
}

static void check_refused(const struct segment_block *block, const char *words)
{
    const uint8_t *got = NULL;
    const char *problem = "";
    assert_int_equal(segment_block_decode(block, raw, back, &got, &problem), -EBADMSG);
    assert_non_null(strstr(problem, words));
    assert_null(got);
}

static void false_records_are_refused(void **state)
{
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        struct segment_block block = make_block(compress), changed = block;
        changed.hash++;
        check_refused(&changed, "hash");
        changed = block;
        changed.compressed = !compress;
        check_refused(&changed, compress ? "stored" : "compressed");
        changed = block;
        changed.content_size = sizeof content - 1;
        check_refused(&changed, compress ? "decompress" : "not as long");
        changed = block;
        changed.size++;
        changed.hash = segment_block_hash(raw, changed.size);
        check_refused(&changed, "size word");
    }
}

static void files_are_read_whole_or_not(void **state)
{
    (void)state;
    char path[] = "/tmp/test_segment_file.XXXXXX", bytes[8];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "0123456789", 10), 10);
    assert_int_equal(segment_pread(fd, bytes, 4, 6), 0);
    assert_memory_equal(bytes, "6789", 4);
    assert_int_equal(segment_pread(fd, bytes, 5, 6), -ENODATA);
    close(fd);
    assert_int_equal(segment_pread(fd, bytes, 1, 0), -EBADF);
    unlink(path);
}

static size_t put_packet(uint8_t *dst, uint32_t interface, int64_t time_ns)
{
    uint32_t total = (uint32_t)pcapng_epb_bytes(20, false);
    uint8_t *data = pcapng_epb_begin(dst, total, interface, (uint64_t)time_ns, 20, 20);
    memset(data, 0, 20);
    return (size_t)(pcapng_epb_end(data, total, 20, 1, 0) - dst);
}

static unsigned visits;
static void visit(void *context, const struct pcapng_block *block, const struct pcapng_interface *interface)
{
    assert_ptr_equal(context, &visits);
    assert_true(block->has_packet == (interface != NULL));
    visits++;
}

static void contents_are_counted(void **state)
{
    (void)state;
    struct pcapng_reader *reader = pcapng_reader_new();
    struct segment_block truth;
    struct segment_visit all = { .block = visit, .context = &visits };
    size_t size = pcapng_put_section(content, "x", NULL, NULL, NULL);
    size += pcapng_put_interface(content + size, 1, "eth0", NULL);
    size += pcapng_put_interface(content + size, 1, "lo", PCAPNG_CANARY_DESCRIPTION);
    assert_int_equal(segment_block_walk(reader, content, size, &all, &truth), 0);
    assert_int_equal(visits, 3);
    assert_int_equal(truth.kind, SEGMENT_BLOCK_HEADER);
    assert_int_equal(truth.packets, 0);
    static const int64_t times[] = { 5000, 7000, 4000, 6500, 9000, 8999 };
    size = put_packet(content, 1, 1); /* a canary, in no span */
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        size += put_packet(content + size, 0, times[i]);
    size += pcapng_put_journal(content + size, "__REALTIME_TIMESTAMP=2\n", 23);
    assert_int_equal(segment_block_walk(reader, content, size, NULL, &truth), 0);
    assert_int_equal(truth.kind, SEGMENT_BLOCK_DATA);
    assert_int_equal(truth.packets, 6);
    assert_int_equal(truth.canaries, 1);
    assert_int_equal(truth.events, 1);
    assert_int_equal(truth.first_ns, 2000);
    assert_int_equal(truth.last_ns, 9000);
    assert_int_equal(truth.disorder_ns, 7000);
    assert_int_equal(segment_block_walk(reader, content, size - 4, NULL, &truth), -EBADMSG);
    size = put_packet(content, 7, 1);
    assert_int_equal(segment_block_walk(reader, content, size, NULL, &truth), -EBADMSG);
    size = pcapng_put_statistics(content, 0, &(struct pcapng_statistics){ .received = 1 }, NULL);
    assert_int_equal(segment_block_walk(reader, content, size, NULL, &truth), 0);
    assert_int_equal(truth.kind, SEGMENT_BLOCK_STATISTICS);
    pcapng_reader_free(reader);
}

static void hashes_are_hashed_in_order(void **state)
{
    (void)state;
    struct segment_block blocks[2] = { { .hash = 1 }, { .hash = 2 } };
    uint64_t first, second, want = segment_block_hash("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16);
    assert_int_equal(segment_blocks_hash(blocks, 2, &first), 0);
    assert_true(first == want);
    blocks[0].hash = 2;
    blocks[1].hash = 1;
    assert_int_equal(segment_blocks_hash(blocks, 2, &second), 0);
    assert_true(first != second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_decoded), cmocka_unit_test(false_records_are_refused), cmocka_unit_test(files_are_read_whole_or_not), cmocka_unit_test(contents_are_counted),
        cmocka_unit_test(hashes_are_hashed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
