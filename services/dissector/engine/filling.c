#include "services/dissector/engine/filling.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/internal.h"
#include "services/dissector/engine/strip.h"

enum { FLAG_FIN = 1, FLAG_SYN = 2, FLAG_PUSH = 8, FLAG_ACK = 16 };
#define LINE_START (UINT64_C(1) << 40) /* offset of the first number seen: none lies so far before it */

#define BEFORE_BYTES_MAX 65536u        /* between a handshake that only others saw and what the teller saw first: beyond it, it began in the middle */

struct filler { struct shard *shard; struct shard_limits limits; uint64_t kept; uint32_t open; };

/* One direction, as all views know it. */
struct line {
    bool known;
    uint32_t seq; uint64_t offset;  /* the furthest one seen */
    struct strip own, others;       /* the teller's bytes that others may bring later; the others' that the teller may ask for */
    uint64_t given;                 /* bytes of others that were supplied */
    bool less;                      /* of the teller's own bytes the first dissection had more */
};

struct one_view {
    struct tuple tuple;             /* source: the end that is the source of the teller's */
    bool isn_known[2]; uint32_t isn[2];
    int64_t syn_ns[2];              /* 0: not seen */
    uint64_t ends[2];               /* behind the last byte seen */
    uint64_t payload[2];            /* of the first dissection */
    bool over, closed, proven, clock_known;
    bool used, excluded;            /* something of it was believed; it contradicted another */
    uint8_t finished;               /* bit per line whose FIN it saw */
    int64_t clock_ns;               /* the teller's clock minus this one's */
    uint64_t equal, given;
};

struct filling {
    struct filler *filler;
    struct conversation *c;         /* NULL: the teller has not begun, or all is over */
    unsigned turned;                /* the conversation's direction 0 is line 1 */
    struct line lines[2];
    uint32_t node, number, end;     /* of the teller's view */
    uint8_t shard, outcome;
    bool watched;                   /* the teller's view was, in the first dissection: this time less is read */
    uint64_t given;
    uint32_t count, open;           /* views; those that are not over */
    uint32_t left, contradicted;    /* others than the teller that are asked; contradictions */
    struct one_view views[];
};

static bool is_end(const struct tuple *t, const uint8_t *address, uint16_t port) { return memcmp(t->source, address, 16) == 0 && t->source_port == port; }

static void fill_view(const struct view *from, const struct tuple *teller, struct one_view *to)
{
    bool turned = !is_end(teller, from->tuple.source, from->tuple.source_port) && is_end(teller, from->tuple.destination, from->tuple.destination_port);
    to->tuple = from->tuple;
    if (turned) { /* it took the other end for the client */
        memcpy(to->tuple.source, from->tuple.destination, 16);
        memcpy(to->tuple.destination, from->tuple.source, 16);
        to->tuple.source_port = from->tuple.destination_port;
        to->tuple.destination_port = from->tuple.source_port;
    }
    to->closed = from->end == END_CLOSED;
    to->isn_known[turned] = from->flags & VIEW_CLIENT_ISN;
    to->isn_known[!turned] = from->flags & VIEW_SERVER_ISN;
    to->isn[turned] = from->client_isn;
    to->isn[!turned] = from->server_isn;
    to->payload[turned] = from->client_payload;
    to->payload[!turned] = from->payload_bytes - from->client_payload;
}

int filling_new(struct filler *filler, const struct view *views, uint32_t count, uint8_t shard, uint32_t number, struct filling **ret)
{
    if (count < 2 || count > FILLING_VIEWS_MAX)
        return -EINVAL;
    if (filler->open >= filler->limits.connections)
        return -ENOSPC;
    struct filling *f = calloc(1, sizeof *f + count * sizeof *f->views);
    if (!f)
        return -ENOMEM;
    f->filler = filler;
    f->node = views[0].node;
    f->number = number;
    f->shard = shard;
    f->end = views[0].end;
    f->watched = views[0].flags & VIEW_WATCHED;
    f->count = f->open = count;
    f->left = count - 1;
    for (uint32_t i = 0; i < count; i++) {
        struct one_view *view = &f->views[i];
        fill_view(&views[i], &views[0].tuple, view);
        view->clock_known = views[i].node == views[0].node; /* and the difference is 0, until it is measured */
        for (unsigned line = 0; line < 2; line++)
            view->proven = view->proven || (view->isn_known[line] && f->views[0].isn_known[line] && view->isn[line] == f->views[0].isn[line]);
    }
    filler->open++;
    *ret = f;
    return 0;
}

