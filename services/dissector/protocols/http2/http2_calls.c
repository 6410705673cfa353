#include "services/dissector/protocols/http2/http2_calls.h"
#include "services/dissector/protocols/http2/http2.h"

#define RESET_NS INT64_C(5000000000) /* as long as a TCP connection is kept after FIN or RST (RFC 9113, 5.4.2: the peer may have sent frames before it learns of a reset) */

/* A message cut off: what the end of the connection says of it. */
static enum incomplete cut_reason(const struct conversation *c)
{
    switch (conversation_end(c)) {
    case END_INPUT: return ENDS_AFTER;
    case END_EVICTED:
    case END_IDLE: return EVICTED;
    default: return TRUNCATED;
    }
}

static void finish_half(struct http2_calls *calls, struct http2_stream *stream, enum side side, enum incomplete reason)
{
    struct http2_half *half = &stream->halves[side];
    calls->values -= half->values;
    if (!half->message)
        return;
    if (!half->ended)
        message_incomplete(half->message, half->gap ? GAP : reason);
    http2_streams_body_write(&calls->streams, half);
    if (stream->grpc) {
        message_protocol(half->message, &protocol_grpc);
        grpc_sizes_write(&half->grpc, half->message, side == SIDE_CLIENT ? HTTP_GRPC_REQUEST_MESSAGES : HTTP_GRPC_RESPONSE_MESSAGES);
    }
}

/* reason: for what has not ended. */
static void emit(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, enum incomplete reason)
{
    struct message *request = stream->halves[SIDE_CLIENT].message, *response = stream->halves[SIDE_SERVER].message;
    if (stream->given_up) {
        reason = TRUNCATED;
        calls->given_up--;
        http2_streams_forget(&calls->streams, stream->id);
    }
    if (request && !response) { /* that there is no response says more than that the request was cut */
        if (stream->halves[SIDE_SERVER].gap)
            message_incomplete(request, GAP);
        else if (reason == TRUNCATED || conversation_end(c) == END_IDLE)
            message_incomplete(request, NO_RESPONSE);
        else if (reason != WHOLE)
            message_incomplete(request, reason);
    }
    finish_half(calls, stream, SIDE_CLIENT, reason);
    finish_half(calls, stream, SIDE_SERVER, reason);
    if (request && stream->grpc)
        grpc_write_method(request);
    if (!request && response) {
        message_string(response, HTTP_VERSION, "2");
        if (calls->gapped[SIDE_CLIENT])
            message_incomplete(response, GAP);
    }
    conversation_pair(c, request, response);
    http2_streams_remove(&calls->streams, stream);
}

static void emit_if_over(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream)
{
    const struct http2_half *client = &stream->halves[SIDE_CLIENT], *server = &stream->halves[SIDE_SERVER];
    bool no_more = client->ended || client->gap || stream->given_up || (!client->message && calls->synced[SIDE_CLIENT]); /* a request comes before its response */
    if (server->ended && no_more)
        emit(calls, c, stream, WHOLE);
}

static struct http2_stream *add_stream(struct http2_calls *calls, struct conversation *c, uint32_t id)
{
    while (calls->streams.oldest && (calls->streams.count >= HTTP2_STREAMS_MAX || calls->values > HTTP2_VALUES_MAX))
        emit(calls, c, calls->streams.oldest, EVICTED);
    calls->highest = id > calls->highest ? id : calls->highest;
    return http2_streams_add(&calls->streams, id);
}

static void count_values(struct http2_calls *calls, struct http2_half *half)
{
    calls->values += half->message->size - half->values;
    half->values = half->message->size;
}

/* After the headers have been written. */
static void begin_half(struct http2_calls *calls, struct http2_stream *stream, enum side side, const struct http2_block *block)
{
    struct http2_half *half = &stream->halves[side];
    if (block->unknown) {
        message_incomplete(half->message, HPACK);
        stream->unsure = true;
    }
    if (block->truncated)
        message_incomplete(half->message, TRUNCATED);
    http_body_begin(&half->body, &block->headers, side == SIDE_SERVER);
    stream->grpc = stream->grpc || grpc_is(&block->headers);
    count_values(calls, half);
}

static struct http_text or_empty(struct http_text text) { return text.data ? text : (struct http_text){ "", 0 }; }

static void write_request(struct http2_calls *calls, struct http2_stream *stream, struct message *m, const struct http2_block *block)
{
    stream->halves[SIDE_CLIENT].message = m;
    http_write_request(m, or_empty(block->method), or_empty(block->path), or_empty(block->authority), "2", &block->headers, block->size);
    size_t size = 0;
    const char *url = block->method.data ? NULL : message_get_text(m, HTTP_URL, &size);
    if (url)
        message_summary(m, url, size);
    begin_half(calls, stream, SIDE_CLIENT, block);
}

/* What stands behind a body; a second such block is not HTTP any more. */
static void write_trailers(struct http2_calls *calls, struct http2_half *half, enum side side, const struct http2_block *block)
{
    if (block->unknown)
        message_incomplete(half->message, HPACK);
    if (half->trailers)
        return;
    half->trailers = true;
    http_write_trailers(half->message, side == SIDE_SERVER, &block->headers);
    count_values(calls, half);
}

