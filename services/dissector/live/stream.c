#include "services/dissector/live/stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/flow/decode.h"
#include "services/dissector/live/numbers.h"

struct lane { struct live_stream *stream; uint32_t shard; struct numbers numbers; };
struct live_stream {
    struct shard *shards[SHARDS];
    struct lane lanes[SHARDS];
    struct decoder *decoder;
    struct run_writer *run;         /* of the group under way */
    uint64_t entries, memory;
    char *work_folder;
    uint8_t *copy; uint32_t copy_room;
};

static int take_entry(void *context, const struct record *record)
{
    struct lane *lane = context;
    struct live_stream *s = lane->stream;
    uint32_t number = numbers_take(&lane->numbers, record->view);
    if (number == NUMBERS_NONE)
        return -ENOMEM;
    if (s->copy_room < record->size) {
        uint8_t *grown = realloc(s->copy, record->size);
        if (!grown)
            return -ENOMEM;
        s->copy = grown;
        s->copy_room = record->size;
    }
    memcpy(s->copy, record, record->size);
    struct record *copy = (struct record *)(void *)s->copy;
    copy->view = number;
    s->entries++;
    return run_writer_add(s->run, copy);
}

static int take_view(void *context, uint32_t number, const struct view *view)
{
    struct lane *lane = context;
    uint32_t local = numbers_find(&lane->numbers, number);
    if (local == NUMBERS_NONE)
        return 0; /* no entry of this group is its */
    struct run_view run_view = { .shard = lane->shard, .number = local, .view = *view };
    return run_writer_view(lane->stream->run, &run_view);
}

int live_stream_new(const struct shard_options *options, const char *work_folder, uint64_t memory, struct live_stream **ret)
{
    struct live_stream *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->memory = memory;
    s->work_folder = strdup(work_folder);
    int r = s->work_folder ? decoder_new(&s->decoder) : -ENOMEM;
    if (r == 0)
        r = run_writer_new(work_folder, memory, &s->run);
    for (uint32_t i = 0; i < SHARDS && r == 0; i++) {
        s->lanes[i] = (struct lane){ .stream = s, .shard = i };
        struct shard_sink sink = { take_entry, take_view, &s->lanes[i] };
        r = shard_new((uint8_t)i, options, &sink, &s->shards[i]);
    }
    if (r < 0) {
        live_stream_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

int live_stream_packet(struct live_stream *s, const struct input_packet *packet)
{
    struct shard_packet decoded;
    if (!decode_packet(s->decoder, packet, &decoded))
        return 0;
    return shard_packet(s->shards[decoded.hash & (SHARDS - 1)], &decoded);
}

uint64_t live_stream_entries(const struct live_stream *s) { return s->entries; }

int live_stream_cut(struct live_stream *s, bool end, struct run_reader **ret)
{
    struct run_writer *next = NULL;
    int r = run_writer_new(s->work_folder, s->memory, &next);
    for (uint32_t i = 0; i < SHARDS && r == 0; i++)
        r = end ? shard_finish(s->shards[i]) : shard_tell_views(s->shards[i]);
    if (r < 0) {
        run_writer_free(next);
        return r;
    }
    struct run_writer *run = s->run;
    s->run = next;
    s->entries = 0;
    for (uint32_t i = 0; i < SHARDS; i++)
        numbers_clear(&s->lanes[i].numbers);
    return run_writer_read(run, ret);
}

void live_stream_free(struct live_stream *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < SHARDS; i++) {
        shard_free(s->shards[i]);
        numbers_clear(&s->lanes[i].numbers);
    }
    decoder_free(s->decoder);
    run_writer_free(s->run);
    free(s->work_folder);
    free(s->copy);
    free(s);
}
