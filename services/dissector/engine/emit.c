#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/internal.h"

#define VALUES_KEPT_MAX (64u * 1024) /* room that a message keeps for its next use */
#define RECORD_ROOM_LEAST (16u * 1024)

struct message *message_take(struct shard *shard)
{
    struct message *m = shard->pool->spare;
    if (m) {
        shard->pool->spare = m->next;
        shard->pool->spare_bytes -= sizeof *m + m->room;
    } else {
        m = calloc(1, sizeof *m);
        if (!m) {
            shard->counters.failed++;
            m = &shard->nothing;
        }
    }
    memset(&m->protocol, 0, offsetof(struct message, summary) - offsetof(struct message, protocol)); /* the room of its values stays */
    m->size = 0;
    m->next = NULL;
    m->open_at = UINT32_MAX;
    m->failed = m == &shard->nothing;
    return m;
}

void message_give_back(struct shard *shard, struct message *m)
{
    if (!m || m == &shard->nothing)
        return;
    if (m->failed)
        shard->counters.failed++;
    if (m->room > VALUES_KEPT_MAX) {
        free(m->values);
        m->values = NULL;
        m->room = 0;
    }
    if (shard->pool->spare_bytes + sizeof *m + m->room > MESSAGE_POOL_BYTES_MAX) {
        free(m->values);
        free(m);
        return;
    }
    m->next = shard->pool->spare;
    shard->pool->spare = m;
    shard->pool->spare_bytes += sizeof *m + m->room;
}

void message_pool_free(struct message_pool *pool)
{
    while (pool->spare) {
        struct message *m = pool->spare;
        pool->spare = m->next;
        free(m->values);
        free(m);
    }
    free(pool->record);
    *pool = (struct message_pool){ 0 };
}

static bool make_room(struct message_pool *pool, uint32_t size)
{
    if (size <= pool->record_room)
        return true;
    uint32_t room = pool->record_room ? pool->record_room : RECORD_ROOM_LEAST;
    while (room < size)
        room *= 2;
    uint8_t *record = realloc(pool->record, room);
    if (!record)
        return false;
    pool->record = record;
    pool->record_room = room;
    return true;
}

static void fill_tuple(const struct conversation *c, struct tuple *ret)
{
    *ret = c->tuple;
    if (!c->swapped)
        return;
    memcpy(ret->source, c->tuple.destination, sizeof ret->source);
    memcpy(ret->destination, c->tuple.source, sizeof ret->destination);
    ret->source_port = c->tuple.destination_port;
    ret->destination_port = c->tuple.source_port;
}

static void fill_record(struct conversation *c, const struct message *request, const struct message *response, enum incomplete reason, uint8_t flags, struct record *r)
{
    const struct message *first = request ? request : response;
    *r = (struct record){ .view = c->view, .timestamp_ns = first->first_ns, .connection_ns = c->first_ns, .node = c->node, .index = c->entries, .shard = c->shard->number,
                            .flags = (uint8_t)(flags | (c->filling ? RECORD_FILLED : 0u)) };
    fill_tuple(c, &r->tuple);
    int number = protocol_number(response && response->protocol != c->protocol ? response->protocol : first->protocol);
    r->protocol = (uint8_t)number;
    if (request) {
        r->flags |= RECORD_HAS_REQUEST;
        r->request_at = request->at;
        r->status = request->status;
        r->incomplete = request->incomplete;
    }
    if (response) {
        r->flags |= RECORD_HAS_RESPONSE;
        r->response_at = response->at;
        r->status = response->status ? response->status : r->status;
        r->incomplete = r->incomplete ? r->incomplete : response->incomplete;
    }
    if (request && response) {
        r->elapsed_ns = response->first_ns > request->first_ns ? response->first_ns - request->first_ns : 0;
        r->duration_ns = response->last_ns > request->first_ns ? response->last_ns - request->first_ns : 0;
        r->duration_ns = r->duration_ns > r->elapsed_ns ? r->duration_ns : r->elapsed_ns; /* its first bytes came last: it was whole then */
    } else {
        r->duration_ns = first->last_ns > first->first_ns ? first->last_ns - first->first_ns : 0;
    }
    if (r->incomplete == WHOLE)
        r->incomplete = (uint8_t)reason;
}

static void give_out(struct conversation *c, const struct message *request, const struct message *response, enum incomplete reason, uint8_t flags)
{
    struct shard *shard = c->shard;
    const struct message *first = request ? request : response, *second = request ? response : NULL;
    const struct message *summary = second && first->summary_size == 0 ? second : first;
    uint32_t values = first->size + (second ? second->size : 0);
    uint32_t size = ((uint32_t)sizeof(struct record) + summary->summary_size + values + 7u) & ~7u;
    if (!make_room(shard->pool, size)) {
        shard->counters.failed++;
        return;
    }
    memset(shard->pool->record + size - 8, 0, 8);
    struct record *r = (struct record *)shard->pool->record;
    fill_record(c, request, response, reason, flags, r);
    r->size = size;
    r->summary_size = summary->summary_size;
    r->values_size = values;
    uint8_t *p = (uint8_t *)(r + 1);
    memcpy(p, summary->summary, summary->summary_size);
    p += summary->summary_size;
    if (first->size)
        memcpy(p, first->values, first->size);
    if (second && second->size)
        memcpy(p + first->size, second->values, second->size);
    shard->counters.entries++;
    int e = shard->failed ? 0 : shard->sink.entry(shard->sink.context, r);
    if (e != 0)
        shard->failed = e;
}

bool emit_wants(const struct shard *shard, const struct protocol *protocol)
{
    int number = protocol_number(protocol);
    return number >= 0 && (shard->options.protocols == 0 || (shard->options.protocols & UINT64_C(1) << number));
}

void emit_entry(struct conversation *c, struct message *request, struct message *response, enum incomplete reason, uint8_t flags)
{
    const struct message *any = response && request && response->protocol != request->protocol ? response : request ? request : response;
    if (any && any != &c->shard->nothing && emit_wants(c->shard, any->protocol))
        give_out(c, request, response, reason, flags);
    c->entries++;
    message_give_back(c->shard, response);
    message_give_back(c->shard, request); /* last, so that the next request takes it: what is asked is mostly small, and stays so */
}

void conversation_pair(struct conversation *c, struct message *request, struct message *response)
{
    if (!request && !response)
        return;
    enum incomplete reason = request && response ? WHOLE : request ? NO_RESPONSE : NO_REQUEST;
    if (reason == NO_RESPONSE && c->end == END_INPUT)
        reason = ENDS_AFTER;
    else if (reason == NO_RESPONSE && c->end == END_EVICTED)
        reason = EVICTED;
    else if (reason == NO_REQUEST && conversation_started_before(c))
        reason = STARTED_BEFORE;
    emit_entry(c, request, response, reason, 0);
}

void conversation_push(struct conversation *c, enum side side, struct message *m)
{
    uint8_t flags = RECORD_ONE_WAY;
    if (side == SIDE_SERVER)
        emit_entry(c, NULL, m, WHOLE, flags | RECORD_FROM_SERVER);
    else
        emit_entry(c, m, NULL, WHOLE, flags);
}

void conversation_drop(struct conversation *c, struct message *m)
{
    message_give_back(c->shard, m);
}
