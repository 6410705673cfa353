/* What became of every packet of a segment, by interface: the accounts that must balance.
 *
 *   offered = written + filtered + dropped by the kernel (+ dropped by the disk, which the writer takes from written)
 *
 * Counts per interface run on without end in struct table_counts; a segment's share is a difference. The kernel says how many packets one ring lost, not whose: its drops are spread over the interfaces by what the
 * filter admitted and no one has seen. While packets are still in the ring that is an estimate by interface; the sum is exact, and later segments even out the parts. Used by one capture thread. */
#ifndef CAPTURER_CAPTURE_LEDGER_H
#define CAPTURER_CAPTURE_LEDGER_H
#include "capfile/pcapng.h"
#include "services/capturer/capture/table.h"
#include "services/capturer/lane.h"

struct ledger_base { uint64_t written_packets, written_bytes, filtered_packets, filtered_bytes; };
struct ledger {
    struct ledger_base base[LANE_INTERFACES_MAX]; /* when the interface entered the segment */
    uint64_t dropped, truncated;                 /* in this segment */
    struct segment_gap waiting[LANE_GAPS_MAX];   /* found between two segments */
    uint32_t waiting_count;
};

void ledger_begin_segment(struct ledger *ledger);
void ledger_begin_interface(struct ledger *ledger, uint32_t id, const struct table_counts *counts);
/* segment NULL: none is open, it goes to the next. The packets of a ring gap count as dropped by the kernel. */
void ledger_add_gap(struct ledger *ledger, struct lane_segment *segment, const struct segment_gap *gap);
void ledger_place_gaps(struct ledger *ledger, struct lane_segment *segment);
/* Fills segment->ledger and ->interface_ledgers. counter_slot: of each of the segment's interfaces. filter NULL: drops go to the first interface. */
void ledger_end_segment(struct ledger *ledger, struct lane_segment *segment, struct table_lane *counts, const uint32_t *counter_slot, const struct capture_filter *filter);
/* The ISB of an interface of an ended segment. */
void ledger_statistics(const struct lane_segment *segment, uint32_t id, struct pcapng_statistics *ret);
#endif
