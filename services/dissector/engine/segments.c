/* TCP (RFC 9293): segments into streams without holes.
 *
 * Bytes go to the feeder in order, and after everything that their sender had acknowledged (cause before effect): captures put packets of the two sides into either order, and a lost request must not make the
 * next response its own. What cannot go yet waits as a copy. A hole that the receiver has acknowledged was lost by the capture, not by the network: after some packets of patience it becomes a gap. A hole
 * that nobody has acknowledged waits for the retransmission, until too much waits behind it. Where other views are asked (filling.h), what they have of a hole comes in the place of the gap. */
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/internal.h"

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };
#define SOFT_BEFORE_MAX 65536            /* how far before */

static int32_t distance(const struct stream *s, uint32_t seq) { return (int32_t)(seq - s->seq); }

void segments_begin(struct stream *s, uint32_t isn)
{
    s->fed = STREAM_START;
    s->seq = isn + 1;
    s->known = true;
}

static void learn_syn(struct conversation *c, struct stream *s, const struct shard_packet *p)
{
    if (s->fed == 0)
        s->fed = STREAM_START;
    if (s->fed == STREAM_START && !s->syn) {
        s->seq = p->seq + 1;
        s->known = true;
        s->soft = false;
    }
    s->syn = s->isn_known = true;
    s->isn = p->seq;
    s->window_scale = p->window_scale;
    bool answer = p->flags & FLAG_ACK, first = s == &c->streams[0];
    if (!c->side_known) { /* either packet tells who is the client, and where both streams begin; the other may come later or not at all */
        c->swapped = answer == first;
        c->side_known = true;
    }
    c->from_start = true;
    if (!answer && first)
        c->handshake = true;
    else if (answer && !first)
        c->synack_ns = p->time_ns;
}

/* Of this connection, and not from before the stream's beginning. */
static bool within(const struct stream *s, int32_t d) { return d <= JUMP_MAX && d >= -JUMP_MAX && (d >= 0 || (uint64_t)-(int64_t)d <= s->fed); }

/* What an acknowledgement says of the other side's stream. Returns its offset there. */
static uint64_t learn_ack(struct stream *other, uint32_t ack)
{
    if (!other->known) {
        other->known = other->soft = true;
        other->fed = STREAM_START;
        other->seq = ack;
    }
    int32_t d = distance(other, ack);
    if (!within(other, d))
        return other->fed;
    uint64_t offset = other->fed + (uint64_t)(int64_t)d;
    if (offset > other->acked)
        other->acked = offset;
    return offset;
}

/* Nobody who was asked saw a packet of this direction. */
static bool unseen(const struct conversation *c, unsigned direction)
{
    return c->streams[direction].packets == 0 && !(c->filling && filling_saw(c, direction));
}

/* Has everything been fed that the sender of these bytes had acknowledged? The number behind a FIN is no byte. */
static bool caused(const struct conversation *c, unsigned direction, uint64_t acked)
{
    const struct stream *other = &c->streams[!direction];
    return other->fed >= acked || unseen(c, !direction) || (other->fin && other->fed >= other->fin_offset);
}

static void feed(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t captured, uint32_t payload, const struct mark *mark)
{
    struct stream *s = &c->streams[direction];
    uint32_t skip = (uint32_t)(s->fed - mark->offset); /* fed already */
    s->soft = false;
    struct mark from = *mark;
    from.offset = s->fed;
    if (skip < captured) {
        s->payload += captured - skip;
        c->shard->counters.payload_bytes += captured - skip;
        feed_bytes(c, direction, data + skip, captured - skip, &from);
        skip = captured;
    }
    if (skip < payload)
        feed_gap(c, direction, payload - skip);
}

/* False: no memory. */
static bool wait_for(struct conversation *c, unsigned direction, const struct waiting *head, const uint8_t *data)
{
    struct stream *s = &c->streams[direction];
    struct waiting *w = malloc(sizeof *w + head->captured);
    if (!w) {
        c->shard->counters.failed++;
        return false;
    }
    *w = *head;
    memcpy(w->data, data, w->captured);
    s->waiting_bytes += (uint32_t)sizeof *w + w->captured;
    s->waiting_count++;
    c->shard->held_bytes += sizeof *w + w->captured;
    struct waiting **at = s->waiting_last && s->waiting_last->offset <= w->offset ? &s->waiting_last->next : &s->waiting; /* many wait behind one hole: from the first on would be their square */
    while (*at && (*at)->offset <= w->offset)
        at = &(*at)->next;
    w->next = *at;
    *at = w;
    s->waiting_last = w;
    return true;
}

