#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/pcap_classic.h"
#include "services/dissector/input/merge.h"
#include "services/dissector/work/partition.h"
#include "tests/unit/lib/capfile/frame_builder.h"
#include "tests/unit/services/dissector/flow/packet_builder.h"

#define INPUTS 3
#define PATH_BYTES 64
#define PACKETS 4000

static char folder[PATH_BYTES];
static char captures[INPUTS][PATH_BYTES + 16], partitions[INPUTS][PATH_BYTES + 16];
static struct built b;

/* The last capture goes into an LZ4 frame: its partition is packed, too. */
static void pack(const char *path)
{
    static uint8_t bytes[16 * 1024 * 1024];
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    size_t size = frame_pack(bytes, fread(bytes, 1, sizeof bytes / 2, f), sizeof bytes, true);
    rewind(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)size), 0);
}

static void write_packet(FILE *f, int64_t time_ns)
{
    uint8_t head[PCAP_CLASSIC_PACKET_BYTES];
    pcap_classic_put_packet(head, time_ns, built_size(&b), built_size(&b));
    assert_int_equal(fwrite(head, sizeof head, 1, f), 1);
    assert_int_equal(fwrite(built_data(&b), built_size(&b), 1, f), 1);
}

/* A few hundred connections over all files, some packets a little out of order, and long ones; and a datagram whose halves lie in the first and the second file. */
static void make_capture(int input)
{
    FILE *f = fopen(captures[input], "w");
    uint8_t header[PCAP_CLASSIC_HEADER_BYTES];
    static uint8_t filler[66000 - 1000];
    assert_non_null(f);
    pcap_classic_put_header(header, 101, 262144);
    assert_int_equal(fwrite(header, sizeof header, 1, f), 1);
    uint32_t seed = 7u + (uint32_t)input;
    for (int i = 0; i < PACKETS; i++) {
        seed = seed * 1664525u + 1013904223u;
        built_clear(&b);
        built_put(&b, filler, i % 500 == 7 ? 65000 : (seed >> 8) % 300);
        if (seed & 0x10000)
            built_tcp(&b, (uint16_t)(1024 + (seed >> 20) % 300), 80, (uint32_t)i, seed, 0x10);
        else
            built_udp(&b, (uint16_t)(1024 + (seed >> 20) % 300), 53);
        built_ipv4(&b, seed & 0x10000 ? 6 : 17, 1, 2, 1, 0);
        /* The files overlap in time by a half. */
        write_packet(f, INT64_C(1000000000) + input * INT64_C(2000) * 1000 + i * INT64_C(1000) - (i % 13 == 0 ? 2500 : 0));
    }
    if (input < 2) {
        built_clear(&b);
        built_text(&b, input == 0 ? "the first half, " : "and the second.");
        if (input == 0)
            BUILT_PUT(&b, 0, 7, 0, 9, 0, 39, 0, 0);
        built_ipv4(&b, 17, 1, 2, 77, input == 0 ? 0x2000 : 3);
        write_packet(f, INT64_C(1000000000) + (input * 2000 + PACKETS) * INT64_C(1000));
    }
    assert_int_equal(fclose(f), 0);
    if (input == 2)
        pack(captures[input]);
}

static int make_all(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_partition.XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < INPUTS; i++) {
        snprintf(captures[i], sizeof captures[i], "%s/%d.pcap", folder, i);
        snprintf(partitions[i], sizeof partitions[i], "%s/%d.part", folder, i);
        make_capture(i);
    }
    return 0;
}

static int remove_all(void **state)
{
    (void)state;
    for (int i = 0; i < INPUTS; i++) {
        unlink(captures[i]);
        unlink(partitions[i]);
    }
    rmdir(folder);
    return 0;
}

/* What one reader of all sees, by shard. */
struct seen { struct shard_packet *list; uint32_t count, room; };
static struct seen seen[SHARDS];

static void see(const struct shard_packet *packet)
{
    struct seen *s = &seen[packet->hash % SHARDS];
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 64;
        s->list = reallocarray(s->list, s->room, sizeof *s->list);
        assert_non_null(s->list);
    }
    struct shard_packet *copy = &s->list[s->count++];
    *copy = *packet;
    uint8_t *data = malloc(packet->captured + 1);
    assert_non_null(data);
    if (packet->captured)
        memcpy(data, packet->data, packet->captured);
    copy->data = data;
}

