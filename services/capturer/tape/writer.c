#include "services/capturer/tape/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capfile/lz4frame.h"
#include "services/capturer/tape/box.h"
#include "services/capturer/tape/discard.h"
#include "services/capturer/tape/output.h"
#include "services/capturer/tape/sealer.h"
#include "units/units.h"

#define MIB (1024 * 1024)

struct writer {
    struct tape *tape;
    struct lane *lane;
    pthread_t thread;
    struct output *output;
    struct discard *discard;
    struct segment_interface_ledger *ledgers;    /* LANE_INTERFACES_MAX */
    bool in_segment;                             /* between `first` and `last` */
    bool begun;                                  /* the segment has files (output may have failed since) */
    bool pressure;                               /* what the last data block said */
    bool roll_asked;
    uint64_t copied;                             /* bytes under pressure in a row, in a packed segment */
    int64_t rolled_ns;                           /* monotonic: when a roll was last asked for because the disk is gone */
    uint32_t slot;                               /* of the current segment */
    bool busy;                                   /* blocks came since the last sleep */
};

static bool block_presses(const struct lane_block *block)
{
    return block->fill_ns * MIB < WRITER_COMPRESS_NS_PER_MIB * (int64_t)block->stored_size;
}

static bool queue_presses(const struct lane *lane)
{
    return lane_queue_room(lane) < LANE_QUEUE_BLOCKS - WRITER_QUEUE_CALM;
}

/* Whether a block is worth compressing now. Small ones say nothing of the rate: a flush may have cut them. */
static bool compresses(struct writer *writer, const struct lane_block *block)
{
    if (block->block.kind == SEGMENT_BLOCK_DATA)
        writer->pressure = block_presses(block) || queue_presses(writer->lane);
    if (writer->tape->compress != TAPE_COMPRESS_AUTO)
        return writer->tape->compress == TAPE_COMPRESS_ALWAYS;
    return block->block.kind == SEGMENT_BLOCK_DATA ? !writer->pressure : !queue_presses(writer->lane);
}

static void roll_where_it_pays(struct writer *writer, const struct lane_block *block)
{
    struct output *output = writer->output;
    if (writer->tape->compress != TAPE_COMPRESS_AUTO || !output->packed || block->block.kind != SEGMENT_BLOCK_DATA)
        return;
    writer->copied = writer->pressure ? writer->copied + block->stored_size : 0;
    if (!writer->roll_asked && writer->copied >= WRITER_ROLL_AFTER_BYTES && output->end + WRITER_ROLL_LEFT_BYTES <= writer->tape->segment_size) {
        writer->roll_asked = true;
        lane_request_seal(writer->lane, SEGMENT_SEAL_SIZE);
    }
}

static void segment_begin(struct writer *writer, const struct lane_block *block)
{
    const struct lane_segment *segment = &writer->lane->segments[block->segment_slot];
    assert(!writer->in_segment);
    writer->slot = block->segment_slot;
    writer->in_segment = true;
    writer->roll_asked = false;
    writer->copied = 0;
    writer->begun = false;
    if (tape_segment_begin(writer->tape, writer->lane->number, segment->sequence, segment->opened_wall_ns) < 0) {
        (void)tape_disk_refused(writer->tape, writer->lane->number, -ENOSPC);
        return;
    }
    enum tape_compress compress = writer->tape->compress;
    bool packed = compress == TAPE_COMPRESS_ALWAYS || (compress == TAPE_COMPRESS_AUTO && !writer->pressure);
    if (output_open(writer->output, segment, packed) < 0)
        tape_segment_abandon(writer->tape, writer->lane->number);
    else
        writer->begun = true;
}

/* Asks for a new segment from time to time, so that recording goes on as soon as the disk lets it. */
static void ask_new_segment(struct writer *writer)
{
    int64_t now = units_now_mono_ns();
    if (now - writer->rolled_ns < WRITER_ROLL_EVERY_NS)
        return;
    writer->rolled_ns = now;
    lane_request_seal(writer->lane, SEGMENT_SEAL_SIZE);
}

static void segment_drop(struct writer *writer)
{
    output_discard(writer->output);
    tape_segment_abandon(writer->tape, writer->lane->number);
    writer->begun = false;
}

static void hand_over(struct writer *writer, const struct lane_segment *segment, const struct segment_ledger *ledger, struct seal_job *job)
{
    struct output *output = writer->output;
    *job = (struct seal_job){ .lane = writer->lane->number, .sequence = output->sequence, .index_at = output->index_at, .fd = output->fd, .index_fd = output->index_fd,
                              .opened_ns = segment->opened_wall_ns, .closed_ns = segment->closed_wall_ns, .seal = output->seal, .ledger = *ledger };
    output->fd = output->index_fd = -1;
    output->open = false;
    sealer_hand_over(writer->tape, job);
}

