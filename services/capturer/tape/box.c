#include "services/capturer/tape/box.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "units/units.h"

#define BLOCK_BYTES_PER_RECORD 16384u            /* planned segment bytes per block: a quarter of an hour of one-packet blocks in the smallest segment, and an index of half a percent */
#define BLOCKS_MIN 1024u
#define STAT_BLOCK_BYTES 512u
#define SEAL_WAIT_MS 2000                        /* for room that a seal under way will give */

uint64_t box_segment_size(uint64_t storage_size, uint32_t lanes)
{
    uint64_t size = storage_size / ((uint64_t)BOX_SEGMENTS * lanes) / DISK_ALIGN * DISK_ALIGN;
    return size < BOX_SEGMENT_BYTES_MIN ? BOX_SEGMENT_BYTES_MIN : size > BOX_SEGMENT_BYTES_MAX ? BOX_SEGMENT_BYTES_MAX : size;
}

uint64_t box_segment_blocks(uint64_t segment_size)
{
    uint64_t blocks = segment_size / BLOCK_BYTES_PER_RECORD;
    return blocks < BLOCKS_MIN ? BLOCKS_MIN : blocks;
}

static uint64_t record_size(enum segment_record_type type)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    return segment_index_put(bytes, &(struct segment_record){ .type = type });
}

uint64_t box_index_size(uint64_t segment_blocks)
{
    /* Texts in records are at their longest under these: a name of an interface is 32 bytes, the node's one record of SEGMENT_INDEX_RECORD_BYTES_MAX. Two of clock, ledger and seal: salvage may add its own. */
    uint64_t size = SEGMENT_INDEX_HEADER_BYTES + SEGMENT_INDEX_RECORD_BYTES_MAX;
    size += segment_blocks * record_size(SEGMENT_RECORD_BLOCK);
    size += (uint64_t)LANE_INTERFACES_MAX * (record_size(SEGMENT_RECORD_INTERFACE) + sizeof((struct segment_interface){ 0 }.name) + record_size(SEGMENT_RECORD_INTERFACE_LEDGER));
    size += ((uint64_t)LANE_GAPS_MAX + 2) * record_size(SEGMENT_RECORD_GAP);
    size += 2 * (2 * record_size(SEGMENT_RECORD_CLOCK) + record_size(SEGMENT_RECORD_LEDGER) + record_size(SEGMENT_RECORD_SEAL));
    return (size + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN;
}

uint64_t box_segment_charge(const struct tape *tape)
{
    return tape->segment_size + tape->index_size + BOX_SLACK_BYTES;
}

int box_file_bytes(int fd, uint64_t *ret)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    uint64_t blocks = (uint64_t)status.st_blocks * STAT_BLOCK_BYTES, length = (uint64_t)status.st_size;
    *ret = blocks > length ? blocks : length;
    return 0;
}

void tape_event_add(struct tape_events *events, const struct tape_event *event)
{
    if (events->count < TAPE_EVENTS_MAX)
        events->events[events->count++] = *event;
}

void tape_events_tell(struct tape *tape, const struct tape_events *events)
{
    tape_lock(tape);
    void (*event)(void *, const struct tape_event *) = tape->event;
    void *context = tape->event_context;
    tape_unlock(tape);
    for (size_t i = 0; event && i < events->count; i++)
        event(context, &events->events[i]);
}

uint64_t box_pinned(const struct tape *tape, int64_t now_ns)
{
    uint64_t pinned = 0;
    for (size_t i = 0; i < tape->catalogue.count; i++) {
        const struct catalogue_entry *entry = catalogue_at(&tape->catalogue, i);
        if (entry->segment.leased_until_ns > now_ns)
            pinned += entry->charge;
    }
    return pinned;
}

/* Remembers what goes, before it goes: a sequence is never used twice, and what was owed is told as lost. */
static int remember_recycled(struct tape *tape, const struct catalogue_entry *entry)
{
    const struct tape_segment *segment = &entry->segment;
    struct cursor_state *cursor = &tape->cursor;
    if (segment->ordinal > cursor->published_ordinal)
        cursor_add_lost(cursor, segment);
    if (cursor->next_ordinal <= segment->ordinal)
        cursor->next_ordinal = segment->ordinal + 1;
    if (cursor->next_sequence[segment->lane] <= segment->sequence)
        cursor->next_sequence[segment->lane] = segment->sequence + 1;
    if (cursor->recorded_ns < entry->closed_ns)
        cursor->recorded_ns = entry->closed_ns;
    return cursor_save(tape->folder_fd, cursor);
}

