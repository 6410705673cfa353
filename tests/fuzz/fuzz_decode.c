/* A few packets of any link type through one decoder, fragments and all: nothing outside of a packet is read, each is counted once, and the hash is the same for both directions.
 *
 *   input = link type u8 | (size u16 | bytes) ...       each packet's time is a second after the one before
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "bytes/cursor.h"
#include "packet/packet.h"
#include "services/dissector/flow/decode.h"

static const uint32_t link_types[] = { PACKET_LINK_ETHERNET, PACKET_LINK_RAW, PACKET_LINK_NULL, PACKET_LINK_LOOP, PACKET_LINK_PPP, PACKET_LINK_PPP_ETHER, PACKET_LINK_CISCO_HDLC,
                                       PACKET_LINK_LINUX_SLL, PACKET_LINK_LINUX_SLL2, PACKET_LINK_IPV4, PACKET_LINK_IPV6, 105 };

static void check(const struct shard_packet *found)
{
    struct tuple back = found->tuple;
    memcpy(back.source, found->tuple.destination, sizeof back.source);
    memcpy(back.destination, found->tuple.source, sizeof back.destination);
    back.source_port = found->tuple.destination_port;
    back.destination_port = found->tuple.source_port;
    if (found->captured > found->payload || found->hash != shard_hash(&back) || (found->tuple.version != 4 && found->tuple.version != 6) ||
        (found->tuple.transport != 6 && found->tuple.transport != 17))
        abort();
    uint8_t sum = 0;
    for (uint32_t i = 0; i < found->captured; i++)
        sum ^= found->data[i];
    __asm__ volatile("" : : "r"(sum)); /* every byte has been read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);
    struct decoder *decoder = NULL;
    uint32_t link_type = link_types[cursor_u8(&c) % (sizeof link_types / sizeof *link_types)], frame = 0;
    if (decoder_new(&decoder) < 0)
        return 0;
    while (cursor_left(&c) > 2) {
        uint16_t says = cursor_le16(&c);
        uint32_t captured = says < cursor_left(&c) ? says : (uint32_t)cursor_left(&c);
        uint8_t *copy = malloc(captured ? captured : 1);
        if (!copy)
            break;
        if (captured)
            memcpy(copy, cursor_take(&c, captured), captured);
        frame++;
        struct input_packet packet = { .data = copy, .captured = captured, .length = says, .link_type = link_type, .frame = frame, .time_ns = frame * INT64_C(1000000000) };
        struct shard_packet found;
        if (decode_packet(decoder, &packet, &found))
            check(&found);
        free(copy);
    }
    const struct decode_counters *n = decoder_counters(decoder);
    if (n->packets != frame || n->tcp + n->udp + n->fragments + n->other_ip + n->not_ip + n->malformed != frame || fragments_waiting(decoder_fragments(decoder)) > frame)
        abort();
    decoder_free(decoder);
    return 0;
}
