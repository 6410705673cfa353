#include "capfile/segment_salvage.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "capfile/segment_file.h"
#include "mem/cleanup.h"

/* What the whole blocks hold. */
struct salvage {
    int fd;
    const struct segment_index *index;
    struct pcapng_reader *reader;
    uint8_t *raw, *content;
    size_t blocks;                               /* whole ones, from the start */
    uint64_t end;                                /* of the last whole block in the file */
    bool data;
    struct segment_ledger ledger;
    struct segment_interface_ledger *interfaces; /* by pcapng id */
    size_t interfaces_room;
    bool no_memory;
};

static struct segment_interface_ledger *interface_ledger(struct salvage *s, uint32_t id)
{
    if (id >= s->interfaces_room) {
        size_t room = (size_t)id + 16;
        struct segment_interface_ledger *grown = reallocarray(s->interfaces, room, sizeof *grown);
        if (!grown) {
            s->no_memory = true;
            return NULL;
        }
        memset(grown + s->interfaces_room, 0, (room - s->interfaces_room) * sizeof *grown);
        s->interfaces = grown;
        s->interfaces_room = room;
    }
    return &s->interfaces[id];
}

static void count_packet(void *context, const struct pcapng_block *block, const struct pcapng_interface *interface)
{
    struct salvage *s = context;
    if (!block->has_packet || interface->canary)
        return;
    struct segment_interface_ledger *ledger = interface_ledger(s, block->packet.interface);
    if (!ledger)
        return;
    ledger->offered_packets = ++ledger->written_packets;
    ledger->offered_bytes = ledger->written_bytes += block->packet.length;
    s->ledger.written_bytes += block->packet.length;
    s->ledger.truncated_packets += block->packet.captured < block->packet.length;
}

/* 1: block i is whole and counted; 0: it is not; -errno. */
static int take_block(struct salvage *s, const struct segment_block *block)
{
    const uint8_t *content = NULL;
    const char *problem = NULL;
    if (block->offset != s->end)
        return 0;
    int r = segment_pread(s->fd, s->raw, block->size, block->offset);
    if (r < 0)
        return r == -ENODATA ? 0 : r;
    if (segment_block_decode(block, s->raw, s->content, &content, &problem) < 0)
        return 0;
    struct segment_visit visit = { .block = count_packet, .context = s };
    struct segment_block truth;
    r = segment_block_walk(s->reader, content, block->content_size, &visit, &truth);
    if (r < 0)
        return r == -EBADMSG ? 0 : r;
    if (s->no_memory)
        return -ENOMEM;
    s->ledger.written_packets += truth.packets;
    s->ledger.events += truth.events;
    s->ledger.canaries += truth.canaries;
    s->data |= truth.kind == SEGMENT_BLOCK_DATA;
    s->blocks++;
    s->end += block->size;
    return 1;
}

static int take_blocks(struct salvage *s)
{
    uint8_t header[LZ4FRAME_HEADER_BYTES];
    int r = segment_pread(s->fd, header, sizeof header, 0);
    if (r < 0)
        return r;
    if (!lz4frame_is_header(header))
        return -ENODATA;
    s->end = sizeof header;
    for (size_t i = 0; i < s->index->blocks_count; i++) {
        r = take_block(s, &s->index->blocks[i]);
        if (r <= 0)
            break;
    }
    if (r < 0)
        return r;
    s->ledger.offered_packets = s->ledger.written_packets;
    s->ledger.offered_bytes = s->ledger.written_bytes;
    return s->data ? 0 : -ENODATA;
}

/* Where the index is to be cut: before the record of the first block that is not whole, before a seal, and before the first record that
 * does not check. */
static size_t index_keep(const uint8_t *data, size_t valid, size_t blocks)
{
    size_t at = SEGMENT_INDEX_HEADER_BYTES, seen = 0;
    while (at < valid) {
        struct segment_record record;
        int bytes = segment_index_get(data + at, valid - at, &record);
        if (bytes <= 0 || record.type == SEGMENT_RECORD_SEAL || (record.type == SEGMENT_RECORD_BLOCK && seen++ == blocks))
            break;
        at += (size_t)bytes;
    }
    return at;
}

