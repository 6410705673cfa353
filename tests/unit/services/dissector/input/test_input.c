#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "capfile/pcap_classic.h"
#include "services/dissector/input/input.h"
#include "tests/unit/lib/capfile/frame_builder.h"
#include "tests/unit/lib/capfile/segment_builder.h"

#define FILE_BYTES_MAX (4u * 1024 * 1024)
#define PATH_BYTES 64
static uint8_t file[FILE_BYTES_MAX];
static size_t used;
static char path[PATH_BYTES], index_path[PATH_BYTES + 8];

static void put(const void *data, size_t size)
{
    assert_true(used + size <= sizeof file);
    memcpy(file + used, data, size);
    used += size;
}
static void put_u32(uint32_t v, bool swap)
{
    v = swap ? htobe32(v) : htole32(v);
    put(&v, sizeof v);
}
static void put_u16(uint16_t v, bool swap)
{
    v = swap ? htobe16(v) : htole16(v);
    put(&v, sizeof v);
}

static void save(void)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(used == 0 || fwrite(file, used, 1, f) == 1);
    assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_input.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    used = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(index_path);
    return 0;
}

static struct input_reader *open_input(const struct input *input)
{
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_reader *reader = NULL;
    assert_int_equal(input_open(input, 5, &reader, error), 0);
    return reader;
}

static const struct input plain = { .path = path, .segment_id = "", .node_name = "", .node = 4 };

/* All packets of a file: each its number as 4 bytes (little-endian) in front. Returns how many; their numbers and frames in order. */
struct found { uint32_t count; uint32_t numbers[20000], frames[20000]; int64_t times[20000]; uint32_t links[20000]; uint64_t points[20000]; bool watched[20000]; char problem[INPUT_ERROR_TEXT_MAX]; struct input_counters counters; };
static struct found found;

static void take(struct input_reader *reader, const struct input_packet *packets, int n)
{
    (void)reader;
    for (int i = 0; i < n; i++) {
        uint32_t number;
        assert_true(packets[i].captured >= 4);
        memcpy(&number, packets[i].data, sizeof number);
        assert_int_equal(packets[i].input, 5);
        assert_int_equal(packets[i].node, 4);
        assert_true(packets[i].order_ns >= packets[i].time_ns);
        found.numbers[found.count] = number;
        found.frames[found.count] = packets[i].frame;
        found.times[found.count] = packets[i].time_ns;
        found.links[found.count] = packets[i].link_type;
        found.watched[found.count] = packets[i].watched;
        found.points[found.count++] = packets[i].point;
    }
}

static void read_input(const struct input *input, uint32_t batch)
{
    struct input_packet packets[INPUT_BATCH_MAX];
    struct input_reader *reader = open_input(input);
    memset(&found, 0, sizeof found);
    int n;
    while ((n = input_next(reader, packets, batch)) > 0)
        take(reader, packets, n);
    assert_int_equal(n, 0);
    assert_int_equal(input_next(reader, packets, batch), 0); /* it stays over */
    snprintf(found.problem, sizeof found.problem, "%s", input_problem(reader) ? input_problem(reader) : "");
    found.counters = *input_counters(reader);
    assert_int_equal(found.counters.packets, found.count);
    input_close(reader);
}

static void classic_header(uint32_t magic, bool swap, uint32_t link_type)
{
    put_u32(magic, swap);
    put_u16(2, swap);
    put_u16(4, swap);
    put_u32(0, swap);
    put_u32(0, swap);
    put_u32(262144, swap);
    put_u32(link_type, swap);
}

static void classic_packet(bool swap, bool modified, uint32_t number, uint32_t fraction, uint32_t size)
{
    static const uint8_t more[8], filler[65536];
    put_u32(100 + number, swap);
    put_u32(fraction, swap);
    put_u32(size, swap);
    put_u32(size + 2, swap);
    if (modified)
        put(more, sizeof more);
    put_u32(number, false);
    put(filler, size - 4);
}

