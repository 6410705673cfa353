/* The export against mergecap, tshark and tcpdump, and against itself with less memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <sys/stat.h>
#include "services/snapshotter/export/export.h"
#include "tests/unit/lib/capfile/segment_builder.h"

#define PARTS_MAX 300
#define BASE_NS INT64_C(1700000000000000000)

static char folder[64];
static struct { char object[64], node[32], path[160]; } names[PARTS_MAX];
static struct export_part parts[PARTS_MAX];
static size_t parts_count;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_export.XXXXXX");
    assert_non_null(mkdtemp(folder));
    parts_count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void begin(struct builder *b, const char *node, uint32_t lane, uint64_t sequence)
{
    size_t i = parts_count++;
    assert_true(i < PARTS_MAX);
    snprintf(names[i].object, sizeof names[i].object, "segments/%s/%u-%u", node, lane, (unsigned)sequence);
    snprintf(names[i].node, sizeof names[i].node, "%s", node);
    snprintf(names[i].path, sizeof names[i].path, "%s/%s-%u-%u.pcapng.lz4", folder, node, lane, (unsigned)sequence);
    parts[i] = (struct export_part){ .object = names[i].object, .node = names[i].node, .path = names[i].path };
    builder_open(b, names[i].path, node, lane, sequence);
    builder_section(b);
}

/* An Ethernet frame with IPv4, UDP and a number that nothing else has. */
static uint32_t frame(uint8_t *data, uint32_t size, uint32_t number, uint8_t protocol, uint16_t port)
{
    static const uint8_t head[42] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0,
                                      10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39 };
    memcpy(data, head, sizeof head);
    for (uint32_t i = sizeof head; i < size; i++)
        data[i] = (uint8_t)(number * 31 + i);
    data[16] = (uint8_t)((size - 14) >> 8);
    data[17] = (uint8_t)(size - 14);
    data[23] = protocol;
    data[36] = (uint8_t)(port >> 8);
    data[37] = (uint8_t)port;
    memcpy(data + 18, &number, 2);
    memcpy(data + 46, &number, 4);
    return size;
}

static uint32_t seed;
static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Nodes and lanes that overlap, blocks with disorder inside and between, equal timestamps, canaries and events. */
static void make_parts(uint32_t nodes, uint32_t lanes, uint32_t blocks, uint32_t packets)
{
    uint8_t data[2000];
    uint32_t number = 0;
    seed = 7;
    for (uint32_t node = 0; node < nodes; node++)
        for (uint32_t lane = 0; lane < lanes; lane++) {
            struct builder b;
            char name[32];
            snprintf(name, sizeof name, "node-%c", (char)('a' + node));
            begin(&b, name, lane, 5 + lane);
            uint32_t lo = node % 2 ? builder_interface(&b, "lo", 1, true) : 0;
            uint32_t eth = builder_interface(&b, "eth0", 1, false), veth = builder_interface(&b, "veth1", 1, false);
            if (node % 2 == 0)
                lo = builder_interface(&b, "lo", 1, true);
            builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
            for (uint32_t k = 0; k < blocks; k++) {
                int64_t start = BASE_NS + (int64_t)k * 1000000;
                for (uint32_t i = 0; i < packets; i++) {
                    int64_t time_ns = start + (int64_t)(i / 2) * 2000 - (int64_t)chance(3) * 1000 * (i % 7 == 0 ? 200 : 1);
                    number++;
                    uint32_t size = frame(data, 60 + chance(800), number, i % 2 ? 17 : 6, i % 5 ? 53 : 80);
                    builder_packet(&b, i % 3 ? eth : veth, time_ns, data, size, 1 + i % 2, i % 11 == 3 ? i : 0);
                }
                builder_packet(&b, lo, start + 500000, data, 70, 0, 0);
                builder_event(&b, start / 1000 + 20 + node, "process started");
                builder_end_block(&b, SEGMENT_BLOCK_DATA, k % 2 == 0);
            }
            builder_statistics(&b);
            builder_seal(&b, 1);
        }
}

static struct export_options whole_window(void)
{
    return (struct export_options){ .parts = parts, .parts_count = parts_count, .from_ns = INT64_MIN, .to_ns = INT64_MAX,
                                    .work_folder = folder };
}

