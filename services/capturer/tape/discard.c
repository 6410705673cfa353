#include "services/capturer/tape/discard.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capfile/pcapng.h"
#include "services/capturer/tape/cursor.h"
#include "units/units.h"

#define EPB_HEAD_BYTES 28u
#define EPB_INTERFACE_AT 8u
#define EPB_LENGTH_AT 24u

int discard_new(struct lane *lane, struct discard **ret)
{
    struct discard *discard = calloc(1, sizeof *discard);
    if (!discard)
        return -ENOMEM;
    discard->lane = lane;
    discard->carried_interfaces = calloc(LANE_INTERFACES_MAX, sizeof *discard->carried_interfaces);
    if (!discard->carried_interfaces) {
        free(discard);
        return -ENOMEM;
    }
    *ret = discard;
    return 0;
}

void discard_free(struct discard *discard)
{
    if (!discard)
        return;
    free(discard->carried_interfaces);
    free(discard);
}

static uint32_t word_at(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return le32toh(word);
}

static void widen_gap(struct discard *discard, int64_t first_ns, int64_t last_ns, uint64_t packets)
{
    struct segment_gap *gap = &discard->gap;
    if (gap->from_ns == 0)
        *gap = (struct segment_gap){ .from_ns = first_ns, .to_ns = last_ns, .reason = SEGMENT_GAP_DISK };
    if (first_ns < gap->from_ns)
        gap->from_ns = first_ns;
    if (last_ns > gap->to_ns)
        gap->to_ns = last_ns;
    gap->packets += packets;
}

void discard_block(struct discard *discard, const struct segment_block *block, const uint8_t *content, size_t size)
{
    /* Interface 0 is the canaries' own, in no ledger. Blocks are as the capture thread made them: whole, little-endian. */
    for (size_t at = 0; block->packets > 0 && content && size - at >= PCAPNG_BLOCK_BYTES_MIN;) {
        uint32_t type = word_at(content + at), total = word_at(content + at + 4);
        if (total < PCAPNG_BLOCK_BYTES_MIN || total > size - at)
            break;
        uint32_t interface = type == PCAPNG_EPB && total >= EPB_HEAD_BYTES ? word_at(content + at + EPB_INTERFACE_AT) : 0;
        if (interface > 0 && interface <= LANE_INTERFACES_MAX) {
            discard->interfaces[interface].packets++;
            discard->interfaces[interface].bytes += word_at(content + at + EPB_LENGTH_AT);
            discard->bytes += word_at(content + at + EPB_LENGTH_AT);
        }
        at += total;
    }
    discard->packets += block->packets;
    discard->canaries += block->canaries;
    discard->events += block->events;
    atomic_fetch_add_explicit(&discard->lane->disk_dropped_packets, block->packets, memory_order_release);
    int64_t now = units_now_wall_ns(), first = block->first_ns ? block->first_ns : now, last = block->last_ns ? block->last_ns : now;
    widen_gap(discard, first, last, block->packets);
}

/* The capture thread's ledgers with the thrown away taken out of the written. */
static void correct(const struct discard *discard, const struct lane_segment *segment, struct segment_ledger *ledger, struct segment_interface_ledger *ledgers)
{
    *ledger = segment->ledger;
    ledger->written_packets -= discard->packets;
    ledger->written_bytes -= discard->bytes;
    ledger->dropped_disk_packets += discard->packets;
    ledger->canaries -= discard->canaries;
    ledger->events -= discard->events;
    for (uint32_t i = 0; i < segment->interfaces_count; i++) {
        ledgers[i] = segment->interface_ledgers[i];
        uint32_t id = ledgers[i].id;
        if (id > LANE_INTERFACES_MAX)
            continue;
        ledgers[i].written_packets -= discard->interfaces[id].packets;
        ledgers[i].written_bytes -= discard->interfaces[id].bytes;
        ledgers[i].dropped_packets += discard->interfaces[id].packets;
    }
}

static void forget_segment(struct discard *discard)
{
    discard->packets = discard->bytes = discard->canaries = discard->events = 0;
    memset(discard->interfaces, 0, sizeof discard->interfaces);
}

static void add_interface(struct segment_interface_ledger *sum, const struct segment_interface_ledger *part)
{
    sum->offered_packets += part->offered_packets;
    sum->offered_bytes += part->offered_bytes;
    sum->written_packets += part->written_packets;
    sum->written_bytes += part->written_bytes;
    sum->dropped_packets += part->dropped_packets;
    sum->filtered_packets += part->filtered_packets;
}

static bool same_interface(const struct segment_interface *a, const struct segment_interface *b)
{
    return a->ifindex == b->ifindex && strncmp(a->name, b->name, sizeof a->name) == 0;
}

void discard_settle(struct discard *discard, const struct lane_segment *segment, struct segment_ledger *ret_ledger, struct segment_interface_ledger *ret_ledgers)
{
    correct(discard, segment, ret_ledger, ret_ledgers);
    forget_segment(discard);
    cursor_add_ledger(ret_ledger, &discard->carried);
    discard->carried = (struct segment_ledger){ 0 };
    uint32_t kept = 0;
    for (uint32_t i = 0; i < discard->carried_count; i++) {
        const struct discard_interface *carried = &discard->carried_interfaces[i];
        uint32_t of = 0;
        while (of < segment->interfaces_count && !same_interface(&carried->interface, &segment->interfaces[of]))
            of++;
        if (of < segment->interfaces_count)
            add_interface(&ret_ledgers[of], &carried->ledger);
        else                                     /* it is gone for now: it may be back in a later segment */
            discard->carried_interfaces[kept++] = *carried;
    }
    discard->carried_count = kept;
    discard->gap = (struct segment_gap){ 0 };
}

void discard_carry(struct discard *discard, const struct lane_segment *segment)
{
    struct segment_ledger ledger = segment->ledger;
    uint64_t untold = ledger.written_packets > discard->packets ? ledger.written_packets - discard->packets : 0;
    if (untold > 0)                              /* blocks that were proved, of a file that is gone all the same */
        widen_gap(discard, segment->opened_wall_ns, segment->closed_wall_ns > segment->opened_wall_ns ? segment->closed_wall_ns : segment->opened_wall_ns, untold);
    ledger.dropped_disk_packets += ledger.written_packets;
    ledger.written_packets = ledger.written_bytes = ledger.canaries = ledger.events = 0;
    forget_segment(discard);
    cursor_add_ledger(&discard->carried, &ledger);
    for (uint32_t i = 0; i < segment->interfaces_count; i++) {
        uint32_t of = 0;
        while (of < discard->carried_count && !same_interface(&discard->carried_interfaces[of].interface, &segment->interfaces[i]))
            of++;
        if (of == LANE_INTERFACES_MAX)
            continue;                            /* still in the totals */
        if (of == discard->carried_count)
            discard->carried_interfaces[discard->carried_count++] = (struct discard_interface){ .interface = segment->interfaces[i] };
        struct segment_interface_ledger lost = segment->interface_ledgers[i];
        lost.dropped_packets += lost.written_packets;
        lost.written_packets = lost.written_bytes = 0;
        add_interface(&discard->carried_interfaces[of].ledger, &lost);
    }
    atomic_fetch_add_explicit(&discard->lane->disk_dropped_packets, untold, memory_order_release);
}
