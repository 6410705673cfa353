#include "services/snapshotter/export/merge.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "services/snapshotter/export/runs.h"

/* Where an entry stands among all. Inside one block the position decides, and a block is in one source alone. */
struct key { int64_t time_ns; uint32_t ordinal; };

static bool before(struct key a, struct key b)
{
    return a.time_ns < b.time_ns || (a.time_ns == b.time_ns && a.ordinal < b.ordinal);
}

static struct key key_at(const struct source *source, uint32_t i)
{
    return (struct key){ .time_ns = source->entries[i].time_ns, .ordinal = source_ordinal(source, i) };
}

static struct key head(const struct source *source)
{
    return key_at(source, source->at);
}

void source_free(struct source *source)
{
    if (!source)
        return;
    run_reader_free(source->run); /* which owns what a run's source points to */
    if (!source->run) {
        free(source->entries);
        if (source->spares)
            load_take_back(source->spares, source->memory);
        else
            free(source->memory);
    }
    free(source);
}

static void sift_down(struct merge *merge, uint32_t i)
{
    struct source *moving = merge->heap[i];
    struct key key = head(moving);
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= merge->count)
            break;
        if (child + 1 < merge->count && before(head(merge->heap[child + 1]), head(merge->heap[child])))
            child++;
        if (!before(head(merge->heap[child]), key))
            break;
        merge->heap[i] = merge->heap[child];
        i = child;
    }
    merge->heap[i] = moving;
}

static int push(struct merge *merge, struct source *source)
{
    if (merge->count == merge->room) {
        uint32_t room = merge->room ? merge->room * 2 : 64;
        struct source **grown = reallocarray(merge->heap, room, sizeof(struct source *));
        if (!grown)
            return -ENOMEM;
        merge->heap = grown;
        merge->room = room;
    }
    uint32_t i = merge->count++;
    struct key key = head(source);
    for (; i > 0 && before(key, head(merge->heap[(i - 1) / 2])); i = (i - 1) / 2)
        merge->heap[i] = merge->heap[(i - 1) / 2];
    merge->heap[i] = source;
    return 0;
}

static void drop_first(struct merge *merge)
{
    source_free(merge->heap[0]);
    merge->heap[0] = merge->heap[--merge->count];
    if (merge->count > 0)
        sift_down(merge, 0);
}

/* The first source gave out a span: puts it where it belongs now, refills it, or lets it go. */
static int settle_first(struct merge *merge)
{
    struct source *first = merge->heap[0];
    merge->spent = false;
    if (first->at < first->count) {
        sift_down(merge, 0);
        return 0;
    }
    int r = first->run ? run_next(first) : 0;
    if (r < 0)
        return r;
    if (r > 0)
        sift_down(merge, 0);
    else
        drop_first(merge);
    return 0;
}

/* The next block of this group that is not loaded; false: none. */
static bool peek_block(struct merge *merge, uint32_t *ret_ordinal)
{
    const struct plan *plan = merge->load ? merge->load->plan : NULL;
    while (plan && merge->next < plan->blocks_count && plan->blocks[plan->order[merge->next]].group != merge->group)
        merge->next++;
    if (!plan || merge->next >= plan->blocks_count)
        return false;
    *ret_ordinal = plan->order[merge->next];
    return true;
}

/* Loads until the first entry of the heap lies before everything that is not loaded. */
static int load_due(struct merge *merge)
{
    uint32_t ordinal;
    while (peek_block(merge, &ordinal)) {
        int64_t first_ns = plan_segment_block(merge->load->plan, merge->load->inputs, ordinal)->first_ns;
        if (merge->count > 0 && head(merge->heap[0]).time_ns < first_ns)
            break;
        struct source *source = NULL;
        int r = load_block(merge->load, ordinal, &source);
        if (r < 0)
            return r;
        merge->next++;
        r = source->count > 0 ? push(merge, source) : 0;
        if (r < 0 || source->count == 0)
            source_free(source);
        if (r < 0)
            return r;
    }
    return 0;
}

/* How far the first source may go: up to the next one's first entry and to the least time of a block that is not loaded. */
static struct key first_bound(struct merge *merge)
{
    struct key bound = { .time_ns = INT64_MAX, .ordinal = UINT32_MAX };
    for (uint32_t child = 1; child <= 2 && child < merge->count; child++)
        if (before(head(merge->heap[child]), bound))
            bound = head(merge->heap[child]);
    uint32_t ordinal;
    if (peek_block(merge, &ordinal)) {
        struct key unloaded = { .time_ns = plan_segment_block(merge->load->plan, merge->load->inputs, ordinal)->first_ns };
        if (before(unloaded, bound))
            bound = unloaded;
    }
    return bound;
}

/* The first index in (at, count] whose entry is not before bound: by doubling steps, then halving, since spans are short where sources
 * interleave and long where they do not. */
static uint32_t span_end(const struct source *source, struct key bound)
{
    uint32_t low = source->at, step = 1;
    if (before(key_at(source, source->count - 1), bound))
        return source->count;
    while (step < source->count - low && before(key_at(source, low + step), bound)) {
        low += step;
        step *= 2;
    }
    uint32_t high = step < source->count - low ? low + step : source->count - 1; /* the entry at high is not before bound */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (before(key_at(source, middle), bound))
            low = middle;
        else
            high = middle;
    }
    return high;
}

int merge_next(struct merge *merge, struct span *ret)
{
    int r = merge->spent ? settle_first(merge) : 0;
    if (r == 0)
        r = load_due(merge);
    if (r < 0 || merge->count == 0)
        return r;
    struct source *first = merge->heap[0];
    uint32_t end = span_end(first, first_bound(merge));
    assert(end > first->at && end <= first->count);
    *ret = (struct span){ .source = first, .from = first->at, .to = end };
    first->at = end;
    merge->spent = true;
    return 1;
}

void merge_begin_blocks(struct merge *merge, struct load *load, uint32_t group)
{
    *merge = (struct merge){ .load = load, .group = group };
}

int merge_begin_runs(struct merge *merge, struct source **runs, uint32_t count)
{
    int r = 0;
    *merge = (struct merge){ 0 };
    for (uint32_t i = 0; i < count; i++) {
        if (r == 0 && runs[i]->count > 0)
            r = push(merge, runs[i]);
        if (r < 0 || runs[i]->count == 0)
            source_free(runs[i]);
        runs[i] = NULL;
    }
    return r;
}

void merge_end(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++)
        source_free(merge->heap[i]);
    free(merge->heap);
    *merge = (struct merge){ 0 };
}
