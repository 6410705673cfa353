/* The whole capture side on real interfaces: a veth pair and lo in a network namespace of this process alone. Needs root. */
#include "services/capturer/capture/capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "capfile/pcapng.h"
#include "fake_writer.h"
#include "units/units.h"

#define TAPE_ID UINT64_C(0x1122334455667788)

static char folder[] = "/tmp/tapeloop-test-capture-XXXXXX";

static void run(const char *command)
{
    int done = system(command);
    if (done != 0)
        fail_msg("%s: %d", command, done);
}

static int read_number(const char *command)
{
    FILE *f = popen(command, "r");
    int number = -1;
    if (f && fscanf(f, "%d", &number) != 1)
        number = -1;
    if (f)
        (void)pclose(f);
    return number;
}

struct fixture { struct lane *lane; struct capture *capture; struct fake_writer writer; };

static void start(struct fixture *f, const char *const *interfaces, size_t count, const char *bpf, uint64_t ring_bytes)
{
    char error[256] = "";
    assert_int_equal(lane_new(0, &f->lane), 0);
    f->lane->first_sequence = 7;
    f->lane->segment_bytes_max = 8 << 20;
    f->lane->segment_blocks_max = 10000;
    f->lane->segment_age_ns = 60 * UNITS_NS_PER_S;
    f->lane->flush_ns = UNITS_NS_PER_S / 4;
    const struct capture_options options = { .interfaces = interfaces, .interfaces_count = count, .bpf = bpf, .ring_bytes = ring_bytes, .tape_id = TAPE_ID, .node = "test.node", .lanes = 1 };
    int done = capture_open(&options, &f->lane, &f->capture, error);
    if (done < 0)
        fail_msg("%s", error);
    f->writer = (struct fake_writer){ .lane = f->lane, .folder = folder, .ended = calloc(FAKE_SEGMENTS_MAX, sizeof(struct lane_segment)) };
    assert_int_equal(pthread_create(&f->writer.thread, NULL, fake_writer_run, &f->writer), 0);
    assert_int_equal(capture_start(f->capture), 0);
    assert_string_equal(capture_backend_name(f->capture), "af_packet");
}

