#include "services/dissector/protocols/http2/http2_frame.h"
#include <string.h>
#include "bytes/cursor.h"

#define CHAIN_LEAST 3u

/* What a sender may say in each type. exact: the only length; 0: any from `least` on. */
static const struct frame_rule { uint32_t exact, least; uint8_t flags; bool on_stream, on_connection; } rules[HTTP2_TYPES] = {
    [HTTP2_DATA] = { .flags = HTTP2_END_STREAM | HTTP2_PADDED, .on_stream = true },
    [HTTP2_HEADERS] = { .flags = HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_WITH_PRIORITY, .on_stream = true },
    [HTTP2_PRIORITY] = { .exact = 5, .on_stream = true },
    [HTTP2_RST_STREAM] = { .exact = 4, .on_stream = true },
    [HTTP2_SETTINGS] = { .flags = HTTP2_ACK, .on_connection = true },
    [HTTP2_PUSH_PROMISE] = { .least = 5, .flags = HTTP2_END_HEADERS | HTTP2_PADDED, .on_stream = true },
    [HTTP2_PING] = { .exact = 8, .flags = HTTP2_ACK, .on_connection = true },
    [HTTP2_GOAWAY] = { .least = 8, .on_connection = true },
    [HTTP2_WINDOW_UPDATE] = { .exact = 4, .on_stream = true, .on_connection = true },
    [HTTP2_CONTINUATION] = { .flags = HTTP2_END_HEADERS, .on_stream = true },
};

void http2_frame_read(const uint8_t *data, struct http2_frame *ret)
{
    struct cursor c = cursor_over(data, HTTP2_FRAME_HEADER);
    uint32_t length_type = cursor_be32(&c);
    ret->length = length_type >> 8;
    ret->type = (uint8_t)length_type;
    ret->flags = cursor_u8(&c);
    ret->stream = cursor_be32(&c) & 0x7fffffffu;
}

bool http2_frame_valid(const struct http2_frame *frame)
{
    if (frame->type >= HTTP2_TYPES)
        return true;
    const struct frame_rule *rule = &rules[frame->type];
    if (frame->type == HTTP2_SETTINGS && (frame->length % 6 != 0 || ((frame->flags & HTTP2_ACK) && frame->length != 0)))
        return false;
    return (rule->exact ? frame->length == rule->exact : frame->length >= rule->least) && (frame->stream ? rule->on_stream : rule->on_connection);
}

bool http2_frame_plausible(const uint8_t *data, uint32_t length_max)
{
    struct http2_frame frame;
    http2_frame_read(data, &frame);
    if (frame.length > length_max || frame.type >= HTTP2_TYPES || (data[5] & 0x80) || (frame.flags & ~rules[frame.type].flags))
        return false;
    return http2_frame_valid(&frame) && !(((frame.flags & HTTP2_PADDED) || frame.type == HTTP2_HEADERS) && frame.length == 0);
}

/* A header block is not interrupted. */
static bool may_follow(const uint8_t *before, const uint8_t *after)
{
    struct http2_frame a, b;
    http2_frame_read(before, &a);
    http2_frame_read(after, &b);
    bool block = a.type == HTTP2_HEADERS || a.type == HTTP2_PUSH_PROMISE || a.type == HTTP2_CONTINUATION;
    bool open = block && !(a.flags & HTTP2_END_HEADERS);
    return open == (b.type == HTTP2_CONTINUATION) && (!open || a.stream == b.stream);
}

/* 1: three plausible headers; 0: not; -1: cannot say yet. */
static int chain_at(const uint8_t *data, size_t size, uint32_t length_max)
{
    const uint8_t *before = NULL;
    size_t at = 0;
    for (unsigned i = 0; i < CHAIN_LEAST; i++) {
        if (at > size || size - at < HTTP2_FRAME_HEADER)
            return -1;
        if (!http2_frame_plausible(data + at, length_max) || (before && !may_follow(before, data + at)))
            return 0;
        struct http2_frame frame;
        http2_frame_read(data + at, &frame);
        before = data + at;
        at += HTTP2_FRAME_HEADER + frame.length;
    }
    return 1;
}

bool http2_frame_search(const uint8_t *data, size_t size, uint32_t length_max, size_t *ret_at)
{
    if (length_max > HTTP2_SEARCH_LENGTH_MAX)
        length_max = HTTP2_SEARCH_LENGTH_MAX;
    for (size_t at = 0; at < size; at++) {
        const uint8_t *zero = memchr(data + at, 0, size - at); /* the first byte of every length below 64 KiB */
        if (!zero)
            break;
        at = (size_t)(zero - data);
        int chain = chain_at(data + at, size - at, length_max);
        if (chain != 0) {
            *ret_at = at;
            return chain > 0;
        }
    }
    *ret_at = size;
    return false;
}

enum http2_block_of http2_block_kind(const uint8_t *block, size_t size)
{
    size_t at = 0;
    while (at < size && (block[at] & 0xe0) == 0x20) { /* new sizes of the dynamic table come before the first field */
        if ((block[at++] & 0x1f) == 0x1f) {
            while (at < size && (block[at] & 0x80))
                at++;
            at++;
        }
    }
    if (at >= size)
        return HTTP2_BLOCK_UNKNOWN;
    uint8_t b = block[at], index = b & 0x80 ? b & 0x7f : b & 0x40 ? b & 0x3f : b & 0x0f; /* of the static table: RFC 7541 appendix A */
    return index >= 1 && index <= 7 ? HTTP2_BLOCK_REQUEST : index >= 8 && index <= 14 ? HTTP2_BLOCK_RESPONSE : HTTP2_BLOCK_UNKNOWN;
}

bool http2_frame_strip(const struct http2_frame *frame, const uint8_t **payload, uint32_t *size)
{
    const uint8_t *p = *payload;
    uint32_t left = *size, padding = 0;
    if (frame->flags & HTTP2_PADDED) {
        if (left < 1)
            return false;
        padding = *p++;
        left--;
    }
    if (frame->type == HTTP2_HEADERS && (frame->flags & HTTP2_WITH_PRIORITY)) {
        if (left < 5)
            return false;
        p += 5;
        left -= 5;
    }
    if (padding > left)
        return false;
    *payload = p;
    *size = left - padding;
    return true;
}
