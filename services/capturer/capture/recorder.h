/* From frames to closed blocks: the capture thread's half of a segment.
 *
 * A recorder belongs to one capture thread. It opens a segment with the first frame that comes, encodes each frame into the open block, closes blocks (full, timed flush, end of segment, around header blocks) and
 * hands them to the lane's writer. It waits only where the writer has given no chunk back; the kernel's ring takes what comes meanwhile. Nothing here allocates, locks, logs or asks the kernel for the time:
 * the caller passes both clocks once a turn. Rules of the format: capfile/pcapng.h, capfile/lz4frame.h, lane.h. */
#ifndef CAPTURER_CAPTURE_RECORDER_H
#define CAPTURER_CAPTURE_RECORDER_H
#include <string.h>
#include "capfile/pcapng.h"
#include "services/capturer/capture/capture.h"
#include "services/capturer/capture/ledger.h"
#include "services/capturer/capture/table.h"
#include "services/capturer/lane.h"

#define RECORDER_ROUTES_MAX 2048u                /* cached ways from ifindex to interface; a power of two above any node's interfaces */
#define RECORDER_PORTS_MAX 65536u
#define RECORDER_CLOCK_STEP_NS INT64_C(50000000) /* a step of the wall clock against the monotonic one that ends the segment */

struct bpf_expression;

/* A frame as it lies in the ring; the bytes are borrowed for the call. */
struct recorder_frame {
    const uint8_t *data;
    uint32_t captured, length;                   /* bytes at data; bytes that the packet had */
    uint32_t ifindex, flags;                     /* flags: PCAPNG_FLAG_ */
    int64_t time_ns;
    uint32_t tag;                                /* stripped VLAN tag, TPID << 16 | TCI; 0 none */
    bool raw_ip;                                 /* no link header: for an interface that the table does not know */
};

struct recorder_route { uint32_t ifindex, interface; bool raw_ip; const struct bpf_expression *match; struct table_counts *counts; };

struct recorder_options {
    struct lane *lane;
    struct table *table;
    const struct capture_filter *filter;         /* what the kernel admitted, for drops by interface; NULL: not known */
    const char *node;
    uint64_t tape_id;
    const struct bpf_expression *match[2];        /* user's filter for Ethernet and for raw IP; NULL: all pass */
    _Atomic uint8_t *lane_of_port;               /* RECORDER_PORTS_MAX: lane + 1 in which the canary from this source port came */
};

struct recorder {
    /* Used for every packet. */
    uint8_t *at, *limit;                         /* of the open data block; at == limit == NULL: none is open */
    struct recorder_route route;                 /* the last one; ifindex 0: none */
    uint64_t drops;                              /* to write into the next packet's epb_dropcount */
    struct segment_block block;
    uint64_t written_packets, written_bytes, filtered_packets, filtered_bytes, truncated; /* since the last recorder_publish */

    struct recorder_options options;
    const struct table_list *list;
    uint8_t *block_start;
    int64_t now_wall_ns, now_mono_ns, block_mono_ns, canary_sent_ns;
    bool segment_open, block_open, chunk_held;
    uint32_t chunk, slot;
    uint64_t sequence, stored, blocks;           /* stored: bytes of the segment so far if all blocks are stored */
    int64_t opened_mono_ns, last_ns;             /* last_ns: timestamp of the last frame seen */
    int64_t step_offset_ns; bool step_known;     /* wall - monotonic at the last turn */
    uint64_t disk_seen;                          /* the writer's drops already told */
    struct ledger accounts;
    uint64_t serial[LANE_INTERFACES_MAX];        /* of the segment's interfaces */
    uint32_t counter_slot[LANE_INTERFACES_MAX];
    struct recorder_route routes[RECORDER_ROUTES_MAX];
    uint8_t carry[LANE_ALIGN];                   /* the unaligned end of the chunk that was full */
};

/* recorder: zeroed memory of the caller. lane's first_sequence, sizes and times are set before. */
void recorder_init(struct recorder *recorder, const struct recorder_options *options);
/* Once a turn, before frames: sets the clocks, picks up the interface list, ends the segment at a step of the wall clock. */
void recorder_turn(struct recorder *recorder, int64_t wall_ns, int64_t mono_ns);
/* What is due by time: the timed flush, the segment's age. */
void recorder_tick(struct recorder *recorder);
/* Monotonic time at which recorder_tick has something to do; INT64_MAX: nothing. */
int64_t recorder_due_ns(const struct recorder *recorder);
/* `packets` were dropped between the last frame and the next one, whose timestamp is to_ns. canaries_admitted: recorder_canaries_admitted when the drops were read; of those, what no frame so far was is among the
 * dropped, and left out: canaries are in no account. */