/* Records at the end of the index file. */
struct tail { int fd; uint64_t at; };

static int append(struct tail *tail, const struct segment_record *record)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    size_t size = segment_index_put(bytes, record);
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(tail->fd, bytes + done, size - done, (off_t)(tail->at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    tail->at += size;
    return 0;
}

/* Interfaces are in the index of a torn segment only as far as its writer had come: the rest is taken from the segment. */
static int append_interfaces(struct tail *tail, const struct salvage *s, const struct segment_index *index)
{
    for (uint32_t id = 0; id < pcapng_reader_interfaces(s->reader); id++) {
        const struct pcapng_interface *interface = pcapng_reader_interface(s->reader, id);
        bool known = false;
        for (size_t k = 0; k < index->interfaces_count && !known; k++)
            known = index->interfaces[k].id == id;
        if (known)
            continue;
        struct segment_record record = { .type = SEGMENT_RECORD_INTERFACE, .interface = { .id = id, .link_type = interface->link_type,
                                                                                          .canary = interface->canary } };
        snprintf(record.interface.name, sizeof record.interface.name, "%.*s", (int)sizeof record.interface.name - 1, interface->name);
        int r = append(tail, &record);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool has_interface_ledger(const struct segment_index *index, uint32_t id)
{
    for (size_t k = 0; k < index->interface_ledgers_count; k++)
        if (index->interface_ledgers[k].id == id)
            return true;
    return false;
}

static int append_ledgers(struct tail *tail, const struct salvage *s, const struct segment_index *kept)
{
    for (uint32_t id = 0; id < pcapng_reader_interfaces(s->reader); id++) {
        struct segment_record record = { .type = SEGMENT_RECORD_INTERFACE_LEDGER };
        if (pcapng_reader_interface(s->reader, id)->canary || has_interface_ledger(kept, id))
            continue;
        if (id < s->interfaces_room)
            record.interface_ledger = s->interfaces[id];
        record.interface_ledger.id = id;
        int r = append(tail, &record);
        if (r < 0)
            return r;
    }
    return append(tail, &(struct segment_record){ .type = SEGMENT_RECORD_LEDGER, .ledger = s->ledger });
}

static int append_seal(struct tail *tail, const struct salvage *s, uint64_t ordinal, bool was_sealed)
{
    const struct segment_index *index = s->index;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct segment_seal seal = { .ordinal = ordinal, .size = s->end + LZ4FRAME_END_BYTES, .blocks = s->blocks,
                                 .reason = SEGMENT_SEAL_SALVAGE,
                                 .sealed_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec };
    if (was_sealed) {
        seal.reason = index->seal.reason;
        seal.sealed_ns = index->seal.sealed_ns;
    }
    bool spans = false;
    for (size_t i = 0; i < s->blocks; i++) {
        const struct segment_block *block = &index->blocks[i];
        if (!block->packets && !block->events)
            continue;
        seal.first_ns = !spans || block->first_ns < seal.first_ns ? block->first_ns : seal.first_ns;
        seal.last_ns = !spans || block->last_ns > seal.last_ns ? block->last_ns : seal.last_ns;
        spans = true;
    }
    int r = segment_blocks_hash(index->blocks, s->blocks, &seal.hash);
    return r < 0 ? r : append(tail, &(struct segment_record){ .type = SEGMENT_RECORD_SEAL, .seal = seal });
}

/* The file ends with its last whole block and the end mark. The cut comes first: what was behind may not be taken for the mark. */
static int end_segment(const struct salvage *s)
{
    uint8_t end[LZ4FRAME_END_BYTES];
    size_t size = lz4frame_put_end(end);
    if (ftruncate(s->fd, (off_t)s->end) < 0)
        return -errno;
    ssize_t n = pwrite(s->fd, end, size, (off_t)s->end);
    if (n != (ssize_t)size)
        return n < 0 ? -errno : -ENOSPC;
    return fdatasync(s->fd) < 0 ? -errno : 0;
}

static int end_index(const struct salvage *s, int fd, uint64_t ordinal)
{
    const struct segment_index *index = s->index;
    bool was_sealed = index->sealed && s->blocks == index->blocks_count;
    mem_auto_free uint8_t *data = malloc(index->valid_size);
    if (!data)
        return -ENOMEM;
    int r = segment_pread(fd, data, index->valid_size, 0);
    if (r < 0)
        return r;
    struct tail tail = { .fd = fd, .at = index_keep(data, index->valid_size, s->blocks) };
    MEM_CLEANUP(segment_index_free_p) struct segment_index *kept = NULL; /* which records are left */
    r = segment_index_parse(data, tail.at, &kept);
    if (r < 0)
        return r;
    if (ftruncate(fd, (off_t)tail.at) < 0)
        return -errno;
    r = append_interfaces(&tail, s, kept);
    /* The last ledger counts, so that one written before blocks that are lost is put right. */
    if (r == 0 && (!kept->has_ledger || kept->ledger.written_packets != s->ledger.written_packets))
        r = append_ledgers(&tail, s, kept);
    if (r == 0)
        r = append_seal(&tail, s, ordinal, was_sealed);
    if (r < 0)
        return r;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int salvage_files(struct salvage *s, int index_fd, uint64_t ordinal, struct segment_index **ret)
{
    MEM_CLEANUP(pcapng_reader_free_p) struct pcapng_reader *reader = pcapng_reader_new();
    MEM_CLEANUP(segment_buffers_free) struct segment_buffers buffers = { 0 };
    if (!reader || segment_buffers_take(&buffers) < 0)
        return -ENOMEM;
    s->reader = reader;
    s->raw = buffers.raw;
    s->content = buffers.content;
    int r = take_blocks(s);
    if (r == 0)
        r = end_segment(s);
    if (r == 0)
        r = end_index(s, index_fd, ordinal);
    free(s->interfaces);
    return r < 0 ? r : segment_index_read(index_fd, ret);
}

int segment_salvage(int folder_fd, const char *hidden_name, uint64_t ordinal, struct segment_index **ret)
{
    char index_name[SEGMENT_FILE_NAME_MAX + 16];
    if ((size_t)snprintf(index_name, sizeof index_name, "%s.idx", hidden_name) >= sizeof index_name)
        return -ENAMETOOLONG;
    mem_auto_close int index_fd = openat(folder_fd, index_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (index_fd < 0)
        return errno == ENOENT ? -ENODATA : -errno;
    mem_auto_close int fd = openat(folder_fd, hidden_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? -ENODATA : -errno;
    struct stat status;
    if (fstat(index_fd, &status) < 0)
        return -errno;
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int r = segment_index_read(index_fd, &index);
    if (r == -EBADMSG) {
        /* Killed before the identity was flushed: then there is no whole second record either. */
        uint8_t head[SEGMENT_INDEX_HEADER_BYTES + SEGMENT_INDEX_RECORD_BYTES_MAX];
        ssize_t n = pread(index_fd, head, sizeof head, 0);
        struct segment_record record;
        bool torn = n < SEGMENT_INDEX_HEADER_BYTES ||
                    (segment_index_is_header(head) && segment_index_get(head + SEGMENT_INDEX_HEADER_BYTES,
                                                                        (size_t)n - SEGMENT_INDEX_HEADER_BYTES, &record) == 0);
        return torn ? -ENODATA : -EBADMSG;
    }
    if (r < 0)
        return r;
    struct salvage salvage = { .fd = fd, .index = index };
    return salvage_files(&salvage, index_fd, ordinal, ret);
}