static void classic_kinds(void **state)
{
    (void)state;
    static const struct { uint32_t magic, tick; bool modified; } kinds[] = { { 0xa1b2c3d4, 1000, false }, { 0xa1b23c4d, 1, false }, { 0xa1b2cd34, 1000, true } };
    for (unsigned k = 0; k < 3; k++)
        for (int swap = 0; swap < 2; swap++) {
            used = 0;
            classic_header(kinds[k].magic, swap, 113);
            for (uint32_t i = 0; i < 1000; i++)
                classic_packet(swap, kinds[k].modified, i, i * 7, 4 + i % 50);
            save();
            read_input(&plain, 1 + k * 100);
            assert_int_equal(found.count, 1000);
            assert_string_equal(found.problem, "");
            assert_int_equal(found.counters.truncated, 1000);
            for (uint32_t i = 0; i < 1000; i++) {
                assert_int_equal(found.numbers[i], i);
                assert_int_equal(found.frames[i], i + 1);
                assert_int_equal(found.times[i], INT64_C(1000000000) * (100 + i) + (int64_t)i * 7 * kinds[k].tick);
                assert_int_equal(found.links[i], 113);
                assert_int_equal(found.points[i], input_point("", "", 0));
            }
        }
}

/* Cut anywhere, what is whole is read; and something is said unless the cut lies between two packets. */
static void torn_classic(void **state)
{
    (void)state;
    classic_header(0xa1b2c3d4, false, 1);
    for (uint32_t i = 0; i < 10; i++)
        classic_packet(false, false, i, 0, 20);
    for (size_t whole = used; used-- > 0;) {
        save();
        read_input(&plain, INPUT_BATCH_MAX);
        uint32_t count = used < 24 ? 0 : (uint32_t)(used - 24) / 36;
        assert_int_equal(found.count, count);
        assert_int_equal(*found.problem == 0, used >= 24 && (used - 24) % 36 == 0);
        assert_int_equal(found.counters.torn, *found.problem != 0);
        assert_true(whole > used);
    }
}

static void nonsense_is_told(void **state)
{
    (void)state;
    static const uint8_t gzip[] = { 0x1f, 0x8b, 8, 0, 0, 0 };
    put(gzip, sizeof gzip);
    save();
    read_input(&plain, 10);
    assert_non_null(strstr(found.problem, "gzip"));
    used = 0;
    put("no capture at all", 17);
    save();
    read_input(&plain, 10);
    assert_int_not_equal(*found.problem, 0);
    used = 0;
    classic_header(0xa1b2c3d4, false, 1);
    classic_packet(false, false, 0, 0, 20);
    put_u32(0, false);
    put_u32(0, false);
    put_u32(PCAP_CLASSIC_CAPTURED_MAX + 1, false);
    put_u32(0, false);
    put("the packet's bytes would be here", 32);
    save();
    read_input(&plain, 10);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(found.problem, "frame 1"));
    char error[INPUT_ERROR_TEXT_MAX];
    struct input_reader *reader = NULL;
    const struct input none = { .path = "/nowhere", .segment_id = "", .node_name = "" };
    assert_int_equal(input_open(&none, 0, &reader, error), -ENOENT);
    assert_non_null(strstr(error, "/nowhere"));
}

static void block(uint32_t type, const void *body, uint32_t size)
{
    uint32_t total = 12 + ((size + 3) & ~3u);
    put_u32(type, false);
    put_u32(total, false);
    put(body, size);
    put(&(uint32_t){ 0 }, (4 - size % 4) % 4);
    put_u32(total, false);
}

static void section_and_interfaces(void)
{
    used += pcapng_put_section(file + used, NULL, NULL, NULL, NULL);
    used += pcapng_put_interface(file + used, 1, "eth0", NULL);
    used += pcapng_put_interface(file + used, 101, "", NULL);
    used += pcapng_put_interface(file + used, 1, "canary", PCAPNG_CANARY_DESCRIPTION);
}