static void client_headers(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, uint32_t id, const struct http2_block *block, const uint8_t *first, const uint8_t *last)
{
    struct http2_half *half = stream ? &stream->halves[SIDE_CLIENT] : NULL;
    if (half && half->message) {
        write_trailers(calls, half, SIDE_CLIENT, block);
        conversation_last(c, SIDE_CLIENT, half->message, last);
        return;
    }
    bool request = block->method.data || block->path.data || block->unknown;
    if (!request || block->status) /* the trailers of a request that was not seen, or the sides are not what they seem */
        return;
    if (!stream)
        stream = add_stream(calls, c, id);
    if (!stream)
        return;
    struct message *m = conversation_message(c, SIDE_CLIENT, first);
    conversation_last(c, SIDE_CLIENT, m, last);
    write_request(calls, stream, m, block);
}

static void server_trailers(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, const struct http2_block *block, const uint8_t *last)
{
    struct message *m = stream->halves[SIDE_SERVER].message;
    write_trailers(calls, &stream->halves[SIDE_SERVER], SIDE_SERVER, block);
    if ((stream->grpc || stream->unsure) && !stream->grpc_status && grpc_write_status(m, &block->headers))
        stream->grpc = stream->grpc_status = true;
    conversation_last(c, SIDE_SERVER, m, last);
}

static void begin_response(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, const struct http2_block *block, const uint8_t *first, const uint8_t *last)
{
    struct http2_half *half = &stream->halves[SIDE_SERVER];
    struct message *m = conversation_message(c, SIDE_SERVER, first);
    half->message = m;
    conversation_last(c, SIDE_SERVER, m, last);
    m->status = block->status;
    http_write_response(m, NULL, &block->headers, block->size);
    begin_half(calls, stream, SIDE_SERVER, block);
    if (stream->grpc && !stream->grpc_status)
        stream->grpc_status = grpc_write_status(m, &block->headers);
}

/* The response's headers were lost; these are its trailers. */
static void begin_with_trailers(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, const struct http2_block *block, const uint8_t *first, const uint8_t *last)
{
    struct http2_half *half = &stream->halves[SIDE_SERVER];
    half->message = conversation_message(c, SIDE_SERVER, first);
    if (!half->gap && conversation_started_before(c) && !stream->halves[SIDE_CLIENT].message)
        message_incomplete(half->message, STARTED_BEFORE);
    else
        message_incomplete(half->message, GAP);
    stream->unsure = true;
    server_trailers(calls, c, stream, block, last);
}

static void server_headers(struct http2_calls *calls, struct conversation *c, struct http2_stream *stream, uint32_t id, const struct http2_block *block, bool end_stream, const uint8_t *first,
                           const uint8_t *last)
{
    if (block->method.data || (block->status >= 100 && block->status < 200 && !end_stream))
        return; /* the sides are not what they seem; or an informational response */
    if (!stream)
        stream = add_stream(calls, c, id);
    if (!stream)
        return;
    struct http2_half *half = &stream->halves[SIDE_SERVER];
    if (half->message && half->message->status == 0 && block->status && !half->data) { /* what came before was informational, of a status that is not known */
        calls->values -= half->values;
        half->values = 0;
        conversation_drop(c, half->message);
        half->message = NULL;
        half->trailers = false;
    }
    if (half->message)
        server_trailers(calls, c, stream, block, last);
    else if (block->status == 0 && (half->data || !block->unknown))
        begin_with_trailers(calls, c, stream, block, first, last);
    else
        begin_response(calls, c, stream, block, first, last);
}

void http2_calls_headers(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const struct http2_block *block, bool end_stream, const uint8_t *first, const uint8_t *last)
{
    struct http2_stream *stream = http2_streams_find(&calls->streams, id);
    if (!stream && http2_streams_forgotten(&calls->streams, id))
        return;
    if (side == SIDE_CLIENT)
        client_headers(calls, c, stream, id, block, first, last);
    else
        server_headers(calls, c, stream, id, block, end_stream, first, last);
    if (end_stream)
        http2_calls_end(calls, c, side, id, NULL);
}

void http2_calls_promise(struct http2_calls *calls, struct conversation *c, uint32_t id, const struct http2_block *block, const uint8_t *first, const uint8_t *last)
{
    if (block->status || http2_streams_find(&calls->streams, id) || http2_streams_forgotten(&calls->streams, id))
        return;
    struct http2_stream *stream = add_stream(calls, c, id);
    if (!stream)
        return;
    struct message *m = conversation_message(c, SIDE_SERVER, first);
    conversation_last(c, SIDE_SERVER, m, last);
    write_request(calls, stream, m, block);
    stream->halves[SIDE_CLIENT].ended = true;
}

