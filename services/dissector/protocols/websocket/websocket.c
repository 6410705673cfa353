/* WebSocket messages, one entry each; control frames, which may stand between the frames of a message, too.
 *
 *    0                   1                   2                   3
 *   +-+-+-+-+-------+-+-------------+-------------------------------+
 *   |F|R|R|R| opcode|M| length (7)  |  length (16 or 64): 126, 127  |
 *   +-+-+-+-+-------+-+-------------+-------------------------------+
 *   | masking key (32), if M        | payload, XOR the key          |
 *   +-------------------------------+-------------------------------+
 *
 * RFC 6455 section 5; R1 says that the message is compressed (RFC 7692). See websocket.h. */
#include "services/dissector/protocols/websocket/websocket.h"

#include <errno.h>
#include <string.h>

#include "bytes/cursor.h"
#include "services/dissector/protocols/http/http1.h"
#include "services/dissector/protocols/websocket/websocket_inflate.h"

enum { WS_OPCODE, WS_REQUEST, WS_RESPONSE, WS_REQUEST_DATA, WS_REQUEST_ENCODING, WS_REQUEST_LENGTH, WS_RESPONSE_DATA, WS_RESPONSE_ENCODING, WS_RESPONSE_LENGTH, WS_CLOSE_CODE, WS_FIELDS_COUNT };
static const struct field fields[WS_FIELDS_COUNT] = {
    [WS_OPCODE] = { .name = "ws_opcode", .column = "opcode", .help = "text, binary, close, ping or pong" },
    [WS_REQUEST] = { .name = "ws_request", .type = FIELD_BOOL, .column = "request", .help = "whether the client sent the message" },
    [WS_RESPONSE] = { .name = "ws_response", .type = FIELD_BOOL, .column = "response", .help = "whether the server sent the message" },
    [WS_REQUEST_DATA] = { .name = "ws_request_payload_data", .column = "request_payload_data", .redaction = REDACT_BODY, .help = "payload that the client sent, unmasked and decompressed, its first 64 KiB" },
    [WS_REQUEST_ENCODING] = { .name = "ws_request_payload_encoding", .column = "request_payload_encoding", .help = "base64 where the payload is not text" },
    [WS_REQUEST_LENGTH] = { .name = "ws_request_payload_length", .type = FIELD_INT, .column = "request_payload_length", .help = "bytes of payload that the client sent, as they were sent" },
    [WS_RESPONSE_DATA] = { .name = "ws_response_payload_data", .column = "response_payload_data", .redaction = REDACT_BODY, .help = "payload that the server sent, decompressed, its first 64 KiB" },
    [WS_RESPONSE_ENCODING] = { .name = "ws_response_payload_encoding", .column = "response_payload_encoding", .help = "base64 where the payload is not text" },
    [WS_RESPONSE_LENGTH] = { .name = "ws_response_payload_length", .type = FIELD_INT, .column = "response_payload_length", .help = "bytes of payload that the server sent, as they were sent" },
    [WS_CLOSE_CODE] = { .name = "ws_close_code", .type = FIELD_INT, .column = "close_code", .help = "status code of a close message" },
};
static const struct detail detail = { .table = "websocket", .fields = fields, .count = WS_FIELDS_COUNT };

enum opcode { OPCODE_CONTINUATION, OPCODE_TEXT, OPCODE_BINARY, OPCODE_CLOSE = 8, OPCODE_PING, OPCODE_PONG };
#define FLAG_FIN 0x80u
#define FLAG_COMPRESSED 0x40u
#define CONTROL_BYTES_MAX 4096u                     /* 125 are allowed; a peer that sends more is shown as well */
#define FRAME_LOOKED_AT_MAX CONVERSATION_BODY_MAX   /* of a frame that must be whole before it is believed, after a gap */
#define PIECE_BYTES 8192u                           /* unmasked at a time, on the stack */

struct frame { uint8_t flags, opcode, mask[4]; bool masked; uint32_t header; uint64_t length; };

struct half {
    bool inside;                    /* a frame's payload is under way */
    bool lost;                      /* looking for a frame at the front of a packet */
    bool compressed, readable;      /* the message under way; whether its payload can be told */
    uint8_t opcode;
    struct frame frame;
    uint64_t at;                    /* in the frame's payload */
    uint64_t size;                  /* of the message's payload so far */
    struct message *message;
    struct websocket_kept kept;     /* of its payload */
    struct websocket_inflate inflate;
};
struct websocket {
    struct half halves[2];
    bool deflate;                   /* agreed upon */
};