/* Reads with odd sizes, so that every seam is crossed. Returns what export_read returned last. */
static ssize_t run(const struct export_options *options, const char *file, struct export_counts *ret_counts, char *error, bool *ret_runs)
{
    struct export *e = NULL;
    char path[256];
    static uint8_t buffer[70001];
    struct export_counts counts;
    int r = export_open(options, &e, error);
    if (r < 0)
        return r;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    ssize_t n;
    for (size_t cap = 1; (n = export_read(e, buffer, cap)) > 0; cap = cap % sizeof buffer * 7 % sizeof buffer + 1)
        assert_int_equal(fwrite(buffer, 1, (size_t)n, f), n);
    uint64_t size = (uint64_t)ftell(f);
    fclose(f);
    export_counts(e, &counts);
    assert_int_equal(counts.bytes, size);
    snprintf(error, EXPORT_ERROR_TEXT_MAX, "%s", export_error(e));
    if (ret_counts)
        *ret_counts = counts;
    if (ret_runs)
        *ret_runs = export_uses_runs(e);
    if (n < 0) /* it stays failed */
        assert_int_equal(export_read(e, buffer, 10), n);
    export_close(e);
    return n;
}

static struct export_counts must_run(const struct export_options *options, const char *file)
{
    char error[EXPORT_ERROR_TEXT_MAX];
    struct export_counts counts = { 0 };
    ssize_t r = run(options, file, &counts, error, NULL);
    if (r != 0)
        fail_msg("%zd: %s", r, error);
    return counts;
}

/* The shell's word, in the test's folder. */
__attribute__((format(printf, 1, 2))) static void check(const char *format, ...)
{
    char command[2048];
    int n = snprintf(command, sizeof command, "cd %s && exec 2>/dev/null; ", folder);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command + n, sizeof command - (size_t)n, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("does not hold: %s", command);
}

/* mergecap takes files that are in order themselves; reordercap makes them so. Canaries go by their interface. */
static void it_agrees_with_mergecap(void **state)
{
    (void)state;
    make_parts(3, 2, 6, 60);
    struct export_options options = whole_window();
    struct export_counts counts = must_run(&options, "out.pcapng");
    assert_int_equal(counts.packets, 3 * 2 * 6 * 60);
    assert_int_equal(counts.events, 3 * 2 * 6);
    check("for f in *.lz4; do lz4 -dqc $f > $f.raw && "
          "tshark -r $f.raw -Y 'frame.interface_description != \"%s\" || !frame.interface_description' -w $f.cut && "
          "tshark -r $f.cut -Y 'frame.interface_name' -w $f.packets && reordercap $f.packets $f.sorted || exit 1; done; mergecap -w merged *.sorted",
          PCAPNG_CANARY_DESCRIPTION);
    check("capinfos -TMcr out.pcapng | grep -qx 'out.pcapng[[:space:]]*%d'", 3 * 2 * 6 * 60);
    check("tshark -r out.pcapng -Y frame.interface_name -w packets && for f in merged packets; do "
          "tshark -r $f -T fields -e frame.time_epoch -e frame.len -e ip.id -e udp.port -e frame.interface_name -e frame.packet_flags > $f.txt || exit 1; "
          "done; test -s packets.txt && "
          "sort packets.txt > 1 && sort merged.txt > 2 && cmp 1 2 && cut -f1 packets.txt > 1 && cut -f1 merged.txt > 2 && cmp 1 2");
    check("test $(tshark -r out.pcapng | wc -l) = %d", 3 * 2 * 6 * 61);
    /* six interfaces, each with its node; statistics because the segments are whole */
    check("capinfos out.pcapng | grep -c 'Number of packets =' | grep -qx 6");
    check("tshark -r out.pcapng -T fields -e frame.interface_name -e frame.interface_description | sort -u | grep -c 'node node-[abc]' | grep -qx 6");
}

