#include "services/dissector/engine/shard.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/internal.h"

#define BUCKETS_LEAST 64u
#define LOOK_INTERVAL_NS INT64_C(1000000000) /* timers are in seconds: looked at once in one */
#define STATE_FETCHED_MAX 512u /* of a parser's state, ahead of its packet: more would push out what other packets wait for */
#define SUMMARY_FETCHED 64u    /* and of the summary and the values of the request that it may answer */
#define VALUES_FETCHED_MAX 1024u
enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_RST = 4, FLAG_ACK = 16 };

static const int64_t idle_ns[TIMERS] = { [TIMER_TCP] = IDLE_TCP_NS, [TIMER_HALF_OPEN] = IDLE_HALF_OPEN_NS, [TIMER_CLOSED] = IDLE_CLOSED_NS, [TIMER_UDP] = IDLE_UDP_NS };

static uint64_t mix(uint64_t v)
{
    v ^= v >> 32;
    v *= UINT64_C(0xd6e8feb86659fd93);
    v ^= v >> 32;
    return v;
}

uint64_t shard_hash(const struct tuple *t)
{
    uint64_t a[2], b[2];
    memcpy(a, t->source, sizeof a);
    memcpy(b, t->destination, sizeof b);
    /* Each end by itself, then a sum: the same whoever sends. */
    uint64_t source = mix(a[0] ^ mix(a[1] + t->source_port)), destination = mix(b[0] ^ mix(b[1] + t->destination_port));
    uint64_t both = mix((source + destination) ^ ((uint64_t)t->vni << 16 | (uint64_t)t->version << 8 | t->transport));
    return both ? both : 1;
}

static void timer_leave(struct conversation *c)
{
    struct shard *shard = c->shard;
    if (c->older)
        c->older->newer = c->newer;
    else
        shard->timers[c->timer].oldest = c->newer;
    if (c->newer)
        c->newer->older = c->older;
    else
        shard->timers[c->timer].newest = c->older;
}

static void timer_join(struct conversation *c, enum timer timer)
{
    struct shard *shard = c->shard;
    c->timer = (uint8_t)timer;
    c->joined_ns = c->last_ns;
    c->older = shard->timers[timer].newest;
    c->newer = NULL;
    if (c->older)
        c->older->newer = c;
    else
        shard->timers[timer].oldest = c;
    shard->timers[timer].newest = c;
}

static void close_connection(struct conversation *c, enum conversation_end end)
{
    struct shard *shard = c->shard;
    timer_leave(c);
    struct conversation **at = &shard->buckets[(c->hash >> 8) & (shard->buckets_count - 1)];
    while (*at != c)
        at = &(*at)->next_in_bucket;
    *at = c->next_in_bucket;
    shard->connections--;
    if (c->tcp)
        segments_flush(c);
    segments_free(c);
    feed_close(c, end);
    connection_emit(c);
    shard->held_bytes -= sizeof *c;
    free(c);
}

static enum conversation_end end_of(const struct conversation *c)
{
    return c->timer == TIMER_CLOSED || !c->tcp ? END_CLOSED : END_IDLE;
}

/* The quietest connection of a timer. A packet does not move its connection in the list (that would touch the neighbours, for each packet): it is moved here, when its turn comes and it has said something since. */
static struct conversation *oldest_of(struct shard *shard, unsigned timer)
{
    struct conversation *c;
    while ((c = shard->timers[timer].oldest) && c->joined_ns != c->last_ns && c->newer) {
        timer_leave(c);
        timer_join(c, (enum timer)timer);
    }
    return c;
}

/* Whether it is over, though its turn in the list may come later: lists are in the order in which their connections came to their places, not of what those have said since. */
static bool is_idle(const struct conversation *c, int64_t now_ns) { return now_ns - c->last_ns > idle_ns[c->timer]; }

static void look_at_timers(struct shard *shard)
{
    if (shard->now_ns - shard->looked_ns < LOOK_INTERVAL_NS)
        return;
    shard->looked_ns = shard->now_ns;
    for (unsigned i = 0; i < TIMERS; i++) {
        struct conversation *c;
        while ((c = oldest_of(shard, i)) && is_idle(c, shard->now_ns))
            close_connection(c, end_of(c));
    }
}

/* The connection that has been quiet for longest, but never `but`. */
static struct conversation *quietest(struct shard *shard, const struct conversation *but)
{
    struct conversation *found = NULL;
    for (unsigned i = 0; i < TIMERS; i++) {
        struct conversation *c = oldest_of(shard, i);
        if (c && c == but && (c = c->newer)) { /* who comes next, as oldest_of finds it */
            while (c->joined_ns != c->last_ns && c->newer) {
                struct conversation *next = c->newer;
                timer_leave(c);
                timer_join(c, (enum timer)i);
                c = next;
            }
        }
        if (c && (!found || c->last_ns < found->last_ns))
            found = c;
    }
    return found;
}

