#include "services/dissector/protocols/http2/http2.h"
#include <errno.h>
#include <string.h>
#include "bytes/cursor.h"
#include "services/dissector/protocols/http2/http2_calls.h"
#include "services/dissector/protocols/http2/http2_frame.h"

#define BLOCK_BYTES_MAX (256u * 1024) /* of one header block with its frames: four times what is kept of it */
#define CONTINUATIONS_MAX 64u         /* of one header block */
#define SETTING_HEADER_TABLE_SIZE 1u
#define SETTING_MAX_FRAME_SIZE 5u

enum phase {
    AT_START,       /* nothing was seen of this side yet */
    SEARCHING,      /* somewhere in the middle */
    AT_FRAME,
    IN_PAYLOAD,     /* of which nothing is needed but DATA */
};

struct direction {
    uint8_t phase;
    struct http2_frame frame;       /* IN_PAYLOAD */
    uint32_t left, padding;         /* bytes of the payload still to come; how many of them, at its end, are padding */
    uint32_t length_max;            /* of frames, as the other side has allowed; 0: it has not said */
    struct http2_hpack hpack;
};
struct http2 {
    struct direction directions[2];
    struct http2_calls calls;
    bool from_start;                /* the client's preface, or the answer to an upgrade, was seen */
};

static uint32_t length_max(const struct direction *d) { return d->length_max > HTTP2_FRAME_LENGTH_LEAST ? d->length_max : HTTP2_FRAME_LENGTH_LEAST; }

/* ---- Whose bytes these are ---------------------------------------------------------------------------------------- */

/* A server's first frame is SETTINGS. */
static bool is_server_start(const uint8_t *data)
{
    struct http2_frame frame;
    http2_frame_read(data, &frame);
    return frame.type == HTTP2_SETTINGS && http2_frame_plausible(data, HTTP2_FRAME_LENGTH_LEAST) && !(frame.flags & HTTP2_ACK);
}

/* Frames found: whose are they? The first header block that says so decides. */
static enum detected whose(const uint8_t *data, size_t size, size_t at, bool port)
{
    while (size - at >= HTTP2_FRAME_HEADER && http2_frame_plausible(data + at, HTTP2_FRAME_LENGTH_LEAST)) {
        struct http2_frame frame;
        http2_frame_read(data + at, &frame);
        at += HTTP2_FRAME_HEADER;
        if (frame.length > size - at)
            break;
        const uint8_t *payload = data + at;
        uint32_t left = frame.length;
        if (frame.type == HTTP2_PUSH_PROMISE)
            return DETECT_SERVER;
        if (frame.type == HTTP2_HEADERS && http2_frame_strip(&frame, &payload, &left)) {
            enum http2_block_of kind = http2_block_kind(payload, left);
            if (kind != HTTP2_BLOCK_UNKNOWN)
                return kind == HTTP2_BLOCK_REQUEST ? DETECT_CLIENT : DETECT_SERVER;
        }
        at += frame.length;
    }
    return port ? DETECT_EITHER : DETECT_NO;
}

static enum detected detect(const struct sniff *sniff)
{
    if (sniff->datagram || sniff->size == 0)
        return DETECT_NO;
    size_t compared = sniff->size < HTTP2_PREFACE_SIZE ? sniff->size : HTTP2_PREFACE_SIZE;
    if (memcmp(sniff->data, HTTP2_PREFACE, compared) == 0)
        return compared == HTTP2_PREFACE_SIZE ? DETECT_CLIENT : DETECT_MORE;
    if (sniff->data[0] != 0 && !sniff->started_before) /* frames of 64 KiB and more do not begin a connection */
        return DETECT_NO;
    if (!sniff->started_before) {
        if (sniff->size >= HTTP2_FRAME_HEADER)
            return is_server_start(sniff->data) ? DETECT_SERVER : DETECT_NO;
        return sniff->size > 3 && sniff->data[3] != HTTP2_SETTINGS ? DETECT_NO : DETECT_MORE;
    }
    size_t at;
    if (http2_frame_search(sniff->data, sniff->size, HTTP2_FRAME_LENGTH_LEAST, &at))
        return whose(sniff->data, sniff->size, at, sniff->port);
    return at == 0 && sniff->size >= HTTP2_FRAME_HEADER ? DETECT_MORE : DETECT_NO; /* this packet may begin a frame, and there is more to come */
}

