/* From frames to segments: what lies in the blocks, when blocks and segments end, and that the accounts balance. No kernel ring; clocks are the test's. */
#include "services/capturer/capture/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "capfile/pcapng.h"
#include "fake_writer.h"

#define TAPE_ID UINT64_C(0x1122334455667788)
#define SECOND INT64_C(1000000000)
#define START (INT64_C(1700000000) * SECOND)

static char folder[] = "/tmp/tapeloop-test-recorder-XXXXXX";

struct fixture {
    struct lane *lane;
    struct table *table;
    struct recorder *recorder;
    struct fake_writer writer;
    _Atomic uint8_t *lane_of_port;
    int64_t mono_ns;
    uint8_t *data;
};

static void publish(struct fixture *f, const struct table_interface *interfaces, uint32_t count)
{
    struct table_list *list = calloc(1, sizeof *list + count * sizeof list->interfaces[0]);
    assert_non_null(list);
    memcpy(list->interfaces, interfaces, count * sizeof list->interfaces[0]);
    list->count = count;
    table_publish(f->table, list);
}

static const struct table_interface eth0 = { .serial = 20, .ifindex = 2, .slot = 3, .link_type = 1, .name = "eth0" };
static const struct table_interface tun0 = { .serial = 21, .ifindex = 3, .slot = 4, .link_type = 101, .raw_ip = true, .name = "tun0" };

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(lane_new(0, &f->lane), 0);
    assert_int_equal(table_new(1, &f->table), 0);
    f->recorder = calloc(1, sizeof *f->recorder);
    f->lane_of_port = calloc(RECORDER_PORTS_MAX, 1);
    f->data = malloc(400000);
    for (uint32_t i = 0; i < 400000; i++)
        f->data[i] = (uint8_t)(i * 7);
    f->lane->first_sequence = 40;
    f->lane->segment_bytes_max = 8 << 20;
    f->lane->segment_blocks_max = 1000;
    f->lane->segment_age_ns = 30 * SECOND;
    f->lane->flush_ns = SECOND / 2;
    f->writer = (struct fake_writer){ .lane = f->lane, .folder = folder, .ended = calloc(FAKE_SEGMENTS_MAX, sizeof(struct lane_segment)) };
    publish(f, (const struct table_interface[]){ eth0, tun0 }, 2);
    const struct recorder_options options = { .lane = f->lane, .table = f->table, .node = "node.1", .tape_id = TAPE_ID, .lane_of_port = f->lane_of_port };
    recorder_init(f->recorder, &options);
    f->mono_ns = 100 * SECOND;
    recorder_turn(f->recorder, START + f->mono_ns, f->mono_ns);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    table_free(f->table);
    lane_free(f->lane);
    free((void *)f->lane_of_port);
    free(f->recorder);
    free(f->writer.ended);
    free(f->data);
    free(f);
    return 0;
}

static void turn(struct fixture *f, int64_t later_ns)
{
    f->mono_ns += later_ns;
    recorder_publish(f->recorder);
    recorder_turn(f->recorder, START + f->mono_ns, f->mono_ns);
    recorder_tick(f->recorder);
    fake_writer_drain(&f->writer);
}

static struct recorder_frame frame_of(const struct fixture *f, uint32_t size)
{
    return (struct recorder_frame){ .data = f->data, .captured = size, .length = size, .ifindex = 2, .flags = PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_UNICAST, .time_ns = START + f->mono_ns };
}

static void seal(struct fixture *f)
{
    recorder_seal(f->recorder, SEGMENT_SEAL_PIN);
    fake_writer_drain(&f->writer);
}

/* Reads a written segment back through the LZ4 frame's stored blocks. */
struct seen { uint32_t packets, canaries; uint64_t drops; struct pcapng_packet last; uint8_t last_data[300000]; uint32_t first_drops_at; bool interface_mid_data; };

