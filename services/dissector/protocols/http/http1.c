/* HTTP/1.0 and 1.1 as one connection speaks it. See http1.h; heads are read in http1_head.c, fields written in http_message.c.
 *
 * Each side is a machine of its own: head, body, head... Bodies are consumed as they come. Where bytes are missing, or are no HTTP, a side is lost until a packet begins with a start line again. */
#include "services/dissector/protocols/http/http1.h"

#include <errno.h>
#include <string.h>

#include "services/dissector/protocols/http/http1_head.h"
#include "services/dissector/protocols/http2/http2.h"
#include "services/dissector/protocols/websocket/websocket.h"

enum phase { PHASE_HEAD, PHASE_LENGTH, PHASE_UNTIL_CLOSE, PHASE_CHUNK_SIZE, PHASE_CHUNK, PHASE_CHUNK_END, PHASE_TRAILERS, PHASE_LOST };
enum tag { TAG_ORDINARY, TAG_HEAD, TAG_CONNECT };
#define AGAIN INT64_MIN             /* a step that consumed nothing, but changed the phase */

struct half {
    uint8_t phase;
    bool may_lack_body;             /* a response whose request is not known: it may answer HEAD */
    uint32_t scanned;               /* of a head, or trailers, that are not whole yet */
    uint64_t left;                  /* of the body or the chunk */
    struct message *message;        /* whose body is under way */
    struct http_body body;
};
struct http1 {
    struct half halves[2];
    bool begun;
    bool tunnel;                    /* CONNECT waits for its answer: what the client says now is not HTTP */
    bool upgrade, websocket;        /* so may be what follows a request for an upgrade (to WebSocket) */
    bool answer_lost;               /* perhaps the answer to that was not captured */
    bool switched;
    bool early;                     /* the response under way began before its request was whole: these two are paired here */
    struct message *early_request, *early_response; /* the half of such a pair that is whole already */
};

static enum detected detect(const struct sniff *sniff)
{
    enum http1_start response = http1_is_response(sniff->data, sniff->size), request = response == HTTP1_START_YES ? HTTP1_START_NO : http1_is_request(sniff->data, sniff->size, true);
    if (response == HTTP1_START_YES || request == HTTP1_START_YES)
        return request == HTTP1_START_YES ? DETECT_CLIENT : DETECT_SERVER;
    return response == HTTP1_START_MORE || request == HTTP1_START_MORE ? DETECT_MORE : DETECT_NO;
}

static void deliver_response(struct conversation *c, struct http1 *h, struct message *m)
{
    if (!h->early) {
        conversation_response(c, m, KEY_IN_ORDER);
    } else if (h->early_request) {
        conversation_pair(c, h->early_request, m);
        h->early_request = NULL;
        h->early = false;
    } else if (!h->early_response) {
        h->early_response = m;
    } else { /* one request, two responses */
        conversation_pair(c, NULL, m);
    }
}

static void deliver_request(struct conversation *c, struct http1 *h, struct message *m)
{
    if (!h->early || h->early_request) {
        conversation_request(c, m, KEY_IN_ORDER);
    } else if (h->early_response) {
        conversation_pair(c, m, h->early_response);
        h->early_response = NULL;
        h->early = false;
    } else {
        h->early_request = m;
    }
}

static void deliver(struct conversation *c, enum side side, struct message *m)
{
    struct http1 *h = conversation_state(c);
    if (side == SIDE_CLIENT)
        deliver_request(c, h, m);
    else
        deliver_response(c, h, m);
}

/* The message under way is over. */
static void finish_message(struct conversation *c, enum side side, enum phase next)
{
    struct half *half = &((struct http1 *)conversation_state(c))->halves[side];
    struct message *m = half->message;
    half->message = NULL;
    half->phase = (uint8_t)next;
    half->scanned = 0;
    if (!m)
        return;
    http_body_write(&half->body, m);
    deliver(c, side, m);
}

/* A head has been read and its message begun: the body's turn. data: behind the head. Returns how much of it was consumed. */
static size_t begin_body(struct conversation *c, enum side side, struct half *half, struct message *m, enum http1_framing framing, const struct http_headers *headers, const uint8_t *data, size_t size)
{
    if (framing == HTTP1_NO_BODY || framing == HTTP1_UNKNOWN) {
        if (framing == HTTP1_UNKNOWN) {
            message_incomplete(m, TRUNCATED);
            half->phase = PHASE_LOST;
        }
        deliver(c, side, m);
        return 0;
    }
    http_body_begin(&half->body, headers, side == SIDE_SERVER);
    if (framing == HTTP1_LENGTH && half->left <= size && !half->may_lack_body) { /* all here, as most are */
        conversation_last(c, side, m, data + half->left - 1);
        http_body_write_whole(&half->body, m, data, half->left);
        deliver(c, side, m);
        return half->left;
    }
    half->message = m;
    message_fit(m);
    half->phase = framing == HTTP1_LENGTH ? PHASE_LENGTH : framing == HTTP1_CHUNKED ? PHASE_CHUNK_SIZE : PHASE_UNTIL_CLOSE;
    return 0;
}

