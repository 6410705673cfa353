/* Where a capture lane and its tape writer meet.
 *
 * A lane is two threads. The capture thread walks ring blocks and encodes pcapng straight into chunks, in the very bytes that a stored LZ4 block has on disk: size word, content. It closes a block
 * when the content is full (1 MiB), at a timed flush, at the end of a segment, and around header blocks, and hands it over. The writer thread (tape/writer.h) hashes, compresses or not, writes, seals.
 * The capture thread never waits for the writer: without a free chunk it leaves packets in the kernel's ring, which counts what it drops.
 *
 * Memory is fixed: LANE_CHUNKS chunks of LANE_CHUNK_BYTES per lane, one queue of LANE_QUEUE_BLOCKS descriptors to the writer and one of chunk numbers back. Both queues have one producer and one consumer and no lock.
 *
 * Zero copy: a block's place in its chunk is congruent to its place in the uncompressed segment file modulo LANE_ALIGN. The capture thread starts a segment at offset 0 of a fresh chunk with the frame header and
 * the header block (SHB, IDBs). When a chunk is full it copies the last file_offset % LANE_ALIGN bytes to the start of the next chunk, so that a direct write of whole pages never needs bytes of two chunks. */
#ifndef CAPTURER_LANE_H
#define CAPTURER_LANE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "capfile/segment_index.h"

#define LANE_ALIGN 4096u
#define LANE_CHUNK_BYTES (4u * 1024 * 1024)      /* one disk write */
#define LANE_CHUNKS 8u                           /* 32 MiB: 50 ms at 5 Gbit/s, beside the ring */
#define LANE_QUEUE_BLOCKS 512u                   /* power of two; >= LANE_CHUNKS * blocks of a chunk; full: the capture thread waits as without a free chunk */
#define LANE_SEGMENTS 16u                        /* > LANE_CHUNKS + 1, since every segment begins in a chunk of its own */
#define LANE_INTERFACES_MAX 1024u                /* IDBs of one segment: NICs and 250 pods four times over; later ones are counted as one interface "other" */
#define LANE_GAPS_MAX 64u                        /* per segment; further ones are merged into the last */
#define LANES_MAX 16u

/* One segment as the capture thread saw it. Filled before the block marked `first` (identity part) and before the one marked `last` (the rest) is handed over; the writer reads it then; the slot is used again LANE_SEGMENTS later. */
struct lane_segment {
    uint64_t sequence;
    int64_t opened_wall_ns, opened_mono_ns, closed_wall_ns, closed_mono_ns;
    enum segment_seal_reason reason;
    struct segment_ledger ledger;                /* dropped_disk_packets is the writer's to add */
    _Atomic uint32_t interfaces_count;           /* grows while the segment is open, each entry complete before it counts */
    struct segment_interface interfaces[LANE_INTERFACES_MAX];
    struct segment_interface_ledger interface_ledgers[LANE_INTERFACES_MAX];
    uint32_t gaps_count;
    struct segment_gap gaps[LANE_GAPS_MAX];
};

/* A closed block. `block` has everything but offset, size, hash and compressed, which are the writer's. */
struct lane_block {
    uint32_t chunk, chunk_offset;                /* of the size word; the first block of a segment has the frame header's 7 bytes before it */
    uint32_t stored_size;                        /* size word and content */
    uint64_t stored_offset;                      /* in the segment file if every block so far were stored */
    uint32_t segment_slot;
    bool first, last;                            /* of its segment */
    bool flush;                                  /* write now: the timed flush, or the end of a segment */
    bool chunk_done;                             /* nothing further comes in this chunk: give it back when written */
    int64_t canary_sent_ns;                      /* send time of the newest canary in it; 0 none */
    int64_t fill_ns;                             /* monotonic time that filling took: the pressure the writer judges compression by */
    struct segment_block block;
};

struct lane_queue_state { _Alignas(64) _Atomic uint32_t head; _Alignas(64) _Atomic uint32_t tail; };