/* One of the extension's parameters, up to its '=' if it has one. */
static void take_parameter(struct websocket *w, const char *p, size_t size)
{
    while (size && (*p == ' ' || *p == '\t')) {
        p++;
        size--;
    }
    while (size && (p[size - 1] == ' ' || p[size - 1] == '\t'))
        size--;
    if (size == 18 && strncasecmp(p, "permessage-deflate", 18) == 0)
        w->deflate = true;
    else if (size == 26 && strncasecmp(p, "server_no_context_takeover", 26) == 0)
        w->halves[SIDE_SERVER].inflate.fresh = true;
    else if (size == 26 && strncasecmp(p, "client_no_context_takeover", 26) == 0)
        w->halves[SIDE_CLIENT].inflate.fresh = true;
}

void websocket_agree(void *state, const char *extensions, size_t size)
{
    struct websocket *w = state;
    if (!w)
        return;
    for (size_t at = 0, start = 0; at <= size; at++)
        if (at == size || extensions[at] == ',' || extensions[at] == ';') {
            take_parameter(w, extensions + start, at - start);
            start = at + 1;
        }
}

void websocket_guess(void *state)
{
    struct websocket *w = state;
    if (!w)
        return;
    w->deflate = true;
    for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
        w->halves[side].lost = true;
        websocket_inflate_lost(&w->halves[side].inflate);
    }
}

/* What RFC 6455 demands beyond what makes a frame readable: clients mask and servers do not, control frames are short. Only asked where a frame is looked for. */
static bool is_proper(const struct frame *f, enum side side)
{
    return f->masked == (side == SIDE_CLIENT) && (f->opcode < OPCODE_CLOSE || f->length <= 125);
}

/* Bytes of the header; 0: more are needed; -EBADMSG. */
static int64_t read_frame(const struct websocket *w, const uint8_t *data, size_t size, struct frame *ret)
{
    struct cursor c = cursor_over(data, size);
    uint8_t first = cursor_u8(&c), second = cursor_u8(&c);
    struct frame f = { .flags = first & 0xf0, .opcode = first & 15, .masked = second & 0x80, .length = second & 0x7f };
    if (f.length == 126)
        f.length = cursor_be16(&c);
    else if (f.length == 127)
        f.length = (uint64_t)cursor_be32(&c) << 32 | cursor_be32(&c);
    const uint8_t *mask = f.masked ? cursor_take(&c, 4) : NULL;
    if (size >= 1 && ((f.flags & 0x30) || (f.opcode > OPCODE_BINARY && f.opcode < OPCODE_CLOSE) || f.opcode > OPCODE_PONG || ((f.flags & FLAG_COMPRESSED) && (!w->deflate || f.opcode == 0 || f.opcode > OPCODE_BINARY))))
        return -EBADMSG;
    if (size >= 1 && f.opcode >= OPCODE_CLOSE && !(f.flags & FLAG_FIN))
        return -EBADMSG;
    if (!cursor_ok(&c))
        return 0;
    if (f.length >> 63 || (f.opcode >= OPCODE_CLOSE && f.length > CONTROL_BYTES_MAX))
        return -EBADMSG;
    if (mask)
        memcpy(f.mask, mask, sizeof f.mask);
    f.header = (uint32_t)c.at;
    *ret = f;
    return f.header;
}

/* The payload's bytes from offset `at` on. */
static void unmask(const struct frame *f, uint64_t at, const uint8_t *data, size_t size, uint8_t *dst)
{
    if (!f->masked) {
        memcpy(dst, data, size);
        return;
    }
    uint8_t turned[8];
    uint64_t word, key;
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = f->mask[(at + i) & 3];
    memcpy(&key, turned, sizeof key);
    size_t i = 0;
    for (; size - i >= sizeof word; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        word ^= key;
        memcpy(dst + i, &word, sizeof word);
    }
    for (; i < size; i++)
        dst[i] = data[i] ^ turned[i & 7];
}