static void epb(uint32_t interface, int64_t time_ns, uint32_t number)
{
    uint32_t total = (uint32_t)pcapng_epb_bytes(20, false);
    uint8_t *data = pcapng_epb_begin(file + used, total, interface, (uint64_t)time_ns, 20, 20);
    memset(data, 0, 20);
    memcpy(data, &number, sizeof number);
    pcapng_epb_end(data, total, 20, 0, 0);
    used += total;
}

/* The numbers are those that tshark 4.0.17 gives: journal entries, custom blocks and system calls have one, unknown blocks and statistics have none. */
static void frames_as_wireshark_counts(void **state)
{
    (void)state;
    static const char journal[] = "__REALTIME_TIMESTAMP=5\nMESSAGE=x\n";
    section_and_interfaces();
    epb(0, 1, 1);                           /* frame 1 */
    block(9, journal, sizeof journal - 1);  /* 2 */
    block(0xbad, "\0\0\1\0abcd", 8);        /* 3 */
    epb(1, 2, 4);
    block(0x7777, "abcd", 4);
    block(10, "abcdabcd", 8);
    struct pcapng_statistics statistics = { 0 };
    used += pcapng_put_statistics(file + used, 0, &statistics, NULL);
    epb(2, 3, 99);                          /* the canary, 5 */
    block(3, "\4\0\0\0\6\0\0\0", 8);        /* a simple packet of 4 bytes: 6 */
    block(2, "\1\0\0\0" "\0\0\0\0\2\0\0\0" "\4\0\0\0\4\0\0\0" "\7\0\0\0", 24); /* obsolete: 7 */
    section_and_interfaces();
    epb(0, 1, 8);
    save();
    for (uint32_t batch = 1; batch < 5; batch++) {
        static const uint32_t numbers[] = { 1, 4, 6, 7, 8 }, links[] = { 1, 101, 1, 101, 1 };
        read_input(&plain, batch);
        assert_string_equal(found.problem, "");
        assert_int_equal(found.count, 5);
        assert_memory_equal(found.numbers, numbers, sizeof numbers);
        assert_memory_equal(found.frames, numbers, sizeof numbers);
        assert_memory_equal(found.links, links, sizeof links);
        assert_int_equal(found.counters.frames, 8);
        assert_int_equal(found.counters.canaries, 1);
        assert_int_equal(found.counters.events, 1);
        assert_int_equal(found.points[0], input_point("", "eth0", 0));
        assert_int_equal(found.points[1], input_point("", "", 1));
        assert_int_equal(found.points[4], found.points[0]);
        assert_int_not_equal(found.points[1], found.points[0]);
    }
    assert_int_not_equal(input_point("a", "b", 0), input_point("ab", "", 0));
    for (size_t whole = used; used-- > 0;) { /* cut anywhere */
        save();
        read_input(&plain, INPUT_BATCH_MAX);
        assert_true(found.count <= 5 && whole > used);
    }
}

/* Packets that nobody can look into are given out, and told at the end, with what else was wrong. */
static void unknown_link_types(void **state)
{
    (void)state;
    classic_header(0xa1b2c3d4, false, 10);
    for (uint32_t i = 0; i < 3; i++)
        classic_packet(false, false, i, 0, 20);
    save();
    read_input(&plain, 2);
    assert_int_equal(found.count, 3);
    assert_non_null(strstr(found.problem, "3 packets are not read, of link type 10 (FDDI); known are NULL, ETHERNET"));
    assert_int_equal(found.counters.torn, 0);
    used -= 1;
    save();
    read_input(&plain, 2);
    assert_non_null(strstr(found.problem, "behind frame 2; 2 packets are not read"));
    used = 0;
    section_and_interfaces();
    used += pcapng_put_interface(file + used, 189, "usbmon", NULL);
    used += pcapng_put_interface(file + used, 60000, "", NULL);
    epb(0, 1, 1);
    epb(3, 2, 2);
    save();
    read_input(&plain, 2);
    assert_non_null(strstr(found.problem, "1 packets are not read, of link type 189 (USB_LINUX); known"));
    epb(4, 3, 3);
    save();
    read_input(&plain, 2);
    assert_int_equal(found.count, 3);
    assert_non_null(strstr(found.problem, "2 packets are not read, of link type 189 (USB_LINUX) and others; known"));
}

