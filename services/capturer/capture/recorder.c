#include "services/capturer/capture/recorder.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include "bytes/cursor.h"
#include "capfile/lz4frame.h"
#include "packet/bpf.h"
#include "packet/packet.h"
#include "services/capturer/capture/ledger.h"
#include "units/units.h"

/* What any next block may need at once: the greatest packet, or the statistics of every interface. A chunk with less left is done. */
#define CHUNK_TAIL_BYTES (LZ4FRAME_BLOCK_WORD_BYTES + PCAPNG_SNAP_LENGTH + PCAPNG_EPB_OVERHEAD_MAX)
#define INTERFACE_BYTES_MAX 160u                 /* an IDB of ours: 20, a name of 32, a description of 16, tsresol and heads */
#define STATISTICS_BYTES_MAX 160u                /* an ISB of ours: 24, seven options of 12, end and tail */
#define BLOCK_USEFUL_BYTES (64u * 1024)          /* a smaller last block of a full segment is not worth its index record */
#define WAIT_MS 100                              /* between looks whether the writer is still there */

static_assert(LANE_INTERFACES_MAX * STATISTICS_BYTES_MAX <= CHUNK_TAIL_BYTES, "statistics fit what a chunk keeps free");
static_assert(LANE_INTERFACES_MAX * INTERFACE_BYTES_MAX + PCAPNG_HEADER_BLOCK_BYTES_MAX <= CHUNK_TAIL_BYTES, "so do header blocks");
static_assert(CHUNK_TAIL_BYTES < SEGMENT_BLOCK_CONTENT_MAX, "every packet fits a block");

static struct lane_segment *segment_of(struct recorder *recorder) { return &recorder->options.lane->segments[recorder->slot]; }
static uint8_t *chunk_of(const struct recorder *recorder) { return recorder->options.lane->chunks[recorder->chunk]; }
static struct table_counts *counts_of(const struct recorder *recorder, uint32_t slot) { return &recorder->options.table->lane[recorder->options.lane->number]->counts[slot]; }

void recorder_init(struct recorder *recorder, const struct recorder_options *options)
{
    struct lane *lane = options->lane;
    assert(lane->segment_bytes_max >= LANE_CHUNK_BYTES && lane->segment_blocks_max >= 8 && lane->segment_age_ns > 0 && lane->flush_ns > 0);
    memset(recorder, 0, sizeof *recorder);
    recorder->options = *options;
    recorder->sequence = lane->first_sequence;
    atomic_store(&lane->current_sequence, recorder->sequence);
    recorder->list = table_take(options->table, lane->number);
}

/* False: the writer has ended, nothing can be recorded any more. */
static bool wait_for_writer(struct recorder *recorder)
{
    struct lane *lane = recorder->options.lane;
    if (atomic_load(&lane->writer_ended))
        return false;
    struct pollfd sleeper = { .fd = lane->capture_wake, .events = POLLIN };
    (void)poll(&sleeper, 1, WAIT_MS);
    atomic_store_explicit(&lane->loop_ns, units_now_mono_ns(), memory_order_relaxed); /* it waits for the disk; it does not hang */
    return true;
}

/* The one place where a capture thread waits for its writer. */
static bool take_chunk(struct recorder *recorder)
{
    struct lane *lane = recorder->options.lane;
    bool waited = false;
    while (!lane_take_chunk(lane, &recorder->chunk)) {
        if (!waited)
            recorder_count(&lane->chunks_waiting, 1);
        waited = true;
        if (lane_capture_may_sleep(lane)) {
            bool there = wait_for_writer(recorder);
            lane_capture_awake(lane);
            if (!there)
                return false;
        }
    }
    recorder->chunk_held = true;
    uint32_t carried = (uint32_t)(recorder->stored % LANE_ALIGN);
    memcpy(chunk_of(recorder), recorder->carry, carried);
    recorder->at = chunk_of(recorder) + carried;
    return true;
}

static bool open_block(struct recorder *recorder, enum segment_block_kind kind)
{
    if (!recorder->chunk_held && !take_chunk(recorder))
        return false;
    recorder->block_start = recorder->at;
    recorder->at += LZ4FRAME_BLOCK_WORD_BYTES;
    recorder->block = (struct segment_block){ .kind = (uint8_t)kind };
    recorder->block_mono_ns = recorder->now_mono_ns;
    recorder->canary_sent_ns = 0;
    recorder->block_open = true;
    return true;
}

