/* The tape's own state, for the files of this folder only. */
#ifndef CAPTURER_TAPE_INTERNAL_H
#define CAPTURER_TAPE_INTERNAL_H
#include <pthread.h>
#include "capfile/segment_index.h"
#include "services/capturer/tape/catalogue.h"
#include "services/capturer/tape/cursor.h"
#include "services/capturer/tape/disk.h"
#include "services/capturer/tape/leases.h"
#include "services/capturer/tape/tape.h"

#define TAPE_PATH_BYTES_MAX 4096u
#define TAPE_EVENTS_MAX 64u                      /* of one act; further recycled ones are left out, since the low-water mark says the same */

/* Events collected under the mutex, told without it. */
struct tape_events { struct tape_event events[TAPE_EVENTS_MAX]; size_t count; };

/* The segment that a lane is writing. */
struct tape_open { bool used; uint64_t sequence; int64_t opened_ns; int fd, index_fd; };

struct seal_job;
struct writer;
struct tape {
    char folder[TAPE_PATH_BYTES_MAX], node[SEGMENT_NODE_NAME_MAX + 1];
    int folder_fd, segments_fd, id_fd;           /* id_fd holds the lock */
    uint64_t id, segment_size, segment_blocks, index_size; /* planned, of one segment */
    uint32_t lanes;
    enum tape_compress compress;
    bool sync;
    enum disk_kind disk_kind;

    pthread_mutex_t lock;
    pthread_cond_t changed;                      /* something was sealed or given back; a job came; stop (monotonic clock) */
    uint64_t box_size, box_used;                 /* every byte of the tape's files that exists or was promised */
    struct catalogue catalogue;
    struct leases leases;
    struct cursor_state cursor;
    uint64_t next_ordinal, next_sequence[LANES_MAX];
    int64_t started_ns;                          /* wall: the end of the newest gap until the lanes have begun */
    uint32_t lanes_begun;                        /* a bit each */
    uint32_t transfers;
    struct tape_open open[LANES_MAX];
    struct seal_job *sealing;                    /* oldest first, until each is in the catalogue */
    uint32_t sealing_count;
    bool sealer_stop, sealer_started;
    pthread_t sealer;
    int disk_error;                              /* what the disk last said; 0 well */
    struct writer *writers[LANES_MAX];
    void (*event)(void *context, const struct tape_event *event);
    void *event_context;
};

void tape_event_add(struct tape_events *events, const struct tape_event *event);
void tape_events_tell(struct tape *tape, const struct tape_events *events); /* without the mutex */
static inline void tape_lock(struct tape *tape) { (void)pthread_mutex_lock(&tape->lock); }
static inline void tape_unlock(struct tape *tape) { (void)pthread_mutex_unlock(&tape->lock); }
#endif
