/* The tape: a bounded folder of segments, its catalogue, leases and recycling, and the writer thread of each lane.
 *
 * Files below the folder: tape.id (hex), segments/<lane>-<sequence>.pcapng.lz4[.idx] (hidden with a dot while written), leases, cursor, token.key. Their sum never exceeds storage_size: space is charged before it is used.
 * One process owns a tape (flock on tape.id). All functions are thread-safe behind one mutex that no capture thread ever takes; none talks to the bus. */
#ifndef CAPTURER_TAPE_H
#define CAPTURER_TAPE_H
#include <stdbool.h>
#include <stdint.h>
#include "capfile/segment_index.h"
#include "services/capturer/lane.h"

enum tape_compress { TAPE_COMPRESS_AUTO, TAPE_COMPRESS_ALWAYS, TAPE_COMPRESS_NEVER };
struct tape_options {
    const char *folder, *node;
    uint64_t storage_size, segment_size /* 0: RULES 8's clamp */;
    uint32_t lanes;
    enum tape_compress compress;
    bool sync;                                   /* fdatasync every second */
    bool force_writer_thread;                    /* for tests: no io_uring */
};
struct tape;
/* Loads the catalogue and salvages torn segments (progress over two seconds goes through report, may be NULL). -ENOSPC: storage_size under 16 x lanes x 4 MiB; -EWOULDBLOCK: another process owns the tape; -errno. error (256) gets a sentence. */
int tape_open(const struct tape_options *options, void (*report)(void *context, const char *what, uint64_t done, uint64_t total), void *context, struct tape **ret, char *error);
void tape_close(struct tape *tape);              /* after the writers ended */
uint64_t tape_id(const struct tape *tape);
uint64_t tape_segment_size(const struct tape *tape);
const char *tape_writer_kind(const struct tape *tape);   /* "io_uring", "direct", "buffered": found by trying, at open */

/* Sets the lane's sequence, sizes and starts its writer thread; it ends after the block with `last` that follows lane->stop, or when capture_ended and the queue is empty. */
int tape_writer_start(struct tape *tape, struct lane *lane);
void tape_writer_join(struct tape *tape, struct lane *lane); /* returns when the lane's last segment is in the catalogue */

/* Called on a writer thread after a segment was sealed or recycled, after an own file was removed for somebody else's full disk, and on a disk error: push to a queue and return. */
enum tape_event_kind { TAPE_EVENT_SEALED, TAPE_EVENT_RECYCLED, TAPE_EVENT_DISK_FULL, TAPE_EVENT_DISK_ERROR, TAPE_EVENT_DISK_WELL };
struct tape_event { enum tape_event_kind kind; uint32_t lane; uint64_t sequence, ordinal; int error; };
void tape_on_event(struct tape *tape, void (*event)(void *context, const struct tape_event *event), void *context);

/* A sealed segment as the catalogue knows it. */
struct tape_segment {
    uint32_t lane;
    uint64_t sequence, ordinal, size, index_size, blocks;
    int64_t first_ns, last_ns, opened_ns, sealed_ns;   /* wall */
    uint8_t reason;
    struct segment_ledger ledger;
    bool published;
    int64_t leased_until_ns;                     /* 0: not leased */
};
/* Copies up to `most` sealed segments with ordinal > after, in order of ordinal. Returns how many. */
size_t tape_list(struct tape *tape, uint64_t after_ordinal, struct tape_segment *segments, size_t most);
/* The segment's whole index (read from disk), for its interface ledgers and gaps. -ENOENT: recycled meanwhile. */
int tape_load_index(struct tape *tape, uint32_t lane, uint64_t sequence, struct segment_index **ret);

struct tape_boundaries { int64_t oldest_ns, newest_ns; uint64_t storage_size, used, pinned, segments, owed; uint64_t first_sequence[LANES_MAX] /* low-water mark: everything below is gone */; uint32_t lanes; };
void tape_boundaries(struct tape *tape, struct tape_boundaries *ret);
/* Stretches without recording that the tape knows of (from stop or kill to start), newest first. Persisted. */
size_t tape_gaps(struct tape *tape, int64_t from_ns, int64_t to_ns, struct segment_gap *gaps, size_t most);

/* Publishing: the oldest sealed segment that is owed; -ENOENT none. tape_published moves and persists the cursor (ordinal and the stream's sequence). */
int tape_owed(struct tape *tape, struct tape_segment *ret);
int tape_published(struct tape *tape, uint64_t ordinal, uint64_t stream_sequence);
uint64_t tape_cursor_stream_sequence(struct tape *tape); /* last known sequence of the own segment.sealed subject */
/* What was recycled while owed, summed since the last tape_lost_published; 0 none (ordinals 0). Persisted. */
struct tape_lost { uint64_t first_ordinal, last_ordinal; int64_t first_ns, last_ns; struct segment_ledger ledger; };
void tape_lost(struct tape *tape, struct tape_lost *ret);
int tape_lost_published(struct tape *tape, const struct tape_lost *lost);

/* Leases. Grants every sealed segment that overlaps [from, to] (by epoch clocks: a wall time that occurred twice selects both), oldest first, until the pinned bytes reach half of the box; the others are refused. Persisted; outlive a restart.
 * The same lease id extends its end and adds segments. granted and refused are heap arrays for the caller to free. */
int tape_lease(struct tape *tape, const char *lease, int64_t from_ns, int64_t to_ns, int64_t until_ns, struct tape_segment **ret_granted, size_t *ret_granted_count, struct tape_segment **ret_refused, size_t *ret_refused_count);
/* segments NULL: the whole lease. Returns how many were released. */
int tape_release(struct tape *tape, const char *lease, const struct tape_segment *segments, size_t count);
/* A file under transfer: opened for reading; it stays charged and unrecycled until given back. -ENOENT, -EMFILE (TAPE_TRANSFERS_MAX). */
#define TAPE_TRANSFERS_MAX 256
int tape_transfer_begin(struct tape *tape, uint32_t lane, uint64_t sequence, bool index, int *ret_fd, uint64_t *ret_size);
void tape_transfer_end(struct tape *tape, uint32_t lane, uint64_t sequence);
/* True when a lane's open segment may hold packets of the window: then ask for a seal. */
bool tape_open_reaches(struct tape *tape, int64_t from_ns, int64_t to_ns);
#endif