static uint64_t kept_by(const struct filling *f)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < 2; i++)
        bytes += f->lines[i].own.bytes + f->lines[i].others.bytes;
    return bytes;
}

/* Where a number lies, seen from the furthest; false: not in this stream. */
static bool offset_of(const struct line *line, uint32_t seq, uint64_t *ret)
{
    int32_t d = (int32_t)(seq - line->seq);
    if (!line->known || d > JUMP_MAX || d < -JUMP_MAX)
        return false;
    *ret = line->offset + (uint64_t)(int64_t)d;
    return true;
}

static bool place_packet(struct line *line, uint32_t seq, uint64_t *ret)
{
    if (!line->known)
        *line = (struct line){ .known = true, .seq = seq, .offset = LINE_START };
    if (!offset_of(line, seq, ret))
        return false;
    if (*ret > line->offset) {
        line->offset = *ret;
        line->seq = seq;
    }
    return true;
}

static struct line *line_of(const struct conversation *c, unsigned direction) { return &c->filling->lines[direction ^ c->filling->turned]; }

/* Where the teller's stream stands; false: that is not known yet. */
static bool fed_offset(const struct conversation *c, unsigned direction, uint64_t *ret)
{
    return c->streams[direction].known && offset_of(line_of(c, direction), c->streams[direction].seq, ret);
}

/* Whether line begins behind the number that another view's handshake has: the teller saw the other half of it, or nothing but what came shortly after. p: its first packet. */
static bool begins_behind(const struct filling *f, unsigned line, uint32_t isn, const struct shard_packet *p)
{
    uint32_t before = (line == f->turned ? p->seq : p->ack) - isn - 1;
    return f->views[0].isn_known[!line] || ((p->flags & FLAG_ACK) && before <= BEFORE_BYTES_MAX);
}

/* Where the teller lost packets of the handshake that others saw: its streams begin there. */
static void begin_at_handshake(struct filling *f, const struct shard_packet *p)
{
    struct conversation *c = f->c;
    bool known = f->views[0].isn_known[0] || f->views[0].isn_known[1];
    for (uint32_t i = 1; i < f->count; i++)
        for (unsigned line = 0; line < 2; line++) {
            struct stream *s = &c->streams[line ^ f->turned];
            uint32_t isn = f->views[i].isn[line];
            if (f->views[i].excluded || !f->views[i].isn_known[line] || f->views[0].isn_known[line] || s->known || !begins_behind(f, line, isn, p))
                continue;
            segments_begin(s, isn);
            f->views[i].used = true;
            c->from_start = true;
        }
    if (c->from_start && !known) {
        c->side_known = true;
        c->swapped = f->turned;
    }
}

static int begin(struct filling *f, unsigned line, const struct shard_packet *p)
{
    struct conversation *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    *c = (struct conversation){ .shard = f->filler->shard, .hash = p->hash, .point = p->point, .tuple = p->tuple, .node = f->node, .view = f->number, .tcp = true, .first_ns = p->time_ns, .last_ns = p->time_ns,
                                .first_at = p->place, .watched = f->watched, .filling = f };
    c->shard->held_bytes += sizeof *c;
    f->turned = line;
    f->c = c;
    begin_at_handshake(f, p);
    return 0;
}