/* Waits until the lane has seen so many packets: the kernel hands a block over when it is full or old. */
static void wait_for(const _Atomic uint64_t *counter, uint64_t want)
{
    for (int i = 0; i < 1000 && atomic_load(counter) < want; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(atomic_load(counter), want);
}

static void stop(struct fixture *f)
{
    lane_request_stop(f->lane);
    capture_join(f->capture);
    assert_int_equal(pthread_join(f->writer.thread, NULL), 0);
    capture_close(f->capture);
    free(f->writer.ended);
    lane_free(f->lane);
}

/* Ethernet, IPv4, then `protocol` with `payload` bytes of a pattern. */
static size_t make_frame(uint8_t *frame, uint8_t protocol, uint32_t number, size_t payload)
{
    static const uint8_t head[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2 };
    uint16_t length = htons((uint16_t)(20 + 8 + payload)), udp[4] = { htons(1000), htons(2000), htons((uint16_t)(8 + payload)), 0 };
    memcpy(frame, head, sizeof head);
    memcpy(frame + 16, &length, 2);
    frame[23] = protocol;
    memcpy(frame + 34, udp, 8);
    memset(frame + 42, (int)(number & 0xff), payload);
    memcpy(frame + 42, &number, sizeof number);
    return 42 + payload;
}

static int raw_socket(const char *interface)
{
    struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_protocol = 0 };
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static int tshark_count(const struct fixture *f, uint64_t sequence, const char *filter)
{
    char path[256], command[600];
    fake_writer_path(&f->writer, sequence, path, sizeof path);
    (void)snprintf(command, sizeof command, "tshark -r %s -Y '%s' 2>/dev/null | wc -l", path, filter);
    return read_number(command);
}

static void records_what_a_veth_carries(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "va*" }, 1, NULL, 16 << 20);
    int fd = raw_socket("vb0");
    uint8_t frame[2048];
    for (uint32_t i = 0; i < 1000; i++) {
        size_t size = make_frame(frame, i % 2 ? 17 : 6, i, 64 + i);
        assert_int_equal(send(fd, frame, size, 0), size);
        size = make_frame(frame, 1, i, 64);          /* ICMP: stays out */
        assert_int_equal(send(fd, frame, size, 0), size);
        if (i % 50 == 49)
            (void)poll(NULL, 0, 2);                  /* the receiving side of a veth has a queue of 1000, which drops silently */
    }
    assert_int_equal(capture_send_canaries(f.capture, 123456789), 0);
    wait_for(&f.lane->written_packets, 1000);
    wait_for(&f.lane->canaries, 1);
    struct capture_interface known[16];
    size_t count = capture_interfaces(f.capture, known, 16), recorded = 0;
    for (size_t i = 0; i < count; i++)
        if (known[i].recorded) {
            recorded++;
            assert_string_equal(known[i].name, "va0");
            assert_int_equal(known[i].offered_packets, 1000);
            assert_int_equal(known[i].written_packets, 1000);
            assert_int_equal(known[i].dropped_packets, 0);
            assert_int_equal(known[i].offered_bytes, known[i].written_bytes);
        }
    assert_int_equal(recorded, 1);
    (void)close(fd);
    uint64_t sequence = 7;
    lane_request_stop(f.lane);
    capture_join(f.capture);
    assert_int_equal(pthread_join(f.writer.thread, NULL), 0);
    assert_int_equal(f.writer.segments, 1);
    const struct lane_segment *segment = &f.writer.ended[0];
    assert_int_equal(segment->sequence, 7);
    assert_int_equal(segment->reason, SEGMENT_SEAL_STOP);
    assert_int_equal(segment->interfaces_count, 2); /* the canary's and va0 */
    assert_string_equal(segment->interfaces[1].name, "va0");
    assert_int_equal(segment->ledger.written_packets, 1000);
    assert_int_equal(segment->ledger.offered_packets, 1000);
    assert_int_equal(segment->ledger.canaries, 1);
    assert_int_equal(f.writer.newest_canary_ns, 123456789);
    assert_int_equal(tshark_count(&f, sequence, "frame.interface_name == \"va0\" && ip"), 1000);
    assert_int_equal(tshark_count(&f, sequence, "frame.interface_description == \"tapeloop canary\""), 1);
    assert_int_equal(tshark_count(&f, sequence, "frame.packet_flags_direction == 1 && frame.interface_name == \"va0\""), 1000);
    assert_int_equal(tshark_count(&f, sequence, "icmp"), 0);
    capture_close(f.capture);
    free(f.writer.ended);
    lane_free(f.lane);
}

/* The receive path takes the outer tag off before the ring sees the frame; QinQ keeps its inner one. */
static void puts_vlan_tags_back(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "va0" }, 1, NULL, 16 << 20);
    int fd = raw_socket("vb0");
    uint8_t frame[256], tagged[264];
    for (uint32_t i = 0; i < 20; i++) {
        static const uint8_t inner[] = { 0x81, 0, 0, 42 }, outer[] = { 0x88, 0xa8, 0x20, 7 };
        size_t size = make_frame(frame, 17, i, 64), tags = 0;
        memcpy(tagged, frame, 12);
        if (i % 2)
            memcpy(tagged + 12 + 4 * tags++, outer, 4);
        memcpy(tagged + 12 + 4 * tags++, inner, 4);
        memcpy(tagged + 12 + 4 * tags, frame + 12, size - 12);
        assert_true(send(fd, tagged, size + 4 * tags, 0) > 0);
    }
    wait_for(&f.lane->written_packets, 20);
    (void)close(fd);
    lane_request_seal(f.lane, SEGMENT_SEAL_PIN);
    for (int i = 0; i < 500 && atomic_load(&f.lane->seals_done) == 0; i++)
        (void)poll(NULL, 0, 10);
    assert_int_equal(f.lane->seals_done, 1);
    struct capture_interface known[8];
    for (size_t i = capture_interfaces(f.capture, known, 8); i > 0; i--)
        assert_int_equal(known[i - 1].offered_bytes, known[i - 1].recorded ? 10 * (42 + 64 + 4) + 10 * (42 + 64 + 8) : 0);
    stop(&f);
    assert_int_equal(tshark_count(&f, 7, "vlan.id == 42 && udp.port == 2000 && !ieee8021ad"), 10);
    assert_int_equal(tshark_count(&f, 7, "ieee8021ad.id == 7 && ieee8021ad.priority == 1 && vlan.id == 42 && udp.port == 2000"), 10);
}