static const char *opcode_name(uint8_t opcode)
{
    switch ((enum opcode)opcode) {
    case OPCODE_TEXT: return "text";
    case OPCODE_BINARY: return "binary";
    case OPCODE_CLOSE: return "close";
    case OPCODE_PING: return "ping";
    case OPCODE_PONG: return "pong";
    case OPCODE_CONTINUATION: break;
    }
    return "";
}

/* "text, 12 bytes" */
static void write_summary(struct message *m, const char *name, uint64_t size)
{
    static const char unit[] = " bytes";
    char text[64], digits[20];
    size_t n = strlen(name), count = 0;
    memcpy(text, name, n);
    text[n++] = ',';
    text[n++] = ' ';
    do {
        digits[count++] = (char)('0' + size % 10);
        size /= 10;
    } while (size);
    while (count)
        text[n++] = digits[--count];
    memcpy(text + n, unit, sizeof unit - 1);
    message_summary(m, text, n + sizeof unit - 1);
}

static void emit(struct conversation *c, enum side side, struct message *m, uint8_t opcode, const uint8_t *payload, size_t kept, uint64_t size)
{
    bool client = side == SIDE_CLIENT;
    const char *name = opcode_name(opcode);
    message_string(m, WS_OPCODE, name);
    message_bool(m, client ? WS_REQUEST : WS_RESPONSE, true);
    if (opcode == OPCODE_CLOSE && kept >= 2) {
        message_int(m, WS_CLOSE_CODE, payload[0] << 8 | payload[1]);
        payload += 2;
        kept -= 2;
    }
    if (kept)
        message_body(m, client ? WS_REQUEST_DATA : WS_RESPONSE_DATA, client ? WS_REQUEST_ENCODING : WS_RESPONSE_ENCODING, payload, kept, "", 0);
    if (size)
        message_int(m, client ? WS_REQUEST_LENGTH : WS_RESPONSE_LENGTH, (int64_t)size);
    write_summary(m, name, size);
    conversation_push(c, side, m);
}

static void finish_message(struct conversation *c, enum side side, struct half *half)
{
    struct message *m = half->message;
    half->message = NULL;
    if (m)
        emit(c, side, m, half->opcode, half->kept.data, half->kept.size, half->size);
    websocket_kept_reset(&half->kept);
}

/* Unmasked payload of the message under way. */
static void keep(struct half *half, const uint8_t *data, size_t size)
{
    struct websocket_kept *kept = &half->kept;
    bool fits = half->compressed ? websocket_inflate_take(&half->inflate, data, size, kept) : websocket_kept_grow(kept, size);
    if (!fits) {
        half->message->failed = true;
        half->readable = false;
    } else if (!half->compressed) {
        size_t n = size < CONVERSATION_BODY_MAX - kept->size ? size : CONVERSATION_BODY_MAX - kept->size;
        memcpy(kept->data + kept->size, data, n);
        kept->size += (uint32_t)n;
    }
}

/* The last frame's last byte: a compressed message ends with bytes that were left out. */
static void end_payload(struct half *half)
{
    if (half->compressed && half->readable && !websocket_inflate_end(&half->inflate, &half->kept))
        half->message->failed = true;
    if (half->compressed && half->inflate.broken)
        message_incomplete(half->message, TRUNCATED);
}

static void end_frame(struct conversation *c, enum side side, struct half *half)
{
    half->inside = false;
    if (!(half->frame.flags & FLAG_FIN))
        return;
    end_payload(half);
    finish_message(c, side, half);
}

static void begin_message(struct conversation *c, enum side side, struct half *half, const uint8_t *first)
{
    half->message = conversation_message(c, side, first);
    half->opcode = half->frame.opcode;
    half->compressed = half->frame.flags & FLAG_COMPRESSED;
    half->size = 0;
    half->readable = !half->compressed || websocket_inflate_begin(&half->inflate);
    if (!half->readable)
        message_incomplete(half->message, GAP);
}

/* A control frame is one small frame, whatever message is under way. */
static int64_t take_control(struct conversation *c, enum side side, const struct frame *f, const uint8_t *data, size_t size)
{
    uint8_t payload[CONTROL_BYTES_MAX];
    size_t length = (size_t)f->length;
    if (size < f->header + length)
        return 0;
    struct message *m = conversation_message(c, side, data);
    conversation_last(c, side, m, data + f->header + length - 1);
    unmask(f, 0, data + f->header, length, payload);
    emit(c, side, m, f->opcode, payload, length, length);
    return (int64_t)(f->header + length);
}

