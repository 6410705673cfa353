#include "services/capturer/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mem/cleanup.h"

const char *message_seal_reason(uint8_t reason)
{
    switch ((enum segment_seal_reason)reason) {
    case SEGMENT_SEAL_SIZE: return "size";
    case SEGMENT_SEAL_AGE: return "age";
    case SEGMENT_SEAL_PIN: return "pin";
    case SEGMENT_SEAL_CLOCK: return "clock";
    case SEGMENT_SEAL_STOP: return "stop";
    case SEGMENT_SEAL_SALVAGE: return "salvage";
    case SEGMENT_SEAL_CUT: return "cut";
    }
    return "unknown";
}

static const char *gap_reason(uint8_t reason)
{
    switch ((enum segment_gap_reason)reason) {
    case SEGMENT_GAP_RING: return "ring";
    case SEGMENT_GAP_DISK: return "disk";
    case SEGMENT_GAP_NOT_RECORDING: return "not recording";
    }
    return "unknown";
}

Tapeloop__V1__Ledger *message_ledger(const struct segment_ledger *ledger)
{
    Tapeloop__V1__Ledger *message = WIRE_NEW(Tapeloop__V1__Ledger, tapeloop__v1__ledger__descriptor);
    if (!message)
        return NULL;
    message->offered_packets = ledger->offered_packets;
    message->offered_bytes = ledger->offered_bytes;
    message->written_packets = ledger->written_packets;
    message->written_bytes = ledger->written_bytes;
    message->dropped_kernel_packets = ledger->dropped_kernel_packets;
    message->dropped_disk_packets = ledger->dropped_disk_packets;
    message->filtered_packets = ledger->filtered_packets;
    message->truncated_packets = ledger->truncated_packets;
    message->canaries = ledger->canaries;
    message->events = ledger->events;
    return message;
}

Tapeloop__V1__Gap *message_gap(const struct segment_gap *gap, uint32_t lane)
{
    Tapeloop__V1__Gap *message = WIRE_NEW(Tapeloop__V1__Gap, tapeloop__v1__gap__descriptor);
    if (!message)
        return NULL;
    message->from_ns = gap->from_ns;
    message->to_ns = gap->to_ns;
    message->packets = gap->packets;
    message->count_unknown = gap->count_unknown;
    message->lane = lane;
    if (wire_set_string(&message->reason, gap_reason(gap->reason)) < 0) {
        wire_free(message);
        return NULL;
    }
    return message;
}

void message_segment_id(const struct tape *tape, const char *node, uint32_t lane, uint64_t sequence, char *text)
{
    struct segment_identity identity = { .tape_id = tape_id(tape), .lane = lane, .sequence = sequence };
    (void)snprintf(identity.node, sizeof identity.node, "%s", node);
    segment_id_format(&identity, text);
}

static const struct segment_interface *find_interface(const struct segment_index *index, uint32_t id)
{
    for (size_t i = 0; i < index->interfaces_count; i++)
        if (index->interfaces[i].id == id)
            return &index->interfaces[i];
    return NULL;
}

static int append_interface(Tapeloop__V1__Ledger *ledger, const struct segment_interface *interface, const struct segment_interface_ledger *counts)
{
    wire_auto Tapeloop__V1__InterfaceLedger *message = WIRE_NEW(Tapeloop__V1__InterfaceLedger, tapeloop__v1__interface_ledger__descriptor);
    if (!message || wire_set_string(&message->name, interface->name) < 0)
        return -ENOMEM;
    message->offered_packets = counts->offered_packets;
    message->offered_bytes = counts->offered_bytes;
    message->written_packets = counts->written_packets;
    message->written_bytes = counts->written_bytes;
    message->dropped_packets = counts->dropped_packets;
    message->filtered_packets = counts->filtered_packets;
    int r = wire_append(&ledger->n_interfaces, &ledger->interfaces, message);
    if (r == 0)
        message = NULL;
    return r;
}

/* Interfaces that saw nothing in this segment are left out: a node has hundreds of idle ones. */
static int add_details(Tapeloop__V1__SegmentSealed *message, const struct segment_index *index)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < index->interface_ledgers_count; i++) {
        const struct segment_interface_ledger *counts = &index->interface_ledgers[i];
        const struct segment_interface *interface = find_interface(index, counts->id);
        if (interface && !interface->canary && (counts->offered_packets || counts->written_packets || counts->dropped_packets))
            r = append_interface(message->ledger, interface, counts);
    }
    for (size_t i = 0; r == 0 && i < index->gaps_count; i++) {
        Tapeloop__V1__Gap *gap = message_gap(&index->gaps[i], message->lane);
        r = gap ? wire_append(&message->n_gaps, &message->gaps, gap) : -ENOMEM;
        if (r < 0)
            wire_free(gap);
    }
    return r;
}

int message_sealed(struct tape *tape, const char *node, const struct tape_segment *segment, Tapeloop__V1__SegmentSealed **ret)
{
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int r = tape_load_index(tape, segment->lane, segment->sequence, &index);
    if (r == -ENOENT || r == -ENOMEM)
        return r;
    wire_auto Tapeloop__V1__SegmentSealed *message = WIRE_NEW(Tapeloop__V1__SegmentSealed, tapeloop__v1__segment_sealed__descriptor);
    if (!message)
        return -ENOMEM;
    char id[SEGMENT_ID_TEXT_MAX], tape_text[17];
    message_segment_id(tape, node, segment->lane, segment->sequence, id);
    (void)snprintf(tape_text, sizeof tape_text, "%016" PRIx64, tape_id(tape));
    message->lane = segment->lane;
    message->sequence = segment->sequence;
    message->ordinal = segment->ordinal;
    message->size = segment->size;
    message->index_size = segment->index_size;
    message->first_ns = segment->first_ns;
    message->last_ns = segment->last_ns;
    message->opened_ns = segment->opened_ns;
    message->sealed_ns = segment->sealed_ns;
    message->blocks = segment->blocks;
    message->ledger = message_ledger(&segment->ledger);
    if (!message->ledger || wire_set_string(&message->segment_id, id) < 0 || wire_set_string(&message->node, node) < 0 ||
        wire_set_string(&message->tape_id, tape_text) < 0 || wire_set_string(&message->sealed_by, message_seal_reason(segment->reason)) < 0)
        return -ENOMEM;
    r = index ? add_details(message, index) : 0; /* a damaged index must not stop what is behind it from being published */
    if (r < 0)
        return r;
    *ret = mem_take(message);
    return 0;
}

int message_append_marks(const struct tape_boundaries *boundaries, size_t *count, Tapeloop__V1__LaneMark ***marks)
{
    for (uint32_t lane = 0; lane < boundaries->lanes; lane++) {
        Tapeloop__V1__LaneMark *mark = WIRE_NEW(Tapeloop__V1__LaneMark, tapeloop__v1__lane_mark__descriptor);
        if (!mark)
            return -ENOMEM;
        mark->lane = lane;
        mark->first_sequence = boundaries->first_sequence[lane];
        if (wire_append(count, marks, mark) < 0) {
            wire_free(mark);
            return -ENOMEM;
        }
    }
    return 0;
}