static void lo_is_there_once(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "auto" }, 1, NULL, 16 << 20);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), receiver = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(receiver, (struct sockaddr *)&to, sizeof to), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sendto(fd, "0123456789", 10, 0, (struct sockaddr *)&to, sizeof to), 10);
    wait_for(&f.lane->written_packets, 100);
    (void)close(fd);
    (void)close(receiver);
    stop(&f);
}

static void filters_by_expression(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "va0" }, 1, "udp", 16 << 20);
    int fd = raw_socket("vb0");
    uint8_t frame[256];
    for (uint32_t i = 0; i < 100; i++)
        assert_true(send(fd, frame, make_frame(frame, i % 4 ? 6 : 17, i, 64), 0) > 0);
    wait_for(&f.lane->offered_packets, 100);
    assert_int_equal(f.lane->written_packets, 25);
    assert_int_equal(f.lane->filtered_packets, 75);
    (void)close(fd);
    stop(&f);
}

static void follows_interfaces(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "late*" }, 1, NULL, 16 << 20);
    char notes[4][160];
    assert_int_equal(capture_notes(f.capture, notes, 4), 1);
    assert_non_null(strstr(notes[0], "late*"));
    uint64_t sent = 0;
    for (int round = 0; round < 3; round++) {
        run("ip link add late0 type veth peer name other0 && ip link set late0 up && ip link set other0 up");
        assert_true(capture_watch(f.capture) >= 1);
        int fd = raw_socket("other0");
        uint8_t frame[256];
        for (uint32_t i = 0; i < 50; i++)
            assert_true(send(fd, frame, make_frame(frame, 17, i, 64), 0) > 0);
        sent += 50;
        wait_for(&f.lane->written_packets, sent);
        run("ip link set late0 name late9");         /* a rename is a new interface */
        assert_true(capture_watch(f.capture) >= 1);
        for (uint32_t i = 0; i < 50; i++)
            assert_true(send(fd, frame, make_frame(frame, 17, i, 64), 0) > 0);
        sent += 50;
        wait_for(&f.lane->written_packets, sent);
        (void)close(fd);
        run("ip link del late9");
        assert_true(capture_watch(f.capture) >= 1);
    }
    lane_request_stop(f.lane);
    capture_join(f.capture);
    assert_int_equal(pthread_join(f.writer.thread, NULL), 0);
    assert_int_equal(f.writer.segments, 1);
    assert_int_equal(f.writer.ended[0].interfaces_count, 7);
    assert_int_equal(f.writer.headers[0], 6);    /* the first header was written when late0 was there */
    for (uint32_t i = 1; i < 7; i++) {
        assert_string_equal(f.writer.ended[0].interfaces[i].name, i % 2 ? "late0" : "late9");
        assert_int_equal(f.writer.ended[0].interface_ledgers[i].written_packets, 50);
    }
    assert_int_equal(tshark_count(&f, 7, "frame.interface_name == \"late9\""), 150);
    capture_close(f.capture);
    free(f.writer.ended);
    lane_free(f.lane);
}

