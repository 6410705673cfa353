#include "services/capturer/lane.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE_CHUNKS (LANE_CHUNKS * 2)
#define HUGE_PAGE_BYTES (2u * 1024 * 1024)       /* x86-64 and arm64 with 4 KiB pages */

static_assert((LANE_QUEUE_BLOCKS & (LANE_QUEUE_BLOCKS - 1)) == 0, "indices are taken modulo the queue's size");
static_assert((QUEUE_CHUNKS & (QUEUE_CHUNKS - 1)) == 0, "indices are taken modulo the queue's size");
static_assert(LANE_SEGMENTS > LANE_CHUNKS + 1, "a slot must not be used again while a chunk of its segment is under way");
static_assert(LANE_CHUNK_BYTES % HUGE_PAGE_BYTES == 0, "chunks are cut from one mapping at huge page borders");

static size_t chunks_mapping_bytes(void) { return (size_t)LANE_CHUNKS * LANE_CHUNK_BYTES; }

/* One mapping at a huge page border: direct writes then pin a few large pages instead of a thousand small ones. */
static uint8_t *map_chunks(void)
{
    size_t bytes = chunks_mapping_bytes();
    uint8_t *raw = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE_BYTES - (uintptr_t)raw % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (before)
        (void)munmap(raw, before);
    (void)munmap(raw + before + bytes, HUGE_PAGE_BYTES - before);
    uint8_t *chunks = raw + before;
    (void)madvise(chunks, bytes, MADV_HUGEPAGE); /* advice: small pages do as well, only slower */
    (void)madvise(chunks, bytes, MADV_DONTDUMP); /* users' traffic has no place in a core file */
    if (mlock(chunks, bytes) != 0)
        memset(chunks, 0, bytes);                /* not allowed to lock: at least have every page now, not under load */
    return chunks;
}

int lane_new(uint32_t number, struct lane **ret)
{
    assert(number < LANES_MAX);
    struct lane *lane = aligned_alloc(_Alignof(struct lane), sizeof *lane);
    if (!lane)
        return -ENOMEM;
    memset(lane, 0, sizeof *lane);
    lane->number = number;
    lane->writer_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lane->capture_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lane->enabled = 1;
    if (lane->writer_wake < 0 || lane->capture_wake < 0) {
        int error = -errno;
        lane_free(lane);
        return error;
    }
    uint8_t *chunks = map_chunks();
    if (!chunks) {
        lane_free(lane);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < LANE_CHUNKS; i++) {
        lane->chunks[i] = chunks + (size_t)i * LANE_CHUNK_BYTES;
        lane_give_chunk(lane, i);
    }
    *ret = lane;
    return 0;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    if (lane->chunks[0])
        (void)munmap(lane->chunks[0], chunks_mapping_bytes());
    if (lane->writer_wake >= 0)
        (void)close(lane->writer_wake);
    if (lane->capture_wake >= 0)
        (void)close(lane->capture_wake);
    free(lane);
}

static void wake(int eventfd_of_sleeper)
{
    uint64_t one = 1;
    /* The only failure is a full counter: then the sleeper has been woken 2^64 times already. */
    ssize_t done = write(eventfd_of_sleeper, &one, sizeof one);
    (void)done;
}

static void wake_taken(int own_eventfd)
{
    uint64_t count;
    ssize_t done = read(own_eventfd, &count, sizeof count);
    (void)done;                                  /* EAGAIN: nobody woke us, the time was up */
}

bool lane_take_chunk(struct lane *lane, uint32_t *ret_chunk)
{
    uint32_t tail = atomic_load_explicit(&lane->to_capture.tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&lane->to_capture.head, memory_order_acquire))
        return false;
    *ret_chunk = lane->free_chunks[tail % QUEUE_CHUNKS];
    atomic_store_explicit(&lane->to_capture.tail, tail + 1, memory_order_release);
    return true;
}

