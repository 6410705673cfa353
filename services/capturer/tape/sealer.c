#include "services/capturer/tape/sealer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "units/units.h"

#define TURN_MS 1000                             /* flush of open segments, room ahead */

static void told_error(struct tape_events *events, const struct seal_job *job, int error)
{
    tape_event_add(events, &(struct tape_event){ .kind = error == -ENOSPC || error == -EDQUOT ? TAPE_EVENT_DISK_FULL : TAPE_EVENT_DISK_ERROR,
                                                 .lane = job->lane, .sequence = job->sequence, .error = error });
}

static int seal_files(struct tape *tape, struct seal_job *job)
{
    uint8_t bytes[SEGMENT_INDEX_RECORD_BYTES_MAX];
    job->seal.sealed_ns = units_now_wall_ns();
    size_t size = segment_index_put(bytes, &(struct segment_record){ .type = SEGMENT_RECORD_SEAL, .seal = job->seal });
    int rc = disk_write_all(job->index_fd, bytes, size, job->index_at);
    if (rc == -ENOSPC) {
        tape_lock(tape);
        struct tape_events events = { .count = 0 };
        if (box_recycle_oldest(tape, &events) == 0)
            rc = disk_write_all(job->index_fd, bytes, size, job->index_at);
        tape_unlock(tape);
        tape_events_tell(tape, &events);
    }
    job->index_at += size;
    /* Also gives back what was taken behind the end. */
    if (rc == 0 && ftruncate(job->index_fd, (off_t)job->index_at) < 0)
        rc = -errno;
    if (rc == 0 && fdatasync(job->index_fd) < 0)
        rc = -errno;
    return rc;
}

static int publish_files(struct tape *tape, const struct seal_job *job)
{
    char name[SEGMENT_FILE_NAME_MAX], hidden[SEGMENT_FILE_NAME_MAX + 8], index_name[SEGMENT_FILE_NAME_MAX + 8], hidden_index[SEGMENT_FILE_NAME_MAX + 8];
    segment_file_name(job->lane, job->sequence, name);
    (void)snprintf(hidden, sizeof hidden, ".%s", name);
    (void)snprintf(index_name, sizeof index_name, "%s.idx", name);
    (void)snprintf(hidden_index, sizeof hidden_index, ".%s.idx", name);
    if (renameat(tape->segments_fd, hidden_index, tape->segments_fd, index_name) < 0 || renameat(tape->segments_fd, hidden, tape->segments_fd, name) < 0)
        return -errno;
    return 0;
}

static void enter(struct tape *tape, struct seal_job *job, struct tape_events *events)
{
    struct catalogue_entry entry = {
        .segment = { .lane = job->lane, .sequence = job->sequence, .ordinal = job->seal.ordinal, .size = job->seal.size, .index_size = job->index_at, .blocks = job->seal.blocks,
                     .first_ns = job->seal.first_ns, .last_ns = job->seal.last_ns, .opened_ns = job->opened_ns, .sealed_ns = job->seal.sealed_ns, .reason = job->seal.reason,
                     .ledger = job->ledger },
        .closed_ns = job->closed_ns > job->seal.last_ns ? job->closed_ns : job->seal.last_ns,
    };
    uint64_t planned = box_segment_charge(tape), segment_bytes, index_bytes;
    int rc = box_file_bytes(job->fd, &segment_bytes);
    if (rc == 0)
        rc = box_file_bytes(job->index_fd, &index_bytes);
    entry.charge = rc == 0 ? segment_bytes + index_bytes : planned;
    assert(tape->box_used >= planned);
    if (catalogue_add(&tape->catalogue, &entry) == 0) {
        tape->box_used = tape->box_used - planned + entry.charge;
        tape_event_add(events, &(struct tape_event){ .kind = TAPE_EVENT_SEALED, .lane = job->lane, .sequence = job->sequence, .ordinal = job->seal.ordinal });
    }
}

/* The jobs are the list's first `count`; they stay in it until they are in the catalogue, so that a pin sees them in one of the two. */
static void seal_batch(struct tape *tape, struct seal_job *const *jobs, uint32_t count)
{
    struct tape_events events = { .count = 0 };
    bool sealed[SEALER_JOBS_MAX];
    for (uint32_t i = 0; i < count; i++)
        if (fdatasync(jobs[i]->fd) < 0)
            told_error(&events, jobs[i], -errno);
    for (uint32_t i = 0; i < count; i++) {
        int rc = seal_files(tape, jobs[i]);
        if (rc == 0)
            rc = publish_files(tape, jobs[i]);
        sealed[i] = rc == 0;
        if (rc < 0)
            told_error(&events, jobs[i], rc);    /* stays hidden and charged; the next start salvages it */
    }
    (void)fsync(tape->segments_fd);
    tape_lock(tape);
    for (uint32_t i = 0; i < count; i++) {
        struct seal_job *job = tape->sealing;
        if (sealed[i])
            enter(tape, job, &events);
        tape->sealing = job->next;
        tape->sealing_count--;
        (void)close(job->fd);
        (void)close(job->index_fd);
        free(job);
    }
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
    tape_events_tell(tape, &events);
}