static void it_is_in_order_and_carries_options(void **state)
{
    (void)state;
    make_parts(2, 2, 4, 50);
    struct export_options options = whole_window();
    must_run(&options, "out.pcapng");
    FILE *f;
    char path[160];
    snprintf(path, sizeof path, "%s/out.pcapng", folder);
    f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *data = malloc(1 << 22);
    assert_non_null(data);
    size_t size = fread(data, 1, 1 << 22, f), needed = 0, drops = 0, statistics = 0;
    fclose(f);
    struct pcapng_reader *reader = pcapng_reader_new();
    int64_t last_ns = 0;
    for (size_t at = 0; at < size;) {
        struct pcapng_block block;
        int64_t n = pcapng_next(reader, data + at, size - at, &block, &needed);
        assert_true(n > 0);
        at += (size_t)n;
        statistics += block.type == PCAPNG_ISB;
        if (!block.has_packet && !block.has_event)
            continue;
        int64_t time_ns = block.has_packet ? block.packet.time_ns : block.event_ns;
        assert_true(time_ns >= last_ns);
        last_ns = time_ns;
        if (!block.has_packet)
            continue;
        assert_in_range(block.packet.flags, 1, 2);
        drops += block.packet.drops > 0;
    }
    assert_int_equal(drops, 2 * 2 * 4 * 5);
    assert_int_equal(statistics, 4);
    pcapng_reader_free(reader);
    free(data);
}

static void little_memory_gives_the_same_bytes(void **state)
{
    (void)state;
    static uint8_t data[60000];
    /* 40 blocks of nearly 1 MiB over the same second: with 8 MiB they go through runs, and the runs through runs. */
    uint32_t number = 0;
    seed = 3;
    for (uint32_t part = 0; part < 40; part++) {
        struct builder b;
        char node[16];
        snprintf(node, sizeof node, "n%u", part);
        begin(&b, node, 0, 1);
        uint32_t eth = builder_interface(&b, "eth0", 1, false);
        builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
        for (uint32_t i = 0; i < 30; i++)
            builder_packet(&b, eth, BASE_NS + chance(1000) * 1000000, data, frame(data, 20000 + chance(12000), ++number, 17, 53), 1, 0);
        builder_event(&b, BASE_NS / 1000 + part, "event");
        builder_seal(&b, 1);
    }
    struct export_options options = whole_window();
    bool runs = true;
    char error[EXPORT_ERROR_TEXT_MAX];
    static const struct { const char *bpf; bool dedup; enum export_format format; } cases[] = {
        { NULL, false, EXPORT_PCAPNG }, { "udp[8:2] > 1000", false, EXPORT_PCAPNG }, { NULL, true, EXPORT_PCAP },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options.bpf = cases[i].bpf;
        options.dedup = cases[i].dedup;
        options.format = cases[i].format;
        options.memory_bytes_max = 0;
        assert_int_equal(run(&options, "much", NULL, error, &runs), 0);
        assert_false(runs);
        options.memory_bytes_max = 1;
        assert_int_equal(run(&options, "little", NULL, error, &runs), 0);
        assert_true(runs);
        check("cmp much little && test $(stat -c %%s much) -gt 1000000 && test -z \"$(ls -A | grep run)\"");
    }
    options.work_folder = "/nowhere";
    assert_int_equal(run(&options, "x", NULL, error, &runs), -ENOENT);
    assert_non_null(strstr(error, "temporary files"));
    options.work_folder = NULL;
    assert_int_equal(run(&options, "x", NULL, error, &runs), -EINVAL);
}

/* All overlap, and each has a second block when more files than may be open have been looked at since its first. */
static void more_parts_than_open_files(void **state)
{
    (void)state;
    uint8_t data[100];
    for (uint32_t part = 0; part < PARTS_MAX; part++) {
        struct builder b;
        char node[16];
        snprintf(node, sizeof node, "n%03u", part);
        begin(&b, node, 0, 1);
        uint32_t eth = builder_interface(&b, "eth0", 1, false);
        builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
        for (uint32_t k = 0; k < 2; k++) {
            for (uint32_t i = 0; i < 5; i++)
                builder_packet(&b, eth, BASE_NS + k * 1000 + i * 10, data, frame(data, 80, part * 10 + k * 5 + i, 17, 53), 1, 0);
            builder_end_block(&b, SEGMENT_BLOCK_DATA, true);
        }
        builder_seal(&b, 1);
    }
    struct export_options options = whole_window();
    assert_int_equal(must_run(&options, "out").packets, PARTS_MAX * 10);
    /* In the order of time, and of nodes where times are equal. */
    check("tshark -r out -T fields -e frame.time_epoch -e frame.interface_description > 1 && sort -s -k1,1 -k2,2 1 > 2 && cmp 1 2 && "
          "test $(wc -l < 1) = %d", PARTS_MAX * 10);
}

