/* One segment on its way to the disk: the pair of hidden files, the writes under way, the index records of blocks whose bytes are written. Belongs to the writer thread.
 *
 * The file's bytes lie in memory in regions, each at a page of the file: in a direct segment the lane's chunks as the capture thread filled them, in a packed one the writer's own buffers, into which blocks are
 * compressed or copied. Whole pages are written from the region; the page in which the bytes end is written from a scratch page, filled up with zeros, and later again from the region, with the same beginning.
 * No write that covers a page is submitted before the earlier one of that page has completed (the kernel does not order them).
 *
 * A block is proved when all bytes up to its end are written and its record is appended: only then does its canary count. */
#ifndef CAPTURER_TAPE_OUTPUT_H
#define CAPTURER_TAPE_OUTPUT_H
#include <sys/types.h>
#include "services/capturer/tape/discard.h"
#include "services/capturer/tape/disk.h"
#include "services/capturer/tape/internal.h"

#define OUTPUT_WRITE_BYTES (2u * 1024 * 1024)    /* least that a packed buffer holds when it is written without a flush */
#define OUTPUT_PACK_BYTES (4u * 1024 * 1024)     /* a page of the buffer before, less than OUTPUT_WRITE_BYTES, and one more block; whole huge pages */
#define OUTPUT_PACKS 3u                          /* one filled, two written: a packed segment is slow, or it would be direct */
#define OUTPUT_REGIONS (LANE_CHUNKS + OUTPUT_PACKS)
#define OUTPUT_SCRATCH_BYTES (2u * DISK_ALIGN)   /* the last page, and the end mark behind it */
#define OUTPUT_PENDING_MAX 1024u                 /* blocks without their record: all that the writes under way can hold, twice the queue */
#define OUTPUT_RECORDS_BYTES (128u * 1024)       /* the records of all that may be pending */
#define OUTPUT_NO_BASE UINT64_MAX

struct output_pending { struct segment_block block; int64_t canary_sent_ns; uint32_t region; uint64_t base; /* where its bytes lie, while region_base says so */ };
struct output_write { uint64_t offset, size; uint32_t region /* OUTPUT_REGIONS: a scratch page */; };

struct output {
    struct tape *tape;
    struct lane *lane;
    struct discard *discard;
    struct disk *disk;
    uint8_t *packs, *scratch;                    /* OUTPUT_PACKS x OUTPUT_PACK_BYTES; DISK_WRITES_MAX x OUTPUT_SCRATCH_BYTES */
    uint64_t *hashes; size_t hashes_room;        /* of this segment's blocks, little-endian */

    bool open, packed, failed;
    int fd, index_fd;
    uint64_t sequence;
    uint64_t end, sent, tail_sent;               /* bytes accepted; whole pages submitted up to; bytes written in part pages up to */
    uint64_t proved;                             /* every byte before is on the disk */
    uint64_t record_end;                         /* end of the last block that has its record */
    const uint8_t *memory; uint64_t base; uint32_t region; /* where the bytes from base on lie */
    uint32_t region_writes[OUTPUT_REGIONS]; bool region_done[OUTPUT_REGIONS]; uint64_t region_base[OUTPUT_REGIONS];
    struct output_write writes[DISK_WRITES_MAX]; bool busy[DISK_WRITES_MAX];
    uint32_t retries;
    struct output_pending pending[OUTPUT_PENDING_MAX]; uint32_t pending_head, pending_count;
    uint8_t records[OUTPUT_RECORDS_BYTES]; size_t records_size; uint64_t index_at;
    uint32_t interfaces_logged;
    struct segment_seal seal;                    /* as far as known */
    uint64_t saved;
};

int output_new(struct tape *tape, struct lane *lane, struct discard *discard, struct output **ret);
void output_free(struct output *output);
/* Creates the files and writes the index's head. The box has been charged. -errno: the disk does not want it. */
int output_open(struct output *output, const struct lane_segment *segment, bool packed);
/* True when a block of so many stored bytes still fits the plan. */
bool output_fits(const struct output *output, uint32_t stored_size);
/* Takes over a block: from the chunk as it is (direct), or into the pack. fills block's offset, size, hash, compressed. A direct segment needs its blocks complete and in order. -errno: the segment has failed. */
int output_add(struct output *output, const struct lane_block *block, bool compress);
/* Submits what is due; with flush the last part page too. */
int output_push(struct output *output, bool flush);
/* Takes completions without waiting: gives chunks back, appends records, proves canaries. */
int output_look(struct output *output);
/* Waits for every write. */
int output_drain(struct output *output);
/* The chunk brings nothing more: its whole pages are submitted, and it is given back when they are written. After output_push and output_finish, which still read it. */
void output_chunk_done(struct output *output, uint32_t chunk);
/* Ends the file: whatever is left, end mark, exact length, every write completed. Where something failed it ends after the last proved block, and what is pending never came. -errno: not even that. */
int output_end(struct output *output);
/* Every record but the seal; fills seal. Files stay open for the sealer. gap: of the writer's own, or NULL. */
int output_finish(struct output *output, const struct lane_segment *segment, const struct segment_gap *gap, const struct segment_ledger *ledger, const struct segment_interface_ledger *ledgers);
/* From now on every block of the segment is thrown away, beginning with those that are not proved; output_end cuts it there. */
void output_fail(struct output *output);
/* Drops both files. */
void output_discard(struct output *output);
#endif
