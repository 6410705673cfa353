/* Which response answers which request.
 *
 * In order, a response S can answer a request R only if
 *   S.acked > R.from   its sender had received the beginning of R when S began, and
 *   S.from >= R.acked  R's sender had not received S's beginning when R began.
 * With one request under way at a time these two tell every pair, whatever was lost. With several (pipelining) they do not after a gap on the client's side, or where the capture began in the middle: a request that was
 * never seen may be answered still. Then nothing is paired until the line was quiet: the server has answered something from behind the gap, and a request finds nothing unanswered and acknowledges everything that the server has said;
 * or, in the middle, the request is the first thing that either side says after a second of silence.
 * After a gap on the server's side, requests whose response may lie in it stay alone.
 * Datagrams have no offsets to compare: there only keys pair. */
#include "services/dissector/engine/internal.h"

static struct message *unlink_after(struct conversation *c, struct message *before)
{
    struct message *m = before ? before->next : c->pending_first;
    if (before)
        before->next = m->next;
    else
        c->pending_first = m->next;
    if (c->pending_last == m)
        c->pending_last = before;
    c->pending_count--;
    c->pending_bytes -= m->counted;
    c->shard->held_bytes -= m->counted;
    m->next = NULL;
    return m;
}

static void append(struct conversation *c, struct message *m)
{
    if (c->pending_last)
        c->pending_last->next = m;
    else
        c->pending_first = m;
    c->pending_last = m;
    c->pending_count++;
    message_fit(m);
    m->counted = (uint32_t)message_memory(m);
    c->pending_bytes += m->counted;
    c->shard->held_bytes += m->counted;
}

static enum incomplete alone_reason(const struct conversation *c)
{
    switch ((enum conversation_end)c->end) {
    case END_INPUT: return ENDS_AFTER;
    case END_EVICTED: return EVICTED;
    default: return NO_RESPONSE;
    }
}

/* It is the first that was said on this connection, by either side, while somebody listened for a second: nothing from before is under way. */
static bool breaks_silence(const struct conversation *c, const struct message *request)
{
    const struct stream *server = &c->streams[direction_of(c, SIDE_SERVER)], *client = &c->streams[direction_of(c, SIDE_CLIENT)];
    return c->watched && c->answered_acked == 0 && client->gap_end == 0 && server->gap_end == 0 && request->from <= STREAM_START && request->acked <= STREAM_START;
}

/* The line is quiet: from this request on, pairs are certain again. */
static void settle(struct conversation *c, const struct message *request)
{
    const struct stream *server = &c->streams[direction_of(c, SIDE_SERVER)], *client = &c->streams[direction_of(c, SIDE_CLIENT)];
    bool answered = c->answered_acked > 0 && c->answered_acked >= client->gap_end && request->acked >= server->fed - server->held_size;
    if (c->unsure && c->pending_count == 0 && (answered || breaks_silence(c, request)))
        c->unsure = false;
}

/* Its protocol has given it up: what comes now is no answer to it. */
static bool too_late(const struct conversation *c, const struct message *request, int64_t now_ns)
{
    return !(c->tcp && request->key == KEY_IN_ORDER) && request->protocol->idle_ns && now_ns - request->first_ns > request->protocol->idle_ns;
}

void conversation_request(struct conversation *c, struct message *m, uint64_t key)
{
    if (m == &c->shard->nothing) /* shared: it is in no list */
        return;
    m->key = key;
    while (c->pending_first && too_late(c, c->pending_first, m->first_ns))
        emit_entry(c, unlink_after(c, NULL), NULL, NO_RESPONSE, 0);
    while (c->pending_count >= CONVERSATION_UNANSWERED_MAX || (c->pending_count > 0 && c->pending_bytes + message_memory(m) > CONVERSATION_UNANSWERED_BYTES_MAX)) {
        c->shard->counters.requests_evicted++;
        emit_entry(c, unlink_after(c, NULL), NULL, EVICTED, 0);
    }
    if (c->tcp && key == KEY_IN_ORDER) {
        settle(c, m);
        if (c->unsure) {
            emit_entry(c, m, NULL, c->streams[direction_of(c, SIDE_CLIENT)].gap_end ? GAP : STARTED_BEFORE, 0);
            return;
        }
    }
    append(c, m);
}

/* Not the stream's last gap: that may be inside or behind the response itself. */
static bool lies_in_gap(const struct message *request, const struct message *response)
{
    return response->gap_end != 0 && request->acked < response->gap_end;
}

static struct message *find_in_order(struct conversation *c, const struct message *response)
{
    c->answered_acked = response->acked;
    while (c->pending_first && c->pending_first->key == KEY_IN_ORDER) {
        const struct message *request = c->pending_first;
        if (!c->tcp)
            return unlink_after(c, NULL);
        if (response->acked <= request->from)
            return NULL; /* for something before it, that was lost */
        if (!lies_in_gap(request, response) && response->from >= request->acked)
            return unlink_after(c, NULL);
        if (response->from < request->acked)
            return NULL; /* the request came after it */
        emit_entry(c, unlink_after(c, NULL), NULL, GAP, 0);
    }
    return NULL;
}

static struct message *find_by_key(struct conversation *c, const struct message *response, uint64_t key)
{
    struct message *before = NULL;
    for (struct message *m = c->pending_first; m;) {
        struct message *next = m->next;
        if (m->key == key) {
            (void)unlink_after(c, before);
            if (!too_late(c, m, response->first_ns))
                return m;
            emit_entry(c, m, NULL, NO_RESPONSE, 0);
        } else {
            before = m;
        }
        m = next;
    }
    return NULL;
}

void conversation_response(struct conversation *c, struct message *m, uint64_t key)
{
    struct message *request = key == KEY_IN_ORDER ? find_in_order(c, m) : find_by_key(c, m, key);
    if (request) {
        emit_entry(c, request, m, WHOLE, 0);
        return;
    }
    const struct stream *client = &c->streams[direction_of(c, SIDE_CLIENT)];
    enum incomplete reason = conversation_started_before(c) ? STARTED_BEFORE : client->gap_end ? GAP : NO_REQUEST;
    emit_entry(c, NULL, m, reason, 0);
}

/* Past those whose response may lie in a gap (one that begins now is behind it), and those that are given up. */
struct message *conversation_oldest(struct conversation *c, uint64_t key)
{
    uint64_t gap_end = c->tcp && key == KEY_IN_ORDER ? c->streams[direction_of(c, SIDE_SERVER)].gap_end : 0;
    for (struct message *m = c->pending_first; m; m = m->next)
        if (m->key == key && m->acked >= gap_end && !too_late(c, m, c->last_ns))
            return m;
    return NULL;
}

uint32_t conversation_unanswered(const struct conversation *c) { return c->pending_count; }

void pairing_gap(struct conversation *c, unsigned direction)
{
    if (c->tcp && side_of(c, direction) == SIDE_CLIENT) {
        c->unsure = true;
        c->answered_acked = 0;
    }
}

void pairing_close(struct conversation *c)
{
    while (c->pending_first) {
        const struct stream *server = &c->streams[direction_of(c, SIDE_SERVER)];
        enum incomplete reason = c->tcp && server->gap_end > c->pending_first->acked ? GAP : too_late(c, c->pending_first, c->shard->now_ns) ? NO_RESPONSE : alone_reason(c);
        emit_entry(c, unlink_after(c, NULL), NULL, reason, 0);
    }
}
