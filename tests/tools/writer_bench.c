/* What the tape's writer costs: feeds a lane from memory as fast as the writer takes it and says the CPU seconds per GB of everything but the feeding: hashing, writing, sealing.
 *
 *   writer_bench [--folder DIR] [--gigabytes N] [--packet BYTES] [--compress auto|always|never] [--writer io_uring|direct|buffered] [--storage-size BYTES] [--rate MB/s]
 *
 * One line of JSON. CPU time of kernel workers that the process does not own (write-back, journal) is not in it. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "services/capturer/tape/internal.h"
#include "tests/support/fake_lane.h"
#include "tests/support/tape_folder.h"

struct bench { const char *parent; double gigabytes; uint32_t packet, rate_mb; enum tape_compress compress; int kind; uint64_t storage; };

static void usage(FILE *out)
{
    fputs("usage: writer_bench [--folder DIR] [--gigabytes N] [--packet BYTES] [--compress auto|always|never] [--writer io_uring|direct|buffered] [--storage-size BYTES] [--rate MB/s]\n", out);
}

static int word_of(const char *text, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    usage(stderr);
    exit(2);
}

static void options_read(struct bench *bench, int argc, char **argv)
{
    static const struct option options[] = { { "folder", 1, NULL, 'f' }, { "gigabytes", 1, NULL, 'g' }, { "packet", 1, NULL, 'p' }, { "compress", 1, NULL, 'c' },
                                             { "writer", 1, NULL, 'w' }, { "storage-size", 1, NULL, 's' }, { "rate", 1, NULL, 'r' }, { "help", 0, NULL, 'h' }, { 0 } };
    static const char *const compress[] = { "auto", "always", "never" }, *const kinds[] = { "io_uring", "direct", "buffered" };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (letter) {
        case 'f': bench->parent = optarg; break;
        case 'g': bench->gigabytes = strtod(optarg, NULL); break;
        case 'p': bench->packet = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'c': bench->compress = (enum tape_compress)word_of(optarg, compress, 3); break;
        case 'w': bench->kind = word_of(optarg, kinds, 3); break;
        case 's': bench->storage = strtoull(optarg, NULL, 10); break;
        case 'r': bench->rate_mb = (uint32_t)strtoul(optarg, NULL, 10); break;
        default: usage(letter == 'h' ? stdout : stderr); exit(letter == 'h' ? 0 : 2);
        }
}

static double seconds(const struct timeval *t) { return (double)t->tv_sec + (double)t->tv_usec / 1e6; }

static void cpu(int who, double *user, double *system)
{
    struct rusage usage_now;
    getrusage(who, &usage_now);
    *user = seconds(&usage_now.ru_utime);
    *system = seconds(&usage_now.ru_stime);
}

/* Bytes that neither compress away nor hit in a cache of one line. */
static void fill_chunks(struct lane *lane)
{
    uint64_t x = 88172645463325252u;
    for (uint32_t c = 0; c < LANE_CHUNKS; c++)
        for (size_t i = 0; i < LANE_CHUNK_BYTES; i += sizeof x) {
            x ^= x << 13; x ^= x >> 7; x ^= x << 17;
            memcpy(lane->chunks[c] + i, &x, sizeof x);
        }
}

static void feed(struct fake_lane *fake, const struct bench *bench)
{
    uint32_t seals = 0;
    int64_t began = units_now_mono_ns();
    int64_t fill_ns = bench->rate_mb ? INT64_C(1000000000) / bench->rate_mb : 0;
    while ((double)fake->bytes < bench->gigabytes * 1e9) {
        fake_lane_feed(fake, 1024 * 1024, bench->packet, fill_ns, false, 0, &seals);
        while (bench->rate_mb && (double)fake->bytes / 1e6 / bench->rate_mb > (double)(units_now_mono_ns() - began) / 1e9) {
            struct timespec pause = { 0, 200000 };
            nanosleep(&pause, NULL);
        }
    }
}

int main(int argc, char **argv)
{
    struct bench bench = { .parent = "/var/tmp", .gigabytes = 4, .packet = 1500, .kind = -1, .storage = UINT64_C(4) << 30 };
    options_read(&bench, argc, argv);
    char folder[TAPE_FOLDER_MAX], error[256];
    tape_folder_make_in(bench.parent, folder);
    struct tape *tape = NULL;
    struct lane *lane = NULL;
    struct tape_options options = { .folder = folder, .node = "bench", .storage_size = bench.storage, .lanes = 1, .compress = bench.compress };
    if (tape_open(&options, NULL, NULL, &tape, error) < 0 || lane_new(0, &lane) < 0) {
        fprintf(stderr, "writer_bench: %s\n", error);
        return 1;
    }
    if (bench.kind >= 0)
        tape->disk_kind = (enum disk_kind)bench.kind;
    fill_chunks(lane);
    double user, system, own_user, own_system, user_before, system_before, own_user_before, own_system_before;
    cpu(RUSAGE_SELF, &user_before, &system_before);
    cpu(RUSAGE_THREAD, &own_user_before, &own_system_before);
    int64_t began = units_now_mono_ns();
    struct fake_lane fake;
    (void)tape_writer_start(tape, lane);
    fake_lane_init(&fake, lane);
    feed(&fake, &bench);
    fake_lane_stop(&fake);
    cpu(RUSAGE_THREAD, &own_user, &own_system);
    tape_writer_join(tape, lane);
    const char *kind = tape_writer_kind(tape);
    tape_close(tape);
    cpu(RUSAGE_SELF, &user, &system);
    double wall = (double)(units_now_mono_ns() - began) / 1e9, gigabytes = (double)fake.bytes / 1e9;
    user -= user_before + own_user - own_user_before;
    system -= system_before + own_system - own_system_before;
    printf("{\"writer\":\"%s\",\"gigabytes\":%.2f,\"packets\":%llu,\"seconds\":%.2f,\"gigabytes_per_s\":%.2f,\"user_s_per_gb\":%.4f,\"system_s_per_gb\":%.4f,\"cpu_s_per_million_packets\":%.4f,\"dropped\":%llu}\n",
           kind, gigabytes, (unsigned long long)fake.packets, wall, gigabytes / wall, user / gigabytes, system / gigabytes, (user + system) / (double)fake.packets * 1e6,
           (unsigned long long)atomic_load(&lane->disk_dropped_packets));
    lane_free(lane);
    tape_folder_remove(folder);
    return 0;
}