struct lane {
    uint32_t number;
    uint8_t *chunks[LANE_CHUNKS];                /* LANE_ALIGN-aligned, locked in memory */
    struct lane_segment segments[LANE_SEGMENTS];
    struct lane_queue_state to_writer; struct lane_block blocks[LANE_QUEUE_BLOCKS];
    struct lane_queue_state to_capture; uint32_t free_chunks[LANE_CHUNKS * 2];
    int writer_wake;                             /* eventfd: the capture thread writes it only when the writer said it sleeps */
    _Atomic bool writer_sleeps;
    _Atomic bool capture_starves;                /* the capture thread waits for a chunk: lane_give_chunk writes capture_wake */
    int capture_wake;                            /* eventfd in the capture thread's poll set */

    /* Set by others, read by the capture thread. */
    uint64_t first_sequence;                     /* before start: next sequence of this tape id */
    uint64_t segment_bytes_max;                  /* planned size of a segment file, end mark included */
    uint64_t segment_blocks_max;                 /* so that the index stays in its bound */
    int64_t segment_age_ns, flush_ns;
    _Atomic uint64_t saved_bytes;                /* by the writer: stored size - size on disk of the current segment's written blocks; how far compression has won */
    _Atomic uint64_t saved_for_sequence;         /* the segment that saved_bytes speaks of */
    _Atomic uint64_t disk_dropped_packets;       /* by the writer, total: the capture thread puts the growth into the next segment's first epb_dropcount and gap list */
    _Atomic uint32_t seal_request;               /* any thread: add 1 (and write capture_wake) after setting seal_reason; the capture thread ends its segment at the next ring block or poll */
    _Atomic uint32_t seal_reason;                /* enum segment_seal_reason */
    _Atomic bool stop;                           /* drain the ring once, seal with SEGMENT_SEAL_STOP, end */
    _Atomic uint32_t enabled;                    /* tap.capture.raw.enabled: 0 = read and discard nothing, ring closed to the filter */

    /* Set by the capture thread, read by others. */
    _Atomic uint64_t current_sequence;
    _Atomic int64_t newest_ns;                   /* greatest packet timestamp seen */
    _Atomic int64_t loop_ns;                     /* monotonic time of its last turn */
    _Atomic uint32_t seals_done;                 /* the seal_request that has been acted on: where no segment was open nothing was sealed */
    _Atomic bool capture_ended;
    /* Set by the writer, read by others. */
    _Atomic int64_t canary_proved_ns;            /* send time of the newest canary that is on the disk with its index record */
    _Atomic bool writer_ended;
    _Atomic uint64_t chunks_waiting;             /* times the capture thread found no free chunk (capture adds) */
    /* Totals since start, by the capture thread; for the heartbeat. Relaxed. */
    _Atomic uint64_t offered_packets, offered_bytes, written_packets, written_bytes, dropped_kernel_packets, filtered_packets, truncated_packets, canaries, events;
};

/* Allocates chunks (mlock where allowed) and eventfds; all chunks start free. *ret is zeroed otherwise. -ENOMEM. */
int lane_new(uint32_t number, struct lane **ret);
void lane_free(struct lane *lane);

/* Capture thread. */
bool lane_take_chunk(struct lane *lane, uint32_t *ret_chunk);       /* false: none free */
bool lane_push_block(struct lane *lane, const struct lane_block *block); /* false: queue full; wakes a sleeping writer */
uint32_t lane_queue_room(const struct lane *lane);                  /* descriptors that lane_push_block would take now */
/* To sleep for want of a chunk: when may_sleep says true, poll capture_wake (true once: a chunk given from now on wakes it), then call awake. */
bool lane_capture_may_sleep(struct lane *lane);
void lane_capture_awake(struct lane *lane);
void lane_end_capture(struct lane *lane);                           /* last act: sets capture_ended and wakes the writer */
/* Writer thread. */
bool lane_pop_block(struct lane *lane, struct lane_block *ret);
void lane_give_chunk(struct lane *lane, uint32_t chunk);
/* Sleeps until a block is there or timeout_ms passed. */
void lane_wait_block(struct lane *lane, int timeout_ms);
/* The same in parts, for a writer that waits for its disk as well: when may_sleep says true (no block, capture not ended), wait on writer_wake and whatever else, then call awake. */
bool lane_writer_may_sleep(struct lane *lane);
void lane_writer_awake(struct lane *lane);
/* Any thread. */
void lane_request_seal(struct lane *lane, enum segment_seal_reason reason);
void lane_request_stop(struct lane *lane);
#endif