/* Walks the packets of a written segment: the number in each is that of the one before and the drops that its epb_dropcount tells. *next: the number that should come. */
static void check_places(const struct fixture *f, uint64_t sequence, uint64_t *next)
{
    static uint8_t content[SEGMENT_BLOCK_CONTENT_MAX];
    char path[256];
    fake_writer_path(&f->writer, sequence, path, sizeof path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct pcapng_reader *reader = pcapng_reader_new();
    uint32_t word;
    assert_int_equal(fseek(file, LZ4FRAME_HEADER_BYTES, SEEK_SET), 0);
    while (fread(&word, 1, sizeof word, file) == sizeof word && word) {
        size_t size = word & ~LZ4FRAME_STORED, needed;
        struct pcapng_block block;
        assert_int_equal(fread(content, 1, size, file), size);
        for (size_t at = 0; at < size; at += block.size) {
            assert_true(pcapng_next(reader, content + at, size - at, &block, &needed) > 0);
            if (!block.has_packet || pcapng_reader_interface(reader, block.packet.interface)->canary)
                continue;
            uint32_t number;
            memcpy(&number, block.packet.data + 42, sizeof number);
            assert_int_equal(number, *next + block.packet.drops);
            *next = number + 1u;
        }
    }
    pcapng_reader_free(reader);
    (void)fclose(file);
}

static void counts_what_is_lost(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "vb0" }, 1, NULL, 4 << 20); /* the least ring; outgoing frames pass no queue that loses */
    int fd = raw_socket("vb0");
    uint8_t frame[2048];
    uint64_t sent = 0;
    for (int round = 0; round < 3; round++) {
        uint64_t before = atomic_load(&f.lane->dropped_kernel_packets);
        atomic_store(&f.writer.stalled, true);       /* chunks run out, then the ring */
        for (int i = 0; i < 5; i++)                  /* some are lost as well: they are in no account */
            assert_int_equal(capture_send_canaries(f.capture, 1), 0);
        for (int i = 0; i < 40000; i++)
            sent += send(fd, frame, make_frame(frame, 17, (uint32_t)sent, 1400), 0) > 0;
        for (int i = 0; i < 5; i++)
            assert_int_equal(capture_send_canaries(f.capture, 1), 0);
        atomic_store(&f.writer.stalled, false);
        (void)poll(NULL, 0, 300);                    /* what was lost is told with the next block that comes */
        sent += send(fd, frame, make_frame(frame, 17, (uint32_t)sent, 1400), 0) > 0;
        wait_for(&f.lane->offered_packets, sent);
        assert_true(atomic_load(&f.lane->dropped_kernel_packets) > before);
        for (int i = 0; i < 100; i++)
            sent += send(fd, frame, make_frame(frame, 17, (uint32_t)sent, 1400), 0) > 0;
        wait_for(&f.lane->offered_packets, sent);
    }
    (void)close(fd);
    wait_for(&f.lane->offered_packets, sent);    /* every one is written or counted */
    lane_request_stop(f.lane);
    capture_join(f.capture);
    assert_int_equal(pthread_join(f.writer.thread, NULL), 0);
    uint64_t offered = 0, written = 0, dropped = 0, gaps = 0;
    for (uint32_t i = 0; i < f.writer.segments; i++) {
        const struct lane_segment *segment = &f.writer.ended[i % FAKE_SEGMENTS_MAX];
        offered += segment->ledger.offered_packets;
        written += segment->ledger.written_packets;
        dropped += segment->ledger.dropped_kernel_packets;
        for (uint32_t g = 0; g < segment->gaps_count; g++)
            gaps += segment->gaps[g].packets;
    }
    assert_true(f.writer.segments <= FAKE_SEGMENTS_MAX);
    assert_int_equal(offered, sent);
    assert_int_equal(written + dropped, sent);
    assert_int_equal(gaps, dropped);
    assert_int_equal(dropped, f.lane->dropped_kernel_packets);
    assert_true(f.lane->chunks_waiting > 0);
    assert_true(f.lane->canaries >= 15 && f.lane->canaries < 30);
    uint64_t told = 0;
    for (uint32_t i = 0; i < f.writer.segments; i++) {
        char command[300], path[256];
        fake_writer_path(&f.writer, 7 + i, path, sizeof path);
        (void)snprintf(command, sizeof command, "capinfos -M -c -T -r %s 2>/dev/null | cut -f2", path);
        assert_int_equal(read_number(command), f.writer.packets[i] + f.writer.canaries[i]);
        told += f.writer.ended[i].interface_ledgers[1].dropped_packets;
    }
    assert_int_equal(told, dropped);
    uint64_t next = 0;
    for (uint32_t i = 0; i < f.writer.segments; i++)
        check_places(&f, 7 + i, &next);
    assert_int_equal(next, sent);
    capture_close(f.capture);
    free(f.writer.ended);
    lane_free(f.lane);
}