static int64_t take_frame(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    struct frame f;
    int64_t n = read_frame(conversation_state(c), data, size, &f);
    if (n <= 0)
        return n;
    if (f.opcode >= OPCODE_CLOSE)
        return take_control(c, side, &f, data, size);
    if ((f.opcode == OPCODE_CONTINUATION) != (half->message != NULL))
        return -EBADMSG;
    half->frame = f;
    half->at = 0;
    half->inside = true;
    if (!half->message)
        begin_message(c, side, half, data);
    conversation_last(c, side, half->message, data + n - 1);
    if (f.length == 0)
        end_frame(c, side, half);
    return n;
}

static int64_t take_payload(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    uint8_t piece[PIECE_BYTES];
    uint64_t left = half->frame.length - half->at;
    size_t n = left < size ? (size_t)left : size;
    conversation_last(c, side, half->message, data + n - 1);
    for (size_t at = 0; at < n && half->readable; at += PIECE_BYTES) {
        size_t part = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        if (!half->compressed && half->kept.size == CONVERSATION_BODY_MAX)
            break;
        unmask(&half->frame, half->at + at, data + at, part, piece);
        keep(half, piece, part);
    }
    half->at += n;
    half->size += n;
    if (half->at == half->frame.length)
        end_frame(c, side, half);
    return (int64_t)n;
}

/* After a gap: a whole frame at the front of a packet, with nothing or another frame behind it. Consumes what cannot be one. */
static int64_t find_frame(const struct websocket *w, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    struct frame f, next;
    int64_t n = read_frame(w, data, size, &f);
    if (n == 0)
        return 0;
    if (n < 0 || !is_proper(&f, side) || f.length > FRAME_LOOKED_AT_MAX || f.opcode == OPCODE_CONTINUATION)
        return (int64_t)size;
    size_t whole = (size_t)n + (size_t)f.length;
    if (whole > size)
        return 0;
    if (whole < size && read_frame(w, data + whole, size - whole, &next) < 0)
        return (int64_t)size;
    half->lost = false;
    return INT64_MIN;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct websocket *w = conversation_state(c);
    struct half *half = &w->halves[side];
    size_t at = 0;
    while (at < size) {
        int64_t n = half->lost ? find_frame(w, side, half, data + at, size - at) : half->inside ? take_payload(c, side, half, data + at, size - at) : take_frame(c, side, half, data + at, size - at);
        if (n == INT64_MIN)
            continue;
        if (n <= 0)
            return at ? (int64_t)at : n;
        at += (size_t)n;
    }
    return (int64_t)at;
}

static void gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct half *half = &((struct websocket *)conversation_state(c))->halves[side];
    websocket_inflate_lost(&half->inflate); /* some message's bytes are missing, whoever's */
    if (half->message) {
        message_incomplete(half->message, GAP);
        half->readable = false;
    }
    if (half->inside && lost && lost <= half->frame.length - half->at) {
        conversation_gap_inside(c, side);
        half->at += lost;
        half->size += lost;
        if (half->at == half->frame.length)
            end_frame(c, side, half);
        return;
    }
    finish_message(c, side, half);
    half->inside = false;
    half->lost = true;
}

static void end(struct conversation *c)
{
    struct websocket *w = conversation_state(c);
    enum conversation_end why = conversation_end(c);
    for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
        struct half *half = &w->halves[side];
        if (half->message) {
            message_incomplete(half->message, why == END_INPUT ? ENDS_AFTER : why == END_CLOSED ? TRUNCATED : EVICTED);
            finish_message(c, side, half);
        }
        websocket_inflate_free(&half->inflate);
        websocket_kept_free(&half->kept);
    }
}

static size_t memory(const void *state)
{
    const struct websocket *w = state;
    size_t size = 0;
    for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
        const struct half *half = &w->halves[side];
        size += half->kept.room + message_memory(half->message) + (half->inflate.stream ? WEBSOCKET_INFLATE_MEMORY : 0);
    }
    return size;
}

const struct protocol protocol_websocket = {
    .name = "WS",
    .flags = { "ws" },
    .detail = &detail,
    .carrier = &protocol_http1,
    .state_size = sizeof(struct websocket),
    .parse = parse,
    .gap = gap,
    .memory = memory,
    .close = end,
};