/* After this no byte of the block changes. recorder->at stays behind it: the next block of the segment begins there, or at the same place of the next chunk. */
static void close_block(struct recorder *recorder, bool first, bool last, bool flush)
{
    struct lane *lane = recorder->options.lane;
    uint32_t content = (uint32_t)(recorder->at - recorder->block_start) - LZ4FRAME_BLOCK_WORD_BYTES;
    assert(content > 0 && content <= SEGMENT_BLOCK_CONTENT_MAX && recorder->at <= chunk_of(recorder) + LANE_CHUNK_BYTES);
    (void)lz4frame_put_stored_word(recorder->block_start, content);
    recorder->block.content_size = content;
    struct lane_block block = {
        .chunk = recorder->chunk,
        .chunk_offset = (uint32_t)(recorder->block_start - chunk_of(recorder)),
        .stored_size = LZ4FRAME_BLOCK_WORD_BYTES + content,
        .stored_offset = recorder->stored,
        .segment_slot = recorder->slot,
        .first = first,
        .last = last,
        .flush = flush || last,
        .chunk_done = last || (size_t)(chunk_of(recorder) + LANE_CHUNK_BYTES - recorder->at) < CHUNK_TAIL_BYTES,
        .canary_sent_ns = recorder->canary_sent_ns,
        .fill_ns = recorder->now_mono_ns - recorder->block_mono_ns,
        .block = recorder->block,
    };
    recorder->stored += block.stored_size;
    recorder->blocks++;
    recorder->chunk_held = !block.chunk_done;
    if (block.chunk_done && !last) {
        uint32_t carried = (uint32_t)(recorder->stored % LANE_ALIGN);
        memcpy(recorder->carry, recorder->at - carried, carried);
    }
    recorder->block_open = false;
    recorder->limit = recorder->at;              /* no packet before the next open_block */
    while (!lane_push_block(lane, &block) && wait_for_writer(recorder))
        continue;
}

/* Hands the open block over, or forgets it where nothing is in it. */
static void end_block(struct recorder *recorder, bool flush)
{
    if (!recorder->block_open)
        return;
    if (recorder->at > recorder->block_start + LZ4FRAME_BLOCK_WORD_BYTES) {
        close_block(recorder, false, false, flush);
        return;
    }
    recorder->at = recorder->limit = recorder->block_start;
    recorder->block_open = false;
}

static void forget_routes(struct recorder *recorder)
{
    memset(recorder->routes, 0, sizeof recorder->routes);
    recorder->route.ifindex = 0;
}

/* Gives the interface a number in the open segment and writes its IDB into the open header block. */
static uint32_t add_interface(struct recorder *recorder, uint64_t serial, uint32_t slot, const struct segment_interface *interface, const char *description)
{
    struct lane_segment *segment = segment_of(recorder);
    uint32_t id = atomic_load_explicit(&segment->interfaces_count, memory_order_relaxed);
    assert(id < LANE_INTERFACES_MAX);
    recorder->serial[id] = serial;
    recorder->counter_slot[id] = slot;
    ledger_begin_interface(&recorder->accounts, id, counts_of(recorder, slot));
    segment->interfaces[id] = *interface;
    segment->interfaces[id].id = id;
    recorder->at += pcapng_put_interface(recorder->at, (uint16_t)interface->link_type, interface->name, description);
    atomic_store_explicit(&segment->interfaces_count, id + 1, memory_order_release);
    return id;
}

static uint32_t add_listed(struct recorder *recorder, const struct table_interface *listed)
{
    struct segment_interface interface = { .ifindex = listed->ifindex, .link_type = listed->link_type };
    memcpy(interface.name, listed->name, sizeof interface.name);
    return add_interface(recorder, listed->serial, listed->slot, &interface, NULL);
}

