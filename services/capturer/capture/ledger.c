#include "services/capturer/capture/ledger.h"

#include <assert.h>
#include <string.h>

static uint64_t value_of(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static void add_to(_Atomic uint64_t *counter, uint64_t n) { atomic_store_explicit(counter, value_of(counter) + n, memory_order_relaxed); }

void ledger_begin_segment(struct ledger *ledger) { ledger->dropped = ledger->truncated = 0; }

void ledger_begin_interface(struct ledger *ledger, uint32_t id, const struct table_counts *counts)
{
    assert(id < LANE_INTERFACES_MAX);
    ledger->base[id] = (struct ledger_base){
        .written_packets = value_of(&counts->written_packets),
        .written_bytes = value_of(&counts->written_bytes),
        .filtered_packets = value_of(&counts->filtered_packets),
        .filtered_bytes = value_of(&counts->filtered_bytes),
    };
}

static void append_gap(struct segment_gap *gaps, uint32_t *count, const struct segment_gap *gap)
{
    if (*count < LANE_GAPS_MAX) {
        gaps[(*count)++] = *gap;
        return;
    }
    struct segment_gap *last = &gaps[LANE_GAPS_MAX - 1];
    last->from_ns = gap->from_ns < last->from_ns ? gap->from_ns : last->from_ns;
    last->to_ns = gap->to_ns > last->to_ns ? gap->to_ns : last->to_ns;
    last->packets += gap->packets;
    last->count_unknown |= gap->count_unknown;
}

static void place_gap(struct ledger *ledger, struct lane_segment *segment, const struct segment_gap *gap)
{
    append_gap(segment->gaps, &segment->gaps_count, gap);
    if (gap->reason == SEGMENT_GAP_RING)
        ledger->dropped += gap->packets;
}

void ledger_add_gap(struct ledger *ledger, struct lane_segment *segment, const struct segment_gap *gap)
{
    if (segment)
        place_gap(ledger, segment, gap);
    else
        append_gap(ledger->waiting, &ledger->waiting_count, gap);
}

void ledger_place_gaps(struct ledger *ledger, struct lane_segment *segment)
{
    for (uint32_t i = 0; i < ledger->waiting_count; i++)
        place_gap(ledger, segment, &ledger->waiting[i]);
    ledger->waiting_count = 0;
}

struct missing { uint64_t packets, bytes; };

/* Admitted by the kernel's filter, seen by nobody, and not yet told as dropped: lost, or still in the ring. */
static struct missing missing_of(const struct table_counts *counts, const struct capture_filter *filter, uint32_t slot)
{
    struct filter_counter admitted = filter_count(filter, slot);
    uint64_t packets = value_of(&counts->written_packets) + value_of(&counts->filtered_packets) + value_of(&counts->dropped_packets);
    uint64_t bytes = value_of(&counts->written_bytes) + value_of(&counts->filtered_bytes) + value_of(&counts->dropped_bytes);
    return (struct missing){ .packets = admitted.packets > packets ? admitted.packets - packets : 0, .bytes = admitted.bytes > bytes ? admitted.bytes - bytes : 0 };
}

static uint64_t part_of(uint64_t whole, uint64_t part, uint64_t of) { return of ? (uint64_t)((unsigned __int128)whole * part / of) : 0; }

static void spread_drops(struct ledger *ledger, struct lane_segment *segment, struct table_lane *counts, const uint32_t *counter_slot, const struct capture_filter *filter)
{
    uint64_t all = 0, told = 0, most = 0;
    uint32_t interfaces = segment->interfaces_count, greatest = interfaces > 1 ? 1 : 0; /* 0 is the canary's, whose loss is left out of ledger->dropped already */
    for (uint32_t id = 1; filter && id < interfaces; id++) {
        struct missing missing = missing_of(&counts->counts[counter_slot[id]], filter, counter_slot[id]);
        segment->interface_ledgers[id].dropped_packets = missing.packets;
        segment->interface_ledgers[id].offered_bytes = missing.bytes;
        all += missing.packets;
        if (missing.packets > most) {
            most = missing.packets;
            greatest = id;
        }
    }
    for (uint32_t id = 0; id < interfaces; id++) {
        struct segment_interface_ledger *account = &segment->interface_ledgers[id];
        uint64_t missing = account->dropped_packets;
        account->dropped_packets = part_of(ledger->dropped, missing, all);
        account->offered_bytes = part_of(account->offered_bytes, account->dropped_packets, missing);
        told += account->dropped_packets;
    }
    segment->interface_ledgers[greatest].dropped_packets += ledger->dropped - told;
    for (uint32_t id = 0; id < interfaces; id++) {
        struct table_counts *total = &counts->counts[counter_slot[id]];
        add_to(&total->dropped_packets, segment->interface_ledgers[id].dropped_packets);
        add_to(&total->dropped_bytes, segment->interface_ledgers[id].offered_bytes);
    }
}

void ledger_end_segment(struct ledger *ledger, struct lane_segment *segment, struct table_lane *counts, const uint32_t *counter_slot, const struct capture_filter *filter)
{
    uint32_t interfaces = segment->interfaces_count;
    memset(segment->interface_ledgers, 0, interfaces * sizeof segment->interface_ledgers[0]);
    if (ledger->dropped)
        spread_drops(ledger, segment, counts, counter_slot, filter); /* leaves the dropped bytes in offered_bytes */
    struct segment_ledger sum = { .dropped_kernel_packets = ledger->dropped, .truncated_packets = ledger->truncated };
    for (uint32_t id = 0; id < interfaces; id++) {
        const struct table_counts *total = &counts->counts[counter_slot[id]];
        struct segment_interface_ledger *account = &segment->interface_ledgers[id];
        uint64_t written = value_of(&total->written_packets) - ledger->base[id].written_packets;
        account->id = id;
        if (segment->interfaces[id].canary) {    /* counted apart */
            sum.canaries = written;
            account->offered_packets = account->dropped_packets; /* 0, unless the segment names no other interface */
            sum.offered_packets += account->offered_packets;
            continue;
        }
        account->written_packets = written;
        account->written_bytes = value_of(&total->written_bytes) - ledger->base[id].written_bytes;
        account->filtered_packets = value_of(&total->filtered_packets) - ledger->base[id].filtered_packets;
        account->offered_packets = account->written_packets + account->filtered_packets + account->dropped_packets;
        account->offered_bytes += account->written_bytes + value_of(&total->filtered_bytes) - ledger->base[id].filtered_bytes;
        sum.offered_packets += account->offered_packets;
        sum.offered_bytes += account->offered_bytes;
        sum.written_packets += account->written_packets;
        sum.written_bytes += account->written_bytes;
        sum.filtered_packets += account->filtered_packets;
    }
    assert(sum.offered_packets == sum.written_packets + sum.filtered_packets + sum.dropped_kernel_packets);
    segment->ledger = sum;
}

void ledger_statistics(const struct lane_segment *segment, uint32_t id, struct pcapng_statistics *ret)
{
    assert(id < segment->interfaces_count);
    const struct segment_interface_ledger *account = &segment->interface_ledgers[id];
    uint64_t canaries = segment->interfaces[id].canary ? segment->ledger.canaries : 0;
    *ret = (struct pcapng_statistics){
        .time_ns = segment->closed_wall_ns,
        .start_ns = segment->opened_wall_ns,
        .end_ns = segment->closed_wall_ns,
        .received = account->offered_packets + canaries,
        .accepted_filter = account->offered_packets - account->filtered_packets + canaries,
        .dropped_os = account->dropped_packets,
        .delivered = account->written_packets + canaries,
    };
}