/* Closed, where one view saw that, or all together both FINs. */
static enum conversation_end end_of(const struct filling *f)
{
    unsigned finished = 0;
    bool closed = false;
    for (uint32_t i = 0; i < f->count; i++)
        if (!f->views[i].excluded) {
            finished |= f->views[i].finished;
            closed = closed || f->views[i].closed;
        }
    return closed || finished == 3 ? END_CLOSED : (enum conversation_end)f->end;
}

static void close_conversation(struct filling *f, bool quietly)
{
    struct conversation *c = f->c;
    int failed = c->shard->failed;
    if (quietly)
        c->shard->failed = -ECANCELED;
    segments_flush(c);
    for (unsigned line = 0; line < 2; line++)
        f->lines[line].less = c->streams[line ^ f->turned].payload - f->lines[line].given < f->views[0].payload[line];
    segments_free(c);
    feed_close(c, end_of(f));
    connection_emit(c);
    c->shard->failed = quietly ? failed : c->shard->failed;
    c->shard->held_bytes -= sizeof *c;
    free(c);
    f->c = NULL;
}

static void let_go(struct filling *f)
{
    if (f->c)
        close_conversation(f, true);
    f->filler->kept -= kept_by(f);
    for (unsigned i = 0; i < 2; i++) {
        strip_free(&f->lines[i].own);
        strip_free(&f->lines[i].others);
    }
}

static void refuse(struct filling *f, enum filling_outcome outcome)
{
    f->outcome = (uint8_t)outcome;
    let_go(f);
}

static void compare_clocks(struct one_view *view, int64_t teller_ns, int64_t view_ns)
{
    view->clock_known = true;
    view->clock_ns = teller_ns - view_ns;
}

static void note_syn(struct filling *f, uint32_t view, unsigned line, int64_t time_ns)
{
    f->views[view].syn_ns[line] = time_ns;
    for (uint32_t i = 1; i < f->count; i++)
        if ((view == 0 || view == i) && f->views[i].syn_ns[line] && f->views[0].syn_ns[line])
            compare_clocks(&f->views[i], f->views[0].syn_ns[line], f->views[i].syn_ns[line]);
}

/* An acknowledgement that ends where another view's bytes end is no accident. */
static void note_ack(struct filling *f, uint32_t view, unsigned line, uint32_t ack)
{
    struct line *other = &f->lines[!line];
    const struct strip *strip = view == 0 ? &other->others : &other->own;
    uint64_t offset;
    if (strip->count == 0 || !offset_of(other, ack, &offset))
        return;
    const struct piece *piece = strip_find(strip, offset - 1);
    if (piece && piece->offset + piece->size == offset && (view == 0 || piece->source == 0))
        f->views[view == 0 ? piece->source : view].proven = true;
}

/* A view says something else than another: it is asked no more. Where it was believed already, or no other is left, the whole filling counts for nothing. */
static void contradict(struct filling *f, uint32_t view)
{
    f->contradicted++;
    if (f->outcome != FILLING_GOES_ON)
        return;
    if (view == 0 || f->views[view].used || f->left == 1) {
        refuse(f, FILLING_DIFFERS);
        return;
    }
    f->left--;
    f->views[view].excluded = f->views[view].over = true;
    for (unsigned line = 0; line < 2; line++) {
        uint64_t before = f->lines[line].others.bytes;
        strip_forget(&f->lines[line].others, (uint8_t)view);
        f->filler->kept -= before - f->lines[line].others.bytes;
    }
}

/* Packet and piece are the same segment, it seems: then their times tell how the clocks differ. */
static bool is_copy(const struct piece *piece, uint64_t offset, const struct shard_packet *p) { return piece->offset == offset && piece->size == p->captured; }

