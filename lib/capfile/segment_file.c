#include "capfile/segment_file.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "mem/cleanup.h"

#define BUFFERS_BYTES (LZ4FRAME_CONTENT_BYTES_MAX + LZ4FRAME_BLOCK_BYTES_MAX)

int segment_buffers_take(struct segment_buffers *ret)
{
    void *memory = mmap(NULL, BUFFERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -ENOMEM;
    ret->content = memory;
    ret->raw = ret->content + LZ4FRAME_CONTENT_BYTES_MAX;
    return 0;
}

void segment_buffers_free(struct segment_buffers *buffers)
{
    if (buffers->content)
        munmap(buffers->content, BUFFERS_BYTES);
    *buffers = (struct segment_buffers){ 0 };
}

int segment_pread(int fd, void *dst, size_t size, uint64_t offset)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, (uint8_t *)dst + at, size - at, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        at += (size_t)n;
    }
    return 0;
}

static int bad(const char **ret_problem, const char *problem)
{
    *ret_problem = problem;
    return -EBADMSG;
}

int segment_block_decode(const struct segment_block *block, const uint8_t *raw, uint8_t *content, const uint8_t **ret_content,
                         const char **ret_problem)
{
    bool stored = false;
    if (segment_block_hash(raw, block->size) != block->hash)
        return bad(ret_problem, "its hash is not the one in the index");
    if (lz4frame_block_word(raw, block->size, &stored) < 0)
        return bad(ret_problem, "its size word is not the size in the index");
    if (stored == block->compressed)
        return bad(ret_problem, stored ? "the index calls it compressed, it is stored" : "the index calls it stored, it is compressed");
    if (stored && block->size - LZ4FRAME_BLOCK_WORD_BYTES != block->content_size)
        return bad(ret_problem, "its content is not as long as the index says");
    if (!stored) {
        int got = lz4frame_get_block_into(raw, block->size, content, block->content_size);
        if (got < 0)
            return bad(ret_problem, "it does not decompress");
        if ((uint32_t)got != block->content_size)
            return bad(ret_problem, "its content is not as long as the index says");
    }
    *ret_content = stored ? raw + LZ4FRAME_BLOCK_WORD_BYTES : content;
    return 0;
}

/* Counts one block of pcapng; keeps the greatest time so far in last_ns. */
static void count_block(struct segment_block *truth, const struct pcapng_block *block, bool canary)
{
    if (!block->has_packet && !block->has_event)
        return;
    if (canary) {
        truth->canaries++;
        return;
    }
    int64_t time_ns = block->has_packet ? block->packet.time_ns : block->event_ns;
    bool first = truth->packets == 0 && truth->events == 0;
    truth->packets += block->has_packet;
    truth->events += block->has_event;
    if (first || time_ns < truth->first_ns)
        truth->first_ns = time_ns;
    if (first || time_ns > truth->last_ns) {
        truth->last_ns = time_ns;
        return;
    }
    uint64_t back = (uint64_t)truth->last_ns - (uint64_t)time_ns;
    if (back > truth->disorder_ns)
        truth->disorder_ns = back;
}

int segment_block_walk(struct pcapng_reader *reader, const uint8_t *content, size_t size, const struct segment_visit *visit,
                       struct segment_block *ret_truth)
{
    struct segment_block truth = { 0 };
    bool headers = true, statistics = true;
    for (size_t at = 0, needed = 0; at < size;) {
        struct pcapng_block block;
        int64_t n = pcapng_next(reader, content + at, size - at, &block, &needed);
        if (n < 0)
            return n == -EAGAIN ? -EBADMSG : (int)n;
        assert(n > 0 && (size_t)n <= size - at);
        const struct pcapng_interface *interface = block.has_packet ? pcapng_reader_interface(reader, block.packet.interface) : NULL;
        count_block(&truth, &block, interface && interface->canary);
        headers = headers && (block.type == PCAPNG_SHB || block.type == PCAPNG_IDB);
        statistics = statistics && block.type == PCAPNG_ISB;
        if (visit)
            visit->block(visit->context, &block, interface);
        at += (size_t)n;
    }
    truth.kind = headers ? SEGMENT_BLOCK_HEADER : statistics ? SEGMENT_BLOCK_STATISTICS : SEGMENT_BLOCK_DATA;
    *ret_truth = truth;
    return 0;
}

int segment_blocks_hash(const struct segment_block *blocks, size_t count, uint64_t *ret_hash)
{
    mem_auto_free uint64_t *hashes = calloc(count + 1, sizeof *hashes);
    if (!hashes)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        hashes[i] = htole64(blocks[i].hash);
    *ret_hash = segment_block_hash(hashes, count * sizeof *hashes);
    return 0;
}