static struct input_plan *read_all(void)
{
    const char *names[INPUTS] = { captures[0], captures[1], captures[2] };
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_plan *plan = NULL;
    struct input_merge *merge = NULL;
    struct decoder *decoder = NULL;
    const struct input_packet *packets;
    assert_int_equal(input_plan_new(names, INPUTS, &plan, error), 0);
    assert_int_equal(input_merge_new(plan, NULL, NULL, &merge), 0);
    assert_int_equal(decoder_new(&decoder), 0);
    int n;
    while ((n = input_merge_next(merge, INPUT_BATCH_MAX, &packets)) > 0)
        for (int i = 0; i < n; i++) {
            struct shard_packet packet;
            if (decode_packet(decoder, &packets[i], &packet))
                see(&packet);
        }
    assert_int_equal(n, 0);
    decoder_free(decoder);
    input_merge_free(merge);
    return plan;
}

static void check_same(const struct shard_packet *a, const struct shard_packet *is)
{
    struct shard_packet x = *a, y = *is;
    x.data = y.data = NULL;
    assert_memory_equal(&x, &y, sizeof x);
    assert_memory_equal(a->data, is->data, a->captured);
}

static uint32_t mapped_files(void)
{
    char line[512];
    uint32_t count = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        count += strstr(line, folder) != NULL;
    fclose(f);
    return count;
}

/* All that was seen comes out again, and no more than `mapped` files are mapped at a time. */
static void read_back(const char *const *paths, uint32_t paths_count, uint32_t mapped)
{
    static const uint32_t group = 64;
    uint64_t tcp = 0, udp = 0, rows = 0, total = 0;
    for (uint32_t first = 0; first < SHARDS; first += group) {
        struct partition_set *set = NULL;
        uint64_t carried_tcp, carried_udp;
        assert_int_equal(partition_set_open(paths, paths_count, first, group, &set, NULL), 0);
        rows += partition_set_rows(set);
        partition_set_carried(set, &carried_tcp, &carried_udp);
        tcp += carried_tcp;
        udp += carried_udp;
        for (uint32_t shard = first; shard < first + group; shard++) {
            struct shard_packet packet;
            uint32_t count = 0;
            int r;
            assert_int_equal(partition_set_begin(set, shard), 0);
            while ((r = partition_set_next(set, &packet)) > 0) {
                assert_true(count < seen[shard].count);
                check_same(&packet, &seen[shard].list[count++]);
            }
            assert_true(mapped_files() <= mapped);
            assert_int_equal(r, 0);
            assert_int_equal(count, seen[shard].count);
            total += count;
        }
        partition_set_free(set);
    }
    assert_int_equal(mapped_files(), 0);
    assert_int_equal(tcp, 0);
    assert_int_equal(udp, 1);
    assert_int_equal(total, INPUTS * PACKETS + 1);
    assert_int_equal(rows, total);
}

/* Beside so many others that not all can stay mapped. */
static void read_back_among_many(void)
{
    enum { MORE = PARTITION_MAPPED_MAX };
    static char more[MORE][PATH_BYTES + 16];
    static const char *paths[MORE + INPUTS];
    char hidden[PATH_BYTES + 32];
    snprintf(hidden, sizeof hidden, "%s/.hidden", folder);
    for (uint32_t i = 0; i < MORE; i++) {
        struct partition_writer *writer = NULL;
        snprintf(more[i], sizeof more[i], "%s/more-%u", folder, i);
        assert_int_equal(partition_writer_new(more[i], hidden, INPUTS + i, 0, false, &writer), 0);
        assert_int_equal(partition_writer_finish(writer), 0);
        partition_writer_free(writer);
        paths[i < MORE / 2 ? i : i + INPUTS] = more[i];
    }
    for (uint32_t i = 0; i < INPUTS; i++)
        paths[MORE / 2 + i] = partitions[i];
    read_back(paths, MORE + INPUTS, INPUTS);
    for (uint32_t i = 0; i < MORE; i++)
        unlink(more[i]);
}

