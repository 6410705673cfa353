#include "services/snapshotter/export/export.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "capfile/pcap_classic.h"
#include "capfile/pcapng.h"
#include "services/snapshotter/export/runs.h"
#include "services/snapshotter/export/state.h"

/* Fields of an EPB that load.c has checked. */
enum { EPB_INTERFACE_AT = 8, EPB_CAPTURED_AT = 20, EPB_LENGTH_AT = 24, EPB_DATA_AT = 28 };

static uint32_t field(const uint8_t *block, uint32_t at)
{
    uint32_t v;
    memcpy(&v, block + at, sizeof v);
    return le32toh(v);
}

static const uint8_t *entry_bytes(const struct source *source, uint32_t i)
{
    return source->content + source->entries[i].offset;
}

static bool is_event(const struct source *source, uint32_t i)
{
    return source->events > 0 && field(entry_bytes(source, i), 0) == PCAPNG_JOURNAL;
}

static int fail(struct export *e, int r, const char *what)
{
    e->failed = r;
    if (!*e->error)
        snprintf(e->error, sizeof e->error, "%s: %s", what, strerror(-r));
    return r;
}

/* Writes what `merge` gives into a run. */
static int write_run(struct export *e, struct merge *merge, struct source **ret)
{
    struct run_writer *writer = NULL;
    struct span span;
    int r = run_writer_new(e->work_folder, &writer);
    if (r < 0)
        return r;
    while ((r = merge_next(merge, &span)) > 0) {
        r = run_put(writer, &span);
        if (r < 0)
            break;
    }
    if (r < 0) {
        run_writer_free(writer);
        return r;
    }
    return run_writer_finish(writer, ret);
}

static int make_first_runs(struct export *e)
{
    e->runs = calloc(e->plan.groups, sizeof(struct source *));
    if (!e->runs)
        return -ENOMEM;
    for (uint32_t group = 0; group < e->plan.groups; group++) {
        merge_begin_blocks(&e->merge, &e->load, group);
        int r = write_run(e, &e->merge, &e->runs[group]);
        merge_end(&e->merge);
        if (r < 0)
            return r;
        e->runs_count++;
    }
    return 0;
}

/* Merges the first fan_in runs into one, which goes to the end of the list, so that each byte is written again as rarely as can be. */
static int merge_some_runs(struct export *e)
{
    uint32_t count = e->runs_count < e->fan_in ? e->runs_count : e->fan_in;
    struct source *merged = NULL;
    int r = merge_begin_runs(&e->merge, e->runs, count);
    if (r == 0)
        r = write_run(e, &e->merge, &merged);
    merge_end(&e->merge);
    memmove(e->runs, e->runs + count, (e->runs_count - count) * sizeof(struct source *));
    e->runs_count -= count;
    if (r < 0)
        return r;
    e->runs[e->runs_count++] = merged;
    return 0;
}

static int begin_body(struct export *e)
{
    if (e->plan.groups <= 1) {
        merge_begin_blocks(&e->merge, &e->load, 0);
        return 0;
    }
    int r = make_first_runs(e);
    while (r == 0 && e->runs_count > e->fan_in)
        r = merge_some_runs(e);
    if (r == 0) {
        uint32_t count = e->runs_count;
        e->runs_count = 0;
        r = merge_begin_runs(&e->merge, e->runs, count);
    }
    return r < 0 ? fail(e, r, "temporary files of the export") : 0;
}

/* Whether entry i is a copy of an earlier packet; asked once for each. */
static bool is_copy(struct export *e, const struct source *source, uint32_t i)
{
    if (!e->copies || is_event(source, i))
        return false;
    const uint8_t *block = entry_bytes(source, i);
    uint32_t interface = field(block, EPB_INTERFACE_AT);
    bool copy = copies_seen(e->copies, source->entries[i].time_ns, interface, e->inputs.interfaces[interface].link_type,
                            block + EPB_DATA_AT, field(block, EPB_CAPTURED_AT));
    e->counts.left_out_copies += copy;
    return copy;
}

static void count_entries(struct export *e, const struct source *source, uint32_t from, uint32_t to)
{
    uint32_t events = 0;
    for (uint32_t i = from; source->events > 0 && i < to; i++)
        events += is_event(source, i);
    e->counts.events += events;
    e->counts.packets += to - from - events;
}

/* Takes as many entries as stand together in the memory of the span. */
static void take_stretch(struct export *e)
{
    const struct source *source = e->span.source;
    uint32_t from = e->span.from, to = from + 1;
    if (is_copy(e, source, from)) {
        e->span.from = to;
        return;
    }
    if (source->contiguous && !e->copies) {
        to = e->span.to;
    } else {
        while (!e->copies && to < e->span.to && source->entries[to].offset == source->entries[to - 1].offset + source->entries[to - 1].size)
            to++;
    }
    e->stretch = entry_bytes(source, from);
    e->stretch_left = (size_t)(source->entries[to - 1].offset - source->entries[from].offset) + source->entries[to - 1].size;
    e->span.from = to;
    count_entries(e, source, from, to);
}

