#include "services/capturer/capture/ring.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "services/capturer/capture/backend.h"

#define FRAME_BYTES 2048u                        /* only divides blocks here: V3 packs frames as they come */

struct drops { uint64_t packets, canaries_admitted; };
struct backend_source {
    int fd;
    uint8_t *memory;
    uint32_t blocks, next;
    struct drops *drops_before;                  /* per block: told to the recorder when the block comes again */
};

static int fail(char *error, const char *what)
{
    int code = errno;
    if (code == EPERM)
        (void)snprintf(error, BACKEND_ERROR_TEXT, "not allowed to %s: run as root or with CAP_NET_RAW and CAP_NET_ADMIN", what);
    else
        (void)snprintf(error, BACKEND_ERROR_TEXT, "cannot %s: %s", what, strerror(code));
    return -code;
}

/* Halves the ring until the kernel has the memory. */
static int make_ring(struct backend_source *source, uint64_t ring_bytes, char *error, char *note)
{
    uint64_t blocks = ring_bytes / CAPTURE_RING_BLOCK_BYTES, asked = blocks;
    for (;;) {
        struct tpacket_req3 request = {
            .tp_block_size = CAPTURE_RING_BLOCK_BYTES,
            .tp_block_nr = (unsigned)blocks,
            .tp_frame_size = FRAME_BYTES,
            .tp_frame_nr = (unsigned)(blocks * (CAPTURE_RING_BLOCK_BYTES / FRAME_BYTES)),
            .tp_retire_blk_tov = RING_RETIRE_MS,
        };
        if (setsockopt(source->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) == 0)
            break;
        if (errno != ENOMEM || blocks / 2 < RING_BLOCKS_MIN)
            return fail(error, "make the capture ring");
        blocks /= 2;
    }
    source->blocks = (uint32_t)blocks;
    if (blocks < asked)
        (void)snprintf(note, BACKEND_NOTE_TEXT, "the ring has %llu MiB instead of %llu: the kernel has no memory for more", (unsigned long long)blocks, (unsigned long long)asked);
    return 0;
}

static int map_ring(struct backend_source *source, char *error, char *note)
{
    size_t bytes = (size_t)source->blocks * CAPTURE_RING_BLOCK_BYTES;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_LOCKED | MAP_POPULATE, source->fd, 0);
    if (memory == MAP_FAILED && (errno == EAGAIN || errno == EPERM || errno == ENOMEM)) {
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, source->fd, 0);
        if (memory != MAP_FAILED && note[0] == '\0')
            (void)snprintf(note, BACKEND_NOTE_TEXT, "the ring is not locked in memory (limit on locked memory, RLIMIT_MEMLOCK)");
    }
    if (memory == MAP_FAILED)
        return fail(error, "map the capture ring");
    source->memory = memory;
    (void)madvise(memory, bytes, MADV_DONTDUMP);
    return 0;
}

static int join(struct backend_source *source, const struct backend_options *options, char *error)
{
    if (options->lanes == 1)
        return 0;
    /* Hash is symmetric: both directions of a flow come to one lane. Fragments are not put together: the tape takes what the wire had. */
    bool first = *options->group < 0;
    unsigned type = PACKET_FANOUT_HASH | (first ? (unsigned)PACKET_FANOUT_FLAG_UNIQUEID : 0u);
    unsigned join = (first ? 0u : (unsigned)*options->group) | type << 16;
    if (setsockopt(source->fd, SOL_PACKET, PACKET_FANOUT, &join, sizeof join) != 0)
        return fail(error, "share the traffic between lanes (PACKET_FANOUT)");
    socklen_t size = sizeof join;
    if (getsockopt(source->fd, SOL_PACKET, PACKET_FANOUT, &join, &size) != 0)
        return fail(error, "read the number of the lanes' group");
    *options->group = (int)(join & 0xffffu);
    return 0;
}

static void ring_close(struct backend_source *source)
{
    if (!source)
        return;
    if (source->memory)
        (void)munmap(source->memory, (size_t)source->blocks * CAPTURE_RING_BLOCK_BYTES);
    if (source->fd >= 0)
        (void)close(source->fd);
    free(source->drops_before);
    free(source);
}

