#include "services/dissector/work/collect.h"
#include <errno.h>
#include <poll.h>
#include "services/dissector/input/merge.h"
#include "services/dissector/work/await.h"
#include "services/dissector/work/counts.h"
#include "services/dissector/work/engines.h"

#define ADVANCE_EVERY 256u              /* batches between two looks at whether to stop: some ten thousand packets */

struct collector {
    const struct collect_options *options;
    const struct direct_options *direct;
    struct crowd_member *member;
    struct decoder *decoder;
    struct input_merge *merge;
    struct engines *engines;
    int failed;
    bool stopped;
    struct shard_packet decoded[INPUT_BATCH_MAX];
};

static bool is_ours(const struct collector *c, const struct shard_packet *packet)
{
    return (uint32_t)(packet->hash & (SHARDS - 1)) - c->options->first_shard < c->options->shards;
}

/* All decoded, then all to the engines, which see what comes. A datagram put together from fragments is the decoder's until the next one is: it goes at once, behind those before it. */
static int take_batch(struct collector *c, const struct input_packet *packets, uint32_t n)
{
    uint32_t count = 0;
    int r = 0;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        struct shard_packet *packet = &c->decoded[count];
        if (!decode_packet(c->decoder, &packets[i], packet) || !is_ours(c, packet))
            continue;
        count++;
        bool own = (uintptr_t)packet->data - (uintptr_t)packets[i].data > packets[i].captured;
        if (own) {
            r = engines_packets(c->engines, c->decoded, count);
            count = 0;
        }
    }
    return r < 0 ? r : engines_packets(c->engines, c->decoded, count);
}

/* Before a pipe's packets are waited for; a stream's reader first gets what there is. False: it shall end here. */
static bool await_packets(void *context, int fd)
{
    struct collector *c = context;
    struct pollfd input = { .fd = fd, .events = POLLIN };
    if (poll(&input, 1, 0) != 0)
        return true;
    if (c->options->stream)
        c->failed = finalise_stream_flush(c->options->stream);
    if (c->failed == 0)
        c->stopped = !await_input(fd, &c->member->progress);
    return c->failed == 0 && !c->stopped;
}

/* That a stopped pipe ends inside a packet is no fault of its. */
static void tell_problem(void *context, uint32_t input, const char *sentence)
{
    const struct collector *c = context;
    if (c->stopped || !c->direct->problem)
        return;
    pthread_mutex_lock(&c->member->crowd->lock); /* another's progress may be shown at this moment */
    if (!c->options->told[input])
        c->direct->problem(c->direct->context, input, sentence);
    c->options->told[input] = true;
    pthread_mutex_unlock(&c->member->crowd->lock);
}

static int read_all(struct collector *c)
{
    uint64_t total = 0, batches = 0;
    for (uint32_t i = 0; i < c->direct->plan->count; i++)
        total += c->direct->plan->inputs[i].bytes;
    for (;;) {
        const struct input_packet *packets;
        int n = input_merge_next(c->merge, INPUT_BATCH_MAX, &packets);
        if (n == 0 && !c->stopped) /* an input that could not be opened because of it is no end either */
            c->stopped = !stage_advance(&c->member->progress, input_merge_position(c->merge), total);
        if (n <= 0 || c->failed)
            return c->failed ? c->failed : n < 0 ? n : c->stopped && !c->options->stream ? -ECANCELED : 0;
        int r = take_batch(c, packets, (uint32_t)n);
        if (r != 0)
            return r < 0 ? r : 0; /* a stream that has all it wants */
        if (++batches % ADVANCE_EVERY == 0 && !stage_advance(&c->member->progress, input_merge_position(c->merge), total))
            return c->options->stream ? 0 : -ECANCELED;
    }
}

static int take_entry(void *context, const struct record *record)
{
    return finalise_stream_take(((struct collector *)context)->options->stream, record);
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    (void)context;
    (void)number;
    (void)view;
    return 0;
}

static int open_all(struct collector *c)
{
    const struct collect_options *o = c->options;
    struct shard_sink sink = { take_entry, take_view, c };
    int r = decoder_new(&c->decoder);
    if (r == 0)
        r = input_merge_new(c->direct->plan, tell_problem, c, &c->merge);
    if (r == 0)
        input_merge_on_wait(c->merge, await_packets, c);
    return r < 0 ? r : engines_new(o->first_shard, o->shards, o->shard, o->stream ? &sink : NULL, c->direct->work_folder, o->memory, &c->engines);
}

static int tell_what_was_read(struct collector *c, struct stage_result *counts, struct input_names *names)
{
    counts_add_input(counts, input_merge_counters(c->merge));
    counts_add_decode(counts, decoder_counters(c->decoder));
    counts_add_fragments(counts, fragments_counters(decoder_fragments(c->decoder)));
    counts_add(counts, "fragments_dropped", 0); /* the map stage may */
    return input_names_add_all(names, input_merge_names(c->merge));
}

int collect_inputs(const struct collect_options *options, struct crowd_member *member, struct run_writer **ret_run, struct stage_result *counts, struct input_names *names)
{
    struct collector c = { .options = options, .direct = options->direct, .member = member };
    int r = open_all(&c);
    if (r == 0)
        r = read_all(&c);
    if (r == 0)
        r = engines_finish(c.engines, ret_run, counts);
    if (r == 0 && options->tells)
        r = tell_what_was_read(&c, counts, names);
    engines_free(c.engines);
    input_merge_free(c.merge);
    decoder_free(c.decoder);
    return r;
}