static void windows(void **state)
{
    (void)state;
    struct input input = plain;
    section_and_interfaces();
    for (uint32_t i = 0; i < 100; i++)
        epb(0, 1000 + i, i);
    save();
    input.from_ns = 1010;
    input.to_ns = 1019;
    read_input(&input, 3);
    assert_int_equal(found.count, 10);
    assert_int_equal(found.numbers[0], 10);
    assert_int_equal(found.frames[0], 11);
    assert_int_equal(found.counters.outside_window, 90);
    assert_int_equal(found.counters.frames, 100);
}

/* A second after its own first packet, in the window; a new section, which may be another capture, and a loss begin anew. */
static void a_point_is_watched_after_a_second(void **state)
{
    (void)state;
    enum { S = 1000000000 };
    static const bool watched[] = { false, false, false, true, true, false, true, false, true, false, false, false, true };
    struct input input = plain;
    section_and_interfaces();
    epb(0, 1 * (int64_t)S, 0);
    epb(0, 2 * (int64_t)S - 1, 1);
    epb(1, 5 * (int64_t)S, 2);                  /* another interface */
    epb(0, 6 * (int64_t)S, 3);
    epb(1, 6 * (int64_t)S, 4);
    section_and_interfaces();
    epb(0, 1007 * (int64_t)S, 5);               /* as of two captures, one behind the other */
    epb(0, 1008 * (int64_t)S, 6);
    used += pcapng_put_section(file + used, NULL, NULL, NULL, NULL);
    used += pcapng_put_interface(file + used, 1, "eth1", NULL);
    epb(0, 1009 * (int64_t)S, 7);
    epb(0, 1010 * (int64_t)S, 8);
    uint32_t total = (uint32_t)pcapng_epb_bytes(20, true);
    uint8_t *data = pcapng_epb_begin(file + used, total, 0, 1012 * (uint64_t)S, 20, 20);
    memset(data, 0, 20);
    data[0] = 9;
    pcapng_epb_end(data, total, 20, 0, 3);      /* behind three that the capture lost */
    used += total;
    epb(0, 1010 * (int64_t)S, 10);              /* an old one: nobody was watched since then */
    epb(0, 1013 * (int64_t)S - 1, 11);
    epb(0, 1013 * (int64_t)S, 12);
    save();
    read_input(&plain, 3);
    assert_int_equal(found.count, 13);
    for (uint32_t i = 0; i < found.count; i++)
        assert_int_equal(found.numbers[i], i);
    assert_memory_equal(found.watched, watched, sizeof watched);
    input.from_ns = 6 * (int64_t)S;
    input.to_ns = INT64_MAX;
    read_input(&input, 3);
    assert_int_equal(found.numbers[0], 3);
    assert_false(found.watched[0] || found.watched[1] || found.watched[2]);
    assert_true(found.watched[3]);
    used = 0;
    classic_header(0xa1b2c3d4, false, 1);
    for (uint32_t i = 0; i < 3; i++)            /* a second apart */
        classic_packet(false, false, i, 0, 20);
    save();
    read_input(&plain, 3);
    assert_false(found.watched[0]);
    assert_true(found.watched[1] && found.watched[2]);
}