void recorder_gap(struct recorder *recorder, uint64_t packets, uint64_t canaries_admitted, int64_t to_ns);
uint64_t recorder_canaries_admitted(const struct recorder *recorder);
/* Nothing was recorded from from_ns to to_ns; how much passed is not known. */
void recorder_not_recording(struct recorder *recorder, int64_t from_ns, int64_t to_ns);
/* Ends the open segment, if one is open. */
void recorder_seal(struct recorder *recorder, enum segment_seal_reason reason);
/* Makes the counts since the last call visible to other threads; after each ring block. */
void recorder_publish(struct recorder *recorder);

/* Not for callers: the rare ways of recorder_put. */
bool recorder_make_way(struct recorder *recorder, const struct recorder_frame *frame, uint32_t total);
bool recorder_put_canary(struct recorder *recorder, const struct recorder_frame *frame);
bool recorder_matches(const struct recorder *recorder, const uint8_t *data, uint32_t captured, uint32_t length);
void recorder_filtered(struct recorder *recorder, uint32_t length);

static inline void recorder_count(_Atomic uint64_t *counter, uint64_t n)
{
    /* One writer: no locked instruction is needed. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void recorder_count_time(struct segment_block *block, int64_t time_ns)
{
    if (__builtin_expect(time_ns >= block->last_ns, 1)) {
        if (block->packets == 0)
            block->first_ns = time_ns;
        block->last_ns = time_ns;
        return;
    }
    uint64_t back = (uint64_t)(block->last_ns - time_ns);
    block->disorder_ns = back > block->disorder_ns ? back : block->disorder_ns;
    block->first_ns = time_ns < block->first_ns ? time_ns : block->first_ns;
}

/* Records one frame. The hot path: one memcpy, no call where nothing is rare. */
static inline void recorder_put(struct recorder *recorder, const struct recorder_frame *frame)
{
    if (__builtin_expect(frame->ifindex == FILTER_LOOPBACK && frame->length == FILTER_CANARY_BYTES, 0) && recorder_put_canary(recorder, frame))
        return;
    uint32_t captured = frame->captured, length = frame->length, tag_bytes = 0;
    if (__builtin_expect(frame->tag != 0 && captured >= 12, 0))
        tag_bytes = 4;
    captured += tag_bytes;
    length += tag_bytes;
    if (__builtin_expect(captured > PCAPNG_SNAP_LENGTH, 0))
        captured = PCAPNG_SNAP_LENGTH;
    uint64_t drops = recorder->drops;
    uint32_t total = (uint32_t)pcapng_epb_bytes(captured, drops != 0);
    if (__builtin_expect(frame->ifindex != recorder->route.ifindex || total > (size_t)(recorder->limit - recorder->at), 0)) {
        if (!recorder_make_way(recorder, frame, (uint32_t)pcapng_epb_bytes(captured, true)))
            return;
        drops = recorder->drops;                 /* a new segment tells what the writer dropped of the last one */
        total = (uint32_t)pcapng_epb_bytes(captured, drops != 0);
    }
    uint8_t *data = pcapng_epb_begin(recorder->at, total, recorder->route.interface, (uint64_t)frame->time_ns, captured, length);
    if (__builtin_expect(tag_bytes != 0, 0)) {
        uint8_t tag[4] = { (uint8_t)(frame->tag >> 24), (uint8_t)(frame->tag >> 16), (uint8_t)(frame->tag >> 8), (uint8_t)frame->tag };
        memcpy(data, frame->data, 12);
        memcpy(data + 12, tag, sizeof tag);
        memcpy(data + 16, frame->data + 12, captured - 16);
    } else {
        memcpy(data, frame->data, captured);
    }
    if (__builtin_expect(recorder->route.match != NULL, 0) && !recorder_matches(recorder, data, captured, length)) {
        recorder_filtered(recorder, length);
        return;
    }
    recorder->at = pcapng_epb_end(data, total, captured, frame->flags, drops);
    recorder->drops = 0;
    recorder_count_time(&recorder->block, frame->time_ns);
    recorder->block.packets++;
    recorder->written_packets++;
    recorder->written_bytes += length;
    recorder->truncated += captured < length;
    recorder_count(&recorder->route.counts->written_packets, 1);
    recorder_count(&recorder->route.counts->written_bytes, length);
}
#endif