static bool is_method(struct http_text method, const char *name, size_t size) { return method.size == size && memcmp(method.data, name, size) == 0; }

static const char *version_name(uint8_t version) { return version == 0 ? "1.0" : version == HTTP1_NO_VERSION ? "" : "1.1"; }

static size_t take_request(struct conversation *c, struct http1 *h, const struct http1_head *head, const struct http_headers *headers, const uint8_t *data, size_t head_size, size_t size)
{
    struct half *half = &h->halves[SIDE_CLIENT];
    struct message *m = conversation_message(c, SIDE_CLIENT, data);
    enum http1_framing framing = http1_body_framing(headers, false, &half->left);
    conversation_last(c, SIDE_CLIENT, m, data + head_size - 1);
    http_write_request(m, head->method, head->target, (struct http_text){ 0 }, version_name(head->version), headers, head_size);
    if (is_method(head->method, "HEAD", 4)) {
        m->tag = TAG_HEAD;
    } else if (is_method(head->method, "CONNECT", 7)) {
        m->tag = TAG_CONNECT;
        h->tunnel = true;
        framing = HTTP1_NO_BODY;
    }
    if (http_headers_get(headers, HTTP_KNOWN_UPGRADE)) {
        h->upgrade = true;
        h->websocket = http_headers_has_token(headers, HTTP_KNOWN_UPGRADE, "websocket");
        h->answer_lost = false;
    }
    half->may_lack_body = false;
    return begin_body(c, SIDE_CLIENT, half, m, framing, headers, data + head_size, size - head_size);
}

/* The request that this response answers, as far as that can be known now; NULL: unknown. One that is still being sent counts, too. */
static const struct message *find_request(struct conversation *c, struct http1 *h, const struct message *response)
{
    const struct message *request = conversation_oldest(c, KEY_IN_ORDER);
    if (!request && !h->early && (request = h->halves[SIDE_CLIENT].message) && response->acked > request->from) {
        h->early = true;
        return request;
    }
    return request && response->acked > request->from ? request : NULL;
}

/* 101, or a tunnel: the rest of the connection speaks something else. */
static void change_protocol(struct conversation *c, struct http1 *h, bool upgrade, const struct http_headers *headers, const struct message *request, const uint8_t *at)
{
    h->switched = true;
    if (upgrade && http_headers_has_token(headers, HTTP_KNOWN_UPGRADE, "h2c")) {
        void *state = conversation_switch(c, &protocol_http2);
        if (request)
            http2_upgraded(c, state, request, at);
        return;
    }
    if (!upgrade || !http_headers_has_token(headers, HTTP_KNOWN_UPGRADE, "websocket")) {
        conversation_detect_again(c);
        return;
    }
    void *state = conversation_switch(c, &protocol_websocket);
    char extensions[1024]; /* longer than any list of them in use */
    size_t size = 0;
    for (uint16_t i = headers->first[HTTP_KNOWN_WEBSOCKET_EXTENSIONS]; i; i = headers->at[i - 1].next) {
        const struct http_header *header = &headers->at[i - 1];
        if (header->value_size + 1 > sizeof extensions - size)
            break;
        memcpy(extensions + size, header->value, header->value_size);
        size += header->value_size;
        extensions[size++] = ',';
    }
    websocket_agree(state, extensions, size);
}

static size_t take_response(struct conversation *c, struct http1 *h, const struct http1_head *head, const struct http_headers *headers, const uint8_t *data, size_t head_size, size_t size)
{
    struct half *half = &h->halves[SIDE_SERVER];
    if (head->status < 200 && head->status != 101)
        return 0; /* 100, 103: the final response is still to come */
    struct message *m = conversation_message(c, SIDE_SERVER, data);
    const struct message *request = find_request(c, h, m);
    enum tag tag = request ? (enum tag)request->tag : TAG_ORDINARY;
    enum http1_framing framing = http1_body_framing(headers, true, &half->left);
    bool tunnel = tag == TAG_CONNECT && head->status < 300;
    conversation_last(c, SIDE_SERVER, m, data + head_size - 1);
    m->status = head->status;
    http_write_response(m, request ? NULL : version_name(head->version), headers, head_size);
    half->may_lack_body = !request;
    h->upgrade = false;
    h->tunnel = h->tunnel && tag != TAG_CONNECT;
    if (tag == TAG_HEAD || tunnel || head->status == 101 || head->status == 204 || head->status == 304)
        framing = HTTP1_NO_BODY;
    if (head->status == 101 || tunnel)
        change_protocol(c, h, head->status == 101, headers, request, data);
    return begin_body(c, SIDE_SERVER, half, m, framing, headers, data + head_size, size - head_size);
}

