#include "services/snapshotter/export/load.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "capfile/segment_file.h"
#include "services/snapshotter/export/connection.h"

#define EPB_FIXED_BYTES 32u              /* with no packet and no options */
#define EPB_INTERFACE_AT 8
#define SORT_MOVES_PER_ENTRY 16u         /* near-ordered blocks are put in order by moving; beyond this, sorting is cheaper */

/* One block while its entries are taken. */
struct taking {
    struct load *load;
    const struct input *input;
    const struct segment_block *block;
    struct source *source;
    uint32_t packets, events, canaries;
};

static uint32_t read_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static int damaged(struct load *load, uint32_t ordinal, const char *problem)
{
    const struct plan_block *block = &load->plan->blocks[ordinal];
    const struct input *input = &load->inputs->list[block->input];
    snprintf(load->error, EXPORT_ERROR_TEXT_MAX, "%s: block %u at byte %llu is damaged: %s", input->object, block->number,
             (unsigned long long)input->index->blocks[block->number].offset, problem);
    return -EBADMSG;
}

/* Times inside a block lie in the span that its index gives, or the merge would already be past them. */
static bool in_span(const struct segment_block *block, int64_t time_ns)
{
    return time_ns >= block->first_ns && time_ns <= block->last_ns;
}

static void add_entry(struct source *source, int64_t time_ns, uint32_t offset, uint32_t size)
{
    struct entry *last = source->count > 0 ? &source->entries[source->count - 1] : NULL;
    if (last && last->offset + last->size != offset)
        source->contiguous = false;
    source->entries[source->count++] = (struct entry){ .time_ns = time_ns, .offset = offset, .size = size };
}

/* Takes the packet at p (a whole EPB of `total` bytes), or leaves it out. NULL, or what is wrong. */
static const char *take_packet(struct taking *t, uint8_t *p, uint32_t offset, uint32_t total)
{
    struct load *load = t->load;
    if (total < EPB_FIXED_BYTES)
        return "a packet block that is too short";
    uint32_t interface = read_u32(p + EPB_INTERFACE_AT), captured = read_u32(p + 20);
    uint64_t time = (uint64_t)read_u32(p + 12) << 32 | read_u32(p + 16);
    if (captured > total - EPB_FIXED_BYTES)
        return "a packet longer than its block";
    int32_t number = interface < t->input->interfaces_count ? t->input->interfaces[interface] : INPUT_UNKNOWN;
    if (number == INPUT_UNKNOWN)
        return "a packet of an interface that is not in the index";
    if (number == INPUT_CANARY) {
        t->canaries++;
        return NULL;
    }
    int64_t time_ns = (int64_t)time;
    if (!in_span(t->block, time_ns))
        return "a packet outside of the span in the index";
    t->packets++;
    if (time_ns < load->from_ns || time_ns > load->to_ns)
        return NULL;
    if (number == INPUT_OTHER_LINK_TYPE) {
        load->left_out_link_type++;
        return NULL;
    }
    const struct connection_packet packet = { .link_type = load->inputs->interfaces[number].link_type, .captured = captured, .data = p + 28, .time_ns = time_ns };
    if (load->connection && !connection_match(load->connection, load->fragments, &packet)) {
        load->left_out_filter++;
        return NULL;
    }
    if (load->filters && !bpf_expression_match(load->filters[number], p + 28, captured, read_u32(p + 24))) {
        load->left_out_filter++;
        return NULL;
    }
    if ((uint32_t)number != interface) {
        uint32_t little = htole32((uint32_t)number);
        memcpy(p + EPB_INTERFACE_AT, &little, sizeof little);
    }
    if (t->packets + t->events <= t->block->packets + t->block->events)
        add_entry(t->source, time_ns, offset, total);
    return NULL;
}

static const char *take_event(struct taking *t, const uint8_t *p, uint32_t offset, uint32_t total)
{
    int64_t time_ns = pcapng_journal_time_ns(p + 8, total - PCAPNG_BLOCK_BYTES_MIN);
    if (!in_span(t->block, time_ns))
        return "an event outside of the span in the index";
    t->events++;
    if (t->load->events && time_ns >= t->load->from_ns && time_ns <= t->load->to_ns &&
        t->packets + t->events <= t->block->packets + t->block->events) {
        add_entry(t->source, time_ns, offset, total);
        t->source->events++;
    }
    return NULL;
}

