#include "services/capturer/tape/output.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capfile/lz4frame.h"
#include "services/capturer/tape/box.h"

#define RETRIES_MAX 64u /* of one write, each after a recycled segment or an error: more is a disk that is gone */
#define ERROR_RETRIES_MAX 3u

static_assert(OUTPUT_PACK_BYTES >= DISK_ALIGN + OUTPUT_WRITE_BYTES + LZ4FRAME_BLOCK_BYTES_MAX, "a block always fits the pack that is not due yet");

static uint64_t page_floor(uint64_t offset) { return offset / DISK_ALIGN * DISK_ALIGN; }

static uint8_t *map_memory(size_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_DONTDUMP);
    return memory;
}

int output_new(struct tape *tape, struct lane *lane, struct output **ret)
{
    struct output *output = calloc(1, sizeof *output);
    if (!output)
        return -ENOMEM;
    output->tape = tape;
    output->lane = lane;
    output->fd = output->index_fd = -1;
    output->hashes_room = tape->segment_blocks;
    output->hashes = calloc(output->hashes_room, sizeof *output->hashes);
    output->packs = map_memory((size_t)OUTPUT_PACKS * OUTPUT_PACK_BYTES);
    output->scratch = map_memory((size_t)DISK_WRITES_MAX * OUTPUT_SCRATCH_BYTES);
    int rc = output->hashes && output->packs && output->scratch ? disk_new(tape->disk_kind, &output->disk) : -ENOMEM;
    if (rc < 0) {
        output_free(output);
        return rc;
    }
    *ret = output;
    return 0;
}

void output_free(struct output *output)
{
    if (!output)
        return;
    disk_free(output->disk);
    if (output->packs)
        (void)munmap(output->packs, (size_t)OUTPUT_PACKS * OUTPUT_PACK_BYTES);
    if (output->scratch)
        (void)munmap(output->scratch, (size_t)DISK_WRITES_MAX * OUTPUT_SCRATCH_BYTES);
    free(output->hashes);
    free(output);
}

static void hidden_names(const struct output *output, char *name, char *index_name, size_t index_name_bytes)
{
    char plain[SEGMENT_FILE_NAME_MAX];
    segment_file_name(output->lane->number, output->sequence, plain);
    (void)snprintf(name, SEGMENT_FILE_NAME_MAX + 1, ".%s", plain);
    (void)snprintf(index_name, index_name_bytes, ".%s.idx", plain);
}

/* Asks the tape whether to try again what failed with error. */
static int refused(struct output *output, int error, uint32_t *tries)
{
    bool full = error == -ENOSPC || error == -EDQUOT;
    if (++*tries > (full ? RETRIES_MAX : ERROR_RETRIES_MAX))
        return error;
    return tape_disk_refused(output->tape, output->lane->number, error);
}

static int append_records(struct output *output)
{
    uint32_t tries = 0;
    int rc = 0;
    if (output->records_size == 0)
        return 0;
    do
        rc = disk_write_all(output->index_fd, output->records, output->records_size, output->index_at);
    while (rc < 0 && refused(output, rc, &tries) == 0);
    if (rc < 0)
        return rc;
    output->index_at += output->records_size;
    output->records_size = 0;
    return 0;
}

