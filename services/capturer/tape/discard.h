/* What the writer had to throw away, so that every packet stays counted: totals and per interface, carried into the ledger of the next segment that is sealed. Belongs to the writer thread. */
#ifndef CAPTURER_TAPE_DISCARD_H
#define CAPTURER_TAPE_DISCARD_H
#include "services/capturer/lane.h"

struct discard_interface { struct segment_interface interface; struct segment_interface_ledger ledger; };
struct discard {
    struct lane *lane;
    /* Of the lane's current segment, by its interface ids. */
    uint64_t packets, bytes, canaries, events;
    struct { uint64_t packets, bytes; } interfaces[LANE_INTERFACES_MAX + 1];
    struct segment_gap gap;                      /* since the last sealed segment; from_ns 0: none */
    /* Of whole segments that never came to the disk. */
    struct segment_ledger carried;
    struct discard_interface *carried_interfaces; uint32_t carried_count; /* LANE_INTERFACES_MAX */
};
int discard_new(struct lane *lane, struct discard **ret);
void discard_free(struct discard *discard);
/* A block that will not be on the disk; the lane is told. content: its pcapng, from which bytes and interfaces are counted; NULL where it is there no more, then only packets are. */
void discard_block(struct discard *discard, const struct segment_block *block, const uint8_t *content, size_t size);
/* The segment's ledgers as they are true on the disk: what was thrown away counts as dropped there, and what was carried is added. ledgers: LANE_INTERFACES_MAX. Clears what it added. */
void discard_settle(struct discard *discard, const struct lane_segment *segment, struct segment_ledger *ret_ledger, struct segment_interface_ledger *ret_ledgers);
/* The segment came to nothing: all of it is carried. */
void discard_carry(struct discard *discard, const struct lane_segment *segment);
#endif