static const char *take_all(struct taking *t, uint8_t *content)
{
    uint32_t size = t->block->content_size;
    for (uint32_t at = 0; at < size;) {
        if (size - at < PCAPNG_BLOCK_BYTES_MIN)
            return "it does not hold whole pcapng blocks";
        uint8_t *p = content + at;
        uint32_t type = read_u32(p), total = read_u32(p + 4);
        if (total < PCAPNG_BLOCK_BYTES_MIN || total % 4 != 0 || total > size - at || read_u32(p + total - 4) != total)
            return "it does not hold whole pcapng blocks";
        const char *problem = NULL;
        if (type == PCAPNG_EPB)
            problem = take_packet(t, p, at, total);
        else if (type == PCAPNG_JOURNAL)
            problem = take_event(t, p, at, total);
        else if (type == PCAPNG_SHB || type == PCAPNG_IDB)
            problem = "a section or an interface begins among packets";
        if (problem)
            return problem;
        at += total;
    }
    if (t->packets != t->block->packets || t->events != t->block->events || t->canaries != t->block->canaries)
        return "it holds another number of packets than the index says";
    return NULL;
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* By (time, position). A ring of several processors leaves a few packets slightly out of place. */
static void sort_entries(struct source *source)
{
    uint64_t moves = (uint64_t)source->count * SORT_MOVES_PER_ENTRY;
    for (uint32_t i = 1; i < source->count; i++) {
        struct entry moving = source->entries[i];
        uint32_t k = i;
        for (; k > 0 && source->entries[k - 1].time_ns > moving.time_ns && moves > 0; k--, moves--)
            source->entries[k] = source->entries[k - 1];
        source->contiguous = source->contiguous && k == i;
        source->entries[k] = moving;
        if (moves == 0) {
            source->contiguous = false;
            qsort(source->entries, source->count, sizeof *source->entries, compare_entries);
            return;
        }
    }
}

/* Mapped, not from the heap: what an export held goes back to the system at its end, and leaves no holes in a service that lives for
 * months. */
static uint8_t *take_large(struct load *load)
{
    if (load->spare_count > 0)
        return load->spare[--load->spare_count];
    void *memory = mmap(NULL, LZ4FRAME_BLOCK_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Reads and decodes into source->memory. A stored block is read where it stays. */
static int read_content(struct load *load, uint32_t ordinal, struct source *source, uint8_t **ret_content)
{
    const struct plan_block *planned = &load->plan->blocks[ordinal];
    struct input *input = &load->inputs->list[planned->input];
    const struct segment_block *block = &input->index->blocks[planned->number];
    const uint8_t *content = NULL;
    const char *problem = NULL;
    source->spares = block->content_size >= LOAD_SPARE_CONTENT_MIN ? load : NULL;
    source->memory = source->spares ? take_large(load) : malloc(block->compressed ? block->content_size : block->size);
    if (!source->memory)
        return -ENOMEM;
    uint8_t *raw = block->compressed ? load->raw : source->memory;
    int r = inputs_read(load->inputs, input, block, raw);
    if (r == -ENODATA)
        return damaged(load, ordinal, "the file ends before it");
    if (r < 0) {
        snprintf(load->error, EXPORT_ERROR_TEXT_MAX, "%s cannot be read: %s", input->object, strerror(-r));
        return r;
    }
    if (segment_block_decode(block, raw, source->memory, &content, &problem) < 0)
        return damaged(load, ordinal, problem);
    *ret_content = source->memory + (content - source->memory);
    return 0;
}

int load_block(struct load *load, uint32_t ordinal, struct source **ret)
{
    const struct input *input = &load->inputs->list[load->plan->blocks[ordinal].input];
    const struct segment_block *block = &input->index->blocks[load->plan->blocks[ordinal].number];
    uint64_t most = (uint64_t)block->packets + block->events;
    if (most > block->content_size / PCAPNG_BLOCK_BYTES_MIN)
        return damaged(load, ordinal, "the index says more packets than it has room for");
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return -ENOMEM;
    *source = (struct source){ .ordinal = ordinal, .contiguous = true, .entries = malloc((most + 1) * sizeof *source->entries) };
    uint8_t *content = NULL;
    int r = source->entries ? read_content(load, ordinal, source, &content) : -ENOMEM;
    if (r < 0) {
        source_free(source);
        return r;
    }
    struct taking taking = { .load = load, .input = input, .block = block, .source = source };
    const char *problem = take_all(&taking, content);
    if (problem) {
        source_free(source);
        return damaged(load, ordinal, problem);
    }
    source->content = content;
    sort_entries(source);
    *ret = source;
    return 0;
}

int load_init(struct load *load)
{
    load->raw = take_large(load);
    return !load->raw ? -ENOMEM : load->connection ? connection_fragments_new(&load->fragments) : 0;
}

void load_take_back(struct load *load, uint8_t *memory)
{
    if (memory && load->spare_count < load->spare_most)
        load->spare[load->spare_count++] = memory;
    else if (memory)
        munmap(memory, LZ4FRAME_BLOCK_BYTES_MAX);
}

void load_free(struct load *load)
{
    while (load->spare_count > 0)
        munmap(load->spare[--load->spare_count], LZ4FRAME_BLOCK_BYTES_MAX);
    load->spare_most = 0;
    load_take_back(load, load->raw);
    load->raw = NULL;
    connection_fragments_free(load->fragments);
    load->fragments = NULL;
}