static void switches_off_and_on(void **state)
{
    (void)state;
    static struct fixture f;                     /* the threads of a failed test must not run over a dead frame */
    start(&f, (const char *const[]){ "va0" }, 1, NULL, 16 << 20);
    int fd = raw_socket("vb0");
    uint8_t frame[256];
    assert_true(send(fd, frame, make_frame(frame, 17, 0, 64), 0) > 0);
    wait_for(&f.lane->written_packets, 1);
    atomic_store(&f.lane->enabled, 0);
    lane_request_seal(f.lane, SEGMENT_SEAL_PIN);     /* also wakes the thread */
    for (int i = 0; i < 500 && atomic_load(&f.lane->seals_done) == 0; i++)
        (void)poll(NULL, 0, 10);
    for (int i = 0; i < 10; i++)
        assert_true(send(fd, frame, make_frame(frame, 17, 0, 64), 0) > 0);
    assert_int_equal(capture_send_canaries(f.capture, 1), 0);
    (void)poll(NULL, 0, 300);
    assert_int_equal(f.lane->offered_packets, 1);
    atomic_store(&f.lane->enabled, 1);
    lane_request_seal(f.lane, SEGMENT_SEAL_PIN);
    for (int i = 0; i < 500 && atomic_load(&f.lane->seals_done) < 2; i++)
        (void)poll(NULL, 0, 10);
    assert_true(send(fd, frame, make_frame(frame, 17, 0, 64), 0) > 0);
    wait_for(&f.lane->written_packets, 2);
    (void)close(fd);
    lane_request_stop(f.lane);
    capture_join(f.capture);
    assert_int_equal(pthread_join(f.writer.thread, NULL), 0);
    assert_int_equal(f.writer.segments, 2);
    assert_int_equal(f.writer.ended[1].gaps_count, 1);
    assert_int_equal(f.writer.ended[1].gaps[0].reason, SEGMENT_GAP_NOT_RECORDING);
    assert_true(f.writer.ended[1].gaps[0].count_unknown);
    assert_int_equal(f.lane->canaries, 0);
    capture_close(f.capture);
    free(f.writer.ended);
    lane_free(f.lane);
}

#define LANES 4u

/* Several lanes share the traffic: every packet once, both directions of a flow in one lane, and each lane gets its canary. */
static void lanes_share(void **state)
{
    (void)state;
    static struct lane *lanes[LANES];
    static struct fake_writer writers[LANES];
    struct capture *capture = NULL;
    char error[256];
    for (uint32_t i = 0; i < LANES; i++) {
        assert_int_equal(lane_new(i, &lanes[i]), 0);
        lanes[i]->segment_bytes_max = 8 << 20;
        lanes[i]->segment_blocks_max = 10000;
        lanes[i]->segment_age_ns = 60 * UNITS_NS_PER_S;
        lanes[i]->flush_ns = UNITS_NS_PER_S / 4;
        writers[i] = (struct fake_writer){ .lane = lanes[i], .ended = calloc(FAKE_SEGMENTS_MAX, sizeof(struct lane_segment)) };
        assert_int_equal(pthread_create(&writers[i].thread, NULL, fake_writer_run, &writers[i]), 0);
    }
    const struct capture_options options = { .interfaces = (const char *const[]){ "vb0" }, .interfaces_count = 1, .ring_bytes = 8 << 20, .tape_id = TAPE_ID, .node = "n", .lanes = LANES };
    if (capture_open(&options, lanes, &capture, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(capture_start(capture), 0);
    int fd = raw_socket("vb0");
    uint8_t frame[256];
    for (uint32_t i = 0; i < 4000; i++) {
        size_t size = make_frame(frame, 17, i, 64);
        uint16_t port = htons((uint16_t)(1000 + i % 200));
        memcpy(frame + 34, &port, 2);
        assert_true(send(fd, frame, size, 0) > 0);
    }
    (void)close(fd);
    uint64_t written = 0, canaries = 0;
    int left = 1;
    for (int i = 0; i < 100 && (written < 4000 || left || canaries < LANES); i++) {
        left = capture_send_canaries(capture, 1);
        assert_true(left >= 0);
        (void)poll(NULL, 0, 150);
        written = canaries = 0;
        for (uint32_t l = 0; l < LANES; l++) {
            written += atomic_load(&lanes[l]->written_packets);
            canaries += atomic_load(&lanes[l]->canaries) > 0;
        }
    }
    assert_int_equal(written, 4000);
    assert_int_equal(left, 0);
    assert_int_equal(canaries, LANES);
    for (uint32_t i = 0; i < LANES; i++)
        lane_request_stop(lanes[i]);
    capture_join(capture);
    capture_close(capture);
    for (uint32_t i = 0; i < LANES; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].segments, 1);
        assert_true(writers[i].packets[0] > 0);
        free(writers[i].ended);
        lane_free(lanes[i]);
    }
}