static bool segment_knows(struct recorder *recorder, uint64_t serial, uint32_t *ret_id)
{
    uint32_t count = atomic_load_explicit(&segment_of(recorder)->interfaces_count, memory_order_relaxed);
    for (uint32_t id = 0; id < count; id++)
        if (recorder->serial[id] == serial) {
            *ret_id = id;
            return true;
        }
    return false;
}

/* Every interface of the list that lives and that the segment does not name yet, as far as it has room. */
static void add_living(struct recorder *recorder)
{
    uint32_t id;
    for (uint32_t i = 0; i < recorder->list->count; i++) {
        const struct table_interface *listed = &recorder->list->interfaces[i];
        if (!listed->gone && segment_of(recorder)->interfaces_count < TABLE_LIVE_MAX && !segment_knows(recorder, listed->serial, &id))
            (void)add_listed(recorder, listed);
    }
}

static bool open_segment(struct recorder *recorder)
{
    struct lane *lane = recorder->options.lane;
    recorder->stored = recorder->blocks = 0;
    recorder->chunk_held = false;
    if (!take_chunk(recorder))
        return false;
    recorder->slot = (uint32_t)(recorder->sequence % LANE_SEGMENTS);
    struct lane_segment *segment = segment_of(recorder);
    segment->sequence = recorder->sequence;
    segment->opened_wall_ns = recorder->now_wall_ns;
    segment->opened_mono_ns = recorder->opened_mono_ns = recorder->now_mono_ns;
    atomic_store_explicit(&segment->interfaces_count, 0, memory_order_relaxed);
    segment->gaps_count = 0;
    recorder->segment_open = true;
    ledger_begin_segment(&recorder->accounts);

    recorder->stored = lz4frame_put_header(recorder->at);
    recorder->at += recorder->stored;
    struct segment_identity identity = { .tape_id = recorder->options.tape_id, .sequence = recorder->sequence, .lane = lane->number, .opened_ns = recorder->now_wall_ns };
    (void)snprintf(identity.node, sizeof identity.node, "%s", recorder->options.node);
    char id[SEGMENT_ID_TEXT_MAX], comment[SEGMENT_ID_TEXT_MAX + 32];
    segment_id_format(&identity, id);
    (void)snprintf(comment, sizeof comment, "tapeloop segment %s", id);
    if (!open_block(recorder, SEGMENT_BLOCK_HEADER))
        return false;
    recorder->at += pcapng_put_section(recorder->at, comment, NULL, NULL, "tapeloop " TAPELOOP_VERSION);
    struct segment_interface canary = { .ifindex = FILTER_LOOPBACK, .link_type = PACKET_LINK_ETHERNET, .canary = true, .name = "lo" };
    (void)add_interface(recorder, TABLE_SERIAL_CANARY, FILTER_SLOT_CANARY, &canary, PCAPNG_CANARY_DESCRIPTION);
    add_living(recorder);
    uint64_t disk_dropped = atomic_load_explicit(&lane->disk_dropped_packets, memory_order_relaxed);
    recorder->drops += disk_dropped - recorder->disk_seen; /* the writer tells the gap itself, it knows its place */
    recorder->disk_seen = disk_dropped;
    ledger_place_gaps(&recorder->accounts, segment);
    close_block(recorder, true, false, false);
    forget_routes(recorder);
    return true;
}

static uint64_t statistics_bytes(struct recorder *recorder) { return LZ4FRAME_BLOCK_WORD_BYTES + (uint64_t)segment_of(recorder)->interfaces_count * STATISTICS_BYTES_MAX; }

/* Three blocks may still come: this one, interfaces, statistics. Bytes of content that a data block opened now may take within the planned size of the segment; 0: the segment is full. */
static uint64_t segment_room(struct recorder *recorder)
{
    struct lane *lane = recorder->options.lane;
    uint64_t allowed = lane->segment_bytes_max;
    if (atomic_load_explicit(&lane->saved_for_sequence, memory_order_acquire) == recorder->sequence)
        allowed += atomic_load_explicit(&lane->saved_bytes, memory_order_acquire);
    uint64_t used = recorder->stored + LZ4FRAME_BLOCK_WORD_BYTES + statistics_bytes(recorder) + LZ4FRAME_END_BYTES;
    if (recorder->blocks + 3 > lane->segment_blocks_max || used >= allowed)
        return 0;
    return allowed - used;
}