static void read_back(const struct fixture *f, uint64_t sequence, struct seen *seen)
{
    char path[256];
    fake_writer_path(&f->writer, sequence, path, sizeof path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct pcapng_reader *reader = pcapng_reader_new();
    uint8_t *content = malloc(SEGMENT_BLOCK_CONTENT_MAX), head[LZ4FRAME_HEADER_BYTES];
    memset(seen, 0, sizeof *seen);
    assert_int_equal(fread(head, 1, sizeof head, file), sizeof head);
    uint32_t word;
    while (fread(&word, 1, 4, file) == 4 && word) {
        uint32_t size = word & ~LZ4FRAME_STORED, data_blocks = 0, other_blocks = 0;
        assert_int_equal(fread(content, 1, size, file), size);
        for (size_t at = 0; at < size;) {
            struct pcapng_block block;
            size_t needed;
            int64_t took = pcapng_next(reader, content + at, size - at, &block, &needed);
            assert_true(took > 0);               /* no pcapng block crosses an LZ4 block */
            at += (size_t)took;
            *(block.has_packet ? &data_blocks : &other_blocks) += 1;
            if (!block.has_packet)
                continue;
            if (pcapng_reader_interface(reader, block.packet.interface)->canary) {
                seen->canaries++;
                continue;
            }
            if (block.packet.drops && !seen->drops)
                seen->first_drops_at = seen->packets;
            seen->packets++;
            seen->drops += block.packet.drops;
            seen->last = block.packet;
            memcpy(seen->last_data, block.packet.data, block.packet.captured);
        }
        assert_true(data_blocks == 0 || other_blocks == 0); /* header blocks hold headers only */
    }
    assert_int_equal(word, 0);
    assert_int_equal(fgetc(file), EOF);
    free(content);
    pcapng_reader_free(reader);
    (void)fclose(file);
}

static void one_frame_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct recorder_frame frame = frame_of(f, 61);
    frame.flags |= PCAPNG_FLAG_CHECKSUM_NOT_READY | PCAPNG_FLAG_TCP_OFFLOADED;
    frame.time_ns += 123456789;
    assert_int_equal(f->lane->current_sequence, 40);
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    assert_int_equal(f->lane->current_sequence, 41);
    static struct seen seen;
    read_back(f, 40, &seen);
    assert_int_equal(seen.packets, 1);
    assert_int_equal(seen.last.captured, 61);
    assert_int_equal(seen.last.length, 61);
    assert_int_equal(seen.last.time_ns, frame.time_ns);
    assert_int_equal(seen.last.flags, frame.flags);
    assert_memory_equal(seen.last_data, f->data, 61);
    const struct lane_segment *segment = &f->writer.ended[0];
    assert_int_equal(segment->sequence, 40);
    assert_int_equal(segment->reason, SEGMENT_SEAL_PIN);
    assert_int_equal(segment->interfaces_count, 3);
    assert_true(segment->interfaces[0].canary);
    assert_int_equal(segment->interfaces[2].link_type, 101);
    assert_int_equal(segment->ledger.written_packets, 1);
    assert_int_equal(segment->ledger.written_bytes, 61);
    assert_int_equal(f->lane->newest_ns, frame.time_ns);
}

static void long_frames_are_cut_and_counted(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    struct recorder_frame frame = frame_of(f, 262144);
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    assert_int_equal(f->lane->truncated_packets, 0);
    frame.length = 300000;                       /* the kernel cut it */
    recorder_put(f->recorder, &frame);
    frame.captured = frame.length = 262142;      /* only the tag makes it too long */
    frame.tag = 0x8100002a;
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    read_back(f, 40, &seen);
    assert_int_equal(seen.packets, 3);
    assert_int_equal(seen.last.captured, 262144);
    assert_int_equal(seen.last.length, 262146);
    assert_memory_equal(seen.last_data, f->data, 12);
    assert_memory_equal(seen.last_data + 12, "\x81\x00\x00\x2a", 4);
    assert_memory_equal(seen.last_data + 16, f->data + 12, 262128);
    assert_int_equal(f->writer.ended[0].ledger.truncated_packets, 2);
}

static void short_frame_keeps_its_tag_out(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    struct recorder_frame frame = frame_of(f, 11); /* no room for a tag where addresses end */
    frame.tag = 0x8100002a;
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    read_back(f, 40, &seen);
    assert_int_equal(seen.last.captured, 11);
}