/* With what views other than the teller brought. False: the packet's own view is out. */
static bool compare_with_others(struct filling *f, uint32_t view, unsigned line, uint64_t offset, const struct shard_packet *p)
{
    const struct strip *others = &f->lines[line].others;
    const struct piece *piece;
    for (uint64_t at = offset, end = offset + p->captured; at < end && (piece = strip_find(others, at)) && piece->offset < end;) {
        uint64_t from = piece->offset > offset ? piece->offset : offset, to = piece->offset + piece->size < end ? piece->offset + piece->size : end;
        uint32_t source = piece->source;
        if (memcmp(piece->data + (from - piece->offset), p->data + (from - offset), to - from) != 0) {
            contradict(f, source);
            if (view != 0 && source != view)
                contradict(f, view); /* which of the two is wrong cannot be told */
            if (view != 0 || f->outcome != FILLING_GOES_ON)
                return false;
            continue;
        }
        at = to;
        if (view == 0) {
            f->views[source].equal += to - from;
            if (is_copy(piece, offset, p))
                compare_clocks(&f->views[source], p->time_ns, piece->time_ns);
        }
    }
    return true;
}

/* What two views have of one place. False: the packet's own view is out. */
static bool compare(struct filling *f, uint32_t view, unsigned line, uint64_t offset, const struct shard_packet *p)
{
    const struct strip *own = &f->lines[line].own;
    if (strip_differs(own, offset, p->data, p->captured, view == 0 ? NULL : &f->views[view].equal)) {
        contradict(f, view);
        return false;
    }
    const struct piece *piece = strip_find(own, offset);
    if (view != 0 && piece && piece->source == 0 && is_copy(piece, offset, p))
        compare_clocks(&f->views[view], piece->time_ns, p->time_ns);
    return compare_with_others(f, view, line, offset, p);
}

/* Keeps the packet's bytes for whoever comes later. -ENOMEM. */
static int keep(struct filling *f, uint32_t view, unsigned line, uint64_t offset, const struct shard_packet *p)
{
    struct line *l = &f->lines[line];
    struct piece head = { .offset = offset, .size = p->captured, .ack = p->ack, .has_ack = p->flags & FLAG_ACK, .source = (uint8_t)view, .time_ns = p->time_ns, .place = p->place };
    uint64_t before = l->own.bytes + l->others.bytes;
    int r = view == 0 ? strip_add(&l->own, &head, p->data) : l->others.bytes < FILLING_AHEAD_BYTES_MAX ? strip_add(&l->others, &head, p->data) : 0;
    strip_shrink(&l->own, FILLING_BEHIND_BYTES_MAX);
    f->filler->kept += l->own.bytes + l->others.bytes - before;
    return r;
}

/* Of the teller's what every other view has passed, of the others' what the teller has. */
static void forget(struct filling *f, unsigned line)
{
    struct line *l = &f->lines[line];
    uint64_t before = l->own.bytes + l->others.bytes, passed = UINT64_MAX, fed;
    for (uint32_t i = 1; i < f->count; i++)
        if (!f->views[i].over && f->views[i].ends[line] < passed)
            passed = f->views[i].ends[line];
    strip_drop(&l->own, passed);
    if (f->c && fed_offset(f->c, line ^ f->turned, &fed))
        strip_drop(&l->others, fed);
    f->filler->kept -= before - (l->own.bytes + l->others.bytes);
}

/* A single byte that is not the next one, and with which its sender ends nothing: nobody's. */
static bool is_keep_alive(const struct one_view *view, unsigned line, uint64_t offset, const struct shard_packet *p)
{
    uint64_t end = view->ends[line];
    return p->payload == 1 && end != 0 && offset != end && !(offset > end && (p->flags & FLAG_PUSH));
}

/* The packet's bytes, compared and kept. */
static void take_bytes(struct filling *f, uint32_t view, unsigned line, uint64_t offset, const struct shard_packet *p)
{
    struct one_view *v = &f->views[view];
    if (is_keep_alive(v, line, offset, p))
        return;
    if (p->captured > 0 && !compare(f, view, line, offset, p))
        return;
    if (p->captured > 0 && keep(f, view, line, offset, p) < 0)
        refuse(f, FILLING_GIVEN_UP);
    if (offset + p->payload > v->ends[line])
        v->ends[line] = offset + p->payload;
}

