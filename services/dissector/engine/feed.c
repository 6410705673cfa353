#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/internal.h"

#define HELD_ROOM_LEAST 2048u
#define MARKS_ROOM_LEAST 8u
#define MARKS_KEPT_MAX 64u
#define HELD_KEPT_MAX (64u * 1024) /* room that an emptied buffer keeps */

bool feed_hold(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark)
{
    struct stream *s = &c->streams[direction];
    if (size > CONVERSATION_UNPARSED_MAX - (s->held_size < CONVERSATION_UNPARSED_MAX ? s->held_size : CONVERSATION_UNPARSED_MAX))
        return false;
    if (s->held_size + size > s->held_room) {
        uint32_t room = s->held_room ? s->held_room : HELD_ROOM_LEAST;
        while (room < s->held_size + size)
            room *= 2;
        uint8_t *held = realloc(s->held, room);
        if (!held)
            return false;
        c->shard->held_bytes += room - s->held_room;
        s->held = held;
        s->held_room = room;
    }
    if (s->marks_count == MARKS_MAX)
        return false;
    if (s->marks_count == s->marks_room) {
        uint32_t room = s->marks_room ? s->marks_room * 2 : MARKS_ROOM_LEAST;
        struct mark *marks = realloc(s->marks, room * sizeof *marks);
        if (!marks)
            return false;
        c->shard->held_bytes += (room - s->marks_room) * sizeof *marks;
        s->marks = marks;
        s->marks_room = room;
    }
    s->marks[s->marks_count++] = *mark;
    memcpy(s->held + s->held_size, data, size);
    s->held_size += size;
    return true;
}

void feed_drop_held(struct conversation *c, unsigned direction, uint32_t size)
{
    struct stream *s = &c->streams[direction];
    s->held_size -= size;
    if (s->held_size == 0) {
        s->marks_count = s->looked = 0;
        if (s->held_room > HELD_KEPT_MAX) {
            c->shard->held_bytes -= s->held_room;
            free(s->held);
            s->held = NULL;
            s->held_room = 0;
        }
        if (s->marks_room > MARKS_KEPT_MAX) {
            c->shard->held_bytes -= s->marks_room * sizeof *s->marks;
            free(s->marks);
            s->marks = NULL;
            s->marks_room = 0;
        }
        return;
    }
    memmove(s->held, s->held + size, s->held_size);
    uint64_t first = s->fed - s->held_size; /* offset of what is first now */
    uint32_t gone = 0;
    while (gone + 1 < s->marks_count && s->marks[gone + 1].offset <= first)
        gone++;
    s->marks_count -= gone;
    s->looked = s->looked > gone ? s->looked - gone : 0;
    memmove(s->marks, s->marks + gone, s->marks_count * sizeof *s->marks);
}

static void close_protocol(struct conversation *c)
{
    if (!c->protocol)
        return;
    if (c->protocol->close)
        c->protocol->close(c);
    free(c->state);
    c->state = NULL;
    c->protocol = NULL;
}

void feed_open(struct conversation *c, const struct protocol *protocol, void *state)
{
    c->state = state || !protocol->state_size ? state : calloc(1, protocol->state_size);
    if (protocol->state_size && !c->state) {
        c->shard->counters.failed++;
        c->ignored = true;
        return;
    }
    c->protocol = protocol;
    c->skip = selection_skipped(c->shard->options.fields, protocol_number(protocol));
    for (uint32_t i = 0; i < c->detected_count; i++)
        if (c->detected[i] == protocol)
            return;
    if (c->detected_count < DETECTED_MAX)
        c->detected[c->detected_count++] = protocol;
}

/* A parser's call asked for another parser, or for none. Returns whether it did. */
static bool follow_switch(struct conversation *c)
{
    if (!c->switch_to && !c->detect_again && !(c->ignored && c->protocol))
        return false;
    const struct protocol *next = c->switch_to;
    void *state = c->switch_state;
    c->switch_to = NULL;
    c->switch_state = NULL;
    c->detect_again = false;
    close_protocol(c);
    c->ignored = c->ignored || c->switches++ == SWITCHES_MAX;
    if (c->ignored) {
        free(state);
        return true;
    }
    pairing_close(c); /* the next one's responses answer none of these */
    c->desyncs = 0;
    c->detect_no = 0;
    c->strange = false;
    if (next)
        feed_open(c, next, state);
    return true;
}

static void open_gap(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    c->before_gap = (struct before_gap){ .gap_end = s->gap_end, .answered_acked = c->answered_acked, .gap_open = s->gap_open, .unsure = c->unsure };
    s->gap_end = s->fed;
    s->gap_open = true;
    pairing_gap(c, direction);
}

void conversation_gap_inside(struct conversation *c, enum side side)
{
    struct stream *s = &c->streams[direction_of(c, side)];
    s->gap_end = c->before_gap.gap_end;
    s->gap_open = c->before_gap.gap_open;
    c->unsure = c->before_gap.unsure;
    c->answered_acked = c->before_gap.answered_acked;
}

