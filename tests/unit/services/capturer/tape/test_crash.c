/* kill -9 of a recording process at random moments: what was proved is there at the next start, nothing torn is visible, the time in between is a gap. A fake lane feeds; the rest is real.
 * ROUNDS (40) in the environment says how many kills. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/capturer/tape/internal.h"
#include "tests/support/fake_lane.h"
#include "tests/support/tape_folder.h"

#define CANARIES_MAX 100000u
#define BOX (UINT64_C(8) << 30)                  /* nothing is recycled */

/* What the child tells its murderer. */
struct witness { _Atomic int64_t proved; uint64_t packets_at[CANARIES_MAX]; _Atomic bool began; };

static struct tape *open_tape(const char *folder, enum tape_compress compress, bool no_uring)
{
    struct tape *tape = NULL;
    char error[256] = "";
    struct tape_options options = { .folder = folder, .node = "node-1", .lanes = 1, .storage_size = BOX, .segment_size = 4 * 1024 * 1024, .compress = compress, .force_writer_thread = no_uring };
    if (tape_open(&options, NULL, NULL, &tape, error) != 0) {
        fprintf(stderr, "%s\n", error);
        abort();
    }
    return tape;
}

static void record_until_killed(const char *folder, struct witness *witness, unsigned seed)
{
    struct tape *tape = open_tape(folder, seed % 3, seed % 2);
    struct lane *lane;
    struct fake_lane fake;
    uint32_t seals = 0;
    if (lane_new(0, &lane) < 0 || tape_writer_start(tape, lane) < 0)
        abort();
    fake_lane_init(&fake, lane);
    for (int64_t canary = 1; canary < CANARIES_MAX; canary++) {
        bool flush = rand_r(&seed) % 2 == 0;
        fake_lane_feed(&fake, 1000 + (uint32_t)rand_r(&seed) % 400000, 60 + (uint32_t)rand_r(&seed) % 3000, rand_r(&seed) % 2 ? 0 : 1000000000, flush, canary, &seals);
        witness->packets_at[canary] = fake.packets;
        atomic_store(&witness->began, true);
        if (rand_r(&seed) % 4 == 0)
            usleep((unsigned)rand_r(&seed) % 2000);
        atomic_store(&witness->proved, atomic_load(&lane->canary_proved_ns));
    }
    abort();
}

static void every_proved_packet_survives(void **state)
{
    (void)state;
    const char *text = getenv("ROUNDS");
    int rounds = text ? (int)strtol(text, NULL, 10) : 40;
    unsigned seed = (unsigned)getpid();
    struct witness *witness = mmap(NULL, sizeof *witness, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(witness != MAP_FAILED);
    char folder[TAPE_FOLDER_MAX];
    tape_folder_make(folder);
    uint64_t before = 0, segments_before = 0;
    for (int round = 0; round < rounds; round++) {
        memset(witness, 0, sizeof *witness);
        pid_t child = fork();
        if (child == 0)
            record_until_killed(folder, witness, seed + (unsigned)round);
        while (!atomic_load(&witness->began))
            usleep(100);
        usleep((unsigned)rand_r(&seed) % 60000);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        struct tape *tape = open_tape(folder, TAPE_COMPRESS_AUTO, false);
        struct tape_folder_sum sum = tape_folder_verify(folder);
        int64_t proved = atomic_load(&witness->proved);
        uint64_t least = before + (proved ? witness->packets_at[proved] : 0);
        if (sum.damages || sum.hidden || sum.orphans || sum.packets < least)
            fail_msg("round %d, seed %u: %d damages, %lu hidden, %lu orphans, %lu packets of at least %lu", round, seed, sum.damages, sum.hidden, sum.orphans, sum.packets, least);
        assert_true(sum.segments >= segments_before);
        struct segment_gap gaps[4];
        if (sum.segments > 0) {
            size_t count = tape_gaps(tape, 0, INT64_MAX, gaps, 4);
            assert_true(count > 0);
            assert_true(gaps[0].reason == SEGMENT_GAP_NOT_RECORDING && gaps[0].count_unknown && gaps[0].from_ns < gaps[0].to_ns);
        }
        struct tape_segment *list = calloc(4096, sizeof *list);
        size_t listed = tape_list(tape, 0, list, 4096);
        assert_int_equal(listed, sum.segments);
        for (size_t i = 1; i < listed; i++)
            assert_true(list[i].ordinal > list[i - 1].ordinal && list[i].sequence > list[i - 1].sequence);
        free(list);
        tape_close(tape);
        before = sum.packets;
        segments_before = sum.segments;
    }
    print_message("%d kills, %lu packets in %lu segments\n", rounds, before, segments_before);
    tape_folder_remove(folder);
    munmap(witness, sizeof *witness);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_proved_packet_survives) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
