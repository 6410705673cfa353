#include "services/dissector/flow/decode.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bytes/cursor.h"
#include "packet/packet.h"

enum { PROTO_TCP = 6, PROTO_UDP = 17 };
enum { TCP_HEAD = 20, UDP_HEAD = 8, ETHERNET_HEAD = 14, IPV4_HEAD = 20 };
enum { FLAG_SYN = 2, OPTION_END = 0, OPTION_NOP = 1, OPTION_WINDOW_SCALE = 3, OPTION_WINDOW_SCALE_BYTES = 3 };
#define WINDOW_SCALE_NONE 255u
#define WINDOW_SCALE_MAX 14u            /* RFC 7323 section 2.3 */

struct decoder { struct fragments *fragments; struct decode_counters counters; };

int decoder_new(struct decoder **ret)
{
    struct decoder *d = calloc(1, sizeof *d);
    int r = d ? fragments_new(&d->fragments) : -ENOMEM;
    if (r < 0) {
        free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    fragments_free(d->fragments);
    free(d);
}

static inline uint16_t be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static inline uint32_t be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

/* options: what was captured of a SYN's. */
static uint8_t window_scale(const uint8_t *options, uint32_t size)
{
    struct cursor c = cursor_over(options, size);
    while (cursor_left(&c) > 0) {
        uint8_t kind = cursor_u8(&c);
        if (kind == OPTION_END)
            break;
        if (kind == OPTION_NOP)
            continue;
        uint8_t length = cursor_u8(&c);
        const uint8_t *value = length >= 2 ? cursor_take(&c, length - 2u) : NULL;
        if (!value)
            break;
        if (kind == OPTION_WINDOW_SCALE && length == OPTION_WINDOW_SCALE_BYTES)
            return value[0] < WINDOW_SCALE_MAX ? value[0] : WINDOW_SCALE_MAX;
    }
    return WINDOW_SCALE_NONE;
}

/* at: the TCP header; captured and length: bytes from there to the end of the IP packet, there and on the wire. */
static inline bool take_tcp(const uint8_t *at, uint32_t captured, uint32_t length, struct shard_packet *ret)
{
    if (captured < TCP_HEAD)
        return false;
    uint32_t head = (at[12] >> 4) * 4u, there = captured < head ? captured : head;
    if (head < TCP_HEAD || head > length)
        return false;
    ret->tuple.source_port = be16(at);
    ret->tuple.destination_port = be16(at + 2);
    ret->seq = be32(at + 4);
    ret->ack = be32(at + 8);
    ret->flags = at[13];
    ret->window = be16(at + 14);
    ret->window_scale = ret->flags & FLAG_SYN ? window_scale(at + TCP_HEAD, there - TCP_HEAD) : WINDOW_SCALE_NONE;
    ret->data = at + there;
    ret->captured = captured - there;
    ret->payload = length - head;
    return true;
}

static inline bool take_udp(const uint8_t *at, uint32_t captured, uint32_t length, struct shard_packet *ret)
{
    if (captured < UDP_HEAD)
        return false;
    uint32_t said = be16(at + 4), whole = said && said < length ? said : length; /* 0: longer than 65535 */
    if (whole < UDP_HEAD)
        return false;
    captured = captured < whole ? captured : whole;
    ret->tuple.source_port = be16(at);
    ret->tuple.destination_port = be16(at + 2);
    ret->data = at + UDP_HEAD;
    ret->captured = captured - UDP_HEAD;
    ret->payload = whole - UDP_HEAD;
    return true;
}

static inline void begin(const struct input_packet *packet, uint8_t version, uint8_t transport, uint32_t vni, struct shard_packet *ret)
{
    *ret = (struct shard_packet){ .tuple = { .version = version, .transport = transport, .vni = vni }, .point = packet->point, .time_ns = shard_time(packet->time_ns),
                                  .place = { packet->input, packet->frame }, .node = packet->node, .window_scale = WINDOW_SCALE_NONE, .watched = packet->watched };
}

static inline void finish(struct decoder *d, struct shard_packet *ret)
{
    ret->hash = shard_hash(&ret->tuple);
    ++*(ret->tuple.transport == PROTO_TCP ? &d->counters.tcp : &d->counters.udp);
    d->counters.truncated += ret->captured < ret->payload;
}

/* Most packets: Ethernet, IPv4 without options, not a fragment, TCP. False: it is something else, or something is wrong with it. */
static inline bool decode_plain(struct decoder *d, const struct input_packet *packet, struct shard_packet *ret)
{
    const uint8_t *ip = packet->data + ETHERNET_HEAD;
    if (packet->link_type != PACKET_LINK_ETHERNET || packet->captured < ETHERNET_HEAD + IPV4_HEAD + TCP_HEAD || packet->data[12] != 8 || packet->data[13] != 0 || ip[0] != 0x45 ||
        ip[9] != PROTO_TCP || (be16(ip + 6) & 0x3fff) != 0)
        return false;
    uint32_t captured = packet->captured - ETHERNET_HEAD, length = packet->length - ETHERNET_HEAD, total = be16(ip + 2);
    if (packet->length < packet->captured || total < IPV4_HEAD + TCP_HEAD)
        return false;
    length = total < length ? total : length;
    captured = captured < length ? captured : length;
    begin(packet, 4, PROTO_TCP, 0, ret);
    memcpy(ret->tuple.source, ip + 12, 4);
    memcpy(ret->tuple.destination, ip + 16, 4);
    if (!take_tcp(ip + IPV4_HEAD, captured - IPV4_HEAD, length - IPV4_HEAD, ret))
        return false;
    finish(d, ret);
    return true;
}

/* What is being looked at: the packet, or a datagram that was put together. */
struct layer { struct packet_view view; const uint8_t *data; uint32_t length /* on the wire, of data */; uint8_t depth; bool joined; };

/* Where the IP packet ends on the wire: as its header says, but inside of what surrounds it. */
static uint32_t wire_end(const struct layer *layer)
{
    const struct packet_view *view = &layer->view;
    uint32_t end = view->ip_length ? view->ip_at + view->ip_length : layer->length;
    end = end < layer->length ? end : layer->length;
    return end > view->end ? end : view->end;
}

static bool join(struct decoder *d, const struct fragment *fragment, struct layer *layer)
{
    struct datagram datagram;
    struct packet_view view = layer->view;
    if (!fragments_add(d->fragments, fragment, &datagram))
        return false;
    if (!packet_parse_datagram(&view, datagram.protocol, datagram.data, datagram.captured, &layer->view))
        return false;
    layer->joined = true;
    layer->data = datagram.data;
    layer->length = datagram.length;
    return true;
}

static bool join_fragment(struct decoder *d, const struct input_packet *packet, struct layer *layer)
{
    const struct packet_view *view = &layer->view;
    uint32_t end = wire_end(layer);
    if (view->fragment_at > view->end)
        return false;
    struct fragment fragment = { .time_ns = packet->time_ns, .order_ns = packet->order_ns, .frame = packet->frame, .offset = view->fragment_offset, .length = end - view->fragment_at,
                                 .captured = view->end - view->fragment_at, .data = layer->data + view->fragment_at, .protocol = view->fragment_protocol, .more = view->more_fragments };
    fragment.key = (struct fragment_key){ .point = packet->point, .lane = packet->lane, .id = view->fragment_id, .vni = view->vni, .version = view->version,
                                          .protocol = view->version == 4 ? view->fragment_protocol : 0, .depth = layer->depth };
    memcpy(fragment.key.source, view->source, sizeof view->source);
    memcpy(fragment.key.destination, view->destination, sizeof view->destination);
    return join(d, &fragment, layer);
}

/* Down to the innermost packet. False: a fragment that waits. */
static bool descend(struct decoder *d, const struct input_packet *packet, struct layer *layer)
{
    for (;;) {
        struct packet_view inner;
        if (layer->view.fragment && !join_fragment(d, packet, layer))
            return false;
        if (layer->depth == DECODE_TUNNELS_MAX || !packet_parse_inner(&layer->view, layer->data, &inner))
            return true;
        layer->length = wire_end(layer);
        layer->view = inner;
        layer->depth++;
    }
}

static bool take_transport(struct decoder *d, const struct input_packet *packet, const struct layer *layer, struct shard_packet *ret)
{
    const struct packet_view *view = &layer->view;
    if (view->protocol != PROTO_TCP && view->protocol != PROTO_UDP) {
        d->counters.other_ip++;
        return false;
    }
    begin(packet, view->version, view->protocol, view->vni, ret);
    memcpy(ret->tuple.source, view->source, sizeof view->source);
    memcpy(ret->tuple.destination, view->destination, sizeof view->destination);
    const uint8_t *at = layer->data + view->transport_at;
    uint32_t captured = view->end - view->transport_at, length = wire_end(layer) - view->transport_at;
    if (!(view->protocol == PROTO_TCP ? take_tcp(at, captured, length, ret) : take_udp(at, captured, length, ret))) {
        d->counters.malformed++;
        return false;
    }
    if (layer->joined)
        ret->watched = false; /* its fragments may come from two inputs, and the one that knows is not everywhere at hand */
    d->counters.tunnelled += layer->depth > 0;
    finish(d, ret);
    return true;
}

static bool decode_any(struct decoder *d, const struct input_packet *packet, struct shard_packet *ret)
{
    struct layer layer = { .data = packet->data, .length = packet->length > packet->captured ? packet->length : packet->captured };
    if (!packet_parse(packet->link_type, packet->data, packet->captured, &layer.view)) {
        d->counters.not_ip++;
        d->counters.unknown_link_type += !packet_knows_link(packet->link_type);
        return false;
    }
    if (!descend(d, packet, &layer)) {
        d->counters.fragments++;
        return false;
    }
    return take_transport(d, packet, &layer, ret);
}

bool decode_packet(struct decoder *d, const struct input_packet *packet, struct shard_packet *ret)
{
    d->counters.packets++;
    return decode_plain(d, packet, ret) || decode_any(d, packet, ret);
}

bool decode_fragment(struct decoder *d, const struct input_packet *packet, const struct fragment *fragment, struct shard_packet *ret)
{
    struct layer layer = { .view = { .version = fragment->key.version, .vni = fragment->key.vni }, .depth = fragment->key.depth };
    memcpy(layer.view.source, fragment->key.source, sizeof layer.view.source);
    memcpy(layer.view.destination, fragment->key.destination, sizeof layer.view.destination);
    d->counters.packets++;
    if (!join(d, fragment, &layer) || !descend(d, packet, &layer)) {
        d->counters.fragments++;
        return false;
    }
    return take_transport(d, packet, &layer, ret);
}

const struct decode_counters *decoder_counters(const struct decoder *d)
{
    return &d->counters;
}

void decode_counters_add(struct decode_counters *to, const struct decode_counters *more)
{
    to->packets += more->packets;
    to->tcp += more->tcp;
    to->udp += more->udp;
    to->fragments += more->fragments;
    to->other_ip += more->other_ip;
    to->not_ip += more->not_ip;
    to->malformed += more->malformed;
    to->unknown_link_type += more->unknown_link_type;
    to->tunnelled += more->tunnelled;
    to->truncated += more->truncated;
}

struct fragments *decoder_fragments(struct decoder *d)
{
    return d->fragments;
}