/* The parser does not know these bytes. */
static void lose_way(struct conversation *c, unsigned direction)
{
    c->shard->counters.desyncs++;
    if (++c->desyncs >= CONVERSATION_DESYNCS_MAX) {
        c->ignored = true;
        return;
    }
    open_gap(c, direction);
    c->protocol->gap(c, side_of(c, direction), 0);
}

/* Gives data to the parser until it wants more than there is. Returns how many bytes are dealt with; what is behind a switch of parsers is left for the next one. */
static uint32_t parse_all(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size)
{
    uint32_t at = 0;
    while (at < size && c->protocol && !c->ignored) {
        uint32_t entries = c->entries;
        int64_t n = c->protocol->parse ? c->protocol->parse(c, side_of(c, direction), data + at, size - at) : -EBADMSG;
        if (n == 0)
            break;
        if (n < 0 || n > size - at) {
            lose_way(c, direction);
            at = size;
        } else {
            at += (uint32_t)n;
            if (c->entries != entries)
                c->desyncs = 0;
        }
        if (follow_switch(c))
            break;
    }
    return c->ignored ? size : at;
}

/* Parses at `data`, which begins at stream offset `offset`. */
static uint32_t run(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, uint64_t offset)
{
    struct stream *s = &c->streams[direction];
    s->base = data;
    s->base_offset = offset;
    c->parsing = true;
    uint32_t done = parse_all(c, direction, data, size);
    c->parsing = false;
    s->base = s->pin_first = s->pin_last = NULL;
    return done;
}

void feed_held(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    while (s->held_size > 0 && (c->protocol || c->ignored)) {
        const struct protocol *before = c->protocol;
        uint32_t done = c->ignored ? s->held_size : run(c, direction, s->held, s->held_size, s->fed - s->held_size);
        feed_drop_held(c, direction, done);
        if (c->protocol == before)
            break;
    }
    if (s->held_size > 0 && !c->protocol && !c->ignored)
        detect_stream(c, direction);
}

/* Whatever was held when the parser changed. */
static void feed_other(struct conversation *c, unsigned direction, const struct protocol *before)
{
    if (c->protocol != before && c->streams[!direction].held_size > 0)
        feed_held(c, !direction);
}

static void hold_or_drop(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark)
{
    struct stream *s = &c->streams[direction];
    if (feed_hold(c, direction, data, size, mark))
        return;
    c->shard->counters.unparsed_dropped++;
    uint64_t lost = (uint64_t)s->held_size + size;
    feed_drop_held(c, direction, s->held_size);
    open_gap(c, direction);
    if (c->protocol)
        c->protocol->gap(c, side_of(c, direction), lost);
}

void feed_bytes(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark)
{
    struct stream *s = &c->streams[direction];
    const struct protocol *before = c->protocol;
    s->now = *mark;
    uint64_t offset = s->fed;
    s->fed += size;
    s->seq += size;
    if (c->ignored || size == 0)
        return;
    if (c->protocol && s->held_size == 0) {
        uint32_t done = run(c, direction, data, size, offset);
        if (done < size) {
            struct mark rest = *mark;
            rest.offset = offset + done;
            hold_or_drop(c, direction, data + done, size - done, &rest);
            if (c->protocol != before)
                feed_held(c, direction);
        }
    } else {
        hold_or_drop(c, direction, data, size, mark);
        feed_held(c, direction);
    }
    feed_other(c, direction, before);
}

void feed_datagram(struct conversation *c, unsigned direction, const uint8_t *data, uint32_t size, const struct mark *mark)
{
    struct stream *s = &c->streams[direction];
    uint64_t offset = s->fed;
    s->now = *mark;
    s->fed += size;
    if (c->ignored || size == 0 || (!c->protocol && !detect_datagram(c, direction, data, size)))
        return;
    s->base = data;
    s->base_offset = offset;
    if (!c->protocol->datagram || c->protocol->datagram(c, side_of(c, direction), data, size) < 0) {
        c->shard->counters.desyncs++;
        if (++c->desyncs >= CONVERSATION_DESYNCS_MAX)
            c->ignored = true;
    } else {
        c->desyncs = 0;
    }
    s->base = NULL;
    follow_switch(c);
}

void feed_gap(struct conversation *c, unsigned direction, uint64_t lost)
{
    struct stream *s = &c->streams[direction];
    c->shard->counters.gaps++;
    c->shard->counters.gap_bytes += lost;
    s->missing += lost;
    uint64_t held = s->held_size;
    if (held)
        feed_drop_held(c, direction, s->held_size);
    s->fed += lost;
    s->seq += (uint32_t)lost;
    open_gap(c, direction);
    if (c->ignored)
        return;
    if (c->protocol)
        c->protocol->gap(c, side_of(c, direction), held + lost);
    follow_switch(c);
}