static void segments_end_by_size(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    uint32_t put = 0;
    for (; f->writer.segments < 5; put++) {
        struct recorder_frame frame = frame_of(f, 40 + put * 131 % 9000);
        recorder_put(f->recorder, &frame);
        turn(f, 10);
    }
    seal(f);
    uint32_t packets = 0;
    for (uint32_t i = 0; i < f->writer.segments; i++) {
        read_back(f, 40 + i, &seen);
        assert_int_equal(seen.packets, f->writer.ended[i].ledger.written_packets);
        packets += seen.packets;
        assert_true(f->writer.bytes[i] <= f->lane->segment_bytes_max);
        if (i < 5) {
            assert_int_equal(f->writer.ended[i].reason, SEGMENT_SEAL_SIZE);
            assert_true(f->writer.bytes[i] > f->lane->segment_bytes_max - 128 * 1024);
        }
    }
    assert_int_equal(packets, put);
}

static void compression_makes_room(void **state)
{
    struct fixture *f = *state;
    struct recorder_frame frame = frame_of(f, 60000);
    atomic_store(&f->lane->saved_for_sequence, 40);
    atomic_store(&f->lane->saved_bytes, 4 << 20);
    while (f->writer.segments < 1) {
        recorder_put(f->recorder, &frame);
        turn(f, 10);
    }
    assert_true(f->writer.bytes[0] > (12 << 20) - 256 * 1024 && f->writer.bytes[0] <= 12 << 20);
    while (f->writer.segments < 2) {             /* saved_bytes speaks of segment 40 alone */
        recorder_put(f->recorder, &frame);
        turn(f, 10);
    }
    assert_true(f->writer.bytes[1] <= 8 << 20);
}

static void segments_end_by_blocks(void **state)
{
    struct fixture *f = *state;
    f->lane->segment_blocks_max = 10;
    struct recorder_frame frame = frame_of(f, 100);
    while (f->writer.segments < 3) {
        recorder_put(f->recorder, &frame);
        turn(f, f->lane->flush_ns);
    }
    for (int i = 0; i < 3; i++)
        assert_true(f->writer.blocks[i] <= 10 && f->writer.blocks[i] >= 8);
}

static void segments_end_by_age_also_without_packets(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++)
        turn(f, SECOND);
    assert_int_equal(f->writer.segments, 0);     /* nothing came: nothing is written */
    assert_true(recorder_due_ns(f->recorder) == INT64_MAX);
    struct recorder_frame frame = frame_of(f, 100);
    recorder_put(f->recorder, &frame);
    turn(f, 0);
    assert_true(recorder_due_ns(f->recorder) == f->mono_ns + f->lane->flush_ns);
    turn(f, f->lane->flush_ns);
    assert_true(recorder_due_ns(f->recorder) == f->mono_ns - f->lane->flush_ns + f->lane->segment_age_ns);
    assert_int_equal(f->writer.packets[0], 1);   /* flushed */
    turn(f, 29 * SECOND);
    assert_int_equal(f->writer.segments, 0);
    turn(f, SECOND);
    assert_int_equal(f->writer.segments, 1);
    assert_int_equal(f->writer.ended[0].reason, SEGMENT_SEAL_AGE);
    turn(f, 100 * SECOND);
    assert_int_equal(f->writer.segments, 1);
}

static void a_step_of_the_clock_ends_the_segment(void **state)
{
    struct fixture *f = *state;
    struct recorder_frame frame = frame_of(f, 100);
    recorder_put(f->recorder, &frame);
    for (int i = 0; i < 20; i++) {               /* slewing: 40 ms a turn is no step, however far it goes */
        f->mono_ns += SECOND;
        recorder_turn(f->recorder, START + f->mono_ns + i * SECOND / 25, f->mono_ns);
    }
    fake_writer_drain(&f->writer);
    assert_int_equal(f->writer.segments, 0);
    f->mono_ns += SECOND;
    recorder_turn(f->recorder, START - SECOND, f->mono_ns);
    fake_writer_drain(&f->writer);
    assert_int_equal(f->writer.segments, 1);
    assert_int_equal(f->writer.ended[0].reason, SEGMENT_SEAL_CLOCK);
    recorder_put(f->recorder, &frame);
    recorder_turn(f->recorder, START, f->mono_ns + SECOND);
    seal(f);
    assert_int_equal(f->writer.ended[1].reason, SEGMENT_SEAL_PIN);
    assert_int_equal(f->writer.ended[1].opened_wall_ns, START - SECOND);
}