/* Opens a data block with room for `need` bytes; ends the segment and opens the next where it is full. */
static bool open_data_block(struct recorder *recorder, uint32_t need)
{
    uint64_t useful = need > BLOCK_USEFUL_BYTES ? need : BLOCK_USEFUL_BYTES;
    uint64_t room = recorder->segment_open ? segment_room(recorder) : 0;
    if (room < useful) {
        recorder_seal(recorder, SEGMENT_SEAL_SIZE);
        if (!open_segment(recorder))
            return false;
        room = segment_room(recorder);
        assert(room >= useful);
    }
    if (!open_block(recorder, SEGMENT_BLOCK_DATA))
        return false;
    uint64_t chunk_room = (uint64_t)(chunk_of(recorder) + LANE_CHUNK_BYTES - recorder->at);
    room = room < chunk_room ? room : chunk_room;
    room = room < SEGMENT_BLOCK_CONTENT_MAX ? room : SEGMENT_BLOCK_CONTENT_MAX;
    assert(room >= need);
    recorder->limit = recorder->at + room;
    return true;
}

/* The segment's number for an ifindex, with an IDB written on the way where it has none yet. */
static bool find_route(struct recorder *recorder, const struct recorder_frame *frame)
{
    struct recorder_route *cached = &recorder->routes[frame->ifindex % RECORDER_ROUTES_MAX];
    if (cached->ifindex == frame->ifindex) {
        recorder->route = *cached;
        return true;
    }
    struct table_interface other = { .serial = TABLE_SERIAL_OTHER + frame->raw_ip, .slot = frame->raw_ip ? FILTER_SLOT_OTHER_IP : FILTER_SLOT_OTHER,
                                     .link_type = frame->raw_ip ? PACKET_LINK_RAW : PACKET_LINK_ETHERNET, .raw_ip = frame->raw_ip, .name = "other" };
    const struct table_interface *listed = &other;
    for (uint32_t i = recorder->list->count; i > 0 && listed == &other; i--)
        if (recorder->list->interfaces[i - 1].ifindex == frame->ifindex)
            listed = &recorder->list->interfaces[i - 1];
    uint32_t id;
    bool known = segment_knows(recorder, listed->serial, &id);
    if (!known && listed != &other && segment_of(recorder)->interfaces_count >= TABLE_LIVE_MAX) {
        listed = &other;
        known = segment_knows(recorder, other.serial, &id);
    }
    if (!known) {                                /* an IDB after data: a header block of IDBs only */
        end_block(recorder, false);
        if (segment_room(recorder) < (recorder->list->count + 1) * (INTERFACE_BYTES_MAX + STATISTICS_BYTES_MAX) + BLOCK_USEFUL_BYTES) {
            recorder_seal(recorder, SEGMENT_SEAL_SIZE);
            return true;                         /* the next segment's header names it */
        }
        if (!open_block(recorder, SEGMENT_BLOCK_HEADER))
            return false;
        id = add_listed(recorder, listed);
        add_living(recorder);
        close_block(recorder, false, false, false);
    }
    *cached = (struct recorder_route){ .ifindex = frame->ifindex, .interface = id, .raw_ip = listed->raw_ip, .match = recorder->options.match[listed->raw_ip], .counts = counts_of(recorder, listed->slot) };
    recorder->route = *cached;
    return true;
}

bool recorder_make_way(struct recorder *recorder, const struct recorder_frame *frame, uint32_t total)
{
    /* Opening a block may end the segment, and naming an interface ends the block: at most one more round each. */
    for (;;) {
        if (total > (size_t)(recorder->limit - recorder->at)) {
            end_block(recorder, false);
            if (!open_data_block(recorder, total))
                return false;
        }
        if (frame->ifindex == recorder->route.ifindex)
            return true;
        if (!find_route(recorder, frame))
            return false;
    }
}

