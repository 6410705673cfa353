/* A lane's writer for tests: puts every block as it was stored into FOLDER/<sequence>.pcapng.lz4 and checks the contract of lane.h on the way. */
#ifndef TESTS_FAKE_WRITER_H
#define TESTS_FAKE_WRITER_H
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "capfile/lz4frame.h"
#include "services/capturer/lane.h"

#define FAKE_SEGMENTS_MAX 64

struct fake_writer {
    struct lane *lane;
    const char *folder;                          /* NULL: nothing is kept */
    pthread_t thread;
    int fd;
    uint64_t at;
    uint32_t segments;                           /* ended ones */
    struct lane_segment *ended;                  /* FAKE_SEGMENTS_MAX copies */
    uint64_t blocks[FAKE_SEGMENTS_MAX], bytes[FAKE_SEGMENTS_MAX], packets[FAKE_SEGMENTS_MAX], canaries[FAKE_SEGMENTS_MAX], headers[FAKE_SEGMENTS_MAX];
    int64_t newest_canary_ns;
    _Atomic bool stalled;                        /* takes nothing until it is false again */
};

static inline void fake_writer_path(const struct fake_writer *writer, uint64_t sequence, char *path, size_t room)
{
    (void)snprintf(path, room, "%s/%llu.pcapng.lz4", writer->folder, (unsigned long long)sequence);
}

static inline void fake_writer_take(struct fake_writer *writer, const struct lane_block *block)
{
    const struct lane_segment *segment = &writer->lane->segments[block->segment_slot];
    const uint8_t *data = writer->lane->chunks[block->chunk] + block->chunk_offset;
    uint32_t before = block->first ? LZ4FRAME_HEADER_BYTES : 0, i = writer->segments % FAKE_SEGMENTS_MAX;
    if (block->first) {
        assert_int_equal(block->chunk_offset, LZ4FRAME_HEADER_BYTES);
        assert_int_equal(block->block.kind, SEGMENT_BLOCK_HEADER);
        writer->at = writer->blocks[i] = writer->packets[i] = writer->canaries[i] = writer->headers[i] = 0;
        if (writer->folder) {
            char path[256];
            fake_writer_path(writer, segment->sequence, path, sizeof path);
            writer->fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
            assert_true(writer->fd >= 0);
        }
    }
    assert_int_equal(block->stored_offset, writer->at + before);
    assert_int_equal(block->stored_offset % LANE_ALIGN, block->chunk_offset % LANE_ALIGN);
    assert_int_equal(block->stored_size, block->block.content_size + 4);
    if (writer->folder)
        assert_int_equal(write(writer->fd, data - before, block->stored_size + before), block->stored_size + before);
    writer->at += block->stored_size + before;
    writer->blocks[i]++;
    writer->packets[i] += block->block.packets;
    writer->canaries[i] += block->block.canaries;
    writer->headers[i] += block->block.kind == SEGMENT_BLOCK_HEADER;
    if (block->canary_sent_ns)
        writer->newest_canary_ns = block->canary_sent_ns;
    if (block->last) {
        uint8_t end[4];
        assert_int_equal(block->block.kind, SEGMENT_BLOCK_STATISTICS);
        assert_true(block->chunk_done);
        writer->bytes[i] = writer->at + lz4frame_put_end(end);
        if (writer->folder) {
            assert_int_equal(write(writer->fd, end, sizeof end), sizeof end);
            (void)close(writer->fd);
        }
        writer->ended[i] = *segment;
        writer->segments++;
    }
    if (block->chunk_done)
        lane_give_chunk(writer->lane, block->chunk);
}

static inline void *fake_writer_run(void *argument)
{
    struct fake_writer *writer = argument;
    for (;;) {
        if (atomic_load(&writer->stalled)) {
            (void)poll(NULL, 0, 1);
            continue;
        }
        bool ended = atomic_load(&writer->lane->capture_ended);
        struct lane_block block;
        if (lane_pop_block(writer->lane, &block))
            fake_writer_take(writer, &block);
        else if (ended)
            return NULL;
        else
            lane_wait_block(writer->lane, 1000);
    }
}

/* Takes what is there, on the calling thread. */
static inline void fake_writer_drain(struct fake_writer *writer)
{
    struct lane_block block;
    while (lane_pop_block(writer->lane, &block))
        fake_writer_take(writer, &block);
}
#endif
