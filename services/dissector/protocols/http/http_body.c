/* Bodies: collected, decoded, written. See http_message.h. */
#include <stdlib.h>
#include <string.h>

#include "services/dissector/protocols/http/http_decode.h"
#include "services/dissector/protocols/http/http_message.h"

#define ROOM_BYTES_IDLE_MAX 8192u /* that a connection keeps for its next body */
#define ROOM_BYTES_MIN 2048u /* most bodies that are kept at all are this small */

static void add_codings(struct http_body *b, const struct http_headers *h, enum http_known known)
{
    for (uint16_t i = h->first[known]; i; i = h->at[i - 1].next) {
        const char *p = h->at[i - 1].value, *end = p + h->at[i - 1].value_size;
        while (p < end) {
            const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end, *next = comma ? comma + 1 : end;
            while (p < stop && (*p == ' ' || *p == '\t'))
                p++;
            while (stop > p && (stop[-1] == ' ' || stop[-1] == '\t'))
                stop--;
            enum http_coding coding = stop > p ? http_coding_find(p, (size_t)(stop - p)) : HTTP_CODING_NONE;
            if (coding != HTTP_CODING_NONE && b->codings_count == HTTP_CODINGS_MAX)
                b->codings[HTTP_CODINGS_MAX - 1] = HTTP_CODING_UNKNOWN;
            else if (coding != HTTP_CODING_NONE)
                b->codings[b->codings_count++] = (uint8_t)coding;
            p = next;
        }
    }
}

static void forget(struct http_body *b)
{
    b->size = 0;
    b->kept = 0;
    b->failed = b->holes = false;
    b->codings_count = 0;
    b->content_type_size = 0;
}

void http_body_begin(struct http_body *b, const struct http_headers *h, bool response)
{
    const struct http_header *type = http_headers_get(h, HTTP_KNOWN_CONTENT_TYPE);
    forget(b);
    b->response = response;
    if (type) {
        b->content_type_size = (uint8_t)(type->value_size < HTTP_CONTENT_TYPE_MAX ? type->value_size : HTTP_CONTENT_TYPE_MAX);
        memcpy(b->content_type, type->value, b->content_type_size);
    }
    if (h->first[HTTP_KNOWN_CONTENT_ENCODING])
        add_codings(b, h, HTTP_KNOWN_CONTENT_ENCODING);
    if (h->first[HTTP_KNOWN_TRANSFER_ENCODING])
        add_codings(b, h, HTTP_KNOWN_TRANSFER_ENCODING);
}

static bool make_room(struct http_body *b, uint32_t wanted)
{
    if (wanted <= b->room)
        return true;
    uint32_t room = b->room ? b->room : ROOM_BYTES_MIN;
    while (room < wanted)
        room *= 2;
    uint8_t *data = realloc(b->data, room);
    if (!data)
        return false;
    b->data = data;
    b->room = room;
    return true;
}

void http_body_take(struct http_body *b, const uint8_t *data, size_t size)
{
    b->size += size;
    if (b->kept == CONVERSATION_BODY_MAX || b->failed || b->holes || size == 0)
        return;
    uint32_t n = size < CONVERSATION_BODY_MAX - b->kept ? (uint32_t)size : CONVERSATION_BODY_MAX - b->kept;
    if (!make_room(b, b->kept + n)) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->kept, data, n);
    b->kept += n;
}

void http_body_lost(struct http_body *b, uint64_t size)
{
    b->size += size;
    b->holes = true;
}

/* Through all codings, last one first; what cannot be decoded is written as it was sent. */
static __attribute__((noinline)) void write_decoded(const struct http_body *b, struct message *m, uint8_t field, uint8_t encoding, const uint8_t *data, size_t size)
{
    uint8_t rooms[2][CONVERSATION_BODY_MAX];
    const uint8_t *from = data;
    size_t from_size = size;
    for (unsigned i = b->codings_count; i--;) {
        ssize_t got = http_decode(b->codings[i], from, from_size, rooms[i % 2], CONVERSATION_BODY_MAX);
        if (got < 0) {
            from = data;
            from_size = size;
            break;
        }
        from = rooms[i % 2];
        from_size = (size_t)got;
    }
    message_body(m, field, encoding, from, from_size, b->content_type, b->content_type_size);
}

static void write_body(const struct http_body *b, struct message *m, const uint8_t *data, size_t size)
{
    uint8_t field = b->response ? HTTP_RESPONSE_BODY : HTTP_REQUEST_BODY, encoding = b->response ? HTTP_RESPONSE_BODY_ENCODING : HTTP_REQUEST_BODY_ENCODING;
    if (b->failed)
        m->failed = true;
    if (size == 0)
        return;
    if (b->codings_count)
        write_decoded(b, m, field, encoding, data, size);
    else
        message_body(m, field, encoding, data, size, b->content_type, b->content_type_size);
}

static void write_size(const struct http_body *b, struct message *m)
{
    if (b->size)
        message_int(m, b->response ? HTTP_RESPONSE_BODY_SIZE : HTTP_REQUEST_BODY_SIZE, b->size < INT64_MAX ? (int64_t)b->size : INT64_MAX);
}

void http_body_write(struct http_body *b, struct message *m)
{
    write_body(b, m, b->data, b->kept);
    write_size(b, m);
    forget(b);
    if (b->room > ROOM_BYTES_IDLE_MAX) {
        free(b->data);
        b->data = NULL;
        b->room = 0;
    }
}

void http_body_write_whole(struct http_body *b, struct message *m, const uint8_t *data, size_t size)
{
    b->size += size;
    write_body(b, m, data, size < CONVERSATION_BODY_MAX ? size : CONVERSATION_BODY_MAX);
    write_size(b, m);
    forget(b);
}

void http_body_free(struct http_body *b)
{
    free(b->data);
    b->data = NULL;
    b->room = 0;
    forget(b);
}