/* ---- Frames ------------------------------------------------------------------------------------------------------- */

static void in_payload(struct direction *d, const struct http2_frame *frame, uint32_t left, uint32_t padding)
{
    d->phase = IN_PAYLOAD;
    d->frame = *frame;
    d->left = left;
    d->padding = padding;
}

/* last: the frame's last byte; NULL: it is lost. */
static void end_payload(struct http2 *h, struct conversation *c, enum side side, const uint8_t *last)
{
    struct direction *d = &h->directions[side];
    d->phase = AT_FRAME;
    if (d->frame.type == HTTP2_DATA && (d->frame.flags & HTTP2_END_STREAM))
        http2_calls_end(&h->calls, c, side, d->frame.stream, last);
}

static int64_t take_payload(struct http2 *h, struct conversation *c, enum side side, const uint8_t *data, size_t size, bool frame_begins)
{
    struct direction *d = &h->directions[side];
    uint32_t n = size < d->left ? (uint32_t)size : d->left, content = d->left - d->padding, taken = n < content ? n : content;
    if (d->frame.type == HTTP2_DATA)
        http2_calls_data(&h->calls, c, side, d->frame.stream, data, taken, frame_begins && taken == content && (d->frame.flags & HTTP2_END_STREAM));
    d->left -= n;
    if (d->left < d->padding)
        d->padding = d->left;
    if (d->left == 0)
        end_payload(h, c, side, n ? data + n - 1 : NULL);
    return n;
}

/* Its header has been read; data is the whole frame so far. */
static int64_t take_data(struct http2 *h, struct conversation *c, enum side side, const struct http2_frame *frame, const uint8_t *data, size_t size)
{
    uint32_t header = HTTP2_FRAME_HEADER, padding = 0;
    if (frame->flags & HTTP2_PADDED) {
        if (size <= header)
            return 0;
        padding = data[header++];
        if (padding >= frame->length)
            return -EBADMSG;
    }
    in_payload(&h->directions[side], frame, frame->length - (header - HTTP2_FRAME_HEADER), padding);
    if (h->directions[side].left == 0) {
        end_payload(h, c, side, data + header - 1);
        return header;
    }
    return header + take_payload(h, c, side, data + header, size - header, true);
}

/* How long a header block is with all its frames. 0: they are not all there yet; -E2BIG: too long to be kept. */
static int64_t block_span(const uint8_t *data, size_t size)
{
    struct http2_frame first, frame;
    size_t at = 0;
    http2_frame_read(data, &first);
    for (unsigned i = 0; i <= CONTINUATIONS_MAX; i++) {
        if (size - at < HTTP2_FRAME_HEADER)
            return 0;
        http2_frame_read(data + at, &frame);
        if (i > 0 && (frame.type != HTTP2_CONTINUATION || frame.stream != first.stream))
            return -EBADMSG;
        if (at + HTTP2_FRAME_HEADER + frame.length > BLOCK_BYTES_MAX)
            return -E2BIG;
        if (frame.length > size - at - HTTP2_FRAME_HEADER)
            return 0;
        at += HTTP2_FRAME_HEADER + frame.length;
        if (frame.flags & HTTP2_END_HEADERS)
            return (int64_t)at;
    }
    return -E2BIG;
}

/* The fragments of a whole block, one after the other, to the inflater. */
static bool read_block(struct http2_hpack *hpack, const uint8_t *data, size_t span, struct http2_block *block, uint32_t *ret_promised)
{
    http2_hpack_begin(hpack, block);
    for (size_t at = 0; at < span;) {
        struct http2_frame frame;
        http2_frame_read(data + at, &frame);
        const uint8_t *payload = data + at + HTTP2_FRAME_HEADER;
        uint32_t size = frame.length;
        at += HTTP2_FRAME_HEADER + frame.length;
        if (frame.type != HTTP2_CONTINUATION && !http2_frame_strip(&frame, &payload, &size))
            return false;
        if (frame.type == HTTP2_PUSH_PROMISE) {
            struct cursor c = cursor_over(payload, size);
            *ret_promised = cursor_be32(&c) & 0x7fffffffu;
            if (!cursor_ok(&c))
                return false;
            payload += 4;
            size -= 4;
        }
        http2_hpack_feed(hpack, block, payload, size, at == span);
    }
    return true;
}

