#include "services/dissector/work/fill.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/engine/filling.h"
#include "services/dissector/flow/decode.h"
#include "services/dissector/input/merge.h"

#define ADVANCE_EVERY 256u              /* batches between two looks at whether to stop */
#define BUCKETS_LEAST 64u
#define DISORDER_NS INT64_C(10000000000) /* by which a packet may be older than its view's first; where a teller's is older still, its filling is refused (FILLING_LESS) */
#define NOTHING_NS INT64_C(1)           /* a window in which nothing is: 1970 */
#define MEMORY_PART 4u /* of what entries may have in memory: the first dissection's are there, too */

/* One view: its packets lie between its first and its last, both known, among those of its point with its addresses. */
struct route { struct route *next; const struct view *view; uint64_t hash; uint32_t filling, member; bool begun, over; };
struct fill {
    struct views *views;
    struct input_plan plan;             /* whose inputs have windows of their own: what no filling needs is not even unpacked, where an index allows that */
    struct fill_counts *counts;
    struct filler *filler;
    struct filling **fillings; bool *over; /* NULL: not begun, or over */
    uint32_t left;                      /* that are not over */
    struct route *routes; uint32_t routes_count;
    struct route **buckets; uint32_t buckets_mask;
    struct run_writer *run;
    struct decoder *decoder;
    struct input_merge *merge;
};

static uint32_t bucket_of(const struct fill *f, uint64_t hash, uint64_t point)
{
    uint64_t key = (hash ^ point) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(key >> 32) & f->buckets_mask;
}

static int make_routes(struct fill *f)
{
    uint32_t fillings = views_fillings(f->views), total = 0, buckets = BUCKETS_LEAST, count;
    for (uint32_t i = 0; i < fillings; i++) {
        (void)views_filling(f->views, i, &count);
        total += count;
    }
    while (buckets < total && buckets < 1u << 31)
        buckets *= 2;
    f->fillings = calloc(fillings, sizeof(struct filling *));
    f->over = calloc(fillings, sizeof *f->over);
    f->routes = calloc(total, sizeof *f->routes);
    f->buckets = calloc(buckets, sizeof(struct route *));
    f->buckets_mask = buckets - 1;
    if (!f->fillings || !f->over || !f->routes || !f->buckets)
        return -ENOMEM;
    for (uint32_t i = 0; i < fillings; i++) {
        const struct run_view *members = views_filling(f->views, i, &count);
        for (uint32_t k = 0; k < count; k++) {
            struct route *route = &f->routes[f->routes_count++];
            *route = (struct route){ .view = &members[k].view, .hash = shard_hash(&members[k].view.tuple), .filling = i, .member = k };
            struct route **bucket = &f->buckets[bucket_of(f, route->hash, route->view->point)];
            route->next = *bucket;
            *bucket = route;
        }
    }
    return 0;
}

static bool same_place(const struct place *a, const struct place *b) { return a->input == b->input && a->frame == b->frame; }

static bool same_ends(const struct tuple *a, const struct tuple *b)
{
    bool straight = a->source_port == b->source_port && a->destination_port == b->destination_port && memcmp(a->source, b->source, 16) == 0 && memcmp(a->destination, b->destination, 16) == 0;
    bool turned = a->source_port == b->destination_port && a->destination_port == b->source_port && memcmp(a->source, b->destination, 16) == 0 && memcmp(a->destination, b->source, 16) == 0;
    return a->transport == b->transport && a->vni == b->vni && (straight || turned);
}

static struct route *route_of(const struct fill *f, const struct shard_packet *p)
{
    struct route *route = f->buckets[bucket_of(f, p->hash, p->point)];
    for (; route; route = route->next) {
        if (route->hash != p->hash || route->over || route->view->point != p->point || !same_ends(&route->view->tuple, &p->tuple))
            continue;
        if (route->begun || same_place(&route->view->first_at, &p->place))
            return route;
    }
    return NULL;
}

static void narrow(struct input *input, int64_t from_ns, int64_t to_ns)
{
    bool all = input->from_ns == 0 && input->to_ns == 0;
    input->from_ns = all || from_ns > input->from_ns ? from_ns : input->from_ns;
    input->to_ns = all || to_ns < input->to_ns ? to_ns : input->to_ns;
}

/* Inputs of nodes that have a view, from the first one's beginning to the last one's end. Frames keep their numbers. */
static int narrow_plan(struct fill *f, const struct input_plan *plan)
{
    int64_t from_ns = INT64_MAX, to_ns = INT64_MIN;
    uint32_t nodes = 1;
    f->plan = *plan;
    f->plan.inputs = calloc(plan->count ? plan->count : 1, sizeof *plan->inputs);
    for (uint32_t i = 0; i < plan->count; i++)
        nodes = plan->inputs[i].node >= nodes ? plan->inputs[i].node + 1 : nodes;
    bool *has = calloc(nodes, sizeof *has);
    if (!f->plan.inputs || !has) {
        free(has);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < f->routes_count; i++) {
        const struct view *view = f->routes[i].view;
        from_ns = view->first_ns < from_ns ? view->first_ns : from_ns;
        to_ns = view->last_ns > to_ns ? view->last_ns : to_ns;
        if (view->node < nodes)
            has[view->node] = true;
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        f->plan.inputs[i] = plan->inputs[i];
        if (has[plan->inputs[i].node])
            narrow(&f->plan.inputs[i], from_ns > INT64_MIN + DISORDER_NS ? from_ns - DISORDER_NS : INT64_MIN, to_ns < INT64_MAX - DISORDER_NS ? to_ns + DISORDER_NS : INT64_MAX);
        else
            narrow(&f->plan.inputs[i], NOTHING_NS, NOTHING_NS);
    }
    free(has);
    return 0;
}

