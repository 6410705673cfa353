/* A partition file of any content: refused, or read without leaving it, in order, and to an end. So that the checks are passed, the tail's hash and those of the chunks are made right where the places are sound.
 * The input is the file. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "capfile/segment_index.h"
#include "services/dissector/work/partition_format.h"

static void make_right(uint8_t *file, size_t size)
{
    struct partition_tail tail;
    if (size < sizeof tail)
        return;
    memcpy(&tail, file + size - sizeof tail, sizeof tail);
    size_t end = size - sizeof tail, lists = PARTITION_SECTIONS * sizeof(struct partition_section);
    if (tail.table > end || end - tail.table < lists)
        return;
    for (size_t at = tail.table + lists; at + sizeof(struct partition_entry) <= end; at += sizeof(struct partition_entry)) {
        struct partition_entry entry;
        memcpy(&entry, file + at, sizeof entry);
        if (entry.offset <= tail.table && entry.size <= tail.table - entry.offset)
            entry.hash = segment_block_hash(file + entry.offset, entry.size);
        memcpy(file + at, &entry, sizeof entry);
    }
    tail.hash = segment_block_hash(file + tail.table, end - tail.table);
    memcpy(file + end, &tail, sizeof tail);
}

static void read_set(struct partition_set *set)
{
    uint8_t sum = 0;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        struct shard_packet packet;
        int r = partition_set_begin(set, shard);
        while (r >= 0 && (r = partition_set_next(set, &packet)) > 0) {
            if (packet.hash % SHARDS != shard || packet.captured > packet.payload || packet.time_ns != shard_time(packet.time_ns))
                abort();
            for (uint32_t i = 0; i < packet.captured; i++)
                sum ^= packet.data[i];
        }
    }
    __asm__ volatile("" : : "r"(sum)); /* every byte has been read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    uint8_t *file = malloc(size ? size : 1);
    int fd = memfd_create("partition", MFD_CLOEXEC);
    if (!file || fd < 0)
        abort();
    memcpy(file, data, size);
    make_right(file, size);
    if (write(fd, file, size) != (ssize_t)size)
        abort();
    free(file);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const char *paths[] = { path, path };
    struct partition_set *set = NULL;
    if (partition_set_open(paths, 2, 0, SHARDS, &set, NULL) == 0)
        read_set(set);
    partition_set_free(set);
    close(fd);
    return 0;
}
