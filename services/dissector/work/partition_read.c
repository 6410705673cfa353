#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/lz4frame.h"
#include "capfile/segment_index.h"
#include "mem/cleanup.h"
#include "services/dissector/work/partition_format.h"

#define SECTIONS_BYTES (PARTITION_SECTIONS * sizeof(struct partition_section))

int partition_over(const uint8_t *data, size_t size, struct partition *ret)
{
    struct partition_head head;
    struct partition_tail tail;
    if (size < sizeof head + SECTIONS_BYTES + sizeof tail)
        return -EBADMSG;
    memcpy(&head, data, sizeof head);
    memcpy(&tail, data + size - sizeof tail, sizeof tail);
    size_t table_end = size - sizeof tail;
    if (memcmp(head.magic, PARTITION_MAGIC, sizeof head.magic) != 0 || memcmp(tail.magic, PARTITION_END_MAGIC, sizeof tail.magic) != 0 || tail.table < sizeof head || tail.table > table_end ||
        table_end - tail.table != SECTIONS_BYTES + (uint64_t)tail.entries * sizeof(struct partition_entry))
        return -EBADMSG;
    struct partition partition = { .map = data, .size = size, .input = head.input, .node = head.node, .entries = tail.entries, .rows = tail.rows, .table = data + tail.table };
    if (segment_block_hash(partition.table, table_end - tail.table) != tail.hash)
        return -EBADMSG;
    uint64_t next = 0;
    for (uint32_t i = 0; i < PARTITION_SECTIONS; i++) { /* one behind the other, so that none reaches past the list */
        struct partition_section section = partition_section_of(&partition, i);
        if (section.first != next || section.count > tail.entries - next)
            return -EBADMSG;
        next += section.count;
    }
    if (next != tail.entries)
        return -EBADMSG;
    *ret = partition;
    return 0;
}

int partition_open(const char *path, struct partition *ret)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size <= 0)
        return -EBADMSG;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    int r = partition_over(map, (size_t)st.st_size, ret);
    if (r < 0)
        munmap(map, (size_t)st.st_size);
    return r;
}

void partition_close(struct partition *partition)
{
    if (partition->map)
        munmap((void *)partition->map, partition->size);
    *partition = (struct partition){ 0 };
}

struct partition_section partition_section_of(const struct partition *partition, uint32_t section)
{
    struct partition_section ret;
    memcpy(&ret, partition->table + section * sizeof ret, sizeof ret);
    return ret;
}

struct partition_entry partition_entry_of(const struct partition *partition, struct partition_section section, uint32_t i)
{
    struct partition_entry ret;
    memcpy(&ret, partition->table + SECTIONS_BYTES + (size_t)(section.first + i) * sizeof ret, sizeof ret);
    return ret;
}

int partition_chunk(const struct partition *partition, const struct partition_entry *entry, uint8_t **room, const uint8_t **ret, uint32_t *ret_size)
{
    size_t end = (size_t)(partition->table - partition->map);
    if (entry->offset < sizeof(struct partition_head) || entry->offset > end || entry->size > end - entry->offset || segment_block_hash(partition->map + entry->offset, entry->size) != entry->hash)
        return -EBADMSG;
    const uint8_t *chunk = partition->map + entry->offset;
    if (entry->content > 0) {
        if (entry->content > PARTITION_CHUNK_BYTES)
            return -EBADMSG;
        if (!*room && !(*room = malloc(PARTITION_CHUNK_BYTES)))
            return -ENOMEM;
        if (lz4frame_get_block_into(chunk, entry->size, *room, entry->content) != (int)entry->content)
            return -EBADMSG;
        chunk = *room;
    }
    *ret = chunk;
    *ret_size = entry->content > 0 ? entry->content : entry->size;
    return 0;
}

/* What is left of a chunk holds a row of fixed + captured bytes that says `size`. */
static bool row_fits(uint32_t left, uint32_t size, size_t fixed, uint32_t captured)
{
    return size <= left && size % PARTITION_ALIGN == 0 && size >= fixed && captured <= size - fixed && size - fixed - captured < PARTITION_ALIGN;
}

int partition_next_row(const struct partition *partition, const uint8_t *chunk, uint32_t size, uint32_t *at, struct shard_packet *ret, int64_t *ret_order_ns)
{
    struct partition_row row;
    uint32_t left = size - *at;
    if (left == 0)
        return 0;
    if (left < sizeof row)
        return -EBADMSG;
    memcpy(&row, chunk + *at, sizeof row);
    uint32_t address = row.version == 4 ? 4 : 16;
    if ((row.version != 4 && row.version != 6) || (row.transport != 6 && row.transport != 17) || row.captured > row.payload || !row_fits(left, row.size, sizeof row + 2 * address, row.captured))
        return -EBADMSG;
    const uint8_t *addresses = chunk + *at + sizeof row;
    *ret = (struct shard_packet){ .tuple = { .source_port = row.source_port, .destination_port = row.destination_port, .version = row.version, .transport = row.transport, .vni = row.vni },
                                  .hash = row.hash, .point = row.point, .time_ns = shard_time(row.time_ns), .place = { partition->input, row.frame }, .node = partition->node, .seq = row.seq, .ack = row.ack,
                                  .window = row.window, .flags = row.flags, .window_scale = row.window_scale, .watched = row.watched != 0, .captured = row.captured, .payload = row.payload, .data = addresses + 2 * address };
    memcpy(ret->tuple.source, addresses, address);
    memcpy(ret->tuple.destination, addresses + address, address);
    *ret_order_ns = row.order_ns;
    *at += row.size;
    return 1;
}

int partition_next_left(const uint8_t *chunk, uint32_t size, uint32_t *at, struct fragment *ret)
{
    struct partition_left row;
    uint32_t left = size - *at;
    if (left == 0)
        return 0;
    if (left < sizeof row)
        return -EBADMSG;
    memcpy(&row, chunk + *at, sizeof row);
    if ((row.key.version != 4 && row.key.version != 6) || row.captured > row.length || !row_fits(left, row.size, sizeof row, row.captured))
        return -EBADMSG;
    *ret = (struct fragment){ .key = row.key, .time_ns = row.time_ns, .order_ns = row.order_ns, .frame = row.frame, .offset = row.offset, .length = row.length, .captured = row.captured,
                              .data = chunk + *at + sizeof row, .protocol = row.protocol, .more = row.more != 0 };
    *at += row.size;
    return 1;
}