static void window_is_cut_exactly(void **state)
{
    (void)state;
    uint8_t data[100];
    struct builder b;
    begin(&b, "n", 0, 1);
    uint32_t eth = builder_interface(&b, "eth0", 1, false);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (uint32_t i = 0; i < 100; i++) {
        builder_packet(&b, eth, BASE_NS + i, data, frame(data, 60, i, 17, 53), 1, 0);
        if (i % 10 == 9)
            builder_end_block(&b, SEGMENT_BLOCK_DATA, true);
    }
    builder_seal(&b, 1);
    static const struct { int64_t from, to; uint64_t packets; } cases[] = {
        { 0, 99, 100 }, { 15, 15, 1 }, { 15, 42, 28 }, { 10, 19, 10 }, { 99, 200, 1 }, { 100, 200, 0 }, { -5, -1, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct export_options options = whole_window();
        uint64_t counted = 77;
        options.from_ns = BASE_NS + cases[i].from;
        options.to_ns = BASE_NS + cases[i].to;
        assert_int_equal(must_run(&options, "out").packets, cases[i].packets);
        check("capinfos -TMcr out | grep -qx 'out[[:space:]]*%d'", (int)cases[i].packets);
        assert_int_equal(segment_window_count(parts[0].path, options.from_ns, options.to_ns, &counted), 0);
        assert_int_equal(counted, cases[i].packets);
    }
}

static void filter_agrees_with_tcpdump(void **state)
{
    (void)state;
    make_parts(2, 2, 5, 70);
    struct export_options options = whole_window();
    options.format = EXPORT_PCAP;
    struct export_counts all = must_run(&options, "all.pcap");
    assert_int_equal(all.events, 0);
    static const char *const expressions[] = { "udp port 80", "tcp", "ip[4] = 7 or less 100", "not ip" };
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        options.bpf = expressions[i];
        struct export_counts some = must_run(&options, "some.pcap");
        assert_int_equal(some.packets + some.left_out_filter, all.packets);
        check("tcpdump -r all.pcap --time-stamp-precision=nano -w theirs '%s' && cmp some.pcap theirs", expressions[i]);
    }
    check("file=$(head -c4 all.pcap | od -An -tx1) && test \"$file\" = ' 4d 3c b2 a1'");
    options.format = EXPORT_PCAPNG;
    options.bpf = "udp port 80";
    must_run(&options, "some.pcapng");
    check("tcpdump -nr some.pcapng | wc -l > 1 && tcpdump -nr all.pcap udp port 80 | wc -l > 2 && cmp 1 2 && test $(cat 1) -gt 0");
}

static void link_types_are_kept_apart(void **state)
{
    (void)state;
    uint8_t data[100];
    struct builder b;
    char error[EXPORT_ERROR_TEXT_MAX];
    begin(&b, "n", 0, 1);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), tun = builder_interface(&b, "tun0", 101, false);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    for (uint32_t i = 0; i < 30; i++) {
        frame(data, 80, i, 17, 53);
        builder_packet(&b, i % 3 ? eth : tun, BASE_NS + i, i % 3 ? data : data + 14, i % 3 ? 80 : 66, 1, 0);
    }
    builder_seal(&b, 1);
    struct export_options options = whole_window();
    assert_int_equal(must_run(&options, "both").packets, 30);
    check("tshark -r both -Y 'udp.dstport == 53' | wc -l | grep -qx 30");
    options.bpf = "udp port 53";
    assert_int_equal(must_run(&options, "both").packets, 30);
    options.bpf = "ether host 2:0:0:0:0:1";
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    assert_non_null(strstr(error, "RAW"));
    options.bpf = NULL;
    options.format = EXPORT_PCAP;
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    assert_non_null(strstr(error, "EN10MB, RAW"));
    options.link_type = "RAW";
    struct export_counts counts = must_run(&options, "raw.pcap");
    assert_int_equal(counts.packets, 10);
    assert_int_equal(counts.left_out_link_type, 20);
    check("tshark -r raw.pcap -Y 'udp.dstport == 53' | wc -l | grep -qx 10");
    options.link_type = "NOSUCH";
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    options.link_type = "PPP";
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    options.link_type = NULL;
    options.bpf = "bad expression here";
    options.format = EXPORT_PCAPNG;
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    assert_non_null(strstr(error, "filter"));
    options.bpf = NULL;
    options.from_ns = 2;
    options.to_ns = 1;
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
}