static int64_t step_head(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    struct http1 *h = conversation_state(c);
    struct http1_head head;
    struct http_headers headers;
    if (side == SIDE_CLIENT && h->tunnel)
        return 0; /* kept for whoever it is for */
    size_t empty = http1_empty_lines(data, size);
    if (empty && empty != SIZE_MAX)
        return (int64_t)empty;
    int64_t n = http1_read_head(data, size, side == SIDE_SERVER, &half->scanned, &head, &headers);
    if (n < 0 && side == SIDE_CLIENT && h->upgrade && !h->answer_lost)
        return 0;
    if (n <= 0) {
        half->scanned = n < 0 ? 0 : half->scanned;
        return n;
    }
    size_t body = side == SIDE_CLIENT ? take_request(c, h, &head, &headers, data, (size_t)n, size) : take_response(c, h, &head, &headers, data, (size_t)n, size);
    if (head.cut && !half->message)
        half->phase = PHASE_LOST;
    return n + (int64_t)body;
}

/* A packet that begins with a start line ends being lost. */
static int64_t step_lost(enum side side, struct half *half, const uint8_t *data, size_t size)
{
    switch (side == SIDE_CLIENT ? http1_is_request(data, size, true) : http1_is_response(data, size)) {
    case HTTP1_START_YES: half->phase = PHASE_HEAD; half->scanned = 0; return AGAIN;
    case HTTP1_START_MORE: return 0;
    case HTTP1_START_NO: break;
    }
    return (int64_t)size;
}

static int64_t step_bytes(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    size_t n = half->phase != PHASE_UNTIL_CLOSE && half->left < size ? half->left : size;
    http_body_take(&half->body, data, n);
    conversation_last(c, side, half->message, data + n - 1);
    if (half->phase == PHASE_UNTIL_CLOSE)
        return (int64_t)n;
    half->left -= n;
    if (half->left == 0 && half->phase == PHASE_LENGTH)
        finish_message(c, side, PHASE_HEAD);
    else if (half->left == 0)
        half->phase = PHASE_CHUNK_END;
    return (int64_t)n;
}

/* What stands where a chunk should begin is none. */
static int64_t give_up_chunks(struct conversation *c, enum side side, struct half *half)
{
    message_incomplete(half->message, TRUNCATED);
    finish_message(c, side, PHASE_LOST);
    return AGAIN;
}

static int64_t step_chunk_line(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    if (half->phase == PHASE_CHUNK_END) {
        size_t n = data[0] == '\n' ? 1 : data[0] != '\r' || (size > 1 && data[1] != '\n') ? SIZE_MAX : size > 1 ? 2 : 0;
        if (n == SIZE_MAX)
            return give_up_chunks(c, side, half);
        half->phase = n ? PHASE_CHUNK_SIZE : PHASE_CHUNK_END;
        return (int64_t)n;
    }
    int64_t n = http1_read_chunk_size(data, size, &half->left);
    if (n < 0)
        return give_up_chunks(c, side, half);
    if (n > 0) {
        conversation_last(c, side, half->message, data + n - 1);
        half->phase = half->left ? PHASE_CHUNK : PHASE_TRAILERS;
    }
    return n;
}

/* Behind the last chunk nearly always stands just the empty line. */
static int64_t step_trailers(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    int64_t n = data[0] == '\n' ? 1 : data[0] == '\r' && size > 1 && data[1] == '\n' ? 2 : 0;
    if (n == 0) {
        struct http_headers trailers;
        n = http1_read_trailers(data, size, &half->scanned, &trailers);
        if (n <= 0)
            return n < 0 ? give_up_chunks(c, side, half) : 0;
        http_write_trailers(half->message, side == SIDE_SERVER, &trailers);
    }
    conversation_last(c, side, half->message, data + n - 1);
    finish_message(c, side, PHASE_HEAD);
    return n;
}