bool segments_supply(struct conversation *c, unsigned direction, uint64_t offset, const uint32_t *ack, const uint8_t *data, uint32_t size, int64_t time_ns, struct place place)
{
    struct stream *other = &c->streams[!direction];
    struct waiting head = { .offset = offset, .acked = ack ? learn_ack(other, *ack) : other->fed, .captured = size, .payload = size, .time_ns = time_ns, .place = place };
    return wait_for(c, direction, &head, data);
}

static void forget(struct conversation *c, struct stream *s, struct waiting *w)
{
    if (s->waiting_last == w)
        s->waiting_last = NULL;
    s->waiting_bytes -= (uint32_t)sizeof *w + w->captured;
    s->waiting_count--;
    c->shard->held_bytes -= sizeof *w + w->captured;
    free(w);
}

static void feed_first(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    struct waiting *w = s->waiting;
    s->waiting = w->next;
    struct mark mark = { .offset = w->offset, .acked = w->acked, .time_ns = w->time_ns, .place = w->place };
    if (w->offset + w->payload > s->fed)
        feed(c, direction, w->data, w->captured, w->payload, &mark);
    forget(c, s, w);
}

static bool finish_if_due(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    if (!s->fin || s->fin_fed || s->waiting || s->fed < s->fin_offset)
        return false;
    s->fin_fed = true;
    feed_finish(c, direction);
    return true;
}

static void progress(struct conversation *c)
{
    bool moved;
    do {
        moved = false;
        for (unsigned direction = 0; direction < 2; direction++) {
            struct stream *s = &c->streams[direction];
            while (s->waiting && s->waiting->offset <= s->fed && caused(c, direction, s->waiting->acked)) {
                feed_first(c, direction);
                moved = true;
            }
            moved = finish_if_due(c, direction) || moved;
        }
    } while (moved);
}

static bool is_full_side(const struct stream *s) { return s->waiting_bytes > WAITING_BYTES_MAX || s->waiting_count > WAITING_PACKETS_MAX; }
static bool is_full(const struct conversation *c) { return is_full_side(&c->streams[0]) || is_full_side(&c->streams[1]); }

/* What never came: from another view where one has it, else a gap. False: another view may have it still. */
static bool lose(struct conversation *c, unsigned direction, uint64_t lost, bool all)
{
    if (c->filling) {
        if (filling_fill(c, direction, lost) > 0)
            return true;
        if (!all && !is_full(c) && filling_may_come(c, direction, lost))
            return false;
        lost = filling_gap(c, direction, lost);
    }
    feed_gap(c, direction, lost);
    return true;
}

/* Gives up waiting for something: a hole becomes a gap. `all`: whatever it is; else only what has no hope or takes too much memory. False: nothing was given up. */
static bool give_way(struct conversation *c, bool all)
{
    int blocked = -1;
    for (unsigned direction = 0; direction < 2; direction++) {
        struct stream *s = &c->streams[direction];
        const struct waiting *other = c->streams[!direction].waiting;
        if (!s->waiting)
            continue;
        if (s->waiting->offset > s->fed) {
            if (all || s->acked > s->fed || is_full_side(s)) {
                /* No further than what the other side's next bytes answer: what lies between is a cause of its own. */
                uint64_t until = other && other->acked > s->fed && other->acked < s->waiting->offset ? other->acked : s->waiting->offset;
                return lose(c, direction, until - s->fed, all);
            }
        } else if (blocked < 0 || s->waiting->time_ns < c->streams[blocked].waiting->time_ns) {
            blocked = (int)direction;
        }
    }
    if (blocked < 0)
        return false;
    struct stream *s = &c->streams[blocked], *other = &c->streams[!blocked];
    uint64_t until = s->waiting->acked;
    if (other->waiting && other->waiting->offset < until)
        until = other->waiting->offset;
    if (until > other->fed)
        return lose(c, !(unsigned)blocked, until - other->fed, all); /* acknowledged, never seen */
    feed_first(c, (unsigned)blocked); /* each waits for the other: no cause can be told */
    return true;
}

static void look_after_waiting(struct conversation *c)
{
    if (!c->streams[0].waiting && !c->streams[1].waiting) {
        c->stalled = 0;
        return;
    }
    uint64_t fed = c->streams[0].fed + c->streams[1].fed;
    if (fed != c->stalled_fed) { /* it is not this hole that it has been waiting for */
        c->stalled_fed = fed;
        c->stalled = 0;
    }
    if (++c->stalled <= PATIENCE_PACKETS && !is_full(c))
        return;
    if (give_way(c, false)) {
        progress(c);
        c->stalled = 0;
    }
}