static int remove_files(struct tape *tape, uint32_t lane, uint64_t sequence)
{
    char name[SEGMENT_FILE_NAME_MAX], index_name[SEGMENT_FILE_NAME_MAX + 8];
    segment_file_name(lane, sequence, name);
    (void)snprintf(index_name, sizeof index_name, "%s.idx", name);
    /* The segment first: no segment is ever seen without its index. */
    if (unlinkat(tape->segments_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    if (unlinkat(tape->segments_fd, index_name, 0) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

int box_recycle_oldest(struct tape *tape, struct tape_events *events)
{
    int64_t now = units_now_wall_ns();
    size_t i = 0;
    while (i < tape->catalogue.count && (catalogue_at(&tape->catalogue, i)->transfers > 0 || catalogue_at(&tape->catalogue, i)->segment.leased_until_ns > now))
        i++;
    if (i == tape->catalogue.count)
        return -ENOENT;
    const struct catalogue_entry entry = *catalogue_at(&tape->catalogue, i);
    int saved = remember_recycled(tape, &entry);
    int rc = remove_files(tape, entry.segment.lane, entry.segment.sequence);
    if (rc < 0)
        return rc;
    if (saved < 0)
        (void)cursor_save(tape->folder_fd, &tape->cursor); /* the disk was full of others' files: now there is room; else the next one saves it */
    assert(tape->box_used >= entry.charge);
    tape->box_used -= entry.charge;
    catalogue_remove(&tape->catalogue, i);
    tape_event_add(events, &(struct tape_event){ .kind = TAPE_EVENT_RECYCLED, .lane = entry.segment.lane, .sequence = entry.segment.sequence, .ordinal = entry.segment.ordinal });
    return 0;
}

int box_make_room(struct tape *tape, uint64_t bytes, struct tape_events *events)
{
    while (tape->box_used + bytes > tape->box_size || tape->catalogue.count >= CATALOGUE_SEGMENTS_MAX)
        if (box_recycle_oldest(tape, events) < 0)
            return -ENOSPC;
    return 0;
}

static struct timespec after_ms(int ms)
{
    int64_t ns = units_now_mono_ns() + ms * UNITS_NS_PER_MS;
    return (struct timespec){ .tv_sec = ns / UNITS_NS_PER_S, .tv_nsec = ns % UNITS_NS_PER_S };
}

int tape_segment_begin(struct tape *tape, uint32_t lane, uint64_t sequence, int64_t opened_ns)
{
    struct tape_events events = { .count = 0 };
    uint64_t charge = box_segment_charge(tape);
    struct timespec until = after_ms(SEAL_WAIT_MS);
    tape_lock(tape);
    assert(!tape->open[lane].used);
    int rc = box_make_room(tape, charge, &events), waited = 0;
    while (rc < 0 && tape->sealing_count > 0 && waited == 0) {
        waited = pthread_cond_timedwait(&tape->changed, &tape->lock, &until);
        rc = box_make_room(tape, charge, &events);
    }
    if (rc == 0) {
        tape->box_used += charge;
        tape->open[lane] = (struct tape_open){ .used = true, .sequence = sequence, .opened_ns = opened_ns, .fd = -1, .index_fd = -1 };
        /* The gap since the last run ends where recording really began, on the last of the lanes. */
        if (!(tape->lanes_begun & 1u << lane) && tape->cursor.gaps_count > 0) {
            struct segment_gap *gap = &tape->cursor.gaps[tape->cursor.gaps_count - 1];
            if (gap->to_ns >= tape->started_ns && gap->to_ns < opened_ns) {
                gap->to_ns = opened_ns;
                (void)cursor_save(tape->folder_fd, &tape->cursor);
            }
        }
        tape->lanes_begun |= 1u << lane;
    }
    tape_unlock(tape);
    tape_events_tell(tape, &events);
    return rc;
}

void tape_segment_files(struct tape *tape, uint32_t lane, int fd, int index_fd)
{
    tape_lock(tape);
    tape->open[lane].fd = fd;
    tape->open[lane].index_fd = index_fd;
    tape_unlock(tape);
}

void tape_segment_abandon(struct tape *tape, uint32_t lane)
{
    tape_lock(tape);
    assert(tape->open[lane].used && tape->box_used >= box_segment_charge(tape));
    tape->open[lane].used = false;
    tape->box_used -= box_segment_charge(tape);
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
}

int tape_disk_refused(struct tape *tape, uint32_t lane, int error)
{
    struct tape_events events = { .count = 0 };
    bool full = error == -ENOSPC || error == -EDQUOT;
    tape_lock(tape);
    if (tape->disk_error == 0 || (tape->disk_error == -ENOSPC) != full)
        tape_event_add(&events, &(struct tape_event){ .kind = full ? TAPE_EVENT_DISK_FULL : TAPE_EVENT_DISK_ERROR, .lane = lane, .sequence = tape->open[lane].sequence, .error = error });
    tape->disk_error = full ? -ENOSPC : error;
    int rc = full ? box_recycle_oldest(tape, &events) : 0;
    tape_unlock(tape);
    tape_events_tell(tape, &events);
    return rc < 0 ? error : 0;
}

void tape_disk_well(struct tape *tape, uint32_t lane)
{
    struct tape_events events = { .count = 0 };
    tape_lock(tape);
    if (tape->disk_error != 0)
        tape_event_add(&events, &(struct tape_event){ .kind = TAPE_EVENT_DISK_WELL, .lane = lane });
    tape->disk_error = 0;
    tape_unlock(tape);
    tape_events_tell(tape, &events);
}
