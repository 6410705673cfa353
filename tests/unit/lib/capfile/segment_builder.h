/* Makes segments with their indexes for tests, as a capturer would, with counts of its own. Failures end the test. */
#ifndef TESTS_SEGMENT_BUILDER_H
#define TESTS_SEGMENT_BUILDER_H
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capfile/segment_cut.h"
#include "capfile/segment_file.h"
#include "capfile/segment_salvage.h"
#include "capfile/segment_verify.h"

struct builder {
    char path[512];
    int fd, index_fd;
    struct segment_identity identity;
    struct segment_interface interfaces[16];
    uint32_t interfaces_count;
    struct segment_interface_ledger ledgers[16];
    struct segment_ledger ledger;
    uint8_t *content;
    size_t used;
    struct segment_block block;
    bool spans;
    struct segment_block *blocks;
    size_t blocks_count;
    uint64_t size;
    int64_t first_ns, last_ns;
    bool any;
};

static inline void builder_must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "segment builder: %s\n", what);
        abort();
    }
}

static inline void builder_write(int fd, const void *data, size_t size)
{
    builder_must(write(fd, data, size) == (ssize_t)size, "write");
}

static inline void builder_record(struct builder *b, const struct segment_record *record)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    builder_write(b->index_fd, bytes, segment_index_put(bytes, record));
}

static inline void builder_open(struct builder *b, const char *path, const char *node, uint32_t lane, uint64_t sequence)
{
    uint8_t header[32];
    char index[600];
    memset(b, 0, sizeof *b);
    snprintf(b->path, sizeof b->path, "%s", path);
    snprintf(index, sizeof index, "%s.idx", path);
    b->fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    b->index_fd = open(index, O_CREAT | O_TRUNC | O_RDWR, 0600);
    builder_must(b->fd >= 0 && b->index_fd >= 0, "open");
    b->content = malloc(SEGMENT_BLOCK_CONTENT_MAX);
    builder_must(b->content != NULL, "memory");
    b->identity = (struct segment_identity){ .tape_id = 0x0123456789abcdef, .sequence = sequence, .lane = lane, .opened_ns = 1 };
    snprintf(b->identity.node, sizeof b->identity.node, "%s", node);
    b->size = lz4frame_put_header(header);
    builder_write(b->fd, header, b->size);
    builder_write(b->index_fd, header, segment_index_put_header(header));
    builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_IDENTITY, .identity = b->identity });
}

/* Ends the LZ4 block that is being filled; nothing when it is empty. */
static inline void builder_end_block(struct builder *b, uint8_t kind, bool compress)
{
    if (b->used == 0)
        return;
    uint8_t *out = malloc(LZ4FRAME_BLOCK_BYTES_MAX);
    builder_must(out != NULL, "memory");
    size_t size;
    if (compress) {
        size = lz4frame_put_block(out, b->content, b->used);
    } else {
        size = lz4frame_put_stored_word(out, b->used);
        memcpy(out + size, b->content, b->used);
        size += b->used;
    }
    b->block.offset = b->size;
    b->block.size = (uint32_t)size;
    b->block.content_size = (uint32_t)b->used;
    b->block.kind = kind;
    b->block.compressed = size - 4 < b->used;
    b->block.hash = segment_block_hash(out, size);
    builder_write(b->fd, out, size);
    free(out);
    builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_BLOCK, .block = b->block });
    b->blocks = reallocarray(b->blocks, b->blocks_count + 1, sizeof *b->blocks);
    builder_must(b->blocks != NULL, "memory");
    b->blocks[b->blocks_count++] = b->block;
    if (b->spans) {
        b->first_ns = !b->any || b->block.first_ns < b->first_ns ? b->block.first_ns : b->first_ns;
        b->last_ns = !b->any || b->block.last_ns > b->last_ns ? b->block.last_ns : b->last_ns;
        b->any = true;
    }
    b->size += size;
    b->used = 0;
    b->spans = false;
    b->block = (struct segment_block){ 0 };
}

static inline void builder_section(struct builder *b)
{
    char id[SEGMENT_ID_TEXT_MAX], comment[SEGMENT_ID_TEXT_MAX + 32];
    segment_id_format(&b->identity, id);
    snprintf(comment, sizeof comment, "tapeloop segment %s", id);
    b->used += pcapng_put_section(b->content + b->used, comment, NULL, NULL, "test");
}

