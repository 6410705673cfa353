#include "services/capturer/tape/output_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "capfile/lz4frame.h"
#include "mem/cleanup.h"

static_assert(OUTPUT_PACK_BYTES >= DISK_ALIGN + OUTPUT_WRITE_BYTES + LZ4FRAME_BLOCK_BYTES_MAX, "a block always fits the pack that is not due yet");

static uint8_t *region_memory(const struct output *output, uint32_t region)
{
    return region < LANE_CHUNKS ? output->lane->chunks[region] : output->packs + (size_t)(region - LANE_CHUNKS) * OUTPUT_PACK_BYTES;
}

/* From here on the file's bytes from base lie in this region. */
static void enter_region(struct output *output, uint32_t region, uint64_t base)
{
    output->memory = region_memory(output, region);
    output->base = base;
    output->region = region;
    output->region_base[region] = base;
}

static uint64_t page_floor(uint64_t offset) { return offset / DISK_ALIGN * DISK_ALIGN; }

static uint8_t *map_memory(size_t bytes)
{
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_DONTDUMP);
    return memory;
}

int output_new(struct tape *tape, struct lane *lane, struct discard *discard, struct output **ret)
{
    struct output *output = calloc(1, sizeof *output);
    if (!output)
        return -ENOMEM;
    output->tape = tape;
    output->lane = lane;
    output->discard = discard;
    for (unsigned i = 0; i < OUTPUT_REGIONS; i++)
        output->region_base[i] = OUTPUT_NO_BASE;
    output->fd = output->index_fd = -1;
    output->hashes_room = tape->segment_blocks;
    output->hashes = calloc(output->hashes_room, sizeof *output->hashes);
    output->packs = map_memory((size_t)OUTPUT_PACKS * OUTPUT_PACK_BYTES);
    output->scratch = map_memory((size_t)DISK_WRITES_MAX * OUTPUT_SCRATCH_BYTES);
    int rc = output->hashes && output->packs && output->scratch ? disk_new(tape->disk_kind, &output->disk) : -ENOMEM;
    if (rc < 0 && rc != -ENOMEM && tape->disk_kind == DISK_URING) {
        tape->disk_kind = DISK_DIRECT;           /* it was allowed when the tape was opened: capabilities have gone since */
        rc = disk_new(tape->disk_kind, &output->disk);
    }
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

bool output_fits(const struct output *output, uint32_t stored_size)
{
    return output->end + stored_size + LZ4FRAME_END_BYTES <= output->tape->segment_size && output->seal.blocks + output->pending_count < output->hashes_room;
}

static void region_release(struct output *output, uint32_t region)
{
    if (!output->region_done[region] || output->region_writes[region] > 0)
        return;
    output->region_done[region] = false;
    output->region_base[region] = OUTPUT_NO_BASE;
    lane_give_chunk(output->lane, region);
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
    while (error < 0 && output_refused(output, error, &tries) == 0)
        error = disk_write_all(write->fd, write->data, write->size, write->offset);
    return error;
}

/* How far every byte is on the disk: up to the first write under way, or to the end of all that was submitted. */
static void advance(struct output *output)
{
    uint64_t least = output->tail_sent > output->sent ? output->tail_sent : output->sent;
    for (unsigned i = 0; i < DISK_WRITES_MAX; i++)
        if (output->busy[i] && output->writes[i].offset < least)
            least = output->writes[i].offset;
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
        if (result < 0)
            output_fail(output);                 /* before its region is given back: the thrown away are counted from it */
        output->busy[slot] = false;
        if (write.region < OUTPUT_REGIONS) {
            output->region_writes[write.region]--;
            region_release(output, write.region);
        }
        if (result < 0) {
            rc = result;
        } else if (!output->failed) {
            advance(output);
            any = true;
        }
    }
    if (any && !output->failed) {
        rc = output_prove(output);
        if (rc < 0)
            output_fail(output);
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

int output_push_pages(struct output *output)
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
int output_push_tail(struct output *output, bool end_mark)
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
        rc = output_push_pages(output);
    if (rc == 0 && flush)
        rc = output_push_tail(output, false);
    if (rc < 0)
        output_fail(output);
    return rc;
}

void output_chunk_done(struct output *output, uint32_t chunk)
{
    if (output->open && !output->packed && !output->failed && output->memory && output->region == chunk && output_push_pages(output) < 0)
        output_fail(output);
    output->region_done[chunk] = true;
    region_release(output, chunk);
}

/* A pack for the next block: the one in use unless it is due; then the next, which begins with the page that the last one ends in. */
static int pack_room(struct output *output)
{
    if (output->end - output->base + LZ4FRAME_BLOCK_BYTES_MAX <= OUTPUT_PACK_BYTES)
        return 0;
    int rc = output_push_pages(output);
    if (rc < 0)
        return rc;
    uint32_t next = output->region + 1 < OUTPUT_REGIONS ? output->region + 1 : LANE_CHUNKS;
    while (output->region_writes[next] > 0) {
        disk_wait(output->disk, -1, -1);
        rc = reap(output);
        if (rc < 0)
            return rc;
    }
    memcpy(region_memory(output, next), output->memory + (output->sent - output->base), (size_t)(output->end - output->sent));
    enter_region(output, next, output->sent);
    return 0;
}

static int add_packed(struct output *output, const uint8_t *stored, uint32_t stored_size, bool compress, struct segment_block *block)
{
    int rc = pack_room(output);
    if (rc < 0)
        return rc;
    uint8_t *place = region_memory(output, output->region) + (output->end - output->base);
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
        int rc = output->memory ? output_push_pages(output) : 0;
        if (rc < 0)
            return rc;
        assert(base == output->sent && base % DISK_ALIGN == 0);
        enter_region(output, lane_block->chunk, base);
        if (base == 0)
            output->end = LZ4FRAME_HEADER_BYTES;
    }
    assert(lane_block->stored_offset == output->end);
    block->size = lane_block->stored_size;
    block->hash = segment_block_hash(stored, block->size);
    return 0;
}

void output_fail(struct output *output)
{
    if (output->failed)
        return;
    output->failed = true;
    mem_auto_free uint8_t *decoded = malloc(LZ4FRAME_CONTENT_BYTES_MAX);
    for (; output->pending_count > 0; output->pending_count--) {
        const struct output_pending *pending = &output->pending[output->pending_head];
        const struct segment_block *block = &pending->block;
        const uint8_t *content = NULL;
        if (output->region_base[pending->region] == pending->base) {
            const uint8_t *stored = region_memory(output, pending->region) + (block->offset - pending->base);
            if (!block->compressed)
                content = stored + LZ4FRAME_BLOCK_WORD_BYTES;
            else if (decoded && lz4frame_get_block(stored, block->size, decoded) == (int)block->content_size)
                content = decoded;
        }
        discard_block(output->discard, block, content, content ? block->content_size : 0);
        output->pending_head = (output->pending_head + 1) % OUTPUT_PENDING_MAX;
    }
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
        output_fail(output);
        return rc;
    }
    pending->block.offset = output->end;
    pending->region = output->region;
    pending->base = output->base;
    output->end += pending->block.size;
    output->pending_count++;
    output->saved += lane_block->stored_size - pending->block.size;
    atomic_store_explicit(&output->lane->saved_bytes, output->saved, memory_order_release);
    return 0;
}