static int begin(struct fill *f, uint32_t number)
{
    uint32_t count;
    const struct run_view *members = views_filling(f->views, number, &count);
    struct view views[FILLING_VIEWS_MAX];
    for (uint32_t i = 0; i < count; i++)
        views[i] = members[i].view;
    int r = filling_new(f->filler, views, count, (uint8_t)members->shard, members->number, &f->fillings[number]);
    if (r != -ENOSPC)
        return r;
    f->over[number] = true;
    f->left--;
    f->counts->given_up++;
    return 0;
}

/* What came of it. */
static void end(struct fill *f, uint32_t number)
{
    struct filling *filling = f->fillings[number];
    uint64_t given[FILLING_VIEWS_MAX], bytes = 0;
    uint32_t count;
    (void)views_filling(f->views, number, &count);
    for (uint32_t i = 0; i < count; i++)
        bytes += given[i] = filling_from(filling, i);
    enum filling_outcome outcome = filling_outcome(filling);
    if (outcome == FILLING_DONE && bytes > 0) {
        views_set_filled(f->views, number, given);
        f->counts->connections++;
        f->counts->bytes += bytes;
    }
    f->counts->refused += filling_contradicted(filling) > 0 || outcome == FILLING_UNPROVEN || outcome == FILLING_LESS;
    f->counts->given_up += outcome == FILLING_GIVEN_UP || outcome == FILLING_GOES_ON;
    filling_free(filling);
    f->fillings[number] = NULL;
    f->over[number] = true;
    f->left--;
}

static int take_packet(struct fill *f, const struct shard_packet *p)
{
    struct route *route = route_of(f, p);
    if (!route)
        return 0;
    bool last = same_place(&route->view->last_at, &p->place);
    uint32_t number = route->filling;
    route->begun = true;
    route->over = last;
    int r = f->over[number] || f->fillings[number] ? 0 : begin(f, number);
    if (r < 0 || f->over[number])
        return r;
    r = filling_packet(f->fillings[number], route->member, p, last);
    if (r == 0 && filling_outcome(f->fillings[number]) != FILLING_GOES_ON)
        end(f, number);
    return r;
}

static int read_all(struct fill *f, const struct input_plan *plan, const struct stage_progress *progress)
{
    uint64_t total = 0, batches = 0;
    for (uint32_t i = 0; i < plan->count; i++)
        total += plan->inputs[i].bytes;
    while (f->left > 0) {
        const struct input_packet *packets;
        struct shard_packet packet;
        int n = input_merge_next(f->merge, INPUT_BATCH_MAX, &packets);
        if (n <= 0)
            return n;
        for (int i = 0; i < n; i++) {
            int r = decode_packet(f->decoder, &packets[i], &packet) ? take_packet(f, &packet) : 0;
            if (r < 0)
                return r;
        }
        if (++batches % ADVANCE_EVERY == 0 && !stage_advance(progress, input_merge_position(f->merge), total))
            return -ECANCELED;
    }
    return 0;
}

static int take_entry(void *context, const struct record *record) { return run_writer_add(((struct fill *)context)->run, record); }

static int open_all(struct fill *f, const struct fill_options *o)
{
    struct shard_sink sink = { .entry = take_entry, .context = f };
    int r = make_routes(f);
    if (r == 0)
        r = narrow_plan(f, o->plan);
    if (r == 0)
        r = run_writer_new(o->work_folder, (o->memory ? o->memory : RUN_MEMORY_DEFAULT) / MEMORY_PART, &f->run);
    if (r == 0)
        r = filler_new(o->shard, &sink, &f->filler);
    if (r == 0)
        r = decoder_new(&f->decoder);
    return r < 0 ? r : input_merge_new(&f->plan, NULL, NULL, &f->merge);
}

static void close_all(struct fill *f)
{
    for (uint32_t i = 0; f->fillings && f->over && i < views_fillings(f->views); i++)
        if (f->fillings[i])
            end(f, i);
    filler_free(f->filler);
    decoder_free(f->decoder);
    input_merge_free(f->merge);
    run_writer_free(f->run);
    free(f->plan.inputs);
    free(f->fillings);
    free(f->over);
    free(f->routes);
    free(f->buckets);
}

int fill_gaps(struct views *views, const struct fill_options *o, const struct stage_progress *progress, struct fill_counts *counts, struct run_reader **ret)
{
    struct fill f = { .views = views, .counts = counts, .left = views_fillings(views) };
    struct run_reader *reader = NULL;
    if (f.left == 0)
        return 0;
    if (!input_plan_is_files(o->plan)) {
        counts->unread += f.left;
        return 0;
    }
    int r = open_all(&f, o);
    if (r == 0)
        r = read_all(&f, o->plan, progress);
    if (r == 0 && counts->connections > 0) {
        r = run_writer_read(f.run, &reader);
        f.run = NULL;
    }
    close_all(&f);
    if (r == 0 && reader)
        *ret = reader;
    return r;
}
