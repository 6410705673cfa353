/* One segment from its node into the store: its index, then the runs of blocks that the window touches. One thread. */
#ifndef SNAPSHOTTER_JOBS_SEGMENT_PULL_H
#define SNAPSHOTTER_JOBS_SEGMENT_PULL_H
#include "http/client.h"
#include "services/snapshotter/jobs/plan.h"

struct segment_puller { struct job_plan *plan; struct job *job; struct store_work *work; struct http_client *client; uint8_t *buffer; /* LZ4FRAME_BLOCK_BYTES_MAX */ };
/* 0, also where the segment is missing and says so. -ENOSPC, -EDQUOT, -EROFS, -EIO: the store cannot go on. -ECANCELED: the job ends. -ENOMEM. */
int segment_pull(struct segment_puller *puller, struct plan_segment *segment);
#endif
