#include "services/dissector/work/engines.h"
#include <errno.h>
#include <stdlib.h>
#include "services/dissector/work/counts.h"

struct engines { uint32_t first, count; struct run_writer *run; struct message_pool pool; struct shard *shards[SHARDS]; struct sink_of_shard { struct engines *engines; uint32_t shard; } sinks[SHARDS]; };

static int take_entry(void *context, const struct record *record)
{
    return run_writer_add(((struct sink_of_shard *)context)->engines->run, record);
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    const struct sink_of_shard *sink = context;
    struct run_view run_view = { .shard = sink->shard, .number = number, .view = *view };
    return run_writer_view(sink->engines->run, &run_view);
}

int engines_new(uint32_t first_shard, uint32_t count, const struct shard_options *options, const struct shard_sink *instead, const char *work_folder, uint64_t memory, struct engines **ret)
{
    if (count == 0 || first_shard >= SHARDS || count > SHARDS - first_shard)
        return -EINVAL;
    struct engines *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->first = first_shard;
    e->count = count;
    int r = instead ? 0 : run_writer_new(work_folder, memory, &e->run);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        e->sinks[i] = (struct sink_of_shard){ e, first_shard + i };
        struct shard_sink sink = instead ? *instead : (struct shard_sink){ take_entry, take_view, &e->sinks[i] };
        struct shard_options shared = *options;
        shared.pool = &e->pool;
        r = shard_new((uint8_t)(first_shard + i), &shared, &sink, &e->shards[i]);
    }
    if (r < 0) {
        engines_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

int engines_packet(struct engines *e, const struct shard_packet *packet)
{
    uint32_t shard = (uint32_t)(packet->hash & (SHARDS - 1)) - e->first;
    return shard < e->count ? shard_packet(e->shards[shard], packet) : -EINVAL;
}

/* A packet's connection was last seen thousands of packets ago: without hints a twelfth of the time goes into waiting for its memory. The bucket's turn is EXPECT packets ahead, the connection's half as many, its state's a quarter, its request's an eighth. */
#define EXPECT 8u
static const struct shard *shard_of(const struct engines *e, const struct shard_packet *packet)
{
    uint32_t shard = (uint32_t)(packet->hash & (SHARDS - 1)) - e->first;
    return e->shards[shard < e->count ? shard : 0];
}

int engines_packets(struct engines *e, const struct shard_packet *packets, uint32_t count)
{
    int r = 0;
    for (uint32_t i = 0; i < count && i < EXPECT; i++)
        shard_expect(shard_of(e, &packets[i]), packets[i].hash);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        if (i + EXPECT < count)
            shard_expect(shard_of(e, &packets[i + EXPECT]), packets[i + EXPECT].hash);
        if (i + EXPECT / 2 < count)
            shard_expect_soon(shard_of(e, &packets[i + EXPECT / 2]), packets[i + EXPECT / 2].hash);
        if (i + EXPECT / 4 < count)
            shard_expect_next(shard_of(e, &packets[i + EXPECT / 4]), packets[i + EXPECT / 4].hash);
        if (i + EXPECT / 8 < count)
            shard_expect_now(shard_of(e, &packets[i + EXPECT / 8]), packets[i + EXPECT / 8].hash);
        r = engines_packet(e, &packets[i]);
    }
    return r;
}

int engines_finish(struct engines *e, struct run_writer **ret_run, struct stage_result *counts)
{
    for (uint32_t i = 0; i < e->count; i++) {
        int r = shard_finish(e->shards[i]);
        if (r < 0)
            return r;
        counts_add_shard(counts, shard_counters(e->shards[i]));
        shard_free(e->shards[i]);
        e->shards[i] = NULL;
    }
    *ret_run = e->run;
    e->run = NULL;
    return 0;
}

void engines_free(struct engines *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->count; i++)
        shard_free(e->shards[i]);
    message_pool_free(&e->pool);
    run_writer_free(e->run);
    free(e);
}