static int take(struct filling *f, uint32_t view, unsigned line, const struct shard_packet *p)
{
    uint64_t offset;
    if (p->flags & FLAG_FIN)
        f->views[view].finished = (uint8_t)(f->views[view].finished | 1u << line);
    if (p->flags & FLAG_SYN)
        note_syn(f, view, line, p->time_ns);
    if (p->flags & FLAG_ACK)
        note_ack(f, view, line, p->ack);
    if (place_packet(&f->lines[line], p->seq + ((p->flags & FLAG_SYN) != 0), &offset) && p->payload > 0)
        take_bytes(f, view, line, offset, p);
    if (view != 0 || f->outcome != FILLING_GOES_ON)
        return 0;
    if (!f->c && begin(f, line, p) < 0)
        return -ENOMEM;
    struct conversation *c = f->c;
    struct stream *s = &c->streams[line ^ f->turned];
    s->packets++;
    s->bytes += p->payload;
    c->last_ns = p->time_ns > c->last_ns ? p->time_ns : c->last_ns;
    c->last_at = p->place;
    segments_packet(c, line ^ f->turned, p);
    feed_count(c);
    return 0;
}

static void finish(struct filling *f)
{
    enum filling_outcome outcome = FILLING_DONE;
    if (f->c)
        close_conversation(f, false);
    for (uint32_t i = 1; i < f->count; i++)
        if (f->views[i].given > 0 && !f->views[i].proven && f->views[i].equal < FILLING_EQUAL_BYTES)
            outcome = FILLING_UNPROVEN;
    if (f->lines[0].less || f->lines[1].less) /* packets were passed over this time, or the input has changed since */
        outcome = FILLING_LESS;
    refuse(f, outcome);
}

int filling_packet(struct filling *f, uint32_t view, const struct shard_packet *p, bool last)
{
    struct filler *filler = f->filler;
    unsigned line = is_end(&f->views[view].tuple, p->tuple.source, p->tuple.source_port) ? 0 : 1;
    if (f->outcome != FILLING_GOES_ON)
        return 0;
    filler->shard->number = f->shard;
    int r = f->views[view].excluded ? 0 : take(f, view, line, p);
    if (r < 0)
        return r;
    if (last) {
        f->views[view].over = true;
        f->open--;
    }
    if (f->outcome == FILLING_GOES_ON) {
        forget(f, 0);
        forget(f, 1);
        if (f->open == 0)
            finish(f);
        else if (filler->kept + filler->shard->held_bytes > filler->limits.bytes)
            refuse(f, FILLING_GIVEN_UP);
    }
    return filler->shard->failed;
}

/* When the copy would have passed here. */
static int64_t time_of(const struct conversation *c, unsigned direction, const struct piece *piece, uint64_t end)
{
    const struct stream *s = &c->streams[direction];
    const struct one_view *view = &c->filling->views[piece->source];
    int64_t least = s->now.time_ns || !view->clock_known ? s->now.time_ns : INT64_MIN;
    const struct waiting *answer = c->streams[!direction].waiting;
    int64_t most = s->waiting ? s->waiting->time_ns : end <= s->acked || !view->clock_known ? c->last_ns : INT64_MAX;
    if (answer && answer->acked >= end && answer->time_ns < most)
        most = answer->time_ns;
    int64_t time_ns = most;
    if (view->clock_known && __builtin_add_overflow(piece->time_ns, view->clock_ns, &time_ns))
        time_ns = view->clock_ns > 0 ? SHARD_TIME_MAX : -SHARD_TIME_MAX;
    time_ns = time_ns < most ? time_ns : most;
    return time_ns > least ? time_ns : least;
}