void recorder_seal(struct recorder *recorder, enum segment_seal_reason reason)
{
    if (!recorder->segment_open)
        return;
    end_block(recorder, false);
    recorder_publish(recorder);
    struct lane_segment *segment = segment_of(recorder);
    segment->closed_wall_ns = recorder->now_wall_ns;
    segment->closed_mono_ns = recorder->now_mono_ns;
    segment->reason = reason;
    struct table_lane *counts = recorder->options.table->lane[recorder->options.lane->number];
    ledger_end_segment(&recorder->accounts, segment, counts, recorder->counter_slot, recorder->options.filter);
    if (open_block(recorder, SEGMENT_BLOCK_STATISTICS)) {
        for (uint32_t id = 0; id < segment->interfaces_count; id++) {
            struct pcapng_statistics statistics;
            ledger_statistics(segment, id, &statistics);
            recorder->at += pcapng_put_statistics(recorder->at, id, &statistics, NULL);
        }
        close_block(recorder, false, true, true);
    }
    recorder->segment_open = false;
    recorder->at = recorder->limit = NULL;
    recorder->sequence++;
    recorder->route.ifindex = 0;
    atomic_store_explicit(&recorder->options.lane->current_sequence, recorder->sequence, memory_order_release);
}

void recorder_turn(struct recorder *recorder, int64_t wall_ns, int64_t mono_ns)
{
    int64_t offset = wall_ns - mono_ns, step = offset - recorder->step_offset_ns;
    if (recorder->step_known && (step > RECORDER_CLOCK_STEP_NS || step < -RECORDER_CLOCK_STEP_NS))
        recorder_seal(recorder, SEGMENT_SEAL_CLOCK);
    recorder->step_offset_ns = offset;           /* against the last turn, not the segment's start: slewing is no step */
    recorder->step_known = true;
    recorder->now_wall_ns = wall_ns;
    recorder->now_mono_ns = mono_ns;
    const struct table_list *list = table_take(recorder->options.table, recorder->options.lane->number);
    if (list != recorder->list) {
        recorder->list = list;
        forget_routes(recorder);
    }
}

int64_t recorder_due_ns(const struct recorder *recorder)
{
    if (!recorder->segment_open)
        return INT64_MAX;
    int64_t due = recorder->opened_mono_ns + recorder->options.lane->segment_age_ns;
    int64_t flush = recorder->block_mono_ns + recorder->options.lane->flush_ns;
    return recorder->block_open && flush < due ? flush : due;
}

void recorder_tick(struct recorder *recorder)
{
    const struct lane *lane = recorder->options.lane;
    if (!recorder->segment_open)
        return;
    if (recorder->now_mono_ns - recorder->opened_mono_ns >= lane->segment_age_ns)
        recorder_seal(recorder, SEGMENT_SEAL_AGE);
    else if (recorder->block_open && recorder->now_mono_ns - recorder->block_mono_ns >= lane->flush_ns)
        end_block(recorder, true);
}

uint64_t recorder_canaries_admitted(const struct recorder *recorder) { return recorder->options.filter ? filter_count(recorder->options.filter, FILTER_SLOT_CANARY).packets : 0; }

static uint64_t lost_canaries(struct recorder *recorder, uint64_t admitted, uint64_t most)
{
    struct table_counts *counts = counts_of(recorder, FILTER_SLOT_CANARY);
    uint64_t known = counts->written_packets + counts->filtered_packets + counts->dropped_packets;
    uint64_t lost = admitted > known ? admitted - known : 0;
    lost = lost < most ? lost : most;
    recorder_count(&counts->dropped_packets, lost);
    recorder_count(&counts->dropped_bytes, lost * FILTER_CANARY_BYTES);
    return lost;
}

void recorder_gap(struct recorder *recorder, uint64_t packets, uint64_t canaries_admitted, int64_t to_ns)
{
    struct lane *lane = recorder->options.lane;
    packets -= lost_canaries(recorder, canaries_admitted, packets);
    if (packets == 0)
        return;
    recorder_count(&lane->dropped_kernel_packets, packets);
    recorder_count(&lane->offered_packets, packets);
    const struct segment_gap gap = { .from_ns = recorder->last_ns ? recorder->last_ns : to_ns, .to_ns = to_ns, .packets = packets, .reason = SEGMENT_GAP_RING };
    ledger_add_gap(&recorder->accounts, recorder->segment_open ? segment_of(recorder) : NULL, &gap);
    recorder->drops += packets;
}