static void gaps_stand_where_they_were(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    for (int i = 0; i < 10; i++) {
        f->mono_ns += 1000;
        struct recorder_frame frame = frame_of(f, 100);
        if (i == 4)
            recorder_gap(f->recorder, 77, 0, frame.time_ns);
        recorder_put(f->recorder, &frame);
        f->recorder->last_ns = frame.time_ns;
    }
    turn(f, 1000);
    seal(f);
    const struct lane_segment *segment = &f->writer.ended[0];
    assert_int_equal(segment->gaps_count, 1);
    assert_int_equal(segment->gaps[0].packets, 77);
    assert_int_equal(segment->gaps[0].reason, SEGMENT_GAP_RING);
    assert_int_equal(segment->gaps[0].to_ns - segment->gaps[0].from_ns, 1000);
    assert_int_equal(segment->ledger.dropped_kernel_packets, 77);
    assert_int_equal(segment->ledger.offered_packets, 87);
    read_back(f, 40, &seen);
    assert_int_equal(seen.drops, 77);
    assert_int_equal(seen.first_drops_at, 4);

    recorder_gap(f->recorder, 5, 0, START);         /* between two segments: the next one tells */
    recorder_not_recording(f->recorder, 1, 2);
    atomic_store(&f->lane->disk_dropped_packets, 9); /* by the writer, which tells the gap itself */
    struct recorder_frame frame = frame_of(f, 100);
    recorder_put(f->recorder, &frame);
    for (int i = 0; i < 100; i++)
        recorder_gap(f->recorder, 1, 0, frame.time_ns); /* more than fit are one */
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    segment = &f->writer.ended[1];
    assert_int_equal(segment->gaps_count, LANE_GAPS_MAX);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < segment->gaps_count; i++)
        sum += segment->gaps[i].packets;
    assert_int_equal(sum, 105);
    assert_int_equal(segment->ledger.dropped_kernel_packets, 105);
    read_back(f, 41, &seen);
    assert_int_equal(seen.drops, 114);
}

static struct recorder_frame canary_of(struct fixture *f, uint8_t *data, uint64_t tape_id, uint32_t lane, uint16_t port)
{
    memset(data, 0, FILTER_CANARY_BYTES);
    struct capture_canary payload = { .tape_id = tape_id, .lane = lane, .sent_ns = 987654321 };
    memcpy(payload.magic, CAPTURE_CANARY_MAGIC, sizeof payload.magic);
    data[34] = (uint8_t)(port >> 8);
    data[35] = (uint8_t)port;
    data[37] = CAPTURE_CANARY_PORT;
    memcpy(data + 42, &payload, sizeof payload);
    struct recorder_frame frame = frame_of(f, FILTER_CANARY_BYTES);
    frame.data = data;
    frame.ifindex = FILTER_LOOPBACK;
    return frame;
}

