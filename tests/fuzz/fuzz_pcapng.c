/* Any bytes through the pcapng reader: it ends, stays in its bounds, and what it says of a packet lies in the block. */
#include <stdint.h>
#include <stdlib.h>

#include "capfile/pcapng.h"
#include "packet/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const struct pcapng_reader *reader, const struct pcapng_block *block)
{
    const struct pcapng_packet *packet = &block->packet;
    const struct pcapng_interface *interface = pcapng_reader_interface(reader, packet->interface);
    if (!interface || packet->data < block->data || packet->data + packet->captured > block->data + block->size - 4)
        abort();
    struct packet_view view, inner;
    if (!packet_parse(interface->link_type, packet->data, packet->captured, &view))
        return;
    for (int i = 0; i < 8 && packet_parse_inner(&view, packet->data, &inner); i++)
        view = inner;
    if (view.end > packet->captured)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pcapng_reader *reader = pcapng_reader_new();
    struct pcapng_block block;
    size_t needed = 0;
    if (!reader)
        return 0;
    for (size_t at = 0; at < size;) {
        int64_t n = pcapng_next(reader, data + at, size - at, &block, &needed);
        if (n <= 0)
            break;
        if ((uint64_t)n > size - at || block.size != (uint64_t)n || block.data != data + at)
            abort();
        if (block.has_packet)
            check_packet(reader, &block);
        at += (size_t)n;
    }
    pcapng_reader_free(reader);
    return 0;
}
