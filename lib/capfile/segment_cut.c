#include "capfile/segment_cut.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capfile/segment_file.h"
#include "mem/cleanup.h"

static bool overlaps(int64_t first_ns, int64_t last_ns, int64_t from_ns, int64_t to_ns)
{
    return first_ns <= to_ns && last_ns >= from_ns;
}

/* A block with nothing but canaries has no span and is in no window. */
static bool wanted(const struct segment_block *block, int64_t from_ns, int64_t to_ns)
{
    return block->kind == SEGMENT_BLOCK_DATA && (block->packets || block->events) &&
           overlaps(block->first_ns, block->last_ns, from_ns, to_ns);
}

size_t segment_cut_plan(const struct segment_index *index, int64_t from_ns, int64_t to_ns, bool *keep)
{
    size_t data = 0, end = 0;
    for (size_t i = 0; i < index->blocks_count; i++) {
        keep[i] = wanted(&index->blocks[i], from_ns, to_ns);
        data += keep[i];
        if (keep[i])
            end = i;
    }
    for (size_t i = 0; i < end; i++)
        keep[i] |= index->blocks[i].kind == SEGMENT_BLOCK_HEADER;
    return data;
}

/* Records into memory that has room for them all. */
struct sink { uint8_t *data; size_t size; };

static void put(struct sink *sink, const struct segment_record *record)
{
    sink->size += segment_index_put(sink->data + sink->size, record);
}

/* Totals describe a cut only where nothing that counts was left out. */
static void put_ledgers(struct sink *sink, const struct segment_index *index, const bool *keep)
{
    for (size_t i = 0; i < index->blocks_count; i++)
        if (!keep[i] && (index->blocks[i].packets || index->blocks[i].events))
            return;
    if (!index->has_ledger)
        return;
    for (size_t i = 0; i < index->interface_ledgers_count; i++)
        put(sink, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE_LEDGER, .interface_ledger = index->interface_ledgers[i] });
    put(sink, &(struct segment_record){ .type = SEGMENT_RECORD_LEDGER, .ledger = index->ledger });
}

/* The kept blocks at their new places, and with them the seal. */
static int put_blocks(struct sink *sink, const struct segment_index *index, const bool *keep, uint64_t *ret_segment_size)
{
    struct segment_seal seal = { .ordinal = index->seal.ordinal, .size = LZ4FRAME_HEADER_BYTES, .sealed_ns = index->seal.sealed_ns,
                                 .reason = SEGMENT_SEAL_CUT };
    mem_auto_free struct segment_block *kept = calloc(index->blocks_count + 1, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    bool spans = false;
    for (size_t i = 0; i < index->blocks_count; i++) {
        if (!keep[i])
            continue;
        struct segment_block block = index->blocks[i];
        block.offset = seal.size;
        seal.size += block.size;
        kept[seal.blocks++] = block;
        put(sink, &(struct segment_record){ .type = SEGMENT_RECORD_BLOCK, .block = block });
        if (!block.packets && !block.events)
            continue;
        seal.first_ns = !spans || block.first_ns < seal.first_ns ? block.first_ns : seal.first_ns;
        seal.last_ns = !spans || block.last_ns > seal.last_ns ? block.last_ns : seal.last_ns;
        spans = true;
    }
    if (seal.blocks == 0)
        return -EINVAL;
    seal.size += LZ4FRAME_END_BYTES;
    int r = segment_blocks_hash(kept, seal.blocks, &seal.hash);
    if (r < 0)
        return r;
    put_ledgers(sink, index, keep);
    put(sink, &(struct segment_record){ .type = SEGMENT_RECORD_SEAL, .seal = seal });
    *ret_segment_size = seal.size;
    return 0;
}

int segment_cut_index(const struct segment_index *index, const bool *keep, int64_t from_ns, int64_t to_ns, void **ret_data,
                      size_t *ret_size, uint64_t *ret_segment_size)
{
    /* Every record that is written was read from this index or is the seal, and none grows. */
    size_t records = index->blocks_count + index->clocks_count + index->gaps_count + index->interface_ledgers_count + 4;
    mem_auto_free uint8_t *data = malloc(SEGMENT_INDEX_HEADER_BYTES + records * 80 + index->interfaces_count * 64 +
                                         2 * SEGMENT_INDEX_RECORD_BYTES_MAX);
    if (!data)
        return -ENOMEM;
    struct sink sink = { .data = data };
    sink.size = segment_index_put_header(data);
    put(&sink, &(struct segment_record){ .type = SEGMENT_RECORD_IDENTITY, .identity = index->identity });
    for (size_t i = 0; i < index->interfaces_count; i++)
        put(&sink, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE, .interface = index->interfaces[i] });
    for (size_t i = 0; i < index->clocks_count; i++)
        put(&sink, &(struct segment_record){ .type = SEGMENT_RECORD_CLOCK, .clock = index->clocks[i] });
    for (size_t i = 0; i < index->gaps_count; i++)
        if (overlaps(index->gaps[i].from_ns, index->gaps[i].to_ns, from_ns, to_ns))
            put(&sink, &(struct segment_record){ .type = SEGMENT_RECORD_GAP, .gap = index->gaps[i] });
    uint64_t segment_size = 0;
    int r = put_blocks(&sink, index, keep, &segment_size);
    if (r < 0)
        return r;
    *ret_size = sink.size;
    *ret_segment_size = segment_size;
    *ret_data = mem_take(data);
    return 0;
}