void feed_finish(struct conversation *c, unsigned direction)
{
    struct stream *s = &c->streams[direction];
    s->finished = true;
    if (c->protocol && !c->ignored && c->protocol->finish) {
        c->protocol->finish(c, side_of(c, direction));
        follow_switch(c);
    }
}

void feed_count(struct conversation *c)
{
    const struct protocol *protocol = c->protocol;
    uint64_t bytes = !protocol ? 0 : protocol->state_size + (protocol->memory ? protocol->memory(c->state) : 0);
    c->shard->held_bytes += bytes - c->parser_bytes;
    c->parser_bytes = bytes;
}

void feed_close(struct conversation *c, enum conversation_end end)
{
    c->end = (uint8_t)end;
    free(c->switch_state);
    c->switch_state = NULL;
    c->switch_to = NULL;
    c->detect_again = false;
    close_protocol(c);
    feed_count(c);
    pairing_close(c);
    for (unsigned i = 0; i < 2; i++) {
        struct stream *s = &c->streams[i];
        c->shard->held_bytes -= s->held_room + s->marks_room * sizeof *s->marks;
        free(s->held);
        free(s->marks);
        s->held = NULL;
        s->marks = NULL;
        s->held_size = s->held_room = s->marks_count = s->marks_room = 0;
    }
}

void *conversation_state(struct conversation *c) { return c->state; }
enum conversation_end conversation_end(const struct conversation *c) { return (enum conversation_end)c->end; }
bool conversation_started_before(const struct conversation *c) { return c->tcp && !c->from_start; }
enum redact_level conversation_redact(const struct conversation *c) { return c->shard->options.redact; }

bool conversation_on_port(const struct conversation *c, uint16_t port)
{
    uint16_t server = c->swapped ? c->tuple.source_port : c->tuple.destination_port;
    return server == port || (!c->side_known && (c->tuple.source_port == port || c->tuple.destination_port == port));
}

void *conversation_switch(struct conversation *c, const struct protocol *next)
{
    free(c->switch_state);
    c->switch_to = next;
    c->switch_state = next->state_size ? calloc(1, next->state_size) : NULL;
    return c->switch_state;
}

void conversation_detect_again(struct conversation *c) { c->detect_again = true; }
void conversation_ignore(struct conversation *c) { c->ignored = true; }

bool conversation_to_group(const struct conversation *c)
{
    const uint8_t *server = c->swapped ? c->tuple.source : c->tuple.destination;
    return c->tuple.version == 4 ? (server[0] & 0xf0) == 0xe0 : server[0] == 0xff;
}

/* The packet that the byte at p came with. */
static const struct mark *mark_at(const struct stream *s, const uint8_t *p, uint64_t *ret_offset)
{
    uint64_t offset = s->base ? s->base_offset + (uint64_t)(p - s->base) : s->fed;
    *ret_offset = offset;
    if (!s->base || s->base != s->held || s->marks_count == 0)
        return &s->now;
    uint32_t low = 0, high = s->marks_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->marks[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return &s->marks[low];
}

void conversation_pin(struct conversation *c, enum side side, const uint8_t *first, const uint8_t *last)
{
    struct stream *s = &c->streams[direction_of(c, side)];
    s->pin_first = first;
    s->pin_last = last;
}

struct message *conversation_message(struct conversation *c, enum side side, const uint8_t *first)
{
    struct message *m = message_take(c->shard);
    struct stream *s = &c->streams[direction_of(c, side)];
    const struct mark *mark = mark_at(s, s->pin_first ? s->pin_first : first, &m->from);
    if (s->gap_open) { /* what was skipped on the way here may have held messages, too */
        s->gap_open = false;
        s->gap_end = m->from > s->gap_end ? m->from : s->gap_end;
    }
    m->protocol = c->protocol;
    m->first_ns = m->last_ns = mark->time_ns;
    m->at = mark->place;
    m->acked = mark->acked;
    m->gap_end = s->gap_end;
    m->to = m->from + 1;
    m->redact = (uint8_t)c->shard->options.redact;
    m->skip = c->skip;
    m->skip_summary = !selection_has(c->shard->options.fields, SELECT_SUMMARY);
    m->body_max = c->shard->options.body_max;
    return m;
}

int64_t conversation_time(const struct conversation *c, enum side side, const uint8_t *at)
{
    uint64_t offset;
    const struct stream *s = &c->streams[direction_of(c, side)];
    return mark_at(s, s->pin_first ? s->pin_first : at, &offset)->time_ns;
}

void conversation_last(struct conversation *c, enum side side, struct message *m, const uint8_t *last)
{
    uint64_t offset;
    const struct stream *s = &c->streams[direction_of(c, side)];
    const struct mark *mark = mark_at(s, s->pin_last ? s->pin_last : last, &offset);
    m->last_ns = mark->time_ns;
    m->at = mark->place;
    m->to = offset + 1;
}
