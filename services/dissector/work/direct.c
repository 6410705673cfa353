#include "services/dissector/work/direct.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/input/merge.h"
#include "services/dissector/work/await.h"
#include "services/dissector/work/counts.h"
#include "services/dissector/work/engines.h"
#include "services/dissector/work/finalise.h"
#include "services/dissector/work/job.h"

#define ADVANCE_EVERY 256u              /* batches between two looks at whether to stop: some ten thousand packets */

struct direct { const struct direct_options *options; struct finaliser *stream; const struct stage_progress *progress; int failed; bool stopped; struct decoder *decoder; struct input_merge *merge; struct engines *engines; struct shard_packet decoded[INPUT_BATCH_MAX]; };

static int fail(char *error, int e, const char *what)
{
    if (!error[0])
        snprintf(error, STAGE_ERROR_TEXT_MAX, "%s: %s", what, strerror(-e));
    return e;
}

/* All decoded, then all to the engines, which see what comes. A datagram put together from fragments is the decoder's until the next one is: it goes at once, behind those before it. */
static int take_batch(struct direct *d, const struct input_packet *packets, uint32_t n)
{
    uint32_t count = 0;
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        struct shard_packet *packet = &d->decoded[count];
        if (!decode_packet(d->decoder, &packets[i], packet))
            continue;
        count++;
        bool own = (uintptr_t)packet->data - (uintptr_t)packets[i].data > packets[i].captured;
        if (own) {
            r = engines_packets(d->engines, d->decoded, count);
            count = 0;
        }
    }
    return r < 0 ? r : engines_packets(d->engines, d->decoded, count);
}

/* Before a pipe's packets are waited for; a stream's reader first gets what there is. False: it shall end here. */
static bool await_packets(void *context, int fd)
{
    struct direct *d = context;
    struct pollfd input = { .fd = fd, .events = POLLIN };
    if (poll(&input, 1, 0) != 0)
        return true;
    if (d->stream)
        d->failed = finalise_stream_flush(d->stream);
    if (d->failed == 0)
        d->stopped = !await_input(fd, d->progress);
    return d->failed == 0 && !d->stopped;
}

/* That a stopped pipe ends inside a packet is no fault of its. */
static void tell_problem(void *context, uint32_t input, const char *sentence)
{
    const struct direct *d = context;
    if (!d->stopped && d->options->problem)
        d->options->problem(d->options->context, input, sentence);
}

static int read_all(struct direct *d)
{
    uint64_t total = 0, batches = 0;
    for (uint32_t i = 0; i < d->options->plan->count; i++)
        total += d->options->plan->inputs[i].bytes;
    for (;;) {
        const struct input_packet *packets;
        int n = input_merge_next(d->merge, INPUT_BATCH_MAX, &packets);
        if (n <= 0 || d->failed)
            return d->failed ? d->failed : n < 0 ? n : d->stopped && !d->stream ? -ECANCELED : 0;
        int r = take_batch(d, packets, (uint32_t)n);
        if (r != 0)
            return r < 0 ? r : 0; /* a stream that has all it wants */
        if (++batches % ADVANCE_EVERY == 0 && !stage_advance(d->progress, input_merge_position(d->merge), total))
            return d->stream ? 0 : -ECANCELED;
    }
}

static int take_entry(void *context, const struct record *record)
{
    return finalise_stream_take(((struct direct *)context)->stream, record);
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    (void)context;
    (void)number;
    (void)view;
    return 0;
}

/* Inputs into one sorted run, or into the stream. */
static int collect(const struct direct_options *o, const struct shard_options *shard_options, struct finaliser *stream, const struct stage_progress *progress, struct run_writer **ret, struct stage_result *counts,
                   struct input_names *names)
{
    struct direct d = { .options = o, .stream = stream, .progress = progress };
    struct shard_sink sink = { take_entry, take_view, &d };
    int r = decoder_new(&d.decoder);
    if (r == 0)
        r = input_merge_new(o->plan, tell_problem, &d, &d.merge);
    if (r == 0)
        input_merge_on_wait(d.merge, await_packets, &d);
    if (r == 0)
        r = engines_new(0, SHARDS, shard_options, stream ? &sink : NULL, o->work_folder, o->memory ? o->memory : RUN_MEMORY_DEFAULT, &d.engines);
    if (r == 0)
        r = read_all(&d);
    if (r == 0)
        r = engines_finish(d.engines, ret, counts);
    if (r == 0) {
        counts_add_input(counts, input_merge_counters(d.merge));
        counts_add_decode(counts, decoder_counters(d.decoder));
        counts_add_fragments(counts, fragments_counters(decoder_fragments(d.decoder)));
        counts_add(counts, "fragments_dropped", 0); /* the map stage may */
        r = input_names_add_all(names, input_merge_names(d.merge));
    }
    engines_free(d.engines);
    input_merge_free(d.merge);
    decoder_free(d.decoder);
    return r;
}

int direct_run(const struct direct_options *o, const struct stage_progress *progress, struct stage_result *ret, char *error)
{
    struct shard_options shard_options;
    const struct output_driver *driver;
    error[0] = '\0';
    int r = job_shard_options(o->protocols, o->protocols_count, o->redact, &o->limits, o->where && o->where[0] ? NULL : o->fields, &shard_options, error);
    if (r == 0)
        r = job_driver(o->format, &driver, error);
    if (r < 0)
        return r;
    mem_auto_free struct stage_result *counts = calloc(1, sizeof *counts);
    mem_auto_free struct stage_input *inputs = calloc(o->plan->count ? o->plan->count : 1, sizeof *inputs);
    if (!counts || !inputs)
        return fail(error, -ENOMEM, "cannot begin");
    for (uint32_t i = 0; i < o->plan->count; i++)
        inputs[i] = (struct stage_input){ .path = o->plan->inputs[i].path, .segment_id = o->plan->inputs[i].segment_id };
    struct input_names names __attribute__((cleanup(input_names_free))) = { 0 };
    struct fill_options fill = { .plan = o->plan, .shard = &shard_options, .work_folder = o->work_folder, .memory = o->memory };
    struct finalise_options finalise = { .driver = driver, .path = o->output_path, .where = o->where, .nodes = o->plan->nodes, .nodes_count = o->plan->nodes_count, .inputs = inputs, .inputs_count = o->plan->count,
                                         .fields = o->fields, .entries_max = o->limits.entries, .fill = &fill, .names = &names };
    struct finaliser *stream = NULL;
    struct run_writer *run = NULL;
    struct run_reader *reader = NULL;
    r = o->stream ? finalise_stream_new(&finalise, error, &stream) : 0;
    if (r == 0)
        r = collect(o, &shard_options, stream, progress, &run, counts, &names);
    if (r == 0 && !stream)
        r = run_writer_read(run, &reader);
    else
        run_writer_free(run);
    finalise.counters = counts->counters;
    finalise.counters_count = counts->counters_count;
    if (stream)
        r = finalise_stream_end(stream, r, counts);
    if (r < 0)
        return r == -ECANCELED ? r : fail(error, r, "cannot dissect the input");
    if (!stream)
        r = finalise_runs(&reader, 1, &finalise, progress, counts, error);
    if (r == 0)
        *ret = *counts;
    return r;
}
