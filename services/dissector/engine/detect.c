#include "services/dissector/engine/internal.h"

static bool on_port(const struct protocol *protocol, uint16_t port)
{
    for (unsigned i = 0; i < PROTOCOL_PORTS_MAX && protocol->ports[i]; i++)
        if (protocol->ports[i] == port)
            return true;
    return false;
}

/* Content says who is the client; a handshake that says otherwise outweighs it, and then it is not the protocol. */
static bool fits(const struct conversation *c, unsigned direction, enum detected detected)
{
    if (detected != DETECT_CLIENT && detected != DETECT_SERVER)
        return detected == DETECT_EITHER;
    bool swapped = (detected == DETECT_CLIENT) == (direction == 1);
    return !c->side_known || swapped == c->swapped;
}

static void take_side(struct conversation *c, unsigned direction, enum detected detected, const struct protocol *protocol)
{
    if (c->side_known)
        return;
    if (detected == DETECT_EITHER) /* its own port is the server's; otherwise who spoke first is the client */
        c->swapped = on_port(protocol, c->tuple.source_port) && !on_port(protocol, c->tuple.destination_port);
    else
        c->swapped = (detected == DETECT_CLIENT) == (direction == 1);
    c->side_known = detected != DETECT_EITHER;
}

/* The first protocol in the registry's order whose bytes these are; NULL with *ret_more where some cannot say yet. */
static const struct protocol *ask_all(const struct conversation *c, unsigned direction, struct sniff *sniff, enum detected *ret, bool *ret_more)
{
    uint16_t server = c->side_known ? (c->swapped ? c->tuple.source_port : c->tuple.destination_port) : 0;
    *ret_more = false;
    for (size_t i = 0; i < protocols_count; i++) {
        const struct protocol *protocol = protocols[i];
        if (protocol->connection || !protocol->detect || (sniff->datagram ? !protocol->datagram : !protocol->parse))
            continue;
        sniff->port = c->side_known ? on_port(protocol, server) : on_port(protocol, c->tuple.source_port) || on_port(protocol, c->tuple.destination_port);
        enum detected detected = protocol->detect(sniff);
        if (detected == DETECT_MORE) {
            *ret_more = true;
            return NULL; /* its turn comes before the others' */
        }
        if (detected != DETECT_NO && fits(c, direction, detected)) {
            *ret = detected;
            return protocol;
        }
    }
    return NULL;
}

/* What was said so far is nobody's; a packet of the client's may still begin what follows such a beginning. NULL: it does not, or (*ret_more) more of it must come. The bytes before it are gone. */
static const struct protocol *find_follower(struct conversation *c, unsigned direction, bool *ret_more)
{
    struct stream *s = &c->streams[direction];
    uint64_t first = s->fed - s->held_size;
    for (; s->looked < s->marks_count; s->looked++) {
        uint64_t offset = s->marks[s->looked].offset;
        uint32_t at = offset > first ? (uint32_t)(offset - first) : 0;
        struct sniff sniff = { .data = s->held + at, .size = s->held_size - at, .started_before = true };
        for (size_t i = 0; i < protocols_count; i++) {
            enum detected detected = protocols[i]->follows ? protocols[i]->detect(&sniff) : DETECT_NO;
            if (detected == DETECT_CLIENT && fits(c, direction, detected)) {
                if (at > 0)
                    feed_drop_held(c, direction, at);
                return protocols[i];
            }
            if (detected == DETECT_MORE) {
                *ret_more = true;
                return NULL;
            }
        }
    }
    return NULL;
}

/* Nobody knows what this side has said. */
static void give_up(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    bool middle = !c->from_start || s->gap_end != 0 || c->strange;
    if (middle && c->detect_tries < DETECT_TRIES_MAX) { /* the next packet may begin a message */
        c->detect_tries++;
        feed_drop_held(c, direction, s->held_size);
        return;
    }
    c->detect_no |= (uint8_t)(1u << direction);
    if (c->detect_no != 3 && s->held_size < DETECT_BYTES_MAX && !middle)
        return;
    c->ignored = middle;
    c->strange = true;
    for (unsigned i = 0; i < 2; i++)
        feed_drop_held(c, i, c->streams[i].held_size);
}

static void begin(struct conversation *c, unsigned direction, enum detected detected, const struct protocol *protocol)
{
    struct stream *s = &c->streams[direction];
    take_side(c, direction, detected, protocol);
    c->unsure = !c->from_start || c->streams[direction_of(c, SIDE_CLIENT)].gap_end != 0;
    feed_open(c, protocol, NULL);
    unsigned first = direction;
    const struct stream *other = &c->streams[!direction];
    if (other->held_size > 0 && other->marks[0].time_ns < s->marks[0].time_ns)
        first = !direction;
    feed_held(c, first);
    if (c->streams[!first].held_size > 0)
        feed_held(c, !first);
}

/* True: dealt with. False: what this side has said is nobody's so far. */
static bool follow(struct conversation *c, unsigned direction)
{
    bool more = false;
    const struct protocol *protocol = find_follower(c, direction, &more);
    if (protocol) {
        feed_drop_held(c, !direction, c->streams[!direction].held_size); /* it answers what was before */
        begin(c, direction, DETECT_CLIENT, protocol);
    }
    return protocol || (more && c->streams[direction].held_size < DETECT_BYTES_MAX);
}

void detect_stream(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    bool nobodys = c->strange || (c->detect_no & 1u << direction);
    if (nobodys && (follow(c, direction) || (!c->strange && s->held_size < DETECT_BYTES_MAX)))
        return; /* the other side may tell */
    struct sniff sniff = { .data = s->held, .size = s->held_size, .started_before = !c->from_start || s->gap_end != 0 };
    enum detected detected = DETECT_NO;
    bool more = false;
    const struct protocol *protocol = nobodys ? NULL : ask_all(c, direction, &sniff, &detected, &more);
    if (more && s->held_size < DETECT_BYTES_MAX)
        return;
    if (protocol)
        begin(c, direction, detected, protocol);
    else
        give_up(c, direction);
}

bool detect_datagram(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size)
{
    struct sniff sniff = { .data = data, .size = size, .datagram = true };
    enum detected detected = DETECT_NO;
    bool more;
    const struct protocol *protocol = ask_all(c, direction, &sniff, &detected, &more);
    if (!protocol) {
        if (++c->detect_tries >= DETECT_TRIES_MAX)
            c->ignored = true;
        return false;
    }
    take_side(c, direction, detected, protocol);
    feed_open(c, protocol, NULL);
    return c->protocol != NULL;
}
