#include "services/dissector/flow/fragments.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/segment_index.h"

#define BUCKETS 4096u                   /* a power of two */
#define PARTS_LEAST 4u
#define UNIT_BYTES 8u                   /* of all but the last fragment's length */

struct part { uint32_t from, to, captured_to; uint32_t frame; int64_t time_ns, order_ns; };

struct waiting {
    struct waiting *next_in_bucket;
    struct waiting *older, *newer;
    struct fragment_key key;
    uint64_t hash;
    int64_t first_ns;
    struct part *parts; uint32_t parts_count, parts_room; /* by place, disjoint */
    uint8_t *data; uint32_t room;
    uint32_t end;                       /* 0: the last fragment has not come */
    uint32_t have;                      /* bytes of the parts */
    uint8_t protocol;                   /* known with the part at 0 */
    bool dropped;                       /* RFC 5722 */
};

struct fragments {
    struct waiting *buckets[BUCKETS];
    struct waiting *oldest, *newest;
    uint32_t count;
    uint64_t bytes;
    struct waiting *whole[2];           /* the last two given out; [0] is the newer */
    struct fragment_counters counters;
    fragments_left *left;
    void *left_context;
};

int fragments_new(struct fragments **ret)
{
    struct fragments *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    *ret = f;
    return 0;
}

static void waiting_free(struct waiting *w)
{
    if (!w)
        return;
    free(w->parts);
    free(w->data);
    free(w);
}

void fragments_free(struct fragments *f)
{
    if (!f)
        return;
    for (struct waiting *w = f->oldest, *next; w; w = next) {
        next = w->newer;
        waiting_free(w);
    }
    waiting_free(f->whole[0]);
    waiting_free(f->whole[1]);
    free(f);
}

void fragments_on_left(struct fragments *f, fragments_left *left, void *context)
{
    f->left = left;
    f->left_context = context;
}

static uint64_t cost(const struct waiting *w)
{
    return sizeof *w + w->room + w->parts_room * sizeof *w->parts;
}

/* Out of the lists, but not freed. */
static void take_out(struct fragments *f, struct waiting *w)
{
    struct waiting **at = &f->buckets[w->hash % BUCKETS];
    while (*at != w)
        at = &(*at)->next_in_bucket;
    *at = w->next_in_bucket;
    *(w->older ? &w->older->newer : &f->oldest) = w->newer;
    *(w->newer ? &w->newer->older : &f->newest) = w->older;
    f->count--;
    f->bytes -= cost(w);
}

static void tell_left(struct fragments *f, const struct waiting *w)
{
    for (uint32_t i = 0; f->left && !w->dropped && i < w->parts_count; i++) {
        const struct part *part = &w->parts[i];
        struct fragment out = { .key = w->key, .time_ns = part->time_ns, .order_ns = part->order_ns, .frame = part->frame, .offset = part->from, .length = part->to - part->from,
                                .captured = part->captured_to - part->from, .data = w->data + part->from, .protocol = w->protocol, .more = part->to != w->end };
        f->left(f->left_context, &out);
    }
}

static void give_up(struct fragments *f, struct waiting *w, uint64_t *counter)
{
    if (!w->dropped)
        ++*counter;
    tell_left(f, w);
    take_out(f, w);
    waiting_free(w);
}

void fragments_leave(struct fragments *f)
{
    for (const struct waiting *w = f->oldest; w; w = w->newer)
        tell_left(f, w);
}

static struct waiting *find(struct fragments *f, const struct fragment_key *key, uint64_t hash)
{
    struct waiting *w = f->buckets[hash % BUCKETS];
    while (w && (w->hash != hash || memcmp(&w->key, key, sizeof *key) != 0))
        w = w->next_in_bucket;
    return w;
}

static struct waiting *find_or_make(struct fragments *f, const struct fragment *fragment)
{
    uint64_t hash = segment_block_hash(&fragment->key, sizeof fragment->key);
    struct waiting *w = find(f, &fragment->key, hash);
    if (w)
        return w;
    if (f->count == FRAGMENTS_DATAGRAMS_MAX)
        give_up(f, f->oldest, &f->counters.evicted);
    w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct waiting){ .key = fragment->key, .hash = hash, .first_ns = fragment->time_ns, .older = f->newest, .next_in_bucket = f->buckets[hash % BUCKETS] };
    f->buckets[hash % BUCKETS] = w;
    *(f->newest ? &f->newest->newer : &f->oldest) = w;
    f->newest = w;
    f->count++;
    f->bytes += cost(w);
    return w;
}

static bool grow(struct fragments *f, struct waiting *w, uint32_t to)
{
    f->bytes -= cost(w);
    if (to > w->room) {
        uint32_t room = w->room ? w->room : 2048;
        while (room < to)
            room *= 2;
        uint8_t *grown = realloc(w->data, room);
        if (grown) {
            w->data = grown;
            w->room = room;
        }
    }
    if (w->parts_count + 1 > w->parts_room) {
        uint32_t room = w->parts_room ? w->parts_room * 2 : PARTS_LEAST;
        struct part *grown = reallocarray(w->parts, room, sizeof *grown);
        if (grown) {
            w->parts = grown;
            w->parts_room = room;
        }
    }
    f->bytes += cost(w);
    return to <= w->room && w->parts_count < w->parts_room;
}