static void canaries_are_counted_apart(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    uint8_t data[FILTER_CANARY_BYTES];
    struct recorder_frame frame = canary_of(f, data, TAPE_ID, 0, 50000);
    recorder_put(f->recorder, &frame);
    turn(f, f->lane->flush_ns);
    assert_int_equal(f->writer.newest_canary_ns, 987654321);
    assert_int_equal(f->lane_of_port[50000], 1);
    frame = canary_of(f, data, TAPE_ID, UINT32_MAX, 50001); /* a probe: learnt, not written */
    recorder_put(f->recorder, &frame);
    assert_int_equal(f->lane_of_port[50001], 1);
    frame = canary_of(f, data, TAPE_ID + 1, 0, 50002); /* another tape's is a packet; lo is not in the list */
    recorder_put(f->recorder, &frame);
    assert_int_equal(f->lane_of_port[50002], 0);
    turn(f, 1000);
    seal(f);
    read_back(f, 40, &seen);
    assert_int_equal(seen.canaries, 1);
    assert_int_equal(seen.packets, 1);
    const struct lane_segment *segment = &f->writer.ended[0];
    assert_int_equal(segment->ledger.canaries, 1);
    assert_int_equal(segment->ledger.written_packets, 1);
    assert_int_equal(segment->interface_ledgers[0].written_packets, 0);
    assert_string_equal(segment->interfaces[3].name, "other");
    assert_int_equal(f->lane->canaries, 1);
}

static void later_interfaces_get_header_blocks(void **state)
{
    struct fixture *f = *state;
    static struct seen seen;
    struct recorder_frame frame = frame_of(f, 100);
    recorder_put(f->recorder, &frame);
    const struct table_interface late = { .serial = 30, .ifindex = 9, .slot = 9, .link_type = 1, .name = "late" }, idle = { .serial = 31, .ifindex = 10, .slot = 10, .link_type = 1, .name = "idle" };
    struct table_interface old = eth0;
    old.gone = true;
    const struct table_interface again = { .serial = 32, .ifindex = 2, .slot = 11, .link_type = 1, .name = "eth0new" };
    publish(f, (const struct table_interface[]){ old, tun0, late, idle, again }, 5);
    turn(f, 1000);
    frame.ifindex = 9;
    recorder_put(f->recorder, &frame);
    frame.ifindex = 2;                           /* the newer one of that index */
    recorder_put(f->recorder, &frame);
    frame.ifindex = 77;                          /* not in the list: without and with a link header */
    recorder_put(f->recorder, &frame);
    frame.raw_ip = true;
    frame.ifindex = 78;
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    read_back(f, 40, &seen);
    assert_int_equal(seen.packets, 5);
    const struct lane_segment *segment = &f->writer.ended[0];
    assert_int_equal(f->writer.headers[0], 4);   /* the first, late with idle and eth0new, other, other without link header */
    assert_int_equal(segment->interfaces_count, 8);
    for (uint32_t i = 0; i < segment->interfaces_count; i++) {
        bool silent = segment->interfaces[i].canary || strcmp(segment->interfaces[i].name, "idle") == 0 || strcmp(segment->interfaces[i].name, "tun0") == 0;
        assert_int_equal(segment->interfaces[i].id, i);
        assert_int_equal(segment->interface_ledgers[i].written_packets, silent ? 0 : 1);
    }
    assert_int_equal(segment->ledger.written_packets, 5);
}

static void more_interfaces_than_a_segment_names(void **state)
{
    struct fixture *f = *state;
    static struct table_interface many[1400];
    for (uint32_t i = 0; i < 1400; i++) {
        many[i] = (struct table_interface){ .serial = 100 + i, .ifindex = 100 + i, .slot = 3 + i, .link_type = 1 };
        (void)snprintf(many[i].name, sizeof many[i].name, "veth0123456%u", i);
    }
    publish(f, many, 1400);
    turn(f, 1000);
    struct recorder_frame frame = frame_of(f, 100);
    for (uint32_t i = 0; i < 1400; i++) {
        frame.ifindex = 100 + i;
        recorder_put(f->recorder, &frame);
    }
    turn(f, 1000);
    seal(f);
    const struct lane_segment *segment = &f->writer.ended[0];
    assert_true(segment->interfaces_count <= LANE_INTERFACES_MAX);
    assert_string_equal(segment->interfaces[segment->interfaces_count - 1].name, "other");
    assert_int_equal(segment->ledger.written_packets, 1400);
    assert_true(f->writer.bytes[0] < 2 << 20);
}