/* The filter is attached before the socket is bound: nothing unfiltered ever enters. */
static int open_socket(struct backend_source *source, const struct backend_options *options, char *error, char *note)
{
    source->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (source->fd < 0)
        return fail(error, "open a packet socket");
    int version = TPACKET_V3, on = 1;
    if (setsockopt(source->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0)
        return fail(error, "use TPACKET_V3");
    if (setsockopt(source->fd, SOL_SOCKET, SO_ATTACH_BPF, &options->program_fd, sizeof options->program_fd) != 0)
        return fail(error, "attach the kernel filter");
    (void)setsockopt(source->fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on); /* only a guard against ourselves */
    int done = make_ring(source, options->ring_bytes, error, note);
    if (done == 0)
        done = map_ring(source, error, note);
    if (done < 0)
        return done;
    source->drops_before = calloc(source->blocks, sizeof *source->drops_before);
    if (!source->drops_before)
        return fail(error, "get memory for the ring's accounts");
    struct sockaddr_ll everywhere = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
    if (bind(source->fd, (struct sockaddr *)&everywhere, sizeof everywhere) != 0)
        return fail(error, "bind the packet socket to all interfaces");
    return join(source, options, error);
}

static int ring_open(const struct backend_options *options, struct backend_source **ret, char *error, char *note)
{
    note[0] = '\0';
    if (options->ring_bytes < (uint64_t)RING_BLOCKS_MIN * CAPTURE_RING_BLOCK_BYTES || options->ring_bytes > RING_BYTES_MAX) {
        (void)snprintf(error, BACKEND_ERROR_TEXT, "a ring of %llu bytes is not possible: it must have %u MiB to %llu MiB", (unsigned long long)options->ring_bytes, RING_BLOCKS_MIN,
                       (unsigned long long)(RING_BYTES_MAX >> 20));
        return -EINVAL;
    }
    struct backend_source *source = calloc(1, sizeof *source);
    if (!source) {
        (void)snprintf(error, BACKEND_ERROR_TEXT, "no memory for the capture ring");
        return -ENOMEM;
    }
    source->fd = -1;
    int done = open_socket(source, options, error, note);
    if (done < 0) {
        ring_close(source);
        return done;
    }
    *ret = source;
    return 0;
}

static int ring_fd(const struct backend_source *source) { return source->fd; }

static struct tpacket_block_desc *block_of(const struct backend_source *source, uint32_t block)
{
    return (struct tpacket_block_desc *)(void *)(source->memory + (size_t)block * CAPTURE_RING_BLOCK_BYTES);
}

static bool ring_ready(struct backend_source *source)
{
    return (__atomic_load_n(&block_of(source, source->next)->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

/* Direction and kind by the packet type of linux/if_packet.h. */
static const uint32_t flags_of_type[8] = {
    [PACKET_HOST] = PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_UNICAST,         [PACKET_BROADCAST] = PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_BROADCAST,
    [PACKET_MULTICAST] = PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_MULTICAST,  [PACKET_OTHERHOST] = PCAPNG_FLAG_INBOUND | PCAPNG_FLAG_PROMISCUOUS,
    [PACKET_OUTGOING] = PCAPNG_FLAG_OUTBOUND,
};

/* Moves a status bit to the flag's place: no branch. */
#define FLAG_FROM(status, bit, flag) (((status) & (bit)) / (bit) * (flag))
static_assert((TP_STATUS_CSUMNOTREADY & (TP_STATUS_CSUMNOTREADY - 1)) == 0 && (TP_STATUS_CSUM_VALID & (TP_STATUS_CSUM_VALID - 1)) == 0, "single bits");
#ifndef TP_STATUS_GSO_TCP
#define TP_STATUS_GSO_TCP (1u << 8)              /* since Linux 5.12; older kernels leave it 0 */
#endif

static inline struct recorder_frame frame_at(const uint8_t *place)
{
    const struct tpacket3_hdr *head = (const void *)place;
    const struct sockaddr_ll *from = (const void *)(place + TPACKET_ALIGN(sizeof *head));
    uint32_t status = head->tp_status, tag = 0;
    if (__builtin_expect(status & TP_STATUS_VLAN_VALID, 0))
        tag = (status & TP_STATUS_VLAN_TPID_VALID ? (uint32_t)head->hv1.tp_vlan_tpid : (uint32_t)ETH_P_8021Q) << 16 | (head->hv1.tp_vlan_tci & 0xffffu);
    return (struct recorder_frame){
        .data = place + head->tp_mac,
        .captured = head->tp_snaplen,
        .length = head->tp_len,
        .ifindex = (uint32_t)from->sll_ifindex,
        .flags = flags_of_type[from->sll_pkttype & 7] | FLAG_FROM(status, TP_STATUS_CSUMNOTREADY, PCAPNG_FLAG_CHECKSUM_NOT_READY) |
                 FLAG_FROM(status, TP_STATUS_CSUM_VALID, PCAPNG_FLAG_CHECKSUM_VALID) | FLAG_FROM(status, TP_STATUS_GSO_TCP, PCAPNG_FLAG_TCP_OFFLOADED),
        .time_ns = (int64_t)head->tp_sec * 1000000000 + head->tp_nsec,
        .tag = tag,
        .raw_ip = from->sll_hatype != ARPHRD_ETHER && from->sll_hatype != ARPHRD_LOOPBACK,
    };
}

static void read_drops(const struct backend_source *source, const struct recorder *recorder, struct drops *drops)
{
    struct tpacket_stats_v3 statistics = { 0 };
    socklen_t size = sizeof statistics;
    /* Cannot fail on a packet socket; what it held would stay for the next time. */
    if (getsockopt(source->fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) != 0 || statistics.tp_drops == 0)
        return;
    drops->packets += statistics.tp_drops;
    drops->canaries_admitted = recorder_canaries_admitted(recorder);
}

/* When everything that lies before them has been walked. */
static void tell_drops(struct recorder *recorder, struct drops *drops, int64_t to_ns)
{
    if (drops->packets)
        recorder_gap(recorder, drops->packets, drops->canaries_admitted, to_ns);
    *drops = (struct drops){ 0 };
}

/* Until this block goes back the kernel can only be waiting for it: what it drops lies before the block's next filling. Between reading that and giving the block back it may drop more; these lie there too, unless the
 * thread was held up for so long that the kernel has filled the whole block again and waits for the next. */
static void give_back(struct backend_source *source, struct recorder *recorder)
{
    struct tpacket_block_desc *block = block_of(source, source->next);
    uint32_t next = source->next + 1 == source->blocks ? 0 : source->next + 1;
    struct drops late = { 0 };
    read_drops(source, recorder, &source->drops_before[source->next]);
    __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    read_drops(source, recorder, &late);
    if (late.packets) {
        struct drops *place = &source->drops_before[ring_ready(source) ? next : source->next];
        place->packets += late.packets;
        place->canaries_admitted = late.canaries_admitted;
    }
    source->next = next;
}

static void ring_walk(struct backend_source *source, struct recorder *recorder)
{
    struct tpacket_block_desc *block = block_of(source, source->next);
    const uint8_t *place = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    uint32_t frames = block->hdr.bh1.num_pkts;
    if (frames)
        tell_drops(recorder, &source->drops_before[source->next], frame_at(place).time_ns);
    int64_t last_ns = recorder->last_ns;
    for (uint32_t i = 0; i < frames; i++) {
        const uint8_t *next = place + ((const struct tpacket3_hdr *)(const void *)place)->tp_next_offset;
        __builtin_prefetch(next);
        __builtin_prefetch(next + 64);
        struct recorder_frame frame = frame_at(place);
        last_ns = frame.time_ns;
        recorder_put(recorder, &frame);
        place = next;
    }
    recorder->last_ns = last_ns;
    recorder_publish(recorder);
    give_back(source, recorder);
}

static void ring_finish(struct backend_source *source, struct recorder *recorder)
{
    for (uint32_t i = 0; i < source->blocks; i++) /* from the block that would come next on */
        tell_drops(recorder, &source->drops_before[(source->next + i) % source->blocks], recorder->now_wall_ns);
    struct drops last = { 0 };
    read_drops(source, recorder, &last);
    tell_drops(recorder, &last, recorder->now_wall_ns);
}

static int ring_mend(struct backend_source *source)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return -error;                               /* ENETDOWN of one interface: reading it takes it away */
}

static int64_t ring_settle_ns(void) { return (int64_t)RING_RETIRE_MS * 3 / 2 * 1000000; }

const struct capture_backend capture_backend_af_packet = {
    .name = "af_packet",
    .open = ring_open,
    .close = ring_close,
    .fd = ring_fd,
    .ready = ring_ready,
    .walk = ring_walk,
    .finish = ring_finish,
    .mend = ring_mend,
    .settle_ns = ring_settle_ns,
};