/* To be followed by builder_end_block(HEADER) once all interfaces are in. */
static inline uint32_t builder_interface(struct builder *b, const char *name, uint32_t link_type, bool canary)
{
    uint32_t id = b->interfaces_count++;
    struct segment_interface *interface = &b->interfaces[id];
    *interface = (struct segment_interface){ .id = id, .ifindex = id + 1, .link_type = link_type, .canary = canary };
    snprintf(interface->name, sizeof interface->name, "%s", name);
    b->ledgers[id].id = id;
    b->used += pcapng_put_interface(b->content + b->used, (uint16_t)link_type, name, canary ? PCAPNG_CANARY_DESCRIPTION : NULL);
    builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE, .interface = *interface });
    return id;
}

static inline void builder_time(struct builder *b, int64_t time_ns)
{
    struct segment_block *block = &b->block;
    if (!b->spans || time_ns < block->first_ns)
        block->first_ns = time_ns;
    if (!b->spans || time_ns > block->last_ns)
        block->last_ns = time_ns;
    else if ((uint64_t)(block->last_ns - time_ns) > block->disorder_ns)
        block->disorder_ns = (uint64_t)(block->last_ns - time_ns);
    b->spans = true;
}

static inline void builder_packet(struct builder *b, uint32_t interface, int64_t time_ns, const void *data, uint32_t size, uint32_t flags,
                                  uint64_t drops)
{
    uint32_t total = (uint32_t)pcapng_epb_bytes(size, drops > 0);
    if (b->used + total > SEGMENT_BLOCK_CONTENT_MAX)
        builder_end_block(b, SEGMENT_BLOCK_DATA, false);
    uint8_t *p = pcapng_epb_begin(b->content + b->used, total, interface, (uint64_t)time_ns, size, size);
    memcpy(p, data, size);
    builder_must(pcapng_epb_end(p, total, size, flags, drops) == b->content + b->used + total, "pcapng_epb_bytes is wrong");
    b->used += total;
    if (b->interfaces[interface].canary) {
        b->block.canaries++;
        b->ledger.canaries++;
        return;
    }
    builder_time(b, time_ns);
    b->block.packets++;
    b->ledger.written_packets++;
    b->ledger.written_bytes += size;
    b->ledgers[interface].written_packets++;
    b->ledgers[interface].written_bytes += size;
}

static inline void builder_event(struct builder *b, int64_t time_us, const char *message)
{
    char text[512];
    int size = snprintf(text, sizeof text, "__REALTIME_TIMESTAMP=%lld\nMESSAGE=%s\n", (long long)time_us, message);
    b->used += pcapng_put_journal(b->content + b->used, text, (size_t)size);
    builder_time(b, time_us * 1000);
    b->block.events++;
    b->ledger.events++;
}

static inline void builder_statistics(struct builder *b)
{
    builder_end_block(b, SEGMENT_BLOCK_DATA, true);
    for (uint32_t i = 0; i < b->interfaces_count; i++) {
        struct pcapng_statistics statistics = { .time_ns = b->last_ns, .start_ns = b->first_ns, .end_ns = b->last_ns,
                                                .received = b->ledgers[i].written_packets, .delivered = b->ledgers[i].written_packets };
        if (!b->interfaces[i].canary)
            b->used += pcapng_put_statistics(b->content + b->used, i, &statistics, NULL);
    }
    builder_end_block(b, SEGMENT_BLOCK_STATISTICS, true);
}

/* Leaves the files as they are: a kill. */
static inline void builder_abandon(struct builder *b)
{
    close(b->fd);
    close(b->index_fd);
    free(b->content);
    free(b->blocks);
}

static inline void builder_seal(struct builder *b, uint64_t ordinal)
{
    uint8_t end[4];
    builder_end_block(b, SEGMENT_BLOCK_DATA, true);
    builder_write(b->fd, end, lz4frame_put_end(end));
    for (uint32_t i = 0; i < b->interfaces_count; i++) {
        b->ledgers[i].offered_packets = b->ledgers[i].written_packets;
        b->ledgers[i].offered_bytes = b->ledgers[i].written_bytes;
        if (!b->interfaces[i].canary)
            builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_INTERFACE_LEDGER, .interface_ledger = b->ledgers[i] });
    }
    b->ledger.offered_packets = b->ledger.written_packets;
    b->ledger.offered_bytes = b->ledger.written_bytes;
    builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_LEDGER, .ledger = b->ledger });
    struct segment_seal seal = { .ordinal = ordinal, .size = b->size + 4, .blocks = b->blocks_count, .first_ns = b->first_ns,
                                 .last_ns = b->last_ns, .sealed_ns = b->last_ns + 1, .reason = SEGMENT_SEAL_SIZE };
    builder_must(segment_blocks_hash(b->blocks, b->blocks_count, &seal.hash) == 0, "memory");
    builder_record(b, &(struct segment_record){ .type = SEGMENT_RECORD_SEAL, .seal = seal });
    builder_abandon(b);
}
#endif