static void take_payload(struct conversation *c, unsigned direction, const struct shard_packet *p, uint32_t seq, uint64_t acked)
{
    struct stream *s = &c->streams[direction];
    if (!s->known) {
        s->known = true;
        s->fed = STREAM_START;
        s->seq = seq;
    }
    int32_t d = distance(s, seq);
    if (d < 0 && s->soft && d >= -SOFT_BEFORE_MAX && p->payload > 1 && (uint64_t)-(int64_t)d <= s->fed) { /* seen later than its acknowledgement */
        s->fed += (uint64_t)(int64_t)d;
        s->seq = seq;
        d = 0;
    }
    if (!within(s, d))
        return;
    uint64_t offset = s->fed + (uint64_t)(int64_t)d;
    if (p->flags & FLAG_FIN) {
        s->fin = true;
        s->fin_offset = offset + p->payload;
    }
    uint32_t payload = c->filling ? p->captured : p->payload; /* what the capture cut off is a hole as another */
    if (payload == 0)
        return;
    if (offset + payload <= s->fed) {
        if (d == -1 && payload == 1)
            s->keep_alives++;
        else
            s->retransmitted++;
        return;
    }
    if (d <= 0 && !s->waiting && caused(c, direction, acked)) {
        struct mark mark = { .offset = offset, .acked = acked, .time_ns = p->time_ns, .place = p->place };
        feed(c, direction, p->data, p->captured, payload, &mark);
        return;
    }
    if (d > 0)
        s->out_of_order++;
    struct waiting head = { .offset = offset, .acked = acked, .captured = p->captured, .payload = payload, .time_ns = p->time_ns, .place = p->place };
    (void)wait_for(c, direction, &head, p->data);
}

void segments_packet(struct conversation *c, unsigned direction, const struct shard_packet *p)
{
    struct stream *s = &c->streams[direction], *other = &c->streams[!direction];
    uint32_t seq = p->seq;
    if (p->flags & FLAG_SYN) {
        learn_syn(c, s, p);
        seq++;
    }
    uint64_t acked = other->fed;
    if (p->flags & FLAG_ACK) {
        acked = learn_ack(other, p->ack);
        if (direction == 0 && c->synack_ns && !c->established_ns && !(p->flags & (FLAG_SYN | FLAG_RST)))
            c->established_ns = p->time_ns;
    }
    if (p->window == 0 && !(p->flags & (FLAG_SYN | FLAG_RST | FLAG_FIN)))
        s->zero_windows++;
    if (p->payload == 0 && s->known && distance(s, seq) == -1 && !(p->flags & (FLAG_SYN | FLAG_FIN | FLAG_RST)))
        s->keep_alives++;
    if (p->payload || (p->flags & FLAG_FIN))
        take_payload(c, direction, p, seq, acked);
    if (p->flags & FLAG_RST)
        c->reset = (uint8_t)(1 + direction);
    if (c->streams[0].waiting || c->streams[1].waiting || s->fin || other->fin)
        progress(c);
    look_after_waiting(c);
}

/* Everything that waits, whatever it waits for. */
static void drain(struct conversation *c)
{
    progress(c);
    while ((c->streams[0].waiting || c->streams[1].waiting) && give_way(c, true))
        progress(c);
}

/* Where the stream ends: at a FIN, or with what was acknowledged or another view saw. One number alone may be that of a FIN. */
static uint64_t tail_end(const struct conversation *c, unsigned direction)
{
    const struct stream *s = &c->streams[direction];
    if (s->fin)
        return s->fin_offset;
    uint64_t end = s->acked > s->fed + 1 ? s->acked : s->fed, seen = c->filling ? filling_end(c, direction) : 0;
    return seen > end ? seen : end;
}

static void flush_tail(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    uint64_t end;
    while (s->known && !unseen(c, direction) && (end = tail_end(c, direction)) > s->fed) {
        (void)lose(c, direction, end - s->fed, true);
        if (c->filling)
            drain(c);
        (void)finish_if_due(c, direction);
    }
}

void segments_flush(struct conversation *c)
{
    drain(c);
    flush_tail(c, 0);
    flush_tail(c, 1);
}

void segments_free(struct conversation *c)
{
    for (unsigned i = 0; i < 2; i++)
        while (c->streams[i].waiting) {
            struct waiting *w = c->streams[i].waiting;
            c->streams[i].waiting = w->next;
            forget(c, &c->streams[i], w);
        }
}