uint64_t filling_fill(struct conversation *c, unsigned direction, uint64_t lost)
{
    struct filling *f = c->filling;
    struct line *line = line_of(c, direction);
    const struct strip *strip = &line->others;
    uint64_t from, done = 0, offset = c->streams[direction].fed, before = line->own.bytes;
    const struct piece *piece;
    if (!fed_offset(c, direction, &from))
        return 0;
    while (done < lost && (piece = strip_find(strip, from + done)) && piece->offset <= from + done) {
        uint32_t skip = (uint32_t)(from + done - piece->offset), size = piece->size - skip;
        size = size < lost - done ? size : (uint32_t)(lost - done);
        int64_t time_ns = time_of(c, direction, piece, offset + done + size);
        if (!segments_supply(c, direction, offset + done, piece->has_ack ? &piece->ack : NULL, piece->data + skip, size, time_ns, piece->place))
            break;
        (void)strip_add(&line->own, piece, piece->data); /* from now on others are compared with it; without memory they are not */
        f->views[piece->source].used = true;
        f->views[piece->source].given += size;
        f->given += size;
        line->given += size;
        done += size;
    }
    f->filler->kept += line->own.bytes - before;
    return done;
}

bool filling_may_come(const struct conversation *c, unsigned direction, uint64_t lost)
{
    const struct filling *f = c->filling;
    unsigned line = direction ^ f->turned;
    uint64_t from;
    if (!fed_offset(c, direction, &from) || f->lines[line].others.bytes >= FILLING_AHEAD_BYTES_MAX)
        return false;
    for (uint32_t i = 1; i < f->count; i++)
        if (!f->views[i].over && f->views[i].payload[line] > 0 && f->views[i].ends[line] < from + lost)
            return true;
    return false;
}

uint64_t filling_gap(const struct conversation *c, unsigned direction, uint64_t lost)
{
    uint64_t from;
    const struct piece *next = fed_offset(c, direction, &from) ? strip_find(&line_of(c, direction)->others, from) : NULL;
    return next && next->offset > from && next->offset - from < lost ? next->offset - from : lost;
}

uint64_t filling_end(const struct conversation *c, unsigned direction)
{
    uint64_t from, end = strip_end(&line_of(c, direction)->others);
    bool closed = false;
    for (uint32_t i = 1; i < c->filling->count; i++)
        closed = closed || (c->filling->views[i].closed && !c->filling->views[i].excluded);
    return closed && fed_offset(c, direction, &from) && end > from ? c->streams[direction].fed + (end - from) : 0;
}

bool filling_saw(const struct conversation *c, unsigned direction)
{
    for (uint32_t i = 1; i < c->filling->count; i++)
        if (c->filling->views[i].payload[direction ^ c->filling->turned] > 0 && !c->filling->views[i].excluded)
            return true;
    return false;
}

uint64_t filling_given(const struct conversation *c) { return c->filling->given; }
enum filling_outcome filling_outcome(const struct filling *f) { return (enum filling_outcome)f->outcome; }
uint32_t filling_contradicted(const struct filling *f) { return f->contradicted; }
uint64_t filling_from(const struct filling *f, uint32_t view) { return f->views[view].given; }

void filling_free(struct filling *f)
{
    if (!f)
        return;
    let_go(f);
    f->filler->open--;
    free(f);
}

static int drop_view(void *context, uint32_t number, const struct view *view)
{
    (void)context;
    (void)number;
    (void)view;
    return 0;
}

int filler_new(const struct shard_options *options, const struct shard_sink *sink, struct filler **ret)
{
    struct filler *filler = calloc(1, sizeof *filler);
    struct shard_options own = *options;
    struct shard_sink quiet = { sink->entry, drop_view, sink->context };
    if (!filler)
        return -ENOMEM;
    filler->limits = (struct shard_limits){ options->limits.bytes ? options->limits.bytes : FILLER_BYTES_MAX, options->limits.connections ? options->limits.connections : FILLER_CONNECTIONS_MAX };
    own.limits.bytes = UINT64_MAX; /* its conversations are in no list of the shard's: they cannot be evicted */
    int r = shard_new(0, &own, &quiet, &filler->shard);
    if (r < 0) {
        free(filler);
        return r;
    }
    *ret = filler;
    return 0;
}

void filler_free(struct filler *filler)
{
    if (!filler)
        return;
    shard_free(filler->shard);
    free(filler);
}