static void interfaces_that_come_never_burst_the_segment(void **state)
{
    struct fixture *f = *state;
    f->lane->segment_bytes_max = LANE_CHUNK_BYTES;
    static struct table_interface many[900];
    struct recorder_frame frame = frame_of(f, 30000);
    for (uint32_t i = 0; i < 900; i++) {
        many[i] = (struct table_interface){ .serial = 100 + i, .ifindex = 100 + i, .slot = 3 + i, .link_type = 1 };
        (void)snprintf(many[i].name, sizeof many[i].name, "veth0123456789a%u", i);
        publish(f, many, i + 1);
        turn(f, 1000);
        frame.ifindex = 100 + i;
        recorder_put(f->recorder, &frame);
    }
    seal(f);
    uint64_t packets = 0;
    for (uint32_t i = 0; i < f->writer.segments; i++) {
        assert_true(f->writer.bytes[i] <= LANE_CHUNK_BYTES);
        packets += f->writer.ended[i].ledger.written_packets;
    }
    assert_int_equal(packets, 900);
}

static void disorder_is_measured(void **state)
{
    struct fixture *f = *state;
    const int64_t times[] = { 100, 300, 200, 50, 400, 390 };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct recorder_frame frame = frame_of(f, 100);
        frame.time_ns = START + times[i];
        recorder_put(f->recorder, &frame);
    }
    assert_int_equal(f->recorder->block.first_ns, START + 50);
    assert_int_equal(f->recorder->block.last_ns, START + 400);
    assert_int_equal(f->recorder->block.disorder_ns, 250);
    seal(f);
}

/* A golden one: stock tools read what is written, to the last number. */
static void stock_tools_read_it(void **state)
{
    struct fixture *f = *state;
    static const uint8_t udp[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 0xe8, 7, 0xd0, 0, 12, 0, 0, 1, 2, 3, 4 };
    struct recorder_frame frame = { .data = udp, .captured = sizeof udp, .length = sizeof udp, .ifindex = 2, .flags = PCAPNG_FLAG_OUTBOUND, .time_ns = START + 123456789, .tag = 0x88a82007 };
    recorder_put(f->recorder, &frame);
    recorder_gap(f->recorder, 3, 0, START);
    frame = (struct recorder_frame){ .data = udp + 14, .captured = sizeof udp - 14, .length = sizeof udp - 14, .ifindex = 3, .flags = PCAPNG_FLAG_INBOUND, .time_ns = START + 223456789 };
    recorder_put(f->recorder, &frame);
    turn(f, 1000);
    seal(f);
    char path[256], command[700], line[200];
    fake_writer_path(&f->writer, 40, path, sizeof path);
    (void)snprintf(command, sizeof command,
                   "tshark -r %s -T fields -E separator=, -e frame.interface_name -e frame.time_epoch -e frame.len -e frame.packet_flags_direction -e ieee8021ad.id -e udp.srcport -e udp.payload 2>&1", path);
    FILE *shark = popen(command, "r");
    assert_non_null(shark);
    static const char *const golden[] = { "eth0,1700000000.123456789,50,0x00000002,7,1000,01020304\n", "tun0,1700000000.223456789,32,0x00000001,,1000,01020304\n" };
    size_t lines = 0;
    while (fgets(line, sizeof line, shark)) {
        if (strstr(line, "Running as user") || lines >= 2)
            continue;
        assert_string_equal(line, golden[lines]);
        lines++;
    }
    assert_int_equal(pclose(shark), 0);
    assert_int_equal(lines, 2);
    (void)snprintf(command, sizeof command, "lz4 -tq %s && capinfos %s >/dev/null", path, path);
    assert_int_equal(system(command), 0);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[300];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_frame_as_it_was), TEST(long_frames_are_cut_and_counted), TEST(short_frame_keeps_its_tag_out), TEST(segments_end_by_size), TEST(compression_makes_room), TEST(segments_end_by_blocks),
        TEST(segments_end_by_age_also_without_packets), TEST(a_step_of_the_clock_ends_the_segment), TEST(gaps_stand_where_they_were), TEST(canaries_are_counted_apart),
        TEST(later_interfaces_get_header_blocks), TEST(more_interfaces_than_a_segment_names), TEST(interfaces_that_come_never_burst_the_segment), TEST(disorder_is_measured), TEST(stock_tools_read_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
