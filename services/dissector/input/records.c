#include <errno.h>
#include <stdlib.h>
#include "packet/packet.h"
#include "services/dissector/input/reader.h"

#define AHEAD_BYTES 2048 /* packets are read for the first time here: some four ahead are asked of the memory (a twentieth of the time; the processor by itself stops at the end of each page) */

void input_watch_anew(struct input_reader *r)
{
    for (uint32_t i = 0; i < r->points_count; i++)
        r->points[i].first_ns = INT64_MAX;
}

/* Fills in what every format has alike. False: outside of the window. */
static inline bool give(struct input_reader *r, struct input_observed *observed, struct input_packet *packet)
{
    if (packet->time_ns < r->from_ns || packet->time_ns > r->to_ns) {
        r->counters.outside_window++;
        return false;
    }
    if (packet->time_ns > r->greatest_ns)
        r->greatest_ns = packet->time_ns;
    packet->order_ns = r->greatest_ns;
    packet->frame = r->frame;
    packet->input = r->number;
    packet->node = r->input->node;
    packet->lane = (uint16_t)r->input->lane;
    packet->point = observed->point;
    if (observed->first_ns == INT64_MAX) /* one that comes later with an earlier time tells of no moment before it */
        observed->first_ns = packet->time_ns;
    packet->watched = packet->time_ns > observed->first_ns && (uint64_t)packet->time_ns - (uint64_t)observed->first_ns >= (uint64_t)INPUT_WATCHED_NS; /* times may be any */
    if (packet->link_type != PACKET_LINK_ETHERNET && !packet_knows_link(packet->link_type)) {
        r->unread_link = r->unread++ ? r->unread_link : packet->link_type;
        r->unread_many = r->unread_many || r->unread_link != packet->link_type;
    }
    r->counters.bytes += packet->captured;
    r->counters.truncated += packet->captured < packet->length;
    return true;
}

int records_classic(struct input_reader *r, struct input_packet *packets, uint32_t most, uint32_t *ret_count, size_t *ret_needed)
{
    const uint8_t *at = r->source.at, *end = r->source.end;
    const struct pcap_classic_file file = r->classic;
    uint32_t count = 0;
    int64_t n = 0;
    *ret_needed = 0;
    while (count < most && at < end) {
        struct pcap_classic_packet packet;
        n = pcap_classic_next(&file, at, (size_t)(end - at), &packet, ret_needed);
        if (n < 0)
            break;
        for (int64_t line = 0; line < n && end - at > AHEAD_BYTES + line; line += 64)
            __builtin_prefetch(at + AHEAD_BYTES + line);
        at += n;
        r->frame++;
        packets[count] = (struct input_packet){ .data = packet.data, .captured = packet.captured, .length = packet.length, .time_ns = packet.time_ns, .link_type = file.link_type };
        count += give(r, &r->points[0], &packets[count]);
    }
    r->source.at = at;
    *ret_count = count;
    if (n == -EBADMSG)
        input_say(r, "a packet of more than %u bytes behind frame %u: the rest of the file cannot be read", PCAP_CLASSIC_CAPTURED_MAX, r->frame);
    return n == -EBADMSG ? -EBADMSG : 0;
}

/* Keeps the points of the section's interfaces beside the reader's list. */
static int note_header(struct input_reader *r, const struct pcapng_block *block)
{
    if (block->type == PCAPNG_SHB)
        r->points_count = 0;
    if (block->type != PCAPNG_IDB)
        return 0;
    if (r->points_count == r->points_room) {
        uint32_t room = r->points_room ? r->points_room * 2 : 16;
        struct input_observed *grown = reallocarray(r->points, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        r->points = grown;
        r->points_room = room;
    }
    const struct pcapng_interface *interface = pcapng_reader_interface(r->pcapng, r->points_count);
    struct input_observed *observed = &r->points[r->points_count];
    *observed = (struct input_observed){ input_point(r->input->node_name, interface ? interface->name : "", r->points_count), INT64_MAX };
    int e = interface ? input_names_add(&r->names, observed->point, interface->name) : 0;
    r->points_count++;
    return e;
}

static inline bool take_packet(struct input_reader *r, const struct pcapng_packet *from, struct input_packet *packet)
{
    const struct pcapng_interface *interface = pcapng_reader_interface(r->pcapng, from->interface);
    if (interface->canary) {
        r->counters.canaries++;
        return false;
    }
    if (from->drops)
        input_watch_anew(r);
    *packet = (struct input_packet){ .data = from->data, .captured = from->captured, .length = from->length, .time_ns = from->time_ns, .link_type = interface->link_type, .interface = from->interface };
    return give(r, &r->points[from->interface], packet);
}

int records_pcapng(struct input_reader *r, struct input_packet *packets, uint32_t most, uint32_t *ret_count, size_t *ret_needed)
{
    uint32_t count = 0;
    int64_t n = 0;
    *ret_needed = 0;
    while (count < most && r->source.at < r->source.end) {
        struct pcapng_block block;
        n = pcapng_next(r->pcapng, r->source.at, (size_t)(r->source.end - r->source.at), &block, ret_needed);
        if (n < 0)
            break;
        r->source.at += n;
        r->frame += pcapng_is_frame(block.type);
        r->counters.events += block.has_event;
        if (block.has_packet)
            count += take_packet(r, &block.packet, &packets[count]);
        else if ((n = note_header(r, &block)) < 0)
            break;
    }
    *ret_count = count;
    if (n == -EBADMSG)
        input_say(r, "%s, behind frame %u", pcapng_reader_error(r->pcapng), r->frame);
    return n == -EAGAIN || n > 0 ? 0 : (int)n;
}
