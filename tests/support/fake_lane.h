/* A fake capture thread: feeds a lane's writer with blocks of made packets, laid out in chunks as the real one does (capture/recorder.c), without a kernel ring. For tests and benches of the tape. */
#ifndef TESTS_SUPPORT_FAKE_LANE_H
#define TESTS_SUPPORT_FAKE_LANE_H
#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "capfile/lz4frame.h"
#include "capfile/pcapng.h"
#include "services/capturer/lane.h"
#include "units/units.h"

#define FAKE_LANE_PACKET_MAX 9000u
#define FAKE_LANE_CHUNK_TAIL (LZ4FRAME_BLOCK_WORD_BYTES + 65536u) /* a chunk with less left is done */

struct fake_lane {
    struct lane *lane;
    bool segment_open, chunk_held;
    uint32_t chunk, slot;
    uint64_t sequence, stored, blocks, saved_seen;
    uint8_t *at;                                 /* in the chunk */
    uint8_t carry[LANE_ALIGN];
    int64_t clock_ns;                            /* of packets: 1 us apart from now on */
    uint64_t packets, bytes, segment_packets, segment_bytes, gave_up;
    uint64_t number;                             /* in the next packet's bytes */
    int64_t step_ns;
    bool give_up_waiting;                        /* when the writer gives no chunk back: for tests that stop it */
};

static inline void fake_lane_init(struct fake_lane *f, struct lane *lane)
{
    memset(f, 0, sizeof *f);
    f->lane = lane;
    f->sequence = lane->first_sequence;
    f->clock_ns = units_now_wall_ns();
    f->step_ns = 1000;
}

static inline void fake_lane_chunk(struct fake_lane *f)
{
    if (f->chunk_held)
        return;
    while (!lane_take_chunk(f->lane, &f->chunk)) {
        struct timespec pause = { 0, 200000 };
        nanosleep(&pause, NULL);
    }
    f->chunk_held = true;
    size_t carried = (size_t)(f->stored % LANE_ALIGN);
    memcpy(f->lane->chunks[f->chunk], f->carry, carried);
    f->at = f->lane->chunks[f->chunk] + carried;
}

/* Closes the block that ends at `end`; its content begins behind f->at and a size word. */
static inline void fake_lane_close(struct fake_lane *f, uint8_t *end, struct segment_block block, bool first, bool last, bool flush, int64_t fill_ns, int64_t canary_ns)
{
    uint32_t content = (uint32_t)(end - f->at) - LZ4FRAME_BLOCK_WORD_BYTES;
    assert(content > 0 && content <= SEGMENT_BLOCK_CONTENT_MAX);
    (void)lz4frame_put_stored_word(f->at, content);
    block.content_size = content;
    uint8_t *chunk = f->lane->chunks[f->chunk];
    struct lane_block b = { .chunk = f->chunk, .chunk_offset = (uint32_t)(f->at - chunk), .stored_size = content + LZ4FRAME_BLOCK_WORD_BYTES, .stored_offset = f->stored, .segment_slot = f->slot,
                            .first = first, .last = last, .flush = flush || last, .canary_sent_ns = canary_ns, .fill_ns = fill_ns, .block = block };
    f->stored += b.stored_size;
    f->blocks++;
    f->at = end;
    b.chunk_done = last || (size_t)(chunk + LANE_CHUNK_BYTES - end) < FAKE_LANE_CHUNK_TAIL;
    f->chunk_held = !b.chunk_done;
    if (b.chunk_done)
        memcpy(f->carry, end - f->stored % LANE_ALIGN, f->stored % LANE_ALIGN);
    while (!lane_push_block(f->lane, &b))
        sched_yield();
}

static inline void fake_lane_begin(struct fake_lane *f)
{
    assert(!f->segment_open);
    f->slot = (uint32_t)(f->sequence % LANE_SEGMENTS);
    struct lane_segment *s = &f->lane->segments[f->slot];
    memset(s, 0, sizeof *s);
    s->sequence = f->sequence++;
    s->opened_wall_ns = units_now_wall_ns();
    s->opened_mono_ns = units_now_mono_ns();
    static const char *const names[] = { "lo", "eth0" };
    for (uint32_t i = 0; i < 2; i++) {
        s->interfaces[i] = (struct segment_interface){ .id = i, .ifindex = i + 1, .link_type = 1, .canary = i == 0 };
        snprintf(s->interfaces[i].name, sizeof s->interfaces[i].name, "%s", names[i]);
        s->interface_ledgers[i].id = i;
    }
    s->interfaces_count = 2;
    f->stored = f->blocks = f->segment_packets = f->segment_bytes = 0;
    fake_lane_chunk(f);
    f->at += lz4frame_put_header(f->at);
    f->stored = LZ4FRAME_HEADER_BYTES;
    uint8_t *p = f->at + LZ4FRAME_BLOCK_WORD_BYTES;
    p += pcapng_put_section(p, "tapeloop segment fake", NULL, NULL, "fake lane");
    p += pcapng_put_interface(p, 1, "lo", PCAPNG_CANARY_DESCRIPTION);
    p += pcapng_put_interface(p, 1, "eth0", NULL);
    fake_lane_close(f, p, (struct segment_block){ .kind = SEGMENT_BLOCK_HEADER }, true, false, false, 0, 0);
    atomic_store(&f->lane->current_sequence, s->sequence);
    f->segment_open = true;
}

