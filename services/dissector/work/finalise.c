#include "services/dissector/work/finalise.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/protocols/connection_fields.h"
#include "services/dissector/work/peers.h"
#include "services/dissector/work/progress.h"
#include "services/dissector/work/views.h"
#include "services/dissector/work/where.h"

#define ADVANCE_EVERY 8192u             /* entries between two looks at whether to stop */
#define FILLED 500u                     /* thousandths of the way until gaps are filled, where there are some: all inputs are read again */
#define FLUSH_EVERY 65536u              /* entries of a stream between two looks at what may be forgotten */

struct finaliser {
    const struct finalise_options *options;
    struct run_merge *merge;
    struct views *views;
    struct peers *peers;
    struct where *where;                /* NULL: everything */
    void *output;
    int dns;                            /* protocol_number of DNS; -1: there is none, or nobody wants names */
    uint64_t seen, total, entries, connections, over_limit;
    struct progress_part writing;       /* what is left of the way behind the filling */
    struct fill_counts filled;
    uint8_t *marked; uint32_t marked_room; /* a record that had to be changed */
    char *error;
};

static int fail(struct finaliser *f, int e, const char *what)
{
    if (!f->error[0])
        snprintf(f->error, STAGE_ERROR_TEXT_MAX, "%s: %s", what, strerror(-e));
    return e;
}

/* The views of all readers, decided. */
static int decide_views(struct finaliser *f, struct run_reader **readers, size_t count)
{
    size_t total = 0, at = 0, n;
    for (size_t i = 0; i < count; i++) {
        (void)run_views(readers[i], &n);
        total += n;
        f->total += run_records(readers[i]);
    }
    struct run_view *list = malloc((total ? total : 1) * sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct run_view *views = run_views(readers[i], &n);
        if (n)
            memcpy(list + at, views, n * sizeof *list);
        at += n;
    }
    int r = views_new(list, total, &f->views);
    free(list);
    return r;
}

static const char *segment_of(const struct finaliser *f, const struct place *place)
{
    return place->frame && place->input < f->options->inputs_count ? f->options->inputs[place->input].segment_id : "";
}

/* A record of a view that may be a copy says so. */
static const struct record *mark_copy(struct finaliser *f, const struct record *r)
{
    if (f->marked_room < r->size) {
        uint8_t *grown = realloc(f->marked, r->size);
        if (!grown)
            return NULL;
        f->marked = grown;
        f->marked_room = r->size;
    }
    memcpy(f->marked, r, r->size);
    struct record *copy = (struct record *)f->marked;
    copy->flags |= RECORD_MAYBE_COPY;
    return copy;
}

static int fill_entry(struct finaliser *f, const struct record *r, struct entry *ret)
{
    if (r->protocol >= protocols_count)
        return -EBADMSG;
    *ret = (struct entry){ .record = r, .protocol = protocols[r->protocol], .node = r->node < f->options->nodes_count ? f->options->nodes[r->node] : "",
                           .request_segment = segment_of(f, &r->request_at), .response_segment = segment_of(f, &r->response_at) };
    int e = 0;
    if (!f->merge || run_merge_from_memory(f->merge)) /* a stream's never was in a file; a thirtieth of all instructions less */
        record_take_values(r, ret->protocol->detail, &ret->values);
    else
        e = record_read_values(r, ret->protocol->detail, &ret->values);
    return e < 0 ? e : peers_find(f->peers, r, &ret->source, &ret->destination);
}

static int give(void *context, struct entry *entry)
{
    struct finaliser *f = context;
    if (f->options->entries_max && f->entries >= f->options->entries_max) {
        f->over_limit++;
        return 0;
    }
    entry->id = ++f->entries;
    return f->options->driver->entry(f->output, entry, f->error);
}

/* Of a view that tells. */
static int take_told(struct finaliser *f, const struct record *r, uint64_t connection)
{
    struct entry entry;
    int e = fill_entry(f, r, &entry);
    if (e < 0)
        return e;
    entry.connection = connection;
    if (f->views && entry.protocol->connection && views_list(f->views, r, f->options->nodes, f->options->nodes_count, f->options->names, &entry.values.at[CONNECTION_VIEWS])) {
        entry.values.present |= UINT64_C(1) << CONNECTION_VIEWS;
        entry.added = entry.values.at[CONNECTION_VIEWS].size;
    }
    if (r->protocol == f->dns) {
        e = peers_learn(f->peers, &entry);
        if (e < 0)
            return e;
    }
    return f->where ? where_add(f->where, &entry, f->error) : give(f, &entry);
}

static int take_record(struct finaliser *f, const struct record *r)
{
    struct view_fate fate;
    int e = views_fate(f->views, r, &fate);
    if (e < 0 || !fate.tells || fate.filled != ((r->flags & RECORD_FILLED) != 0))
        return e;
    if (fate.maybe_copy && !(r = mark_copy(f, r)))
        return -ENOMEM;
    return take_told(f, r, views_connection(f->views, r));
}

static int take_all(struct finaliser *f)
{
    const struct record *record;
    int r;
    while ((r = run_merge_next(f->merge, &record)) == 1) {
        if (++f->seen % ADVANCE_EVERY == 0 && !stage_advance(&f->writing.progress, f->seen, f->total))
            return -ECANCELED;
        r = take_record(f, record);
        if (r < 0)
            break;
    }
    if (r == -EBADMSG && !f->error[0])
        snprintf(f->error, STAGE_ERROR_TEXT_MAX, "a run of entries is damaged");
    if (r == 0 && f->where)
        r = where_finish(f->where, f->error);
    return r;
}

