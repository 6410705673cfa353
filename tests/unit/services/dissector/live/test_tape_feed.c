#include "services/dissector/live/tape_feed.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/support/nats_server.h"

static char folder[64], segments[96];
static uint64_t tape_id = 0xaa;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tapeloop-feed-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}
static int teardown(void **state)
{
    (void)state;
    support_remove_folder(folder);
    return 0;
}

/* A sealed segment that holds nothing; sealed at that second. */
static void seal(uint32_t lane, uint64_t sequence, long second)
{
    uint8_t head[SEGMENT_INDEX_HEADER_BYTES + SEGMENT_INDEX_RECORD_BYTES_MAX];
    char name[SEGMENT_FILE_NAME_MAX], path[256];
    struct segment_record record = { .type = SEGMENT_RECORD_IDENTITY, .identity = { .tape_id = tape_id, .lane = lane, .sequence = sequence, .node = "n" } };
    const struct timespec times[2] = { { second, 0 }, { second, 0 } };
    size_t size = segment_index_put_header(head);
    size += segment_index_put(head + size, &record);
    segment_file_name(lane, sequence, name);
    for (int index = 0; index < 2; index++) {
        snprintf(path, sizeof path, "%s/%s%s", segments, name, index ? ".idx" : "");
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, head, size), (ssize_t)size);
        assert_int_equal(futimens(fd, times), 0);
        close(fd);
    }
}

static void lose(uint32_t lane, uint64_t sequence)
{
    char name[SEGMENT_FILE_NAME_MAX], path[256];
    segment_file_name(lane, sequence, name);
    for (int index = 0; index < 2; index++) {
        snprintf(path, sizeof path, "%s/%s%s", segments, name, index ? ".idx" : "");
        assert_int_equal(unlink(path), 0);
    }
}

static void next_is(struct tape_feed *feed, const char *id)
{
    struct tape_segment segment;
    assert_int_equal(tape_feed_next(feed, &segment), 1);
    assert_string_equal(segment.id, id);
}

static void segments_as_they_come(void **state)
{
    (void)state;
    struct tape_feed *feed = NULL;
    struct tape_segment segment;
    snprintf(segments, sizeof segments, "%s/segments", folder);
    assert_int_equal(tape_feed_new(folder, &feed), 0);
    assert_int_equal(tape_feed_next(feed, &segment), 0); /* no tape yet */
    tape_feed_free(feed);
    assert_int_equal(mkdir(segments, 0755), 0);
    seal(0, 4, 100);
    assert_int_equal(tape_feed_new(folder, &feed), 0);
    assert_int_equal(tape_feed_next(feed, &segment), 0); /* what was sealed before */
    assert_int_equal(tape_feed_next(feed, &segment), 0);
    seal(0, 5, 110);
    seal(0, 6, 130);
    seal(1, 0, 120); /* another lane, in the order of sealing */
    next_is(feed, "n/00000000000000aa/0/5");
    next_is(feed, "n/00000000000000aa/1/0");
    next_is(feed, "n/00000000000000aa/0/6");
    assert_int_equal(tape_feed_next(feed, &segment), 0);
    assert_int_equal(tape_feed_recycled(feed), 0);
    seal(0, 7, 140);
    seal(0, 8, 150);
    seal(0, 9, 160);
    lose(0, 7);
    lose(0, 8);
    next_is(feed, "n/00000000000000aa/0/9");
    assert_int_equal(tape_feed_recycled(feed), 2);
    tape_feed_free(feed);
    for (uint64_t sequence = 4; sequence < 10; sequence++)
        if (sequence != 7 && sequence != 8)
            lose(0, sequence);
    lose(1, 0);
}

static void make_tape(uint64_t id)
{
    char path[96];
    tape_id = id;
    snprintf(path, sizeof path, "%s/tape.id", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "%016llx\n", (unsigned long long)id);
    fclose(file);
}

/* Somebody emptied the folder: the new tape counts from 0 again. */
static void another_tape_begins_at_nothing(void **state)
{
    (void)state;
    struct tape_feed *feed = NULL;
    struct tape_segment segment;
    snprintf(segments, sizeof segments, "%s/segments", folder);
    make_tape(0xcc);
    seal(0, 40, 200);
    assert_int_equal(tape_feed_new(folder, &feed), 0);
    assert_int_equal(tape_feed_next(feed, &segment), 0);
    seal(0, 41, 210);
    next_is(feed, "n/00000000000000cc/0/41");
    lose(0, 40);
    lose(0, 41);
    assert_int_equal(tape_feed_next(feed, &segment), 0);
    make_tape(0xdd);
    seal(0, 0, 220);
    seal(0, 1, 230);
    next_is(feed, "n/00000000000000dd/0/0");
    next_is(feed, "n/00000000000000dd/0/1");
    assert_int_equal(tape_feed_next(feed, &segment), 0);
    assert_int_equal(tape_feed_recycled(feed), 0);
    lose(0, 0);
    lose(0, 1);
    tape_feed_free(feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(segments_as_they_come), cmocka_unit_test(another_tape_begins_at_nothing) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
