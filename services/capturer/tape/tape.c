/* What the rest of the process asks of a tape. See tape.h. */
#include "services/capturer/tape/tape.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "services/capturer/tape/sealer.h"
#include "services/capturer/tape/writer.h"
#include "units/units.h"

#define FLUSH_NS_DEFAULT (INT64_C(500) * UNITS_NS_PER_MS) /* with the ring's retire timeout and the write it stays under a second */
#define AGE_NS_DEFAULT (INT64_C(60) * UNITS_NS_PER_S)
#define OPEN_SLACK_NS UNITS_NS_PER_S             /* packets wait so long at most before their segment is opened */

uint64_t tape_id(const struct tape *tape) { return tape->id; }
uint64_t tape_segment_size(const struct tape *tape) { return tape->segment_size; }
const char *tape_writer_kind(const struct tape *tape) { return disk_kind_name(tape->disk_kind); }

int tape_writer_start(struct tape *tape, struct lane *lane)
{
    assert(lane->number < tape->lanes && !tape->writers[lane->number]);
    lane->first_sequence = tape->next_sequence[lane->number];
    lane->segment_bytes_max = tape->segment_size;
    lane->segment_blocks_max = tape->segment_blocks;
    if (lane->segment_age_ns == 0)
        lane->segment_age_ns = AGE_NS_DEFAULT;
    if (lane->flush_ns == 0)
        lane->flush_ns = FLUSH_NS_DEFAULT;
    return writer_new(tape, lane, &tape->writers[lane->number]);
}

void tape_writer_join(struct tape *tape, struct lane *lane)
{
    assert(lane->number < tape->lanes);
    if (tape->writers[lane->number])
        writer_join(tape->writers[lane->number]);
    sealer_wait(tape, lane->number);
    tape->writers[lane->number] = NULL;
}

void tape_on_event(struct tape *tape, void (*event)(void *context, const struct tape_event *event), void *context)
{
    tape_lock(tape);
    tape->event = event;
    tape->event_context = context;
    tape_unlock(tape);
}

static struct tape_segment segment_of(const struct tape *tape, const struct catalogue_entry *entry)
{
    struct tape_segment segment = entry->segment;
    segment.published = segment.ordinal <= tape->cursor.published_ordinal;
    return segment;
}

size_t tape_list(struct tape *tape, uint64_t after_ordinal, struct tape_segment *segments, size_t most)
{
    size_t count = 0;
    tape_lock(tape);
    for (size_t i = catalogue_after(&tape->catalogue, after_ordinal); i < tape->catalogue.count && count < most; i++)
        segments[count++] = segment_of(tape, catalogue_at(&tape->catalogue, i));
    tape_unlock(tape);
    return count;
}

void tape_boundaries(struct tape *tape, struct tape_boundaries *ret)
{
    struct tape_boundaries b = { .storage_size = tape->box_size, .lanes = tape->lanes };
    int64_t now = units_now_wall_ns();
    tape_lock(tape);
    for (uint32_t i = 0; i < tape->lanes; i++) {
        uint64_t next = tape->next_sequence[i] > tape->cursor.next_sequence[i] ? tape->next_sequence[i] : tape->cursor.next_sequence[i];
        b.first_sequence[i] = tape->open[i].used ? tape->open[i].sequence : next;
    }
    for (const struct seal_job *job = tape->sealing; job; job = job->next)
        if (job->sequence < b.first_sequence[job->lane])
            b.first_sequence[job->lane] = job->sequence;
    b.used = tape->box_used;
    b.pinned = box_pinned(tape, now);
    b.segments = tape->catalogue.count;
    for (size_t i = 0; i < tape->catalogue.count; i++) {
        const struct tape_segment *segment = &catalogue_at(&tape->catalogue, i)->segment;
        int64_t first = segment->first_ns ? segment->first_ns : segment->opened_ns;
        if (b.oldest_ns == 0 || first < b.oldest_ns)
            b.oldest_ns = first;
        if (segment->last_ns > b.newest_ns)
            b.newest_ns = segment->last_ns;
        if (segment->lane < tape->lanes && segment->sequence < b.first_sequence[segment->lane])
            b.first_sequence[segment->lane] = segment->sequence;
    }
    b.owed = tape->catalogue.count - catalogue_after(&tape->catalogue, tape->cursor.published_ordinal);
    tape_unlock(tape);
    *ret = b;
}

size_t tape_gaps(struct tape *tape, int64_t from_ns, int64_t to_ns, struct segment_gap *gaps, size_t most)
{
    size_t count = 0;
    tape_lock(tape);
    for (uint32_t i = tape->cursor.gaps_count; i > 0 && count < most; i--) {
        const struct segment_gap *gap = &tape->cursor.gaps[i - 1];
        if (gap->from_ns <= to_ns && gap->to_ns >= from_ns)
            gaps[count++] = *gap;
    }
    tape_unlock(tape);
    return count;
}

int tape_owed(struct tape *tape, struct tape_segment *ret)
{
    tape_lock(tape);
    size_t i = catalogue_after(&tape->catalogue, tape->cursor.published_ordinal);
    bool owed = i < tape->catalogue.count;
    if (owed)
        *ret = segment_of(tape, catalogue_at(&tape->catalogue, i));
    tape_unlock(tape);
    return owed ? 0 : -ENOENT;
}

int tape_published(struct tape *tape, uint64_t ordinal, uint64_t stream_sequence)
{
    tape_lock(tape);
    if (ordinal > tape->cursor.published_ordinal)
        tape->cursor.published_ordinal = ordinal;
    tape->cursor.stream_sequence = stream_sequence;
    int rc = cursor_save(tape->folder_fd, &tape->cursor);
    tape_unlock(tape);
    return rc;
}

uint64_t tape_cursor_stream_sequence(struct tape *tape)
{
    tape_lock(tape);
    uint64_t sequence = tape->cursor.stream_sequence;
    tape_unlock(tape);
    return sequence;
}

void tape_lost(struct tape *tape, struct tape_lost *ret)
{
    tape_lock(tape);
    *ret = tape->cursor.lost;
    tape_unlock(tape);
}

int tape_lost_published(struct tape *tape, const struct tape_lost *lost)
{
    tape_lock(tape);
    cursor_sub_lost(&tape->cursor, lost);
    int rc = cursor_save(tape->folder_fd, &tape->cursor);
    tape_unlock(tape);
    return rc;
}

bool tape_open_reaches(struct tape *tape, int64_t from_ns, int64_t to_ns)
{
    bool reaches = false;
    int64_t now = units_now_wall_ns();
    tape_lock(tape);
    for (uint32_t i = 0; i < tape->lanes && !reaches; i++)
        reaches = tape->open[i].used && tape->open[i].opened_ns - OPEN_SLACK_NS <= to_ns && now >= from_ns;
    for (const struct seal_job *job = tape->sealing; job && !reaches; job = job->next)
        reaches = job->opened_ns - OPEN_SLACK_NS <= to_ns && job->closed_ns >= from_ns;
    tape_unlock(tape);
    return reaches;
}