static int put_record(struct output *output, const struct segment_record *record)
{
    if (output->records_size + SEGMENT_INDEX_RECORD_BYTES_MAX > sizeof output->records) {
        int rc = append_records(output);
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

static int put_head(struct output *output, const struct lane_segment *segment)
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
    return rc < 0 ? rc : append_records(output);
}

/* The index's blocks are taken in advance too, behind its end, so that the records of written blocks never lack room. */
static int create_files(struct output *output)
{
    char name[SEGMENT_FILE_NAME_MAX + 1], index_name[SEGMENT_FILE_NAME_MAX + 8];
    hidden_names(output, name, index_name, sizeof index_name);
    const struct tape *tape = output->tape;
    int rc = disk_create(tape->disk_kind, tape->segments_fd, name, (tape->segment_size + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN, &output->fd);
    if (rc < 0)
        return rc;
    output->index_fd = openat(tape->segments_fd, index_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (output->index_fd < 0)
        rc = -errno;
    else if (fallocate(output->index_fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)tape->index_size) < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        rc = -errno;
    if (rc < 0)
        output_discard(output);
    return rc;
}

int output_open(struct output *output, const struct lane_segment *segment, bool packed)
{
    assert(!output->open && disk_room(output->disk) == DISK_WRITES_MAX);
    output->sequence = segment->sequence;
    uint32_t tries = 0;
    int rc;
    do
        rc = create_files(output);
    while (rc < 0 && refused(output, rc, &tries) == 0);
    if (rc < 0)
        return rc;
    output->packed = packed;
    output->failed = false;
    output->end = output->sent = output->tail_sent = output->proved = output->base = output->saved = 0;
    output->record_end = LZ4FRAME_HEADER_BYTES;
    output->memory = NULL;
    output->pending_head = output->pending_count = output->interfaces_logged = 0;
    output->retries = 0;
    output->index_at = 0;
    output->records_size = 0;
    output->seal = (struct segment_seal){ 0 };
    if (packed) {
        output->region = LANE_CHUNKS;
        output->memory = output->packs;
        output->end = lz4frame_put_header(output->packs);
    }
    output->open = true;
    rc = put_head(output, segment);
    if (rc < 0) {
        output_discard(output);
        return rc;
    }
    tape_segment_files(output->tape, output->lane->number, output->fd, output->index_fd);
    atomic_store_explicit(&output->lane->saved_bytes, 0, memory_order_release);
    atomic_store_explicit(&output->lane->saved_for_sequence, output->sequence, memory_order_release);
    if (tries == 0)
        tape_disk_well(output->tape, output->lane->number);
    return 0;
}

void output_discard(struct output *output)
{
    output->failed = true;                       /* nothing more is proved */
    (void)output_drain(output);
    char name[SEGMENT_FILE_NAME_MAX + 1], index_name[SEGMENT_FILE_NAME_MAX + 8];
    hidden_names(output, name, index_name, sizeof index_name);
    tape_segment_files(output->tape, output->lane->number, -1, -1);
    if (output->fd >= 0)
        (void)close(output->fd);
    if (output->index_fd >= 0)
        (void)close(output->index_fd);
    output->fd = output->index_fd = -1;
    (void)unlinkat(output->tape->segments_fd, name, 0);
    (void)unlinkat(output->tape->segments_fd, index_name, 0);
    output->open = false;
}

bool output_fits(const struct output *output, uint32_t stored_size)
{
    return output->end + stored_size + LZ4FRAME_END_BYTES <= output->tape->segment_size && output->seal.blocks + output->pending_count < output->hashes_room;
}

static void region_release(struct output *output, uint32_t region)
{
    if (!output->region_done[region] || output->region_writes[region] > 0)
        return;
    output->region_done[region] = false;
    if (region < LANE_CHUNKS)
        lane_give_chunk(output->lane, region);
}

/* Records of the blocks that are wholly on the disk, in order; their canaries count once the records are appended. */
static int prove(struct output *output)
{
    int64_t canary = 0;
    while (output->pending_count > 0) {
        const struct output_pending *pending = &output->pending[output->pending_head];
        if (pending->block.offset + pending->block.size > output->proved)
            break;
        int rc = put_record(output, &(struct segment_record){ .type = SEGMENT_RECORD_BLOCK, .block = pending->block });
        if (rc < 0)
            return rc;
        const struct segment_block *block = &pending->block;
        struct segment_seal *seal = &output->seal;
        output->hashes[seal->blocks++] = htole64(block->hash);
        if (block->first_ns != 0 && (seal->first_ns == 0 || block->first_ns < seal->first_ns))
            seal->first_ns = block->first_ns;
        if (block->last_ns > seal->last_ns)
            seal->last_ns = block->last_ns;
        output->record_end = block->offset + block->size;
        if (pending->canary_sent_ns != 0)
            canary = pending->canary_sent_ns;
        output->pending_head = (output->pending_head + 1) % OUTPUT_PENDING_MAX;
        output->pending_count--;
    }
    int rc = append_records(output);
    if (rc == 0 && canary != 0)
        atomic_store_explicit(&output->lane->canary_proved_ns, canary, memory_order_release);
    return rc;
}

static int submit(struct output *output, const struct output_write *write, const uint8_t *data)
{
    unsigned slot;
    int rc = disk_submit(output->disk, &(struct disk_write){ .fd = output->fd, .data = data, .size = (uint32_t)write->size, .offset = write->offset }, &slot);
    if (rc < 0)
        return rc;
    output->writes[slot] = *write;
    output->busy[slot] = true;
    if (write->region < OUTPUT_REGIONS)
        output->region_writes[write->region]++;
    return 0;
}

/* What the write would have done, on this thread, after room was made. */
static int rescue(struct output *output, unsigned slot, int error)
{
    const struct disk_write *write = &output->disk->slots[slot].write;
    uint32_t tries = 0;
    while (error < 0 && refused(output, error, &tries) == 0)
        error = disk_write_all(write->fd, write->data, write->size, write->offset);
    return error;
}

static void advance(struct output *output)
{
    static const uint64_t all = UINT64_MAX;
    uint64_t least = all;
    for (unsigned i = 0; i < DISK_WRITES_MAX; i++)
        if (output->busy[i] && output->writes[i].offset < least)
            least = output->writes[i].offset;
    if (least == all)
        least = output->tail_sent > output->sent ? output->tail_sent : output->sent;
    if (least > output->proved)
        output->proved = least;
}

static int reap(struct output *output)
{
    unsigned slot;
    int result, rc = 0;
    bool any = false;
    while (disk_reap(output->disk, &slot, &result)) {
        const struct output_write write = output->writes[slot];
        if (result < 0 && !output->failed)
            result = rescue(output, slot, result);
        output->busy[slot] = false;
        if (write.region < OUTPUT_REGIONS) {
            output->region_writes[write.region]--;
            region_release(output, write.region);
        }
        if (result < 0) {
            output->failed = true;
            rc = result;
        } else if (!output->failed) {
            advance(output);
            any = true;
        }
    }
    if (any && !output->failed) {
        rc = prove(output);
        output->failed = rc < 0;
    }
    return rc;
}

int output_look(struct output *output)
{
    return reap(output);
}

int output_drain(struct output *output)
{
    int rc = 0;
    while (disk_room(output->disk) < DISK_WRITES_MAX) {
        int result = reap(output);
        if (result < 0)
            rc = result;
        if (disk_room(output->disk) < DISK_WRITES_MAX)
            disk_wait(output->disk, -1, -1);
    }
    return rc;
}

/* Waits until there is a free slot and no write under way covers [offset, offset + size). */
static int wait_turn(struct output *output, uint64_t offset, uint64_t size)
{
    for (;;) {
        bool clash = disk_room(output->disk) == 0;
        for (unsigned i = 0; i < DISK_WRITES_MAX && !clash; i++)
            clash = output->busy[i] && output->writes[i].offset < offset + size && offset < output->writes[i].offset + output->writes[i].size;
        if (!clash)
            return output->failed ? -EIO : 0;
        int rc = reap(output);
        if (rc < 0)
            return rc;
        if (disk_room(output->disk) == 0)
            disk_wait(output->disk, -1, -1);
        else if (clash)
            disk_wait(output->disk, -1, 1);
    }
}

static int push_pages(struct output *output)
{
    uint64_t pages_end = page_floor(output->end);
    while (output->sent < pages_end) {
        uint64_t size = pages_end - output->sent;
        int rc = wait_turn(output, output->sent, size);
        if (rc < 0)
            return rc;
        struct output_write write = { .offset = output->sent, .size = size, .region = output->region };
        rc = submit(output, &write, output->memory + (output->sent - output->base));
        if (rc < 0)
            return rc;
        output->sent = pages_end;
    }
    return 0;
}

/* The part page, and behind it the end mark where the segment ends. */
static int push_tail(struct output *output, bool end_mark)
{
    uint64_t page = output->sent;
    size_t size = (size_t)(output->end - page);
    if ((size == 0 || output->tail_sent == output->end) && !end_mark)
        return 0;
    int rc = wait_turn(output, page, OUTPUT_SCRATCH_BYTES);
    if (rc < 0)
        return rc;
    unsigned slot = 0;
    while (output->busy[slot])
        slot++;                                  /* disk_submit takes the first free one too */
    uint8_t *scratch = output->scratch + (size_t)slot * OUTPUT_SCRATCH_BYTES;
    memset(scratch, 0, OUTPUT_SCRATCH_BYTES);
    if (size > 0)
        memcpy(scratch, output->memory + (page - output->base), size);
    if (end_mark)
        size += lz4frame_put_end(scratch + size);
    struct output_write write = { .offset = page, .size = size > DISK_ALIGN ? OUTPUT_SCRATCH_BYTES : DISK_ALIGN, .region = OUTPUT_REGIONS };
    rc = submit(output, &write, scratch);
    if (rc == 0)
        output->tail_sent = page + size;
    return rc;
}

int output_push(struct output *output, bool flush)
{
    assert(output->open);
    bool due = flush || output->end - output->sent >= OUTPUT_WRITE_BYTES;
    int rc = output->failed ? -EIO : 0;
    if (rc == 0 && due)
        rc = push_pages(output);
    if (rc == 0 && flush)
        rc = push_tail(output, false);
    if (rc < 0)
        output->failed = true;
    return rc;
}

void output_chunk_done(struct output *output, uint32_t chunk)
{
    if (output->open && !output->packed && !output->failed && output->memory && output->region == chunk && push_pages(output) < 0)
        output->failed = true;
    output->region_done[chunk] = true;
    region_release(output, chunk);
}

/* A pack for the next block: the one in use unless it is due; then the next, which begins with the page that the last one ends in. */
static int pack_room(struct output *output)
{
    if (output->end - output->base + LZ4FRAME_BLOCK_BYTES_MAX <= OUTPUT_PACK_BYTES)
        return 0;
    int rc = push_pages(output);
    if (rc < 0)
        return rc;
    uint32_t next = output->region + 1 < OUTPUT_REGIONS ? output->region + 1 : LANE_CHUNKS;
    while (output->region_writes[next] > 0) {
        disk_wait(output->disk, -1, -1);
        rc = reap(output);
        if (rc < 0)
            return rc;
    }
    uint8_t *memory = output->packs + (size_t)(next - LANE_CHUNKS) * OUTPUT_PACK_BYTES;
    memcpy(memory, output->memory + (output->sent - output->base), (size_t)(output->end - output->sent));
    output->memory = memory;
    output->base = output->sent;
    output->region = next;
    return 0;
}

static int add_packed(struct output *output, const uint8_t *stored, uint32_t stored_size, bool compress, struct segment_block *block)
{
    int rc = pack_room(output);
    if (rc < 0)
        return rc;
    uint8_t *place = output->packs + (size_t)(output->region - LANE_CHUNKS) * OUTPUT_PACK_BYTES + (output->end - output->base);
    block->size = stored_size;
    if (compress) {
        block->size = (uint32_t)lz4frame_put_block(place, stored + LZ4FRAME_BLOCK_WORD_BYTES, stored_size - LZ4FRAME_BLOCK_WORD_BYTES);
        block->compressed = block->size < stored_size;
    } else {
        memcpy(place, stored, stored_size);
    }
    block->hash = segment_block_hash(place, block->size);
    return 0;
}

static int add_direct(struct output *output, const struct lane_block *lane_block, const uint8_t *stored, struct segment_block *block)
{
    uint64_t base = lane_block->stored_offset - lane_block->chunk_offset;
    if (output->memory == NULL || output->region != lane_block->chunk || output->base != base) {
        /* A new chunk begins with the page that the last one ends in: whole pages of that one are submitted by now. */
        int rc = output->memory ? push_pages(output) : 0;
        if (rc < 0)
            return rc;
        assert(base == output->sent && base % DISK_ALIGN == 0);
        output->memory = output->lane->chunks[lane_block->chunk];
        output->base = base;
        output->region = lane_block->chunk;
        if (base == 0)
            output->end = LZ4FRAME_HEADER_BYTES;
    }
    assert(lane_block->stored_offset == output->end);
    block->size = lane_block->stored_size;
    block->hash = segment_block_hash(stored, block->size);
    return 0;
}

int output_add(struct output *output, const struct lane_block *lane_block, bool compress)
{
    assert(output->open && output_fits(output, lane_block->stored_size));
    if (output->failed)
        return -EIO;
    int rc = 0;
    while (output->pending_count == OUTPUT_PENDING_MAX && rc == 0) {
        rc = output_push(output, true);
        if (rc == 0)
            rc = output_drain(output);
    }
    struct output_pending *pending = &output->pending[(output->pending_head + output->pending_count) % OUTPUT_PENDING_MAX];
    pending->block = lane_block->block;
    pending->block.compressed = false;
    pending->canary_sent_ns = lane_block->canary_sent_ns;
    const uint8_t *stored = output->lane->chunks[lane_block->chunk] + lane_block->chunk_offset;
    if (rc == 0)
        rc = output->packed ? add_packed(output, stored, lane_block->stored_size, compress, &pending->block) : add_direct(output, lane_block, stored, &pending->block);
    if (rc < 0) {
        output->failed = true;
        return rc;
    }
    pending->block.offset = output->end;
    output->end += pending->block.size;
    output->pending_count++;
    output->saved += lane_block->stored_size - pending->block.size;
    atomic_store_explicit(&output->lane->saved_bytes, output->saved, memory_order_release);
    return 0;
}

/* The file ends after the last block that has its record. Through the page cache, since that is no place for a direct write. */
static int cut_failed(struct output *output)
{
    uint8_t mark[LZ4FRAME_END_BYTES];
    size_t size = lz4frame_put_end(mark);
    int rc = disk_buffer(output->fd);
    if (rc == 0 && ftruncate(output->fd, (off_t)output->record_end) < 0)
        rc = -errno;
    uint32_t tries = 0;
    if (rc == 0)
        do
            rc = disk_write_all(output->fd, mark, size, output->record_end);
        while (rc < 0 && refused(output, rc, &tries) == 0);
    output->end = output->record_end;
    output->records_size = 0;                    /* of blocks that were not appended */
    return rc;
}

int output_end(struct output *output)
{
    assert(output->open);
    int rc = output->failed ? -EIO : push_pages(output);
    if (rc == 0)
        rc = push_tail(output, true);
    if (rc < 0)
        output->failed = true;
    (void)output_drain(output);
    if (output->failed)
        return cut_failed(output);
    assert(output->pending_count == 0);
    return ftruncate(output->fd, (off_t)(output->end + LZ4FRAME_END_BYTES)) < 0 ? -errno : 0;
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
        rc = append_records(output);
    output->seal.size = output->end + LZ4FRAME_END_BYTES;
    output->seal.hash = segment_block_hash(output->hashes, (size_t)output->seal.blocks * sizeof *output->hashes);
    output->seal.reason = (uint8_t)segment->reason;
    return rc;
}