struct counting { int64_t from_ns, to_ns; uint64_t packets; };

static void count_inside(void *context, const struct pcapng_block *block, const struct pcapng_interface *interface)
{
    struct counting *c = context;
    if (block->has_packet && !interface->canary && block->packet.time_ns >= c->from_ns && block->packet.time_ns <= c->to_ns)
        c->packets++;
}

/* A file being counted: every header block so far has gone through the reader. */
struct counter { int fd; struct pcapng_reader *reader; uint8_t *raw, *content; };

static int count_block_inside(struct counter *counter, const struct segment_block *block, struct counting *counting)
{
    const uint8_t *content = NULL;
    const char *problem = NULL;
    struct segment_block truth;
    int r = segment_pread(counter->fd, counter->raw, block->size, block->offset);
    if (r < 0)
        return r == -ENODATA ? -EBADMSG : r;
    r = segment_block_decode(block, counter->raw, counter->content, &content, &problem);
    return r < 0 ? r : segment_block_walk(counter->reader, content, block->content_size,
                                          &(struct segment_visit){ .block = count_inside, .context = counting }, &truth);
}

static int count_blocks(struct counter *counter, const struct segment_index *index, struct counting *counting)
{
    bool edges = false;
    for (size_t i = 0; i < index->blocks_count && !edges; i++) {
        const struct segment_block *b = &index->blocks[i];
        edges = wanted(b, counting->from_ns, counting->to_ns) && (b->first_ns < counting->from_ns || b->last_ns > counting->to_ns);
    }
    for (size_t i = 0; i < index->blocks_count; i++) {
        const struct segment_block *b = &index->blocks[i];
        bool inside = wanted(b, counting->from_ns, counting->to_ns);
        bool edge = inside && (b->first_ns < counting->from_ns || b->last_ns > counting->to_ns);
        if (inside && !edge) {
            counting->packets += b->packets;
            continue;
        }
        if (!edge && !(edges && b->kind == SEGMENT_BLOCK_HEADER))
            continue;
        int r = count_block_inside(counter, b, counting);
        if (r < 0)
            return r;
    }
    return 0;
}

int segment_window_count(const char *path, int64_t from_ns, int64_t to_ns, uint64_t *ret_packets)
{
    char index_path[PATH_MAX];
    if ((size_t)snprintf(index_path, sizeof index_path, "%s.idx", path) >= sizeof index_path)
        return -ENAMETOOLONG;
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int r = segment_index_load(index_path, &index);
    if (r < 0)
        return r;
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    MEM_CLEANUP(pcapng_reader_free_p) struct pcapng_reader *reader = pcapng_reader_new();
    MEM_CLEANUP(segment_buffers_free) struct segment_buffers buffers = { 0 };
    if (!reader || segment_buffers_take(&buffers) < 0)
        return -ENOMEM;
    struct counter counter = { .fd = fd, .reader = reader, .raw = buffers.raw, .content = buffers.content };
    struct counting counting = { .from_ns = from_ns, .to_ns = to_ns };
    r = count_blocks(&counter, index, &counting);
    if (r < 0)
        return r;
    *ret_packets = counting.packets;
    return 0;
}