static void the_same_as_one_reader_of_all(void **state)
{
    (void)state;
    struct input_plan *plan = read_all();
    for (uint32_t i = INPUTS; i-- > 0;) { /* in any order */
        struct partition_map_counts counts;
        char hidden[PATH_BYTES + 32], problem[INPUT_ERROR_TEXT_MAX], error[STAGE_ERROR_TEXT_MAX];
        snprintf(hidden, sizeof hidden, "%s/.hidden", folder);
        assert_int_equal(partition_map(&plan->inputs[i], i, false, partitions[i], hidden, NULL, &counts, problem, error), 0);
        assert_string_equal(problem, "");
        assert_int_equal(counts.input.packets, PACKETS + (i < 2));
        assert_int_equal(counts.left_dropped, 0);
        assert_int_equal(access(hidden, F_OK), -1);
    }
    struct stat plain, packed;
    assert_int_equal(stat(partitions[0], &plain), 0);
    assert_int_equal(stat(partitions[2], &packed), 0);
    assert_true(packed.st_size < plain.st_size / 2);
    read_back((const char *const[]){ partitions[2], partitions[0], partitions[1] }, INPUTS, INPUTS);
    read_back_among_many();
    for (uint32_t i = 0; i < SHARDS; i++) {
        for (uint32_t k = 0; k < seen[i].count; k++)
            free((void *)seen[i].list[k].data);
        free(seen[i].list);
    }
    input_plan_free(plan);
}

static bool stop_now(void *context, uint64_t done, uint64_t whole)
{
    (void)context;
    (void)done;
    (void)whole;
    return false;
}

static void stopped_or_refused(void **state)
{
    (void)state;
    struct partition_map_counts counts;
    char hidden[PATH_BYTES + 32], path[PATH_BYTES + 32], error[STAGE_ERROR_TEXT_MAX];
    snprintf(hidden, sizeof hidden, "%s/.hidden", folder);
    snprintf(path, sizeof path, "%s/other", folder);
    struct input input = { .path = captures[0], .segment_id = "", .node_name = "" };
    struct stage_progress progress = { .advance = stop_now };
    assert_int_equal(partition_map(&input, 0, false, path, hidden, &progress, &counts, NULL, error), -ECANCELED);
    assert_int_equal(access(hidden, F_OK), -1);
    assert_int_equal(access(path, F_OK), -1);
    input.path = "/nowhere";
    assert_int_equal(partition_map(&input, 0, false, path, hidden, NULL, &counts, NULL, error), -ENOENT);
    assert_non_null(strstr(error, "/nowhere"));
    /* Or it is left out. */
    char problem[INPUT_ERROR_TEXT_MAX];
    struct partition_set *set = NULL;
    const char *paths[] = { path };
    assert_int_equal(partition_map(&input, 0, true, path, hidden, NULL, &counts, problem, error), 0);
    assert_string_equal(problem, "it cannot be read: No such file or directory");
    assert_string_equal(error, "");
    assert_int_equal(counts.input.inputs, 0);
    assert_int_equal(partition_set_open(paths, 1, 0, SHARDS, &set, NULL), 0);
    assert_int_equal(partition_set_rows(set), 0);
    partition_set_free(set);
    assert_int_equal(unlink(path), 0);
}

/* Every byte of the file, turned: the file is refused, or its rows are the same as before (padding is all that no check covers, and it is covered too). */
static void damage(bool packed)
{
    const char *path = partitions[packed ? 2 : 0];
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    long size = ftell(f);
    const char *paths[] = { path };
    for (long at = 16; at < size; at += at + 600 < size ? 997 : 13) {
        struct partition_set *set = NULL;
        uint8_t byte, turned;
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fread(&byte, 1, 1, f), 1);
        turned = byte ^ 0x40;
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite(&turned, 1, 1, f), 1);
        fflush(f);
        uint32_t bad = 9;
        int r = partition_set_open(paths, 1, 0, SHARDS, &set, &bad);
        for (uint32_t shard = 0; r >= 0 && shard < SHARDS; shard++) {
            struct shard_packet packet;
            r = partition_set_begin(set, shard);
            while (r >= 0 && (r = partition_set_next(set, &packet)) > 0)
                ;
        }
        /* The tail's count of rows is told, not used. */
        if (at < size - 16 || at >= size - 8)
            assert_int_equal(r, -EBADMSG);
        partition_set_free(set);
        assert_int_equal(fseek(f, at, SEEK_SET), 0);
        assert_int_equal(fwrite(&byte, 1, 1, f), 1);
    }
    fclose(f);
    assert_int_equal(truncate(path, size - 1), 0);
    struct partition_set *set = NULL;
    uint32_t bad = 9;
    assert_int_equal(partition_set_open(paths, 1, 0, SHARDS, &set, &bad), -EBADMSG);
    assert_int_equal(bad, 0);
}

static void damage_is_found(void **state)
{
    (void)state;
    damage(false);
    damage(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_as_one_reader_of_all), cmocka_unit_test(stopped_or_refused), cmocka_unit_test(damage_is_found) };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
