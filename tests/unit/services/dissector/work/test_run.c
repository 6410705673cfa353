/* Runs: sorted whatever the order and the memory, whole or refused. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "services/dissector/work/run.h"

static char folder[] = "/tmp/tapeloop-run.XXXXXX";
static char path[128], hidden[128];
static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/run", folder);
    snprintf(hidden, sizeof hidden, "%s/.run", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static uint64_t seed;
static uint32_t roll(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

/* `count` records with times of few values, so that many are equal, and of many sizes. */
static struct run_writer *filled(size_t count, uint64_t memory)
{
    struct run_writer *w;
    assert_int_equal(run_writer_new(folder, memory, &w), 0);
    seed = 7;
    for (size_t i = 0; i < count; i++) {
        uint64_t buffer[64] = { 0 };
        struct record *r = (struct record *)buffer;
        r->size = (uint32_t)sizeof *r + 8 * roll(40);
        r->timestamp_ns = roll(200);
        r->index = (uint32_t)i;
        r->tuple.source[3] = (uint8_t)roll(3);
        r->values_size = r->size - (uint32_t)sizeof *r;
        memset(r + 1, (int)i, r->values_size);
        assert_int_equal(run_writer_add(w, r), 0);
    }
    for (uint32_t i = 0; i < count / 10; i++) {
        struct run_view view = { .shard = i % 256, .number = i / 256, .view.payload_bytes = i };
        assert_int_equal(run_writer_view(w, &view), 0);
    }
    return w;
}

static uint64_t drain(struct run_reader *reader, size_t count)
{
    const struct record *record, *before = NULL;
    uint64_t sum = 0;
    size_t n = 0, views;
    static uint64_t last[64];
    for (int r; (r = run_next(reader, &record)) != 0; n++) {
        assert_int_equal(r, 1);
        if (before)
            assert_true(record_compare((const struct record *)last, record) < 0);
        memcpy(last, record, record->size);
        before = record;
        sum = sum * 31 + record->index + record->size;
    }
    assert_int_equal(n, count);
    const struct run_view *list = run_views(reader, &views);
    assert_int_equal(views, count / 10);
    for (size_t i = 0; i < views; i++)
        assert_int_equal(list[i].view.payload_bytes, i);
    assert_int_equal(run_records(reader), count);
    run_close(reader);
    return sum;
}

static void every_way_gives_the_same(void **state)
{
    (void)state;
    static const size_t counts[] = { 0, 1, 2, 16, 17, 1000, 20000 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct run_reader *reader;
        uint64_t sums[4];
        for (unsigned way = 0; way < 4; way++) {
            struct run_writer *w = filled(counts[i], way & 1 ? 64 * 1024 : 1u << 30); /* the small one spills a hundred pieces */
            if (way < 2) {
                assert_int_equal(run_writer_read(w, &reader), 0);
            } else {
                assert_int_equal(run_writer_save(w, path, hidden), 0);
                run_writer_free(w);
                assert_int_equal(access(hidden, F_OK), -1);
                assert_int_equal(run_open(path, &reader), 0);
            }
            sums[way] = drain(reader, counts[i]);
        }
        for (unsigned way = 1; way < 4; way++)
            assert_int_equal(sums[way], sums[0]);
    }
}

static void runs_merge(void **state)
{
    (void)state;
    struct run_reader *readers[3];
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(run_writer_read(filled(100 * i, 1u << 30), &readers[i]), 0);
    struct run_merge *merge;
    const struct record *record;
    assert_int_equal(run_merge_new(readers, 3, &merge), 0);
    int64_t before = -1;
    size_t n = 0;
    while (run_merge_next(merge, &record) == 1) {
        assert_true(record->timestamp_ns >= before);
        before = record->timestamp_ns;
        n++;
    }
    assert_int_equal(n, 300);
    run_merge_free(merge);
}

/* Every byte changed, every length cut: refused when opened or while read, or (in a view's or record's own bytes: never) the same. */
static void damage_is_found(void **state)
{
    (void)state;
    struct run_writer *w = filled(40, 1u << 30);
    assert_int_equal(run_writer_save(w, path, hidden), 0);
    run_writer_free(w);
    struct stat st;
    int fd = open(path, O_RDWR);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 0; at < st.st_size; at += 7) {
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        struct run_reader *reader;
        const struct record *record;
        int r = run_open(path, &reader);
        if (r == 0) {
            while ((r = run_next(reader, &record)) == 1)
                ;
            run_close(reader);
        }
        assert_int_equal(r, -EBADMSG);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t size = st.st_size - 1; size >= 0; size -= 11) {
        struct run_reader *reader;
        assert_int_equal(ftruncate(fd, size), 0);
        assert_int_equal(run_open(path, &reader), -EBADMSG);
    }
    close(fd);
}

/* More than a packed chunk holds, and bytes that cannot be packed: both stand in the file as they are. */
static void large_and_random_records(void **state)
{
    (void)state;
    uint32_t sizes[] = { 1500000, 300000, 64, 900000 };
    struct run_writer *w;
    assert_int_equal(run_writer_new(folder, 1u << 30, &w), 0);
    struct record *r = calloc(1, 2000000);
    seed = 11;
    for (unsigned i = 0; i < 4; i++) {
        r->size = (uint32_t)sizeof *r + sizes[i];
        r->timestamp_ns = i;
        uint8_t *values = (uint8_t *)(r + 1);
        for (uint32_t k = 0; k < sizes[i]; k++)
            values[k] = i % 2 ? (uint8_t)roll(256) : (uint8_t)i;
        assert_int_equal(run_writer_add(w, r), 0);
    }
    assert_int_equal(run_writer_save(w, path, hidden), 0);
    run_writer_free(w);
    struct run_reader *reader;
    const struct record *record;
    assert_int_equal(run_open(path, &reader), 0);
    seed = 11;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(run_next(reader, &record), 1);
        assert_int_equal(record->size, sizeof *r + sizes[i]);
        const uint8_t *values = (const uint8_t *)(record + 1);
        for (uint32_t k = 0; k < sizes[i]; k++)
            assert_int_equal(values[k], i % 2 ? (uint8_t)roll(256) : (uint8_t)i);
    }
    assert_int_equal(run_next(reader, &record), 0);
    run_close(reader);
    free(r);
}

static void no_room_is_said(void **state)
{
    (void)state;
    struct run_writer *w = filled(10, 1u << 30);
    assert_int_equal(symlink("/dev/full", hidden), 0); /* what is removed after the failure is the link */
    assert_int_equal(run_writer_save(w, path, hidden), -ENOSPC);
    assert_int_equal(access(hidden, F_OK), -1);
    run_writer_free(w);
    assert_int_equal(run_writer_new("/nowhere/at/all", 1024, &w), 0);
    uint64_t buffer[16] = { 0 };
    struct record *r = (struct record *)buffer;
    r->size = sizeof *r;
    int e = 0;
    for (unsigned i = 0; i < 20 && e == 0; i++)
        e = run_writer_add(w, r);
    assert_int_equal(e, -ENOENT);
    run_writer_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_way_gives_the_same), cmocka_unit_test(runs_merge), cmocka_unit_test(damage_is_found), cmocka_unit_test(large_and_random_records), cmocka_unit_test(no_room_is_said) };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