/* Those that are further apart than a number of nanoseconds can say, too. */
static void times_may_be_any(void **state)
{
    (void)state;
    const int64_t offset_s = -9000000000;
    uint8_t body[32] = { 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0 }; /* if_tsresol 9, if_tsoffset, the end */
    memcpy(body + 20, &offset_s, sizeof offset_s);
    used += pcapng_put_section(file + used, NULL, NULL, NULL, NULL);
    block(1, body, sizeof body);
    epb(0, 0, 0);
    epb(0, (int64_t)UINT64_C(18200000000000000000), 1);
    save();
    read_input(&plain, 3);
    assert_int_equal(found.count, 2);
    assert_true(found.times[0] == -9000000000 * INT64_C(1000000000) && found.times[1] == INT64_C(9200000000000000000));
    assert_true(!found.watched[0] && found.watched[1]);
}

static void any_lz4_frame(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        used = 0;
        if (kind & 1)
            section_and_interfaces();
        else
            classic_header(0xa1b2c3d4, false, 1);
        for (uint32_t i = 0; i < 10000; i++) {
            if (kind & 1)
                epb(0, 1000 + i, i);
            else
                classic_packet(false, false, i, 0, 4 + i % 400);
        }
        used = frame_pack(file, used, sizeof file, kind & 2);
        save();
        read_input(&plain, INPUT_BATCH_MAX);
        assert_string_equal(found.problem, "");
        assert_int_equal(found.count, 10000);
        for (uint32_t i = 0; i < 10000; i++)
            assert_true(found.numbers[i] == i && found.frames[i] == i + 1);
        size_t whole = used;
        for (used = whole - 1; used > 64; used = used * 2 / 3) {
            save();
            read_input(&plain, INPUT_BATCH_MAX);
            assert_non_null(strstr(found.problem, "LZ4"));
            assert_int_equal(found.counters.torn, 1);
        }
        used = whole;
        file[whole / 2] ^= 0x55;
        file[whole / 2 + 1] ^= 0x55;
        save();
        struct input_packet packets[INPUT_BATCH_MAX]; /* what is in them depends on what was hit; something is said */
        struct input_reader *reader = open_input(&plain);
        while (input_next(reader, packets, INPUT_BATCH_MAX) > 0)
            ;
        assert_non_null(input_problem(reader));
        input_close(reader);
    }
}

/* A writer that is slow: packets come out as soon as they are whole. */
static void standard_input(void **state)
{
    (void)state;
    int pipes[2], kept = dup(STDIN_FILENO);
    struct input input = plain;
    struct input_packet packets[INPUT_BATCH_MAX];
    input.path = "-";
    section_and_interfaces();
    for (uint32_t i = 0; i < 3; i++)
        epb(0, 1000 + i, i);
    assert_int_equal(pipe(pipes), 0);
    assert_true(dup2(pipes[0], STDIN_FILENO) >= 0);
    assert_int_equal(write(pipes[1], file, used - 7), (ssize_t)used - 7);
    memset(&found, 0, sizeof found);
    struct input_reader *reader = open_input(&input);
    int n = input_next(reader, packets, INPUT_BATCH_MAX);
    assert_int_equal(n, 2); /* the third is not whole */
    take(reader, packets, n);
    assert_int_equal(write(pipes[1], file + used - 7, 7), 7);
    n = input_next(reader, packets, INPUT_BATCH_MAX);
    assert_int_equal(n, 1);
    take(reader, packets, n);
    close(pipes[1]);
    assert_int_equal(input_next(reader, packets, INPUT_BATCH_MAX), 0);
    assert_null(input_problem(reader));
    assert_int_equal(found.numbers[2], 2);
    assert_int_equal(input_position(reader), used);
    input_close(reader);
    assert_true(dup2(kept, STDIN_FILENO) >= 0);
    close(kept);
    close(pipes[0]);
}