void http2_calls_data(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *data, uint32_t size, bool whole)
{
    struct http2_stream *stream = http2_streams_find(&calls->streams, id);
    if (!stream || size == 0)
        return;
    struct http2_half *half = &stream->halves[side];
    half->data = true;
    if (!half->message || half->ended)
        return;
    if (stream->grpc)
        http2_streams_sizes(&calls->streams, half, data, size);
    if (whole && half->body.size == 0) {
        http_body_write_whole(&half->body, half->message, data, size);
        count_values(calls, half);
    } else if (!http2_streams_body(&calls->streams, half, data, size)) {
        message_incomplete(half->message, TRUNCATED);
    }
    conversation_last(c, side, half->message, data + size - 1);
}

void http2_calls_data_lost(struct http2_calls *calls, enum side side, uint32_t id, uint32_t size)
{
    struct http2_stream *stream = http2_streams_find(&calls->streams, id);
    struct http2_half *half = stream ? &stream->halves[side] : NULL;
    if (!half || half->ended || size == 0)
        return;
    half->data = true;
    if (!half->message)
        return;
    http_body_lost(&half->body, size);
    grpc_sizes_lost(&half->grpc, size);
    message_incomplete(half->message, GAP);
}

void http2_calls_end(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *last)
{
    struct http2_stream *stream = http2_streams_find(&calls->streams, id);
    if (!stream)
        return;
    struct http2_half *half = &stream->halves[side];
    if (last && half->message && !half->ended)
        conversation_last(c, side, half->message, last);
    half->ended = true;
    emit_if_over(calls, c, stream);
}

void http2_calls_reset(struct http2_calls *calls, struct conversation *c, enum side side, uint32_t id, const uint8_t *at)
{
    struct http2_stream *stream = http2_streams_find(&calls->streams, id);
    if (stream && stream->given_up && side == SIDE_CLIENT)
        return;
    if (stream && side == SIDE_CLIENT && stream->halves[SIDE_CLIENT].message && !stream->halves[SIDE_SERVER].ended) {
        stream->given_up = true;
        stream->due_ns = conversation_time(c, side, at) + RESET_NS;
        calls->due_ns = calls->given_up++ && calls->due_ns < stream->due_ns ? calls->due_ns : stream->due_ns;
        return;
    }
    if (stream)
        emit(calls, c, stream, TRUNCATED);
    http2_streams_forget(&calls->streams, id);
}

void http2_calls_look(struct http2_calls *calls, struct conversation *c, enum side side, const uint8_t *at)
{
    int64_t now_ns = conversation_time(c, side, at);
    if (now_ns < calls->due_ns)
        return;
    calls->due_ns = INT64_MAX;
    for (struct http2_stream *stream = calls->streams.oldest, *newer; stream; stream = newer) {
        newer = stream->newer;
        if (stream->given_up && stream->due_ns <= now_ns)
            emit(calls, c, stream, TRUNCATED);
        else if (stream->given_up && stream->due_ns < calls->due_ns)
            calls->due_ns = stream->due_ns;
    }
}

void http2_calls_goaway(struct http2_calls *calls, struct conversation *c, uint32_t last_id)
{
    if (last_id >= calls->highest) /* nothing to give up, as when it is said again and again */
        return;
    calls->highest = last_id;
    for (struct http2_stream *stream = calls->streams.oldest, *newer; stream; stream = newer) {
        newer = stream->newer;
        if (stream->id > last_id && (stream->id & 1) && stream->halves[SIDE_CLIENT].message && !stream->halves[SIDE_SERVER].message)
            emit(calls, c, stream, TRUNCATED);
    }
}

void http2_calls_gap(struct http2_calls *calls, struct conversation *c, enum side side)
{
    calls->synced[side] = false;
    calls->gapped[side] = true;
    for (struct http2_stream *stream = calls->streams.oldest, *newer; stream; stream = newer) {
        newer = stream->newer;
        struct http2_half *half = &stream->halves[side];
        if (half->ended)
            continue;
        half->gap = true;
        if (half->message) {
            message_incomplete(half->message, GAP);
            half->body.holes = true;
            half->grpc.lost = true;
        }
        emit_if_over(calls, c, stream);
    }
}

void http2_calls_upgraded(struct http2_calls *calls, struct conversation *c, const struct message *request, const uint8_t *at)
{
    struct http2_stream *stream = add_stream(calls, c, 1);
    if (!stream)
        return;
    struct http2_half *half = &stream->halves[SIDE_CLIENT];
    half->message = conversation_message(c, SIDE_SERVER, at);
    message_copy(half->message, request);
    message_protocol(half->message, &protocol_http2);
    half->ended = true;
    count_values(calls, half);
}

size_t http2_calls_memory(const struct http2_calls *calls)
{
    const struct http2_streams *t = &calls->streams;
    return (t->count + t->spares) * sizeof(struct http2_stream) + t->count * 2 * sizeof(struct message) + calls->values + t->bodies + t->sizes;
}

void http2_calls_close(struct http2_calls *calls, struct conversation *c)
{
    while (calls->streams.oldest)
        emit(calls, c, calls->streams.oldest, cut_reason(c));
    http2_streams_free(&calls->streams);
}