static inline uint64_t fake_lane_left(const struct fake_lane *f)
{
    uint64_t saved = atomic_load(&f->lane->saved_for_sequence) == f->sequence - 1 ? atomic_load(&f->lane->saved_bytes) : 0;
    uint64_t used = f->stored - saved + 4096;
    return f->blocks + 4 >= f->lane->segment_blocks_max || used > f->lane->segment_bytes_max ? 0 : f->lane->segment_bytes_max - used;
}

static inline uint8_t *fake_lane_epb(struct fake_lane *f, uint8_t *p, uint32_t interface, uint32_t length, struct segment_block *block)
{
    uint32_t total = (uint32_t)pcapng_epb_bytes(length, false);
    uint8_t *data = pcapng_epb_begin(p, total, interface, (uint64_t)f->clock_ns, length, length);
    memcpy(data, &f->number, sizeof f->number);
    if (interface == 0) {
        block->canaries++;
    } else {
        block->packets++;
        if (block->first_ns == 0)
            block->first_ns = f->clock_ns;
        block->last_ns = f->clock_ns;
        f->number++;
    }
    f->clock_ns += f->step_ns;
    return pcapng_epb_end(data, total, length, PCAPNG_FLAG_INBOUND, 0);
}

/* A block of packets of `length` bytes, `content` bytes at most, fewer where the chunk ends; false: the segment has no room left. The packets' bytes behind their number are what the chunk held before, unless fill. */
static inline bool fake_lane_data(struct fake_lane *f, uint32_t content, uint32_t length, int64_t fill_ns, bool flush, int64_t canary_ns)
{
    fake_lane_chunk(f);
    uint32_t each = (uint32_t)pcapng_epb_bytes(length, false);
    size_t room = (size_t)(f->lane->chunks[f->chunk] + LANE_CHUNK_BYTES - f->at) - LZ4FRAME_BLOCK_WORD_BYTES;
    size_t most = content < room ? content : room;
    if (most > SEGMENT_BLOCK_CONTENT_MAX)
        most = SEGMENT_BLOCK_CONTENT_MAX;
    if (most < each + 128)
        most = each + 128;
    if (fake_lane_left(f) < most + LZ4FRAME_BLOCK_WORD_BYTES)
        return false;
    struct segment_block block = { .kind = SEGMENT_BLOCK_DATA };
    uint8_t *p = f->at + LZ4FRAME_BLOCK_WORD_BYTES, *limit = p + most - 96;
    if (canary_ns)
        p = fake_lane_epb(f, p, 0, 40, &block);
    do
        p = fake_lane_epb(f, p, 1, length, &block);
    while (p + each <= limit);
    f->packets += block.packets;
    f->segment_packets += block.packets;
    f->segment_bytes += (uint64_t)block.packets * length;
    f->bytes += (uint64_t)(p - f->at);
    struct lane_segment *s = &f->lane->segments[f->slot];
    s->ledger.canaries += block.canaries;
    fake_lane_close(f, p, block, false, false, flush, fill_ns, canary_ns);
    return true;
}

static inline void fake_lane_end(struct fake_lane *f, enum segment_seal_reason reason)
{
    struct lane_segment *s = &f->lane->segments[f->slot];
    s->reason = reason;
    s->closed_wall_ns = units_now_wall_ns();
    s->closed_mono_ns = units_now_mono_ns();
    s->ledger.offered_packets = s->ledger.written_packets = f->segment_packets;
    s->ledger.offered_bytes = s->ledger.written_bytes = f->segment_bytes;
    s->interface_ledgers[1].offered_packets = s->interface_ledgers[1].written_packets = f->segment_packets;
    s->interface_ledgers[1].offered_bytes = s->interface_ledgers[1].written_bytes = f->segment_bytes;
    fake_lane_chunk(f);
    uint8_t *p = f->at + LZ4FRAME_BLOCK_WORD_BYTES;
    for (uint32_t i = 0; i < 2; i++)
        p += pcapng_put_statistics(p, i, &(struct pcapng_statistics){ .time_ns = s->closed_wall_ns, .received = i ? f->segment_packets : 0 }, NULL);
    fake_lane_close(f, p, (struct segment_block){ .kind = SEGMENT_BLOCK_STATISTICS }, false, true, true, 0, 0);
    f->segment_open = false;
}

/* The same as a real lane's turn: rolls the segment when it is full or a seal was asked for. seals_seen belongs to the caller. */
static inline void fake_lane_feed(struct fake_lane *f, uint32_t content, uint32_t length, int64_t fill_ns, bool flush, int64_t canary_ns, uint32_t *seals_seen)
{
    uint32_t seals = atomic_load(&f->lane->seal_request);
    if (f->segment_open && seals != *seals_seen)
        fake_lane_end(f, (enum segment_seal_reason)atomic_load(&f->lane->seal_reason));
    *seals_seen = seals;
    if (!f->segment_open)
        fake_lane_begin(f);
    while (!fake_lane_data(f, content, length, fill_ns, flush, canary_ns)) {
        fake_lane_end(f, SEGMENT_SEAL_SIZE);
        fake_lane_begin(f);
    }
}

static inline void fake_lane_stop(struct fake_lane *f)
{
    if (f->segment_open)
        fake_lane_end(f, SEGMENT_SEAL_STOP);
    lane_end_capture(f->lane);
}
#endif