void lane_give_chunk(struct lane *lane, uint32_t chunk)
{
    assert(chunk < LANE_CHUNKS);
    uint32_t head = atomic_load_explicit(&lane->to_capture.head, memory_order_relaxed);
    assert(head - atomic_load_explicit(&lane->to_capture.tail, memory_order_relaxed) < LANE_CHUNKS);
    lane->free_chunks[head % QUEUE_CHUNKS] = chunk;
    atomic_store_explicit(&lane->to_capture.head, head + 1, memory_order_seq_cst);
    if (atomic_load_explicit(&lane->capture_starves, memory_order_seq_cst))
        wake(lane->capture_wake);
}

uint32_t lane_queue_room(const struct lane *lane)
{
    uint32_t head = atomic_load_explicit(&lane->to_writer.head, memory_order_relaxed);
    return LANE_QUEUE_BLOCKS - (head - atomic_load_explicit(&lane->to_writer.tail, memory_order_acquire));
}

bool lane_push_block(struct lane *lane, const struct lane_block *block)
{
    if (lane_queue_room(lane) == 0)
        return false;
    uint32_t head = atomic_load_explicit(&lane->to_writer.head, memory_order_relaxed);
    lane->blocks[head % LANE_QUEUE_BLOCKS] = *block;
    /* Sequentially consistent against lane_wait_block: either the writer sees the block, or we see that it sleeps. */
    atomic_store_explicit(&lane->to_writer.head, head + 1, memory_order_seq_cst);
    if (atomic_load_explicit(&lane->writer_sleeps, memory_order_seq_cst))
        wake(lane->writer_wake);
    return true;
}

bool lane_pop_block(struct lane *lane, struct lane_block *ret)
{
    uint32_t tail = atomic_load_explicit(&lane->to_writer.tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&lane->to_writer.head, memory_order_acquire))
        return false;
    *ret = lane->blocks[tail % LANE_QUEUE_BLOCKS];
    atomic_store_explicit(&lane->to_writer.tail, tail + 1, memory_order_release);
    return true;
}

bool lane_writer_may_sleep(struct lane *lane)
{
    atomic_store_explicit(&lane->writer_sleeps, true, memory_order_seq_cst);
    uint32_t tail = atomic_load_explicit(&lane->to_writer.tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&lane->to_writer.head, memory_order_seq_cst) &&
        !atomic_load_explicit(&lane->capture_ended, memory_order_seq_cst))
        return true;
    atomic_store_explicit(&lane->writer_sleeps, false, memory_order_relaxed);
    return false;
}

void lane_writer_awake(struct lane *lane)
{
    atomic_store_explicit(&lane->writer_sleeps, false, memory_order_relaxed);
    wake_taken(lane->writer_wake);
}

void lane_wait_block(struct lane *lane, int timeout_ms)
{
    if (!lane_writer_may_sleep(lane))
        return;
    struct pollfd sleeper = { .fd = lane->writer_wake, .events = POLLIN };
    (void)poll(&sleeper, 1, timeout_ms);         /* EINTR: the caller looks at the queue again in any case */
    lane_writer_awake(lane);
}

bool lane_capture_may_sleep(struct lane *lane)
{
    atomic_store_explicit(&lane->capture_starves, true, memory_order_seq_cst);
    uint32_t tail = atomic_load_explicit(&lane->to_capture.tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&lane->to_capture.head, memory_order_seq_cst))
        return true;
    atomic_store_explicit(&lane->capture_starves, false, memory_order_relaxed);
    return false;
}

void lane_capture_awake(struct lane *lane)
{
    atomic_store_explicit(&lane->capture_starves, false, memory_order_relaxed);
    wake_taken(lane->capture_wake);
}

void lane_end_capture(struct lane *lane)
{
    atomic_store_explicit(&lane->capture_ended, true, memory_order_seq_cst);
    wake(lane->writer_wake);
}

void lane_request_seal(struct lane *lane, enum segment_seal_reason reason)
{
    atomic_store_explicit(&lane->seal_reason, (uint32_t)reason, memory_order_relaxed);
    atomic_fetch_add_explicit(&lane->seal_request, 1, memory_order_release);
    wake(lane->capture_wake);
}

void lane_request_stop(struct lane *lane)
{
    atomic_store_explicit(&lane->stop, true, memory_order_release);
    wake(lane->capture_wake);
}