/* After `last`: seals what came to the disk. Where nothing did, the segment's counts go into the next one's ledger. */
static void segment_end(struct writer *writer)
{
    const struct lane_segment *segment = &writer->lane->segments[writer->slot];
    struct output *output = writer->output;
    int rc = writer->begun ? output_end(output) : -EIO;
    /* A failed one of which no packet came to the disk says nothing. */
    bool keep = rc == 0 && output->seal.blocks > 0 && !(output->failed && output->seal.last_ns == 0);
    struct seal_job *job = keep ? malloc(sizeof *job) : NULL;
    writer->in_segment = false;
    if (!job) {
        if (writer->begun)
            segment_drop(writer);
        discard_carry(writer->discard, segment);
        return;
    }
    struct segment_ledger ledger;
    struct segment_gap gap = writer->discard->gap;
    discard_settle(writer->discard, segment, &ledger, writer->ledgers);
    /* Records that are missing at the end are the salvage's to add at the next start: the seal fails on the same disk, and the files stay hidden. */
    (void)output_finish(output, segment, gap.from_ns != 0 ? &gap : NULL, &ledger, writer->ledgers);
    hand_over(writer, segment, &ledger, job);
    writer->begun = false;
}

static void take_block(struct writer *writer, const struct lane_block *block)
{
    struct output *output = writer->output;
    const uint8_t *stored = writer->lane->chunks[block->chunk] + block->chunk_offset;
    if (block->first)
        segment_begin(writer, block);
    bool compress = compresses(writer, block), take = writer->begun && !output->failed && block->stored_size > 0;
    /* More than was planned would burst the box: a capture thread that keeps to segment_bytes_max never comes here. */
    if (take && !output_fits(output, block->stored_size)) {
        output_fail(output);
        take = false;
    }
    if (take && output_add(output, block, compress) == 0) {
        roll_where_it_pays(writer, block);
        (void)output_push(output, block->flush && !block->last);
    } else if (block->stored_size > 0) {
        discard_block(writer->discard, &block->block, stored + LZ4FRAME_BLOCK_WORD_BYTES, block->stored_size - LZ4FRAME_BLOCK_WORD_BYTES);
        if (!block->last)
            ask_new_segment(writer);
    }
    if (block->last)
        segment_end(writer);
    if (block->chunk_done)
        output_chunk_done(output, block->chunk);
}

/* Sleeps until there is a block or a finished write. Under load by the clock: the capture thread then need not wake anybody, and several blocks are taken at once. */
static void writer_sleep(struct writer *writer)
{
    if (writer->busy) {
        writer->busy = false;
        disk_wait(writer->output->disk, -1, WRITER_NAP_MS);
        return;
    }
    if (!lane_writer_may_sleep(writer->lane))
        return;
    disk_wait(writer->output->disk, writer->lane->writer_wake, WRITER_IDLE_MS);
    lane_writer_awake(writer->lane);
}

static void *writer_main(void *context)
{
    struct writer *writer = context;
    struct lane *lane = writer->lane;
    (void)pthread_setname_np(pthread_self(), "writer");
    for (;;) {
        bool ended = atomic_load_explicit(&lane->capture_ended, memory_order_seq_cst); /* before the look: nothing comes behind it */
        unsigned taken = 0;
        struct lane_block block;
        while (lane_pop_block(lane, &block)) {
            take_block(writer, &block);
            (void)output_look(writer->output);
            taken++;
        }
        (void)output_look(writer->output);
        if (taken == 0 && ended)
            break;
        writer->busy |= taken > 1 || (taken == 1 && writer->pressure);
        if (taken == 0)
            writer_sleep(writer);
    }
    if (writer->in_segment) {                    /* the capture thread ended without ending its segment: what is proved stays; of the rest the chunk may be used again already */
        if (writer->begun)
            output_fail(writer->output);
        segment_end(writer);
    }
    atomic_store_explicit(&lane->writer_ended, true, memory_order_release);
    return NULL;
}

static void writer_free(struct writer *writer)
{
    output_free(writer->output);
    discard_free(writer->discard);
    free(writer->ledgers);
    free(writer);
}

int writer_new(struct tape *tape, struct lane *lane, struct writer **ret)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    writer->tape = tape;
    writer->lane = lane;
    writer->ledgers = calloc(LANE_INTERFACES_MAX, sizeof *writer->ledgers);
    int rc = writer->ledgers ? discard_new(lane, &writer->discard) : -ENOMEM;
    if (rc == 0)
        rc = output_new(tape, lane, writer->discard, &writer->output);
    if (rc == 0)
        rc = -pthread_create(&writer->thread, NULL, writer_main, writer);
    if (rc < 0) {
        writer_free(writer);
        return rc;
    }
    *ret = writer;
    return 0;
}

void writer_join(struct writer *writer)
{
    (void)pthread_join(writer->thread, NULL);
    writer_free(writer);
}