static void copies_are_left_out(void **state)
{
    (void)state;
    uint8_t data[120], other[120];
    struct builder b;
    begin(&b, "n", 0, 1);
    uint32_t eth = builder_interface(&b, "eth0", 1, false), veth = builder_interface(&b, "veth1", 1, false);
    builder_end_block(&b, SEGMENT_BLOCK_HEADER, true);
    frame(data, 100, 1, 17, 53);
    memcpy(other, data, sizeof other);
    other[0] ^= 4;      /* another Ethernet address, */
    other[22]--;        /* TTL, */
    other[24] ^= 0x55;  /* header checksum */
    other[40] ^= 0x55;  /* and UDP checksum: what a hop changes */
    builder_packet(&b, veth, BASE_NS, data, 100, 1, 0);
    builder_packet(&b, eth, BASE_NS + 1000, other, 100, 1, 0);         /* a copy */
    builder_packet(&b, veth, BASE_NS + 2000, data, 100, 1, 0);         /* sent again */
    builder_packet(&b, eth, BASE_NS + 3000, other, 100, 1, 0);         /* its copy */
    other[60] ^= 1;
    builder_packet(&b, eth, BASE_NS + 4000, other, 100, 1, 0);         /* other content */
    builder_packet(&b, eth, BASE_NS + 500000000, data, 100, 1, 0);     /* much later */
    builder_seal(&b, 1);
    struct export_options options = whole_window();
    assert_int_equal(must_run(&options, "all").packets, 6);
    options.dedup = true;
    struct export_counts counts = must_run(&options, "some");
    assert_int_equal(counts.packets, 4);
    assert_int_equal(counts.left_out_copies, 2);
}

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 8;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void damage_is_never_given_out(void **state)
{
    (void)state;
    char error[EXPORT_ERROR_TEXT_MAX], index[200];
    make_parts(2, 1, 4, 40);
    struct export_options options = whole_window();
    struct segment_index *loaded = NULL;
    snprintf(index, sizeof index, "%s.idx", parts[1].path);
    assert_int_equal(segment_index_load(index, &loaded), 0);
    off_t at = (off_t)loaded->blocks[2].offset;
    for (off_t i = 0; i < 2000; i += 99) {
        flip(parts[1].path, at + i);
        assert_int_equal(run(&options, "x", NULL, error, NULL), -EBADMSG);
        assert_non_null(strstr(error, "segments/node-b/0-5: block 2"));
        flip(parts[1].path, at + i);
    }
    options.to_ns = loaded->blocks[2].first_ns - 1; /* a window that does not need the block does not mind it */
    flip(parts[1].path, at + 9);
    assert_int_equal(run(&options, "x", NULL, error, NULL), 0);
    options.to_ns = INT64_MAX;
    flip(parts[1].path, at + 9);
    assert_int_equal(truncate(parts[1].path, at + 30), 0);
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EBADMSG);
    assert_non_null(strstr(error, "the file ends"));
    flip(index, 90);
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EBADMSG);
    assert_non_null(strstr(error, "segments/node-b/0-5.idx is damaged"));
    unlink(index);
    assert_int_equal(run(&options, "x", NULL, error, NULL), -ENOENT);
    segment_index_free(loaded);
}

static void nothing_gives_an_empty_file(void **state)
{
    (void)state;
    struct export_options options = whole_window();
    assert_int_equal(must_run(&options, "empty").packets, 0);
    options.format = EXPORT_PCAP;
    assert_int_equal(must_run(&options, "empty.pcap").bytes, 24);
    options.bpf = "nonsense !";
    char error[EXPORT_ERROR_TEXT_MAX];
    assert_int_equal(run(&options, "x", NULL, error, NULL), -EINVAL);
    check("tshark -r empty && capinfos empty.pcap >x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_agrees_with_mergecap, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_in_order_and_carries_options, setup, teardown),
        cmocka_unit_test_setup_teardown(little_memory_gives_the_same_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(more_parts_than_open_files, setup, teardown),
        cmocka_unit_test_setup_teardown(window_is_cut_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(filter_agrees_with_tcpdump, setup, teardown),
        cmocka_unit_test_setup_teardown(link_types_are_kept_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_are_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_never_given_out, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_gives_an_empty_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