static void flush_open(struct tape *tape)
{
    for (uint32_t i = 0; i < tape->lanes; i++) {
        tape_lock(tape);
        const struct tape_open *open = &tape->open[i];
        mem_auto_close int fd = open->used && open->fd >= 0 ? dup(open->fd) : -1;
        mem_auto_close int index_fd = open->used && open->index_fd >= 0 ? dup(open->index_fd) : -1;
        tape_unlock(tape);
        if (fd >= 0)
            (void)fdatasync(fd);                 /* an error comes again at the seal, and is told there */
        if (index_fd >= 0)
            (void)fdatasync(index_fd);
    }
}

static void room_ahead(struct tape *tape)
{
    struct tape_events events = { .count = 0 };
    tape_lock(tape);
    (void)box_make_room(tape, box_segment_charge(tape) * tape->lanes, &events);
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
    tape_events_tell(tape, &events);
}

/* Waits for work until `turn` (monotonic). Returns how many jobs; they have their ordinals. */
static uint32_t take_jobs(struct tape *tape, int64_t turn, struct seal_job **jobs, bool *ret_stop)
{
    struct timespec until = { .tv_sec = turn / UNITS_NS_PER_S, .tv_nsec = turn % UNITS_NS_PER_S };
    uint32_t count = 0;
    int waited = 0;
    tape_lock(tape);
    while (!tape->sealing && !tape->sealer_stop && waited == 0)
        waited = pthread_cond_timedwait(&tape->changed, &tape->lock, &until);
    for (struct seal_job *job = tape->sealing; job; job = job->next) {
        job->seal.ordinal = tape->next_ordinal++;
        jobs[count++] = job;
    }
    *ret_stop = tape->sealer_stop;
    tape_unlock(tape);
    return count;
}

static void *sealer_main(void *context)
{
    struct tape *tape = context;
    struct seal_job *jobs[SEALER_JOBS_MAX];
    int64_t turn = units_now_mono_ns() + TURN_MS * UNITS_NS_PER_MS;
    (void)pthread_setname_np(pthread_self(), "sealer");
    for (bool stop = false;;) {
        uint32_t count = take_jobs(tape, turn, jobs, &stop);
        if (count > 0)
            seal_batch(tape, jobs, count);
        else if (stop)
            return NULL;
        room_ahead(tape);
        if (units_now_mono_ns() >= turn) {
            if (tape->sync)
                flush_open(tape);
            turn = units_now_mono_ns() + TURN_MS * UNITS_NS_PER_MS;
        }
    }
}

int sealer_start(struct tape *tape)
{
    int rc = pthread_create(&tape->sealer, NULL, sealer_main, tape);
    if (rc == 0)
        tape->sealer_started = true;
    return -rc;
}

void sealer_stop(struct tape *tape)
{
    if (!tape->sealer_started)
        return;
    tape_lock(tape);
    tape->sealer_stop = true;
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
    (void)pthread_join(tape->sealer, NULL);
    tape->sealer_started = false;
}

void sealer_hand_over(struct tape *tape, struct seal_job *job)
{
    tape_lock(tape);
    while (tape->sealing_count == SEALER_JOBS_MAX)
        (void)pthread_cond_wait(&tape->changed, &tape->lock);
    struct seal_job **end = &tape->sealing;
    while (*end)
        end = &(*end)->next;
    job->next = NULL;
    *end = job;
    tape->sealing_count++;
    tape->open[job->lane].used = false;
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
}

static bool lane_is_sealing(const struct tape *tape, uint32_t lane)
{
    for (const struct seal_job *job = tape->sealing; job; job = job->next)
        if (job->lane == lane)
            return true;
    return false;
}

void sealer_wait(struct tape *tape, uint32_t lane)
{
    tape_lock(tape);
    while (lane_is_sealing(tape, lane))
        (void)pthread_cond_wait(&tape->changed, &tape->lock);
    tape_unlock(tape);
}