static int64_t step(struct conversation *c, enum side side, struct half *half, const uint8_t *data, size_t size)
{
    if (half->may_lack_body && half->message) { /* the first bytes behind a response's head */
        enum http1_start next = http1_is_response(data, size);
        if (next == HTTP1_START_MORE && data[0] == 'H')
            return 0;
        half->may_lack_body = false;
        if (next == HTTP1_START_YES && data[0] == 'H') {
            finish_message(c, side, PHASE_HEAD);
            return AGAIN;
        }
    }
    switch ((enum phase)half->phase) {
    case PHASE_HEAD: return step_head(c, side, half, data, size);
    case PHASE_LOST: return step_lost(side, half, data, size);
    case PHASE_LENGTH:
    case PHASE_UNTIL_CLOSE:
    case PHASE_CHUNK: return step_bytes(c, side, half, data, size);
    case PHASE_CHUNK_SIZE:
    case PHASE_CHUNK_END: return step_chunk_line(c, side, half, data, size);
    case PHASE_TRAILERS: return step_trailers(c, side, half, data, size);
    }
    return -EBADMSG;
}

static int64_t parse(struct conversation *c, enum side side, const uint8_t *data, size_t size)
{
    struct http1 *h = conversation_state(c);
    struct half *half = &h->halves[side];
    size_t at = 0;
    if (!h->begun) {
        h->begun = true;
        if (conversation_started_before(c))
            h->halves[SIDE_CLIENT].phase = h->halves[SIDE_SERVER].phase = PHASE_LOST;
    }
    while (at < size && !h->switched) {
        int64_t n = step(c, side, half, data + at, size - at);
        if (n == AGAIN)
            continue;
        if (n <= 0)
            return at ? (int64_t)at : n;
        at += (size_t)n;
    }
    return (int64_t)at;
}

static void gap(struct conversation *c, enum side side, uint64_t lost)
{
    struct http1 *h = conversation_state(c);
    struct half *half = &h->halves[side];
    if (side == SIDE_SERVER && h->tunnel && !half->message) { /* the answer to CONNECT may be lost, and nothing of this is HTTP */
        h->tunnel = false;
        conversation_detect_again(c);
    }
    if (side == SIDE_SERVER)
        h->answer_lost = true;
    else if (lost == 0 && h->upgrade && h->websocket && h->answer_lost) /* the client does not speak HTTP any more: it was answered */
        websocket_guess(conversation_switch(c, &protocol_websocket));
    if (!half->message) {
        half->phase = PHASE_LOST;
        half->scanned = 0;
        return;
    }
    bool until_close = half->phase == PHASE_UNTIL_CLOSE, inside = half->phase == PHASE_LENGTH || half->phase == PHASE_CHUNK;
    message_incomplete(half->message, GAP);
    half->may_lack_body = false;
    if (lost && (until_close || (inside && lost <= half->left))) {
        conversation_gap_inside(c, side);
        http_body_lost(&half->body, lost);
        half->left -= until_close ? 0 : lost;
        if (until_close || half->left)
            return;
        if (half->phase == PHASE_CHUNK)
            half->phase = PHASE_CHUNK_END;
        else
            finish_message(c, side, PHASE_HEAD);
        return;
    }
    if (half->phase == PHASE_LENGTH)
        http_body_lost(&half->body, half->left);
    finish_message(c, side, PHASE_LOST);
}

static void finish(struct conversation *c, enum side side)
{
    struct half *half = &((struct http1 *)conversation_state(c))->halves[side];
    if (half->message && half->phase != PHASE_UNTIL_CLOSE)
        message_incomplete(half->message, TRUNCATED);
    if (half->message)
        finish_message(c, side, PHASE_LOST);
}

static void end(struct conversation *c)
{
    struct http1 *h = conversation_state(c);
    enum incomplete reason = TRUNCATED;
    switch (conversation_end(c)) {
    case END_INPUT: reason = ENDS_AFTER; break;
    case END_EVICTED:
    case END_IDLE: reason = EVICTED; break;
    case END_NOT_YET:
    case END_CLOSED: break;
    }
    for (enum side side = SIDE_CLIENT; side <= SIDE_SERVER; side++) {
        if (h->halves[side].message) {
            message_incomplete(h->halves[side].message, reason);
            finish_message(c, side, PHASE_LOST);
        }
        http_body_free(&h->halves[side].body);
    }
    conversation_pair(c, h->early_request, h->early_response);
}

static size_t memory(const void *state)
{
    const struct http1 *h = state;
    return h->halves[SIDE_CLIENT].body.room + h->halves[SIDE_SERVER].body.room + message_memory(h->halves[SIDE_CLIENT].message) + message_memory(h->halves[SIDE_SERVER].message) +
           message_memory(h->early_request) + message_memory(h->early_response);
}

const struct protocol protocol_http1 = {
    .name = "HTTP",
    .flags = { "http" },
    .detail = &http_detail,
    .ports = { 80, 8080, 8000, 3000, 5000, 8888, 9090, 8081 },
    .state_size = sizeof(struct http1),
    .detect = detect,
    .parse = parse,
    .gap = gap,
    .finish = finish,
    .memory = memory,
    .close = end,
};
