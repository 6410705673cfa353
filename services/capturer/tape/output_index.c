/* The index of a segment on its way: which records when. See output.h. */
#include "services/capturer/tape/output_internal.h"

#include <assert.h>
#include <errno.h>
#include <endian.h>
#include <stdio.h>

#include "capfile/lz4frame.h"

int output_append_records(struct output *output)
{
    uint32_t tries = 0;
    int rc = 0;
    if (output->records_size == 0)
        return 0;
    do
        rc = disk_write_all(output->index_fd, output->records, output->records_size, output->index_at);
    while (rc < 0 && output_refused(output, rc, &tries) == 0);
    if (rc < 0)
        return rc;
    output->index_at += output->records_size;
    output->records_size = 0;
    return 0;
}

static int put_record(struct output *output, const struct segment_record *record)
{
    if (output->records_size + SEGMENT_INDEX_RECORD_BYTES_MAX > sizeof output->records) {
        int rc = output_append_records(output);
        if (rc < 0)
            return rc;
    }
    output->records_size += segment_index_put(output->records + output->records_size, record);
    return 0;
}

static int put_interfaces(struct output *output, const struct lane_segment *segment)
{
    for (; output->interfaces_logged < segment->interfaces_count; output->interfaces_logged++) {
        struct segment_record record = { .type = SEGMENT_RECORD_INTERFACE, .interface = segment->interfaces[output->interfaces_logged] };
        int rc = put_record(output, &record);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int output_put_head(struct output *output, const struct lane_segment *segment)
{
    output->records_size = segment_index_put_header(output->records);
    struct segment_record identity = { .type = SEGMENT_RECORD_IDENTITY, .identity = { .tape_id = output->tape->id, .sequence = segment->sequence,
                                       .lane = output->lane->number, .opened_ns = segment->opened_wall_ns } };
    (void)snprintf(identity.identity.node, sizeof identity.identity.node, "%s", output->tape->node);
    int rc = put_record(output, &identity);
    if (rc == 0)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_CLOCK, .clock = { segment->opened_wall_ns, segment->opened_mono_ns } });
    if (rc == 0)
        rc = put_interfaces(output, segment);
    return rc < 0 ? rc : output_append_records(output);
}

/* The block has its record: it belongs to the segment for good. */
static void enter_block(struct output *output, const struct segment_block *block)
{
    struct segment_seal *seal = &output->seal;
    output->hashes[seal->blocks++] = htole64(block->hash);
    if (block->first_ns != 0 && (seal->first_ns == 0 || block->first_ns < seal->first_ns))
        seal->first_ns = block->first_ns;
    if (block->last_ns > seal->last_ns)
        seal->last_ns = block->last_ns;
    output->record_end = block->offset + block->size;
}

int output_prove(struct output *output)
{
    int64_t canary = 0;
    uint32_t count = 0;
    assert(output->records_size == 0);
    while (count < output->pending_count && output->records_size + SEGMENT_INDEX_RECORD_BYTES_MAX <= sizeof output->records) {
        const struct segment_block *block = &output->pending[(output->pending_head + count) % OUTPUT_PENDING_MAX].block;
        if (block->offset + block->size > output->proved)
            break;
        output->records_size += segment_index_put(output->records + output->records_size, &(struct segment_record){ .type = SEGMENT_RECORD_BLOCK, .block = *block });
        count++;
    }
    int rc = output_append_records(output);
    if (rc < 0)
        return rc;
    for (; count > 0; count--) {
        const struct output_pending *pending = &output->pending[output->pending_head];
        enter_block(output, &pending->block);
        if (pending->canary_sent_ns != 0)
            canary = pending->canary_sent_ns;
        output->pending_head = (output->pending_head + 1) % OUTPUT_PENDING_MAX;
        output->pending_count--;
    }
    if (canary != 0)
        atomic_store_explicit(&output->lane->canary_proved_ns, canary, memory_order_release);
    return 0;
}

int output_finish(struct output *output, const struct lane_segment *segment, const struct segment_gap *gap, const struct segment_ledger *ledger, const struct segment_interface_ledger *ledgers)
{
    int rc = put_interfaces(output, segment);
    if (rc == 0 && gap)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_GAP, .gap = *gap });
    for (uint32_t i = 0; i < segment->gaps_count && rc == 0; i++)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_GAP, .gap = segment->gaps[i] });
    for (uint32_t i = 0; i < segment->interfaces_count && rc == 0; i++)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE_LEDGER, .interface_ledger = ledgers[i] });
    if (rc == 0)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_CLOCK, .clock = { segment->closed_wall_ns, segment->closed_mono_ns } });
    if (rc == 0)
        rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_LEDGER, .ledger = *ledger });
    if (rc == 0)
        rc = output_append_records(output);
    output->seal.size = output->end + LZ4FRAME_END_BYTES;
    output->seal.hash = segment_block_hash(output->hashes, (size_t)output->seal.blocks * sizeof *output->hashes);
    output->seal.reason = (uint8_t)segment->reason;
    return rc;
}
