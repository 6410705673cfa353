#include "services/dissector/protocols/redis/redis.h"

#include <string.h>

#include "services/dissector/protocols/redis/redis_fields.h"
#include "services/dissector/protocols/redis/redis_state.h"

static const struct field fields[REDIS_FIELDS_COUNT] = {
    [REDIS_TYPE] = { .name = "redis_type", .column = "type", .help = "the command's verb in upper case; of a push its kind (MESSAGE, INVALIDATE, MONITOR)" },
    [REDIS_COMMAND] = { .name = "redis_command", .column = "command", .help = "the whole command line, as redis-cli reads it" },
    [REDIS_KEY] = { .name = "redis_key", .column = "key", .help = "the command's first key, at most 64 bytes of it" },
    [REDIS_REQUEST_SIZE] = { .name = "redis_request_size", .type = FIELD_INT, .column = "request_size", .help = "bytes of the command on the wire" },
    [REDIS_RESPONSE_SIZE] = { .name = "redis_response_size", .type = FIELD_INT, .column = "response_size", .help = "bytes of the reply on the wire" },
    [REDIS_TOTAL_SIZE] = { .name = "redis_total_size", .type = FIELD_INT, .column = "total_size", .help = "bytes of command and reply" },
    [REDIS_RESPONSE] = { .name = "redis_response", .column = "response", .help = "the reply as text, its first 256 bytes" },
    [REDIS_ERROR] = { .name = "redis_error", .column = "error", .help = "the error that the server replied with" },
};
static const struct detail detail = { .table = "redis", .fields = fields, .count = REDIS_FIELDS_COUNT };

/* Any array of words is a command where a connection begins; in its middle it may be a reply, too. */
static enum detected detect_array(const struct sniff *sniff)
{
    int r = redis_command_begins(sniff->data, sniff->size);
    if (r == 0)
        return DETECT_MORE;
    if (r < 0)
        return sniff->port && redis_reply_begins_here(sniff->data, sniff->size) > 0 ? DETECT_SERVER : DETECT_NO;
    return sniff->started_before ? DETECT_EITHER : DETECT_CLIENT;
}

static enum detected detect(const struct sniff *sniff)
{
    if (sniff->size == 0)
        return DETECT_MORE;
    if (sniff->data[0] == '*')
        return detect_array(sniff);
    if (!sniff->port)
        return DETECT_NO;
    int request = redis_inline_begins(sniff->data, sniff->size), reply = redis_reply_begins_here(sniff->data, sniff->size);
    if (request > 0)
        return DETECT_CLIENT;
    if (reply > 0)
        return DETECT_SERVER;
    return request == 0 || reply == 0 ? DETECT_MORE : DETECT_NO;
}

static struct redis_state *state_of(struct conversation *c)
{
    struct redis_state *state = conversation_state(c);
    if (!state->begun) {
        state->begun = true;
        state->client.lost = state->server.lost = conversation_started_before(c);
    }
    return state;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct redis_state *state = state_of(c);
    return side == SIDE_CLIENT ? redis_client_parse(c, &state->client, &state->server, data, size) : redis_server_parse(c, &state->server, &state->client, data, size);
}

static void gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct redis_state *state = state_of(c);
    if (side == SIDE_CLIENT)
        redis_client_gap(c, &state->client, lost);
    else
        redis_server_gap(c, &state->server, lost);
}

static void close_conversation(struct conversation *c)
{
    struct redis_state *state = state_of(c);
    redis_client_close(c, &state->client, ENDS_AFTER);
    redis_server_close(c, &state->server, ENDS_AFTER);
}

static size_t memory(const void *state)
{
    const struct redis_state *s = state;
    return message_memory(s->client.message) + message_memory(s->server.message) + message_memory(s->server.confirmation);
}

const struct protocol protocol_redis = {
    .name = "REDIS",
    .flags = { "redis" },
    .detail = &detail,
    .ports = { 6379 },
    .state_size = sizeof(struct redis_state),
    .detect = detect,
    .parse = parse,
    .gap = gap,
    .memory = memory,
    .close = close_conversation,
};