/* Views decided and gaps filled: all readers, with one more where that gave entries. */
static int gather(struct finaliser *f, struct run_reader **readers, size_t *count, const struct stage_progress *progress)
{
    struct progress_part filling;
    int r = decide_views(f, readers, *count);
    bool fills = r == 0 && f->options->fill && views_fillings(f->views) > 0;
    progress_part_make(progress, 0, FILLED, &filling);
    progress_part_make(progress, fills ? FILLED : 0, 1000, &f->writing);
    if (fills)
        r = fill_gaps(f->views, f->options->fill, &filling.progress, &f->filled, &readers[*count]);
    if (r == 0 && readers[*count]) {
        f->total += run_records(readers[*count]);
        (*count)++;
    }
    return r;
}

/* While the output finishes one of its parts. */
static bool output_advances(void *context)
{
    const struct finaliser *f = context;
    return stage_advance(&f->writing.progress, f->seen, f->total);
}

static int open_output(struct finaliser *f)
{
    int r = peers_new(&f->peers);
    if (r < 0)
        return fail(f, r, "cannot begin");
    if (f->options->where && f->options->where[0])
        r = where_new(f->options->where, give, f, &f->where, f->error);
    if (r == 0)
        r = f->options->driver->open(f->options->path, f->options->fields, &f->output, f->error);
    if (r == 0 && f->options->driver->watch)
        f->options->driver->watch(f->output, output_advances, f);
    return r;
}

static int open_all(struct finaliser *f, struct run_reader **given, size_t count, const struct stage_progress *progress)
{
    mem_auto_free struct run_reader **readers = calloc(count + 1, sizeof(struct run_reader *));
    if (readers && count > 0)
        memcpy(readers, given, count * sizeof(struct run_reader *));
    int r = readers ? gather(f, readers, &count, progress) : -ENOMEM;
    if (r < 0) {
        for (size_t i = 0; i < count; i++)
            run_close(given[i]);
        return r == -ECANCELED ? r : fail(f, r, "cannot compare the observations of connections");
    }
    r = run_merge_new(readers, count, &f->merge);
    if (r < 0)
        return fail(f, r, "cannot begin to merge");
    return open_output(f);
}

static int close_output(struct finaliser *f)
{
    struct output_counter counters[STAGE_COUNTERS_MAX + 7];
    uint32_t n = 0;
    for (; n < f->options->counters_count && n < STAGE_COUNTERS_MAX; n++)
        counters[n] = (struct output_counter){ f->options->counters[n].name, f->options->counters[n].value };
    counters[n++] = (struct output_counter){ "views_left_out", f->views ? views_left_out(f->views) : 0 };
    counters[n++] = (struct output_counter){ "entries_over_limit", f->over_limit };
    counters[n++] = (struct output_counter){ "filled_connections", f->filled.connections };
    counters[n++] = (struct output_counter){ "filled_bytes", f->filled.bytes };
    counters[n++] = (struct output_counter){ "fillings_refused", f->filled.refused };
    counters[n++] = (struct output_counter){ "fillings_given_up", f->filled.given_up };
    counters[n++] = (struct output_counter){ "fillings_unread", f->filled.unread };
    void *output = f->output;
    f->output = NULL;
    return f->options->driver->close(output, counters, n, f->error);
}

static void free_all(struct finaliser *f)
{
    run_merge_free(f->merge);
    where_free(f->where);
    peers_free(f->peers);
    views_free(f->views);
    free(f->marked);
}

/* An expression may ask for names that nobody wants to see. */
static int dns_number(const struct finalise_options *options)
{
    const struct protocol *dns = protocol_find("DNS", 3);
    bool asks = options->where && options->where[0];
    return dns && (asks || selection_needs_names(options->fields)) ? protocol_number(dns) : -1;
}

int finalise_runs(struct run_reader **readers, size_t count, const struct finalise_options *options, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    struct finaliser f = { .options = options, .error = error };
    error[0] = '\0';
    f.dns = dns_number(options);
    int r = open_all(&f, readers, count, progress);
    if (r == 0)
        r = take_all(&f);
    if (r == 0)
        r = close_output(&f);
    if (r < 0) {
        options->driver->abandon(f.output);
        if (r != -ECANCELED)
            fail(&f, r, "cannot write the entries");
    } else {
        ret->entries = f.entries;
        ret->connections = views_connections(f.views);
    }
    free_all(&f);
    return r;
}

int finalise_stream_new(const struct finalise_options *options, char *error, struct finaliser **ret)
{
    error[0] = '\0';
    struct finaliser *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    *f = (struct finaliser){ .options = options, .error = error, .dns = dns_number(options) };
    int r = open_output(f);
    if (r < 0) {
        free_all(f);
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

int finalise_stream_flush(struct finaliser *f)
{
    int r = f->where ? where_finish(f->where, f->error) : 0;
    if (r == 0)
        peers_trim(f->peers);
    return r < 0 || !f->options->driver->flush ? r : f->options->driver->flush(f->output, f->error);
}

int finalise_stream_take(struct finaliser *f, const struct record *record)
{
    int r = take_told(f, record, (uint64_t)record->view * SHARDS + record->shard + 1);
    if (r == 0 && ++f->seen % FLUSH_EVERY == 0)
        r = finalise_stream_flush(f);
    return r == 0 && f->options->entries_max && f->entries >= f->options->entries_max ? 1 : r;
}

int finalise_stream_end(struct finaliser *f, int r, struct stage_result *ret)
{
    if (r == 0 && f->where)
        r = where_finish(f->where, f->error);
    if (r == 0)
        r = close_output(f);
    if (r < 0) {
        f->options->driver->abandon(f->output);
        fail(f, r, "cannot write the entries");
    } else {
        ret->entries = f->entries;
    }
    free_all(f);
    free(f);
    return r;
}