/* Too long a block: the stream is known by it, its headers are not. The rest of its frames is passed over. */
static int64_t pass_over_block(struct http2 *h, enum side side, const struct http2_frame *frame)
{
    http2_hpack_lost(&h->directions[side].hpack);
    in_payload(&h->directions[side], frame, frame->length, 0);
    return HTTP2_FRAME_HEADER;
}

static __attribute__((noinline)) int64_t take_block(struct http2 *h, struct conversation *c, enum side side, const struct http2_frame *frame, const uint8_t *data, size_t size)
{
    int64_t span = block_span(data, size);
    if (span == 0 || span == -EBADMSG)
        return span;
    struct http2_block block;
    uint32_t promised = 0;
    const uint8_t *last = data + (span > 0 ? span : HTTP2_FRAME_HEADER) - 1;
    bool end_stream = frame->type == HTTP2_HEADERS && (frame->flags & HTTP2_END_STREAM);
    if (span < 0) {
        memset(&block, 0, offsetof(struct http2_block, headers));
        http_headers_begin(&block.headers);
        block.unknown = block.truncated = true;
    } else if (!read_block(&h->directions[side].hpack, data, (size_t)span, &block, &promised)) {
        return -EBADMSG;
    }
    if (frame->type == HTTP2_HEADERS)
        http2_calls_headers(&h->calls, c, side, frame->stream, &block, end_stream, data, last);
    else if (promised && side == SIDE_SERVER && span > 0)
        http2_calls_promise(&h->calls, c, promised, &block, data, last);
    return span > 0 ? span : pass_over_block(h, side, frame);
}

static void take_settings(struct http2 *h, enum side side, const uint8_t *payload, uint32_t size)
{
    struct cursor c = cursor_over(payload, size);
    struct direction *other = &h->directions[side_other(side)];
    while (cursor_left(&c) >= 6) {
        uint16_t id = cursor_be16(&c);
        uint32_t value = cursor_be32(&c);
        if (id == SETTING_HEADER_TABLE_SIZE)
            http2_hpack_limit(&other->hpack, value);
        else if (id == SETTING_MAX_FRAME_SIZE && value < 1u << 24)
            other->length_max = value;
    }
}

/* Frames of which more is needed than that they were there, and which are short. */
static int64_t take_control(struct http2 *h, struct conversation *c, enum side side, const struct http2_frame *frame, const uint8_t *data, size_t size)
{
    uint32_t needed = frame->type == HTTP2_GOAWAY ? 8 : frame->length; /* what follows in GOAWAY is for people */
    if (size < HTTP2_FRAME_HEADER + (size_t)needed)
        return 0;
    const uint8_t *payload = data + HTTP2_FRAME_HEADER;
    struct cursor goaway = cursor_over(payload, needed);
    if (frame->type == HTTP2_SETTINGS)
        take_settings(h, side, payload, frame->length);
    else if (frame->type == HTTP2_RST_STREAM)
        http2_calls_reset(&h->calls, c, side, frame->stream, data);
    else if (side == SIDE_SERVER)
        http2_calls_goaway(&h->calls, c, cursor_be32(&goaway) & 0x7fffffffu);
    if (needed < frame->length)
        in_payload(&h->directions[side], frame, frame->length - needed, 0);
    return HTTP2_FRAME_HEADER + (int64_t)needed;
}

static int64_t take_frame(struct http2 *h, struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct direction *d = &h->directions[side];
    if (size < HTTP2_FRAME_HEADER)
        return 0;
    if (h->calls.given_up)
        http2_calls_look(&h->calls, c, side, data);
    struct http2_frame frame;
    http2_frame_read(data, &frame);
    if (!http2_frame_valid(&frame) || (frame.type != HTTP2_DATA && frame.length > length_max(d)))
        return -EBADMSG;
    switch (frame.type) {
    case HTTP2_DATA:
        return take_data(h, c, side, &frame, data, size);
    case HTTP2_HEADERS:
    case HTTP2_PUSH_PROMISE:
        return take_block(h, c, side, &frame, data, size);
    case HTTP2_SETTINGS:
    case HTTP2_RST_STREAM:
    case HTTP2_GOAWAY:
        return take_control(h, c, side, &frame, data, size);
    case HTTP2_CONTINUATION: /* of a block whose beginning is lost */
        http2_hpack_lost(&d->hpack);
        break;
    default: /* PRIORITY, PING, WINDOW_UPDATE, extensions */
        break;
    }
    if (frame.length)
        in_payload(d, &frame, frame.length, 0);
    return HTTP2_FRAME_HEADER;
}