static bool add_part(struct fragments *f, struct waiting *w, const struct fragment *fragment, uint32_t at, uint32_t from, uint32_t to)
{
    if (!grow(f, w, to))
        return false;
    uint32_t there = fragment->offset + fragment->captured, captured_to = there < from ? from : there > to ? to : there;
    memcpy(w->data + from, fragment->data + (from - fragment->offset), captured_to - from);
    memset(w->data + captured_to, 0, to - captured_to);
    memmove(w->parts + at + 1, w->parts + at, (w->parts_count - at) * sizeof *w->parts);
    w->parts[at] = (struct part){ .from = from, .to = to, .captured_to = captured_to, .frame = fragment->frame, .time_ns = fragment->time_ns, .order_ns = fragment->order_ns };
    w->parts_count++;
    w->have += to - from;
    return true;
}

enum outcome { TAKEN, NOTHING_NEW, OVERLAP, TOO_MANY, NO_MEMORY };

/* IPv4: the parts that are not there yet. IPv6: all of it or nothing. */
static enum outcome fill(struct fragments *f, struct waiting *w, const struct fragment *fragment)
{
    uint32_t from = fragment->offset, end = from + fragment->length, at = 0;
    enum outcome outcome = NOTHING_NEW;
    while (at < w->parts_count && w->parts[at].to <= from)
        at++;
    if (w->key.version == 6 && at < w->parts_count && w->parts[at].from < end)
        return w->parts[at].from == from && w->parts[at].to == end ? NOTHING_NEW : OVERLAP;
    while (from < end) {
        if (at < w->parts_count && w->parts[at].from <= from) {
            from = w->parts[at++].to;
            continue;
        }
        uint32_t to = at < w->parts_count && w->parts[at].from < end ? w->parts[at].from : end;
        if (w->parts_count == FRAGMENTS_PARTS_MAX)
            return TOO_MANY;
        if (!add_part(f, w, fragment, at, from, to))
            return NO_MEMORY;
        outcome = TAKEN;
        from = to;
        at++;
    }
    return outcome;
}

static bool fits(const struct waiting *w, const struct fragment *fragment)
{
    uint32_t end = fragment->offset + fragment->length;
    if (w->end && (end > w->end || (!fragment->more && end != w->end)))
        return false;
    return fragment->more || w->parts_count == 0 || w->parts[w->parts_count - 1].to <= end;
}

static bool is_whole(const struct waiting *w)
{
    return !w->dropped && w->end && w->have == w->end;
}

static void give_out(struct fragments *f, struct waiting *w, struct datagram *ret)
{
    take_out(f, w);
    waiting_free(f->whole[1]);
    f->whole[1] = f->whole[0];
    f->whole[0] = w;
    uint32_t captured = 0;
    for (uint32_t i = 0; i < w->parts_count && captured == w->parts[i].from; i++)
        captured = w->parts[i].captured_to;
    *ret = (struct datagram){ .data = w->data, .captured = captured, .length = w->end, .protocol = w->protocol };
    f->counters.datagrams++;
}

/* By this packet's time, not the greatest so far: one false time must not end all that comes behind it. */
static void forget_late(struct fragments *f, int64_t now_ns)
{
    while (f->oldest && f->oldest->first_ns <= now_ns && (uint64_t)now_ns - (uint64_t)f->oldest->first_ns > (uint64_t)FRAGMENTS_TIMEOUT_NS)
        give_up(f, f->oldest, &f->counters.timed_out);
}

bool fragments_add(struct fragments *f, const struct fragment *fragment, struct datagram *ret)
{
    f->counters.taken++;
    forget_late(f, fragment->time_ns);
    bool sound = fragment->length > 0 && fragment->captured <= fragment->length && fragment->offset <= FRAGMENTS_DATAGRAM_MAX &&
                 fragment->length <= FRAGMENTS_DATAGRAM_MAX - fragment->offset && (!fragment->more || fragment->length % UNIT_BYTES == 0);
    struct waiting *w = sound ? find_or_make(f, fragment) : NULL;
    if (!w || (!w->dropped && !fits(w, fragment))) {
        ++*(sound && !w ? &f->counters.failed : &f->counters.malformed);
        return false;
    }
    if (w->dropped)
        return false;
    if (!fragment->more)
        w->end = fragment->offset + fragment->length;
    if (fragment->offset == 0 && (w->parts_count == 0 || w->parts[0].from > 0))
        w->protocol = fragment->protocol;
    switch (fill(f, w, fragment)) {
    case TAKEN: break;
    case NOTHING_NEW: f->counters.duplicates++; break;
    case OVERLAP:
        w->dropped = true;
        f->counters.overlapping++;
        break;
    case TOO_MANY: give_up(f, w, &f->counters.evicted); return false;
    case NO_MEMORY: give_up(f, w, &f->counters.failed); return false;
    }
    if (is_whole(w)) {
        give_out(f, w, ret);
        return true;
    }
    while (f->bytes > FRAGMENTS_BYTES_MAX)
        give_up(f, f->oldest, &f->counters.evicted);
    return false;
}

uint32_t fragments_waiting(const struct fragments *f)
{
    return f->count;
}

const struct fragment_counters *fragments_counters(const struct fragments *f)
{
    return &f->counters;
}
