#include "services/dissector/protocols/http2/http2_streams.h"
#include <stdlib.h>
#include <string.h>

#define SPARE_STREAMS_MAX 8u
#define SPARE_BODY_MAX (16u * 1024)

static struct http2_stream **bucket_of(struct http2_streams *t, uint32_t id) { return &t->buckets[(id >> 1) % HTTP2_BUCKETS]; }

struct http2_stream *http2_streams_find(const struct http2_streams *t, uint32_t id)
{
    struct http2_stream *s = t->buckets[(id >> 1) % HTTP2_BUCKETS];
    while (s && s->id != id)
        s = s->next;
    return s;
}

struct http2_stream *http2_streams_add(struct http2_streams *t, uint32_t id)
{
    struct http2_stream *s = t->spare;
    if (s) {
        t->spare = s->next;
        t->spares--;
    } else {
        s = calloc(1, sizeof *s);
        if (!s)
            return NULL;
    }
    struct http2_stream **bucket = bucket_of(t, id);
    s->id = id;
    s->next = *bucket;
    *bucket = s;
    s->older = t->newest;
    s->newer = NULL;
    if (t->newest)
        t->newest->newer = s;
    else
        t->oldest = s;
    t->newest = s;
    t->count++;
    return s;
}

static void free_body(struct http2_streams *t, struct http_body *body)
{
    t->bodies -= body->room;
    http_body_free(body);
}

static void free_sizes(struct http2_streams *t, struct grpc_sizes *grpc)
{
    t->sizes -= grpc->room * (uint32_t)sizeof *grpc->sizes;
    grpc_sizes_free(grpc);
}

/* Ready for the next stream. */
static void clean_half(struct http2_streams *t, struct http2_half *half)
{
    if (half->body.room > SPARE_BODY_MAX)
        free_body(t, &half->body);
    free_sizes(t, &half->grpc);
    half->message = NULL;
    half->values = 0;
    half->ended = half->data = half->gap = half->trailers = false;
}

static void free_stream(struct http2_streams *t, struct http2_stream *s)
{
    for (unsigned i = 0; i < 2; i++) {
        free_body(t, &s->halves[i].body);
        free_sizes(t, &s->halves[i].grpc);
    }
    free(s);
}

void http2_streams_remove(struct http2_streams *t, struct http2_stream *s)
{
    struct http2_stream **at = bucket_of(t, s->id);
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    *(s->older ? &s->older->newer : &t->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &t->newest) = s->older;
    t->count--;
    if (t->spares >= SPARE_STREAMS_MAX) {
        free_stream(t, s);
        return;
    }
    clean_half(t, &s->halves[0]);
    clean_half(t, &s->halves[1]);
    s->grpc = s->grpc_status = s->unsure = s->given_up = false;
    s->next = t->spare;
    t->spare = s;
    t->spares++;
}

void http2_streams_forget(struct http2_streams *t, uint32_t id)
{
    t->closed[t->closed_next++ % HTTP2_CLOSED_KEPT] = id;
}

bool http2_streams_forgotten(const struct http2_streams *t, uint32_t id)
{
    for (uint32_t i = 0; i < HTTP2_CLOSED_KEPT; i++)
        if (t->closed[i] == id)
            return true;
    return false;
}

bool http2_streams_body(struct http2_streams *t, struct http2_half *half, const uint8_t *data, uint32_t size)
{
    struct http_body *body = &half->body;
    uint64_t wanted = (uint64_t)body->kept + size;
    if (wanted > body->room && body->room < CONVERSATION_BODY_MAX && t->bodies > HTTP2_BODIES_MAX - CONVERSATION_BODY_MAX) {
        http_body_lost(body, size);
        return false;
    }
    uint32_t room = body->room;
    if (body->size == 0 && half->message)
        message_fit(half->message);
    http_body_take(body, data, size);
    t->bodies += body->room - room;
    return true;
}

void http2_streams_body_write(struct http2_streams *t, struct http2_half *half)
{
    uint32_t room = half->body.room;
    http_body_write(&half->body, half->message);
    t->bodies -= room - half->body.room;
}

void http2_streams_sizes(struct http2_streams *t, struct http2_half *half, const uint8_t *data, uint32_t size)
{
    uint32_t room = half->grpc.room;
    grpc_sizes_take(&half->grpc, data, size);
    t->sizes += (half->grpc.room - room) * (uint32_t)sizeof *half->grpc.sizes;
}

void http2_streams_free(struct http2_streams *t)
{
    while (t->oldest)
        http2_streams_remove(t, t->oldest);
    while (t->spare) {
        struct http2_stream *s = t->spare;
        t->spare = s->next;
        free_stream(t, s);
    }
}