/* ---- The protocol ------------------------------------------------------------------------------------------------- */

static void synced(struct http2 *h, enum side side)
{
    h->directions[side].phase = AT_FRAME;
    h->calls.synced[side] = true;
}

static void lost(struct http2 *h, enum side side)
{
    h->directions[side].phase = SEARCHING;
    http2_hpack_lost(&h->directions[side].hpack);
}

/* The first bytes of a side. Returns as parse does, and 0 also where the phase has changed. */
static int64_t start(struct http2 *h, struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    if (side == SIDE_CLIENT) {
        size_t compared = size < HTTP2_PREFACE_SIZE ? size : HTTP2_PREFACE_SIZE;
        if (memcmp(data, HTTP2_PREFACE, compared) != 0) {
            lost(h, side);
            return 0;
        }
        if (compared < HTTP2_PREFACE_SIZE)
            return 0;
        h->from_start = true;
        synced(h, side);
        return HTTP2_PREFACE_SIZE;
    }
    if (size < HTTP2_FRAME_HEADER)
        return 0;
    if ((h->from_start || !conversation_started_before(c)) && is_server_start(data))
        synced(h, side);
    else
        lost(h, side);
    return 0;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct http2 *h = conversation_state(c);
    struct direction *d = &h->directions[side];
    if (d->phase == AT_START) {
        int64_t n = start(h, c, side, data, size);
        if (n != 0 || d->phase == AT_START)
            return n;
    }
    if (d->phase == SEARCHING) {
        size_t at;
        bool found = http2_frame_search(data, size, length_max(d), &at);
        if (found)
            synced(h, side);
        if (at > 0 || !found)
            return (int64_t)at;
    }
    return d->phase == IN_PAYLOAD ? take_payload(h, c, side, data, size, false) : take_frame(h, c, side, data, size);
}

static void gap(struct conversation *c, enum side side, uint64_t bytes)
{
    struct http2 *h = conversation_state(c);
    struct direction *d = &h->directions[side];
    if (bytes > 0 && d->phase == IN_PAYLOAD && bytes <= d->left) { /* all of it lies in one frame, and the next begins where it must */
        uint32_t content = d->left - d->padding, n = (uint32_t)bytes;
        if (d->frame.type == HTTP2_DATA)
            http2_calls_data_lost(&h->calls, side, d->frame.stream, n < content ? n : content);
        d->left -= n;
        if (d->left < d->padding)
            d->padding = d->left;
        if (d->left == 0)
            end_payload(h, c, side, NULL);
        return;
    }
    lost(h, side);
    http2_calls_gap(&h->calls, c, side);
}

static void close_state(struct conversation *c)
{
    struct http2 *h = conversation_state(c);
    http2_calls_close(&h->calls, c);
    http2_hpack_free(&h->directions[SIDE_CLIENT].hpack);
    http2_hpack_free(&h->directions[SIDE_SERVER].hpack);
}

void http2_upgraded(struct conversation *c, void *state, const struct message *request, const uint8_t *at)
{
    struct http2 *h = state;
    if (!h)
        return;
    h->from_start = true;
    if (request)
        http2_calls_upgraded(&h->calls, c, request, at);
}

static size_t memory(const void *state)
{
    const struct http2 *h = state;
    return http2_calls_memory(&h->calls) + http2_hpack_memory(&h->directions[SIDE_CLIENT].hpack) + http2_hpack_memory(&h->directions[SIDE_SERVER].hpack);
}

const struct protocol protocol_http2 = {
    .name = "HTTP",
    .flags = { "http" },
    .detail = &http_detail,
    .ports = { 80, 443, 8080, 50051 },
    .state_size = sizeof(struct http2),
    .detect = detect,
    .parse = parse,
    .gap = gap,
    .memory = memory,
    .close = close_state,
};