void shard_evict_for(struct shard *shard, const struct conversation *but)
{
    struct conversation *c;
    while (shard->held_bytes > shard->options.limits.bytes && (c = quietest(shard, but))) {
        shard->counters.evicted_connections++;
        uint64_t before = shard->held_bytes;
        close_connection(c, END_EVICTED);
        shard->counters.evicted_bytes += before - shard->held_bytes;
    }
}

static int grow_buckets(struct shard *shard)
{
    uint32_t count = shard->buckets_count ? shard->buckets_count * 2 : BUCKETS_LEAST;
    struct conversation **buckets = calloc(count, sizeof(struct conversation *));
    if (!buckets)
        return -ENOMEM;
    for (uint32_t i = 0; i < shard->buckets_count; i++)
        for (struct conversation *c = shard->buckets[i], *next; c; c = next) {
            next = c->next_in_bucket;
            struct conversation **at = &buckets[(c->hash >> 8) & (count - 1)];
            c->next_in_bucket = *at;
            *at = c;
        }
    free(shard->buckets);
    shard->buckets = buckets;
    shard->buckets_count = count;
    return 0;
}

/* Same ends, the packet's sender as direction 0 or 1; -1: another connection. */
static int direction_in(const struct conversation *c, const struct shard_packet *p)
{
    if (c->hash != p->hash || c->point != p->point || c->tuple.transport != p->tuple.transport || c->tuple.vni != p->tuple.vni)
        return -1;
    if (memcmp(&c->tuple, &p->tuple, sizeof c->tuple) == 0)
        return 0;
    bool reversed = c->tuple.source_port == p->tuple.destination_port && c->tuple.destination_port == p->tuple.source_port &&
                    memcmp(c->tuple.source, p->tuple.destination, 16) == 0 && memcmp(c->tuple.destination, p->tuple.source, 16) == 0;
    return reversed ? 1 : -1;
}

static struct conversation *find(const struct shard *shard, const struct shard_packet *p, unsigned *ret_direction)
{
    for (struct conversation *c = shard->buckets[(p->hash >> 8) & (shard->buckets_count - 1)]; c; c = c->next_in_bucket) {
        int direction = direction_in(c, p);
        if (direction >= 0) {
            *ret_direction = (unsigned)direction;
            return c;
        }
    }
    return NULL;
}

static int make(struct shard *shard, const struct shard_packet *p, struct conversation **ret)
{
    if (shard->connections >= shard->options.limits.connections) {
        struct conversation *c = quietest(shard, NULL);
        shard->counters.evicted_connections++;
        close_connection(c, END_EVICTED);
    }
    if (shard->connections >= shard->buckets_count && grow_buckets(shard) < 0)
        return -ENOMEM;
    struct conversation *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->shard = shard;
    c->hash = p->hash;
    c->point = p->point;
    c->tuple = p->tuple;
    c->node = p->node;
    c->view = shard->views++;
    c->tcp = p->tuple.transport == 6;
    c->first_ns = c->last_ns = p->time_ns;
    c->first_at = p->place;
    struct conversation **at = &shard->buckets[(c->hash >> 8) & (shard->buckets_count - 1)];
    c->next_in_bucket = *at;
    *at = c;
    shard->connections++;
    shard->counters.connections++;
    shard->held_bytes += sizeof *c;
    timer_join(c, c->tcp ? TIMER_HALF_OPEN : TIMER_UDP);
    *ret = c;
    return 0;
}

/* A SYN of a connection that is over, or with another number than that which is open: the ports are used again. */
static bool begins_anew(const struct conversation *c, unsigned direction, const struct shard_packet *p)
{
    if (!c->tcp || (p->flags & (FLAG_SYN | FLAG_ACK | FLAG_RST)) != FLAG_SYN)
        return false;
    const struct stream *s = &c->streams[direction];
    if (s->isn_known)
        return s->isn != p->seq;
    return c->streams[0].packets + c->streams[1].packets > 0 && !(c->streams[!direction].syn && c->streams[!direction].payload == 0);
}

static enum timer timer_for(const struct conversation *c)
{
    if (!c->tcp)
        return TIMER_UDP;
    if (c->reset || (c->streams[0].fin && c->streams[1].fin))
        return TIMER_CLOSED;
    return c->handshake && !c->established_ns && c->streams[1].payload == 0 ? TIMER_HALF_OPEN : TIMER_TCP;
}

