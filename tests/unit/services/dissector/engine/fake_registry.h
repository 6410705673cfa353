/* A registry of its own for tests of the engine: TCP, UDP, and a protocol whose messages carry their number, so that a wrong pair shows.
 *
 *   request "Q<number>:<filler>\n", response "A<number>:<filler>\n"; in a datagram the same, paired by the number as key; "S\n" of the server: what follows is to be detected again */
#ifndef TESTS_ENGINE_FAKE_REGISTRY_H
#define TESTS_ENGINE_FAKE_REGISTRY_H
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/protocols/protocol.h"

enum { FAKE_REQUEST, FAKE_RESPONSE, FAKE_FIELDS };
static const struct field fake_fields[FAKE_FIELDS] = {
    [FAKE_REQUEST] = { .name = "asked", .type = FIELD_INT, .fallback = -1, .column = "asked", .help = "number of the request" },
    [FAKE_RESPONSE] = { .name = "answered", .type = FIELD_INT, .fallback = -1, .column = "answered", .help = "number of the response" },
};
static const struct detail fake_detail = { .table = "fake", .fields = fake_fields, .count = FAKE_FIELDS };
struct fake_state { bool seeking[2]; };

static enum detected fake_detect(const struct sniff *s)
{
    if (s->size == 0 || (s->data[0] != 'Q' && s->data[0] != 'A'))
        return DETECT_NO;
    return s->size == 1 ? DETECT_MORE : s->data[0] == 'Q' ? DETECT_CLIENT : DETECT_SERVER;
}

static void fake_message(struct conversation *c, enum side side, const uint8_t *data, const uint8_t *last, uint64_t key_or_order)
{
    struct message *m = conversation_message(c, side, data);
    int64_t number = strtol((const char *)data + 1, NULL, 10);
    conversation_last(c, side, m, last);
    message_int(m, side == SIDE_CLIENT ? FAKE_REQUEST : FAKE_RESPONSE, number);
    uint64_t key = key_or_order == KEY_IN_ORDER ? KEY_IN_ORDER : (uint64_t)number;
    if (side == SIDE_CLIENT)
        conversation_request(c, m, key);
    else
        conversation_response(c, m, key);
}

static int64_t fake_parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct fake_state *state = conversation_state(c);
    const uint8_t *end = memchr(data, '\n', size);
    if (state->seeking[side]) { /* behind the next line's end */
        if (end)
            state->seeking[side] = false;
        return end ? end - data + 1 : (int64_t)size;
    }
    if (data[0] == 'S' && side == SIDE_SERVER && end) {
        conversation_detect_again(c);
        return end - data + 1;
    }
    if (data[0] != (side == SIDE_CLIENT ? 'Q' : 'A'))
        return -EBADMSG;
    if (!end)
        return 0;
    fake_message(c, side, data, end, KEY_IN_ORDER);
    return end - data + 1;
}

static int fake_datagram(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    if (size < 3 || data[size - 1] != '\n')
        return -EBADMSG;
    fake_message(c, side, data, data + size - 1, 0);
    return 0;
}

static void fake_gap(struct conversation *c, enum side side, uint64_t lost)
{
    (void)lost;
    ((struct fake_state *)conversation_state(c))->seeking[side] = true;
}

static const struct protocol fake_protocol = { .name = "FAKE", .flags = { "fake" }, .detail = &fake_detail, .ports = { 7 }, .state_size = sizeof(struct fake_state), .idle_ns = INT64_C(30000000000),
                                               .detect = fake_detect, .parse = fake_parse, .datagram = fake_datagram, .gap = fake_gap };

const struct protocol *const protocols[] = { &protocol_tcp, &protocol_udp, &fake_protocol };
const size_t protocols_count = 3;
int protocol_number(const struct protocol *protocol)
{
    for (size_t i = 0; i < protocols_count; i++)
        if (protocols[i] == protocol)
            return (int)i;
    return -1;
}
#endif
