/* The cursor: what it remembers comes back; sums of the lost; gaps. */
#include "services/capturer/tape/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_folder.h"

static struct cursor_state state_a, state_b;

static void what_is_saved_comes_back(void **state)
{
    (void)state;
    char folder[TAPE_FOLDER_MAX];
    tape_folder_make(folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(cursor_load(fd, &state_b), -ENOENT);
    state_a = (struct cursor_state){ .published_ordinal = 7, .stream_sequence = UINT64_C(1) << 60, .next_ordinal = 9, .recorded_ns = INT64_C(1900000000123456789) };
    state_a.next_sequence[15] = 44;
    for (int i = 0; i < 300; i++)
        cursor_add_gap(&state_a, i * 10, i * 10 + 5);
    struct tape_segment segment = { .ordinal = 8, .first_ns = 5, .last_ns = 6, .ledger = { .offered_packets = 10, .written_packets = 9, .dropped_kernel_packets = 1, .events = 3 } };
    cursor_add_lost(&state_a, &segment);
    assert_int_equal(cursor_save(fd, &state_a), 0);
    assert_int_equal(cursor_load(fd, &state_b), 0);
    assert_memory_equal(&state_a, &state_b, sizeof state_a);
    assert_int_equal(state_b.gaps_count, CURSOR_GAPS_MAX);
    assert_true(state_b.gaps[0].from_ns == 0 && state_b.gaps[CURSOR_GAPS_MAX - 1].to_ns == 2995); /* the oldest are one */
    int file = openat(fd, "cursor", O_WRONLY | O_TRUNC);
    assert_true(write(file, "[1]", 3) == 3);
    close(file);
    assert_int_equal(cursor_load(fd, &state_b), -EBADMSG);
    close(fd);
    tape_folder_remove(folder);
}

static void lost_sums_and_is_taken_off_when_told(void **state)
{
    (void)state;
    memset(&state_a, 0, sizeof state_a);
    struct tape_segment one = { .ordinal = 3, .first_ns = 100, .last_ns = 200, .ledger = { .offered_packets = 10 } };
    struct tape_segment two = { .ordinal = 4, .opened_ns = 210, .sealed_ns = 300, .ledger = { .offered_packets = 5 } };
    struct tape_segment three = { .ordinal = 5, .first_ns = 310, .last_ns = 400, .ledger = { .offered_packets = 1 } };
    cursor_add_lost(&state_a, &one);
    cursor_add_lost(&state_a, &two);
    struct tape_lost told = state_a.lost;
    assert_true(told.first_ordinal == 3 && told.last_ordinal == 4 && told.first_ns == 100 && told.last_ns == 300 && told.ledger.offered_packets == 15);
    cursor_add_lost(&state_a, &three);           /* while it was being told */
    cursor_sub_lost(&state_a, &told);
    assert_true(state_a.lost.first_ordinal == 5 && state_a.lost.last_ordinal == 5 && state_a.lost.ledger.offered_packets == 1);
    told = state_a.lost;
    cursor_sub_lost(&state_a, &told);
    assert_true(state_a.lost.last_ordinal == 0 && state_a.lost.ledger.offered_packets == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_saved_comes_back), cmocka_unit_test(lost_sums_and_is_taken_off_when_told) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