static void make_segment(bool compressed)
{
    struct builder b;
    builder_open(&b, path, "node-a", 0, 7);
    builder_section(&b);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), canary = builder_interface(&b, "canary", 1, true);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t data[60] = { 0 };
        memcpy(data, &i, sizeof i);
        builder_packet(&b, eth, 1000 + (int64_t)i, data, sizeof data, 0, 0);
        if (i % 1000 == 500)
            builder_packet(&b, canary, 1000 + (int64_t)i, data, sizeof data, 0, 0);
        if (i % 1000 == 700)
            builder_event(&b, 1, "event");
        if (i % 1000 == 999)
            builder_end_block(&b, SEGMENT_BLOCK_DATA, compressed);
    }
    builder_statistics(&b);
    builder_seal(&b, 1);
}

static uint32_t frame_of(uint32_t i) { return 1 + i + (i + 499) / 1000 + (i + 299) / 1000; }

static void check_segment(void)
{
    assert_int_equal(found.count, 5000);
    for (uint32_t i = 0; i < 5000; i++)
        assert_true(found.numbers[i] == i && found.frames[i] == frame_of(i));
    assert_int_equal(found.counters.frames, 5010);
    assert_int_equal(found.counters.canaries, 5);
    assert_int_equal(found.counters.events, 5);
}

static void segments(void **state)
{
    (void)state;
    struct input input = plain;
    input.node_name = "node-a";
    for (int compressed = 0; compressed < 2; compressed++) {
        make_segment(compressed);
        read_input(&input, 100);
        check_segment();
        assert_string_equal(found.problem, "");
        assert_int_equal(found.points[0], input_point("node-a", "eth0", 0));
        /* A window skips blocks without looking into them; the frames keep their numbers. */
        input.from_ns = 3500;
        input.to_ns = 3600;
        read_input(&input, 100);
        assert_int_equal(found.count, 101);
        assert_int_equal(found.frames[0], frame_of(2500));
        assert_int_equal(found.counters.outside_window, 4899);
        assert_int_equal(found.counters.frames, 5010);
        input.from_ns = input.to_ns = 0;
        /* Without its index it is an LZ4 frame like others. */
        unlink(index_path);
        read_input(&input, 100);
        check_segment();
        assert_string_equal(found.problem, "");
    }
}

static void turn_byte(const char *name, long at)
{
    FILE *f = fopen(name, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    fputc(byte ^ 0xff, f);
    fclose(f);
}

static void damaged_segments(void **state)
{
    (void)state;
    struct segment_index *index = NULL;
    make_segment(true);
    assert_int_equal(segment_index_load(index_path, &index), 0);
    assert_int_equal(index->blocks_count, 7);
    turn_byte(path, (long)index->blocks[2].offset + 100);
    read_input(&plain, 100);
    assert_int_equal(found.count, 4000);
    assert_int_equal(found.numbers[1000], 2000);
    assert_int_equal(found.frames[1000], frame_of(2000)); /* as in the whole file */
    assert_int_equal(found.counters.damaged_blocks, 1);
    assert_int_equal(found.counters.lost, 1002);
    assert_non_null(strstr(found.problem, "hash"));
    /* Cut in the last data block. */
    turn_byte(path, (long)index->blocks[2].offset + 100);
    assert_int_equal(truncate(path, (off_t)index->blocks[5].offset + 50), 0);
    read_input(&plain, 100);
    assert_int_equal(found.count, 4000);
    assert_non_null(strstr(found.problem, "ends before"));
    /* The block of the interfaces: nothing can be read without, and all of it is counted. */
    turn_byte(path, (long)index->blocks[0].offset + 10);
    read_input(&plain, 100);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.counters.damaged_blocks, 6);
    segment_index_free(index);
    /* A damaged index. */
    make_segment(true);
    turn_byte(index_path, 3);
    read_input(&plain, 100);
    check_segment();
    assert_non_null(strstr(found.problem, "index"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(classic_kinds), TEST(torn_classic), TEST(nonsense_is_told), TEST(frames_as_wireshark_counts), TEST(unknown_link_types), TEST(windows), TEST(a_point_is_watched_after_a_second), TEST(times_may_be_any), TEST(any_lz4_frame), TEST(standard_input), TEST(segments),
        TEST(damaged_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