static void take(struct conversation *c, unsigned direction, const struct shard_packet *p)
{
    struct stream *s = &c->streams[direction];
    if (p->payload && c->streams[0].bytes + c->streams[1].bytes == 0) /* a connection that was evicted may have said something before it came back */
        c->watched = p->watched && c->shard->counters.evicted_connections == 0;
    s->packets++;
    s->bytes += p->payload;
    if (p->time_ns > c->last_ns)
        c->last_ns = p->time_ns;
    c->last_at = p->place;
    if (c->tcp) {
        segments_packet(c, direction, p);
    } else {
        struct mark mark = { .offset = s->fed, .time_ns = p->time_ns, .place = p->place };
        s->payload += p->captured;
        feed_datagram(c, direction, p->data, p->captured, &mark);
    }
    feed_count(c);
    enum timer timer = timer_for(c);
    if (c->timer != timer) {
        timer_leave(c);
        timer_join(c, timer);
    }
}

int shard_packet(struct shard *shard, const struct shard_packet *p)
{
    unsigned direction = 0;
    shard->counters.packets++;
    if (p->time_ns > shard->now_ns)
        shard->now_ns = p->time_ns;
    look_at_timers(shard);
    struct conversation *c = find(shard, p, &direction);
    if (c && (is_idle(c, p->time_ns) || begins_anew(c, direction, p))) {
        close_connection(c, !c->tcp || c->timer == TIMER_CLOSED ? END_CLOSED : END_IDLE);
        c = NULL;
        direction = 0;
    }
    if (!c) {
        int r = make(shard, p, &c);
        if (r < 0)
            return r;
        direction = 0;
    }
    take(c, direction, p);
    shard_evict_for(shard, c);
    return shard->failed;
}

void shard_expect(const struct shard *shard, uint64_t hash)
{
    __builtin_prefetch(&shard->buckets[(hash >> 8) & (shard->buckets_count - 1)]);
}

static void fetch(const void *memory, size_t size)
{
    for (size_t at = 0; at < size; at += 64)
        __builtin_prefetch((const char *)memory + at);
}

/* The bucket's first: mostly it is the one. */
void shard_expect_soon(const struct shard *shard, uint64_t hash)
{
    const struct conversation *c = shard->buckets[(hash >> 8) & (shard->buckets_count - 1)];
    if (c)
        fetch(c, sizeof *c);
}

void shard_expect_next(const struct shard *shard, uint64_t hash)
{
    const struct conversation *c = shard->buckets[(hash >> 8) & (shard->buckets_count - 1)];
    if (c && c->protocol && c->state)
        fetch(c->state, c->protocol->state_size < STATE_FETCHED_MAX ? c->protocol->state_size : STATE_FETCHED_MAX);
    if (c && c->pending_first)
        fetch(c->pending_first, offsetof(struct message, summary) + SUMMARY_FETCHED);
}

void shard_expect_now(const struct shard *shard, uint64_t hash)
{
    const struct conversation *c = shard->buckets[(hash >> 8) & (shard->buckets_count - 1)];
    if (c && c->pending_first)
        fetch(c->pending_first->values, c->pending_first->size < VALUES_FETCHED_MAX ? c->pending_first->size : VALUES_FETCHED_MAX);
}

int shard_tell_views(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->buckets_count && !shard->failed; i++)
        for (struct conversation *c = shard->buckets[i]; c; c = c->next_in_bucket)
            connection_give_out_view(c);
    return shard->failed;
}

int shard_finish(struct shard *shard)
{
    for (unsigned i = 0; i < TIMERS; i++)
        while (shard->timers[i].oldest) {
            struct conversation *c = shard->timers[i].oldest;
            close_connection(c, c->timer == TIMER_CLOSED || is_idle(c, shard->now_ns) ? end_of(c) : END_INPUT);
        }
    return shard->failed;
}

int shard_new(uint8_t number, const struct shard_options *options, const struct shard_sink *sink, struct shard **ret)
{
    struct shard *shard = calloc(1, sizeof *shard);
    if (!shard)
        return -ENOMEM;
    shard->number = number;
    shard->options = *options;
    shard->pool = options->pool ? options->pool : &shard->own;
    if (!shard->options.limits.bytes)
        shard->options.limits.bytes = SHARD_BYTES_DEFAULT;
    if (!shard->options.limits.connections)
        shard->options.limits.connections = SHARD_CONNECTIONS_DEFAULT;
    shard->sink = *sink;
    if (grow_buckets(shard) < 0) {
        free(shard);
        return -ENOMEM;
    }
    *ret = shard;
    return 0;
}

const struct shard_counters *shard_counters(const struct shard *shard) { return &shard->counters; }

void shard_free(struct shard *shard)
{
    if (!shard)
        return;
    shard->failed = -ECANCELED; /* nothing more goes out */
    (void)shard_finish(shard);
    message_pool_free(&shard->own);
    free(shard->buckets);
    free(shard);
}