/* The same for pcap: one packet, its head made anew. */
static int take_packet(struct export *e)
{
    const struct source *source = e->span.source;
    uint32_t i = e->span.from;
    const uint8_t *block = entry_bytes(source, i);
    int64_t time_ns = source->entries[i].time_ns;
    if (time_ns < 0 || time_ns > PCAP_CLASSIC_TIME_NS_MAX)
        return fail(e, -EOVERFLOW, "a packet's time does not fit into a pcap file; export pcapng");
    e->span.from++;
    if (is_copy(e, source, i))
        return 0;
    uint32_t captured = field(block, EPB_CAPTURED_AT);
    e->packet_head_left = pcap_classic_put_packet(e->packet_head, time_ns, captured, field(block, EPB_LENGTH_AT));
    e->stretch = block + EPB_DATA_AT;
    e->stretch_left = captured;
    e->counts.packets++;
    return 0;
}

/* Finds the next bytes of the body. 1: there are some, or look again; 0: the end; -errno. */
static int advance_body(struct export *e)
{
    if (e->span.from == e->span.to) {
        int r = merge_next(&e->merge, &e->span);
        if (r < 0)
            return fail(e, r, "the export cannot go on");
        if (r == 0)
            return 0;
    }
    if (e->format == EXPORT_PCAP) {
        int r = take_packet(e);
        return r < 0 ? r : 1;
    }
    take_stretch(e);
    return 1;
}

/* Finds the next bytes; -errno. */
static int advance(struct export *e)
{
    int r = 0;
    switch (e->stage) {
    case EXPORT_HEADER:
        e->stage = EXPORT_BODY;
        return begin_body(e);
    case EXPORT_BODY:
        r = advance_body(e);
        e->stage = r == 0 ? EXPORT_TRAILER : EXPORT_BODY;
        return r;
    case EXPORT_TRAILER:
        e->stage = EXPORT_DONE;
        r = export_make_trailer(e);
        return r < 0 ? fail(e, r, "the export cannot be ended") : 0;
    case EXPORT_DONE: break;
    }
    return 0;
}

static size_t copy_out(uint8_t *dst, size_t cap, const uint8_t *from, size_t left)
{
    size_t n = left < cap ? left : cap;
    memcpy(dst, from, n);
    return n;
}

ssize_t export_read(struct export *e, void *dst, size_t cap)
{
    uint8_t *out = dst;
    size_t done = 0;
    if (e->failed)
        return e->failed;
    while (done < cap) {
        size_t n = 0;
        if (e->pending_at < e->pending_size) {
            n = copy_out(out + done, cap - done, e->pending + e->pending_at, e->pending_size - e->pending_at);
            e->pending_at += n;
        } else if (e->packet_head_left > 0) {
            n = copy_out(out + done, cap - done, e->packet_head + sizeof e->packet_head - e->packet_head_left, e->packet_head_left);
            e->packet_head_left -= n;
        } else if (e->stretch_left > 0) {
            n = copy_out(out + done, cap - done, e->stretch, e->stretch_left);
            e->stretch += n;
            e->stretch_left -= n;
        } else if (e->stage == EXPORT_DONE || advance(e) < 0) {
            break;
        }
        done += n;
    }
    e->counts.bytes += done;
    if (done == 0 && e->failed)
        return e->failed;
    return (ssize_t)done;
}

const char *export_error(const struct export *e)
{
    return e->error;
}

void export_counts(const struct export *e, struct export_counts *ret)
{
    struct export_counts counts = e->counts;
    counts.left_out_filter = e->load.left_out_filter;
    counts.left_out_link_type = e->load.left_out_link_type;
    *ret = counts;
}

bool export_uses_runs(const struct export *e)
{
    return e->plan.groups > 1;
}

void export_close(struct export *e)
{
    if (!e)
        return;
    merge_end(&e->merge);
    for (uint32_t i = 0; e->runs && i < e->runs_count; i++)
        source_free(e->runs[i]);
    free(e->runs);
    for (size_t i = 0; i < e->compiled_count; i++)
        bpf_expression_free(e->compiled[i].expression);
    free(e->compiled);
    free(e->filters);
    plan_free(&e->plan);
    inputs_free(&e->inputs);
    copies_free(e->copies);
    load_free(&e->load);
    free(e->pending);
    free(e->work_folder);
    free(e);
}