/* A device without link header: packets begin with IP. */
static void records_a_tun_device(void **state)
{
    (void)state;
    static struct fixture f;
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "tun7" };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        skip();                                      /* this kernel has no tun */
    run("ip link set tun7 up");
    start(&f, (const char *const[]){ "tun*" }, 1, NULL, 16 << 20);
    uint8_t frame[256];
    for (uint32_t i = 0; i < 20; i++) {
        size_t size = make_frame(frame, i % 2 ? 17 : 1, i, 64);
        assert_int_equal(write(fd, frame + 14, size - 14), size - 14);
    }
    wait_for(&f.lane->written_packets, 10);
    (void)close(fd);
    stop(&f);
    assert_int_equal(tshark_count(&f, 7, "frame.interface_name == \"tun7\" && raw && udp.port == 2000"), 10);
}

/* The kernel's loopback sends 64 KiB at once: nothing of it is cut. */
static void keeps_super_packets_whole(void **state)
{
    (void)state;
    static struct fixture f;
    start(&f, (const char *const[]){ "lo" }, 1, NULL, 16 << 20);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof to;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(bind(listener, (struct sockaddr *)&to, sizeof to) == 0 && listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&to, &length) == 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    int server = accept(listener, NULL, NULL);
    static uint8_t bytes[1 << 20];
    size_t got = 0;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(send(client, bytes, 100000, 0), 100000);
        for (size_t want = got + 100000; got < want;)
            got += (size_t)recv(server, bytes + sizeof bytes / 2, 100000, 0);
    }
    (void)close(client);
    (void)close(server);
    (void)close(listener);
    (void)poll(NULL, 0, 300);
    stop(&f);
    assert_true(tshark_count(&f, 7, "frame.len > 30000 && frame.cap_len == frame.len") > 0);
    assert_int_equal(tshark_count(&f, 7, "frame.cap_len != frame.len"), 0);
    assert_int_equal(tshark_count(&f, 7, "frame.packet_flags_direction != 1"), 0); /* lo's outgoing copy stays out */
}

static void refuses_with_a_sentence(void **state)
{
    (void)state;
    struct lane *lane = NULL;
    struct capture *capture = NULL;
    char error[256] = "";
    assert_int_equal(lane_new(0, &lane), 0);
    struct capture_options options = { .interfaces = (const char *const[]){ "va0" }, .interfaces_count = 1, .bpf = "no such thing", .ring_bytes = 16 << 20, .node = "n", .lanes = 1 };
    assert_int_equal(capture_open(&options, &lane, &capture, error), -EINVAL);
    assert_non_null(strstr(error, "no such thing"));
    options.bpf = NULL;
    options.backend = "ebpf";
    assert_int_equal(capture_open(&options, &lane, &capture, error), -EINVAL);
    assert_non_null(strstr(error, "ebpf"));
    options.backend = "best";
    options.ring_bytes = 1;
    assert_int_equal(capture_open(&options, &lane, &capture, error), -EINVAL);
    assert_null(capture);
    lane_free(lane);
}

static int prepare(void **state)
{
    (void)state;
    run("ip link set lo up && ip link add va0 type veth peer name vb0 && ip link set va0 up && ip link set vb0 up && sleep 0.2");
    return mkdtemp(folder) ? 0 : -1;
}

static int tidy(void **state)
{
    (void)state;
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    run(command);
    return 0;
}

int main(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        (void)fprintf(stderr, "skipped: needs root to make a network namespace\n");
        return 77;
    }
    run("sysctl -q -w net.ipv6.conf.default.disable_ipv6=1 2>/dev/null || true");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_what_a_veth_carries), cmocka_unit_test(puts_vlan_tags_back), cmocka_unit_test(lo_is_there_once),        cmocka_unit_test(filters_by_expression),
        cmocka_unit_test(follows_interfaces),          cmocka_unit_test(counts_what_is_lost), cmocka_unit_test(switches_off_and_on),     cmocka_unit_test(refuses_with_a_sentence),
        cmocka_unit_test(lanes_share),                 cmocka_unit_test(records_a_tun_device), cmocka_unit_test(keeps_super_packets_whole),
    };
    return cmocka_run_group_tests(tests, prepare, tidy);
}
