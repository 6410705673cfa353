/* The thread that ends segments: flush, seal record, rename, catalogue. It waits for the disk as long as the disk takes; neither the capture threads nor the writers do. One per tape, so ordinals are in one order.
 * It also flushes open segments every second where the setting says so, and recycles ahead, so that a writer finds room at once. */
#ifndef CAPTURER_TAPE_SEALER_H
#define CAPTURER_TAPE_SEALER_H
#include "services/capturer/tape/internal.h"

#define SEALER_JOBS_MAX 64u                      /* four per lane; then a writer waits, and the capture thread's chunks fill */

/* A finished segment: both files are written and open, all records but the seal appended. */
struct seal_job {
    struct seal_job *next;
    uint32_t lane;
    uint64_t sequence, blocks_end, index_at;     /* index_at: where the seal record goes */
    int fd, index_fd;                            /* the sealer's from now on */
    int64_t opened_ns, closed_ns;
    struct segment_seal seal;                    /* ordinal and sealed_ns are the sealer's */
    struct segment_ledger ledger;
};
int sealer_start(struct tape *tape);
void sealer_stop(struct tape *tape);             /* after everything handed over is sealed */
/* Writer threads. Takes the job over; the lane's segment is no longer its open one. */
void sealer_hand_over(struct tape *tape, struct seal_job *job);
/* Waits until nothing of the lane is under way any more: it is in the catalogue, or stays hidden because the disk failed. */
void sealer_wait(struct tape *tape, uint32_t lane);
#endif