void recorder_not_recording(struct recorder *recorder, int64_t from_ns, int64_t to_ns)
{
    const struct segment_gap gap = { .from_ns = from_ns, .to_ns = to_ns, .count_unknown = true, .reason = SEGMENT_GAP_NOT_RECORDING };
    ledger_add_gap(&recorder->accounts, recorder->segment_open ? segment_of(recorder) : NULL, &gap);
}

void recorder_publish(struct recorder *recorder)
{
    struct lane *lane = recorder->options.lane;
    recorder_count(&lane->offered_packets, recorder->written_packets + recorder->filtered_packets);
    recorder_count(&lane->offered_bytes, recorder->written_bytes + recorder->filtered_bytes);
    recorder_count(&lane->written_packets, recorder->written_packets);
    recorder_count(&lane->written_bytes, recorder->written_bytes);
    recorder_count(&lane->filtered_packets, recorder->filtered_packets);
    recorder_count(&lane->truncated_packets, recorder->truncated);
    recorder->accounts.truncated += recorder->truncated;
    recorder->written_packets = recorder->written_bytes = recorder->filtered_packets = recorder->filtered_bytes = recorder->truncated = 0;
    int64_t newest = recorder->block.last_ns;
    if (newest > atomic_load_explicit(&lane->newest_ns, memory_order_relaxed))
        atomic_store_explicit(&lane->newest_ns, newest, memory_order_relaxed);
}

void recorder_filtered(struct recorder *recorder, uint32_t length)
{
    recorder->filtered_packets++;
    recorder->filtered_bytes += length;
    recorder_count(&recorder->route.counts->filtered_packets, 1);
    recorder_count(&recorder->route.counts->filtered_bytes, length);
}

/* True: it was a canary, and what is to do about it is done. */
bool recorder_put_canary(struct recorder *recorder, const struct recorder_frame *frame)
{
    struct lane *lane = recorder->options.lane;
    struct cursor c = cursor_over(frame->data, frame->captured);
    cursor_skip(&c, 14 + 20);
    uint16_t source = cursor_be16(&c), destination = cursor_be16(&c);
    cursor_skip(&c, 4);
    const uint8_t *magic = cursor_take(&c, sizeof CAPTURE_CANARY_MAGIC - 1);
    uint64_t tape_id = cursor_le64(&c);
    uint32_t for_lane = cursor_le32(&c);
    cursor_skip(&c, 4);
    int64_t sent_ns = (int64_t)cursor_le64(&c);
    if (!cursor_ok(&c) || destination != CAPTURE_CANARY_PORT || memcmp(magic, CAPTURE_CANARY_MAGIC, sizeof CAPTURE_CANARY_MAGIC - 1) != 0 || tape_id != recorder->options.tape_id)
        return false;
    struct table_counts *counts = counts_of(recorder, FILTER_SLOT_CANARY);
    atomic_store_explicit(&recorder->options.lane_of_port[source], (uint8_t)(lane->number + 1), memory_order_relaxed);
    if (for_lane != lane->number) {              /* a probe of which source port comes where */
        recorder_count(&counts->filtered_packets, 1);
        recorder_count(&counts->filtered_bytes, frame->length);
        return true;
    }
    uint32_t total = (uint32_t)pcapng_epb_bytes(frame->captured, false);
    if (total > (size_t)(recorder->limit - recorder->at)) {
        end_block(recorder, false);
        if (!open_data_block(recorder, total))
            return true;
    }
    uint8_t *data = pcapng_epb_begin(recorder->at, total, 0, (uint64_t)frame->time_ns, frame->captured, frame->length);
    memcpy(data, frame->data, frame->captured);
    recorder->at = pcapng_epb_end(data, total, frame->captured, frame->flags, 0);
    recorder->block.canaries++;
    recorder->canary_sent_ns = sent_ns > recorder->canary_sent_ns ? sent_ns : recorder->canary_sent_ns;
    recorder_count(&counts->written_packets, 1);
    recorder_count(&counts->written_bytes, frame->length);
    recorder_count(&lane->canaries, 1);
    return true;
}

bool recorder_matches(const struct recorder *recorder, const uint8_t *data, uint32_t captured, uint32_t length) { return bpf_expression_match(recorder->route.match, data, captured, length); }
