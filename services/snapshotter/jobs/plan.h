/* What a job intends: the nodes that are expected to answer, and the segments that they lease to us, oldest first. */
#ifndef SNAPSHOTTER_JOBS_PLAN_H
#define SNAPSHOTTER_JOBS_PLAN_H
#include "services/snapshotter/jobs/job.h"
#include <stdatomic.h>

struct plan_segment;

#define PLAN_NODE_MEMORY_NS (INT64_C(30) * 24 * 3600 * 1000000000) /* RULES: a silent node is expected for 30 days */
#define PLAN_SEGMENTS_MAX 1000000   /* 5,000 nodes with 200 segments each in one window; 300 MB of plan */

struct plan_node {
    Tapeloop__V1__SnapshotNode *report;     /* goes into the manifest */
    char token[BUS_SUBJECT_MAX];            /* in subjects */
    bool answered;                          /* it pinned: it must be unpinned */
    bool known;                             /* it has a heartbeat */
    char state[32];                         /* of the heartbeat */
    int64_t heartbeat_ns;
    int64_t oldest_ns, newest_ns;           /* the tape's boundaries */
    int64_t select_from_ns, select_to_ns;   /* the window on this node's clock, widened by what is uncertain */
    Tapeloop__V1__RefusedSegment **refused; /* of the last pin: what it had no room to hold */
    size_t refused_count;
    struct plan_segment *first_segment;     /* oldest first, by next_of_node; after job_plan_order */
    atomic_uint segments_left;
    atomic_bool given_up;                   /* it stopped answering while it was pulled from */
};

struct plan_segment {
    struct plan_node *node;
    struct plan_segment *next_of_node;
    Tapeloop__V1__PinnedSegment *pinned;    /* url and token change under plan.lock when the lease is renewed */
    /* what came of it; written by the one pull thread that has it */
    unsigned refreshed;                     /* times that url and token came anew; under plan.lock */
    atomic_bool done;
    bool stored;
    uint64_t packets;                       /* inside the window */
    Tapeloop__V1__ManifestObject *object, *index_object;
    Tapeloop__V1__Gap **gaps; size_t gaps_count;
    char problem[256];                      /* why it, or a part of it, is missing; "" = nothing */
    uint64_t lost_packets;                  /* in blocks left out because their bytes were wrong */
};

struct job_plan {
    pthread_mutex_t lock;                   /* urls and tokens; the reports while nodes are pinned */
    struct plan_node *nodes; size_t nodes_count;
    struct plan_segment **segments; size_t segments_count;
    uint64_t bytes_bound;                   /* about what the store will take */
};

int job_plan_new(struct job_plan **ret);
void job_plan_free(struct job_plan *plan);
/* Fills the nodes from KV `nodes` and the request, in the order of their names. JOB_READY or how the job ends. */
enum job_verdict job_plan_expect(struct job_plan *plan, struct job *job);
/* Whether a heartbeat is wanted by the request, apart from its nodes. Pure. */
bool job_plan_labels_match(const Tapeloop__V1__SnapshotRequest *request, const Tapeloop__V1__NodeHeartbeat *heartbeat);
/* Adds a segment; takes over pinned. 0, -E2BIG, -ENOMEM. Lock held by the caller. */
int job_plan_add_segment(struct job_plan *plan, struct plan_node *node, Tapeloop__V1__PinnedSegment *pinned);
/* Oldest first, and counts. After all nodes are pinned, and again after more was added; no pulls are under way. */
void job_plan_order(struct job_plan *plan);
/* Frees one that is taken out of the plan. */
void job_plan_drop_segment(struct plan_segment *segment);
/* Forgets what the last pin refused. */
void job_plan_clear_refused(struct plan_node *node);
/* Adds to report->reason, with "; " between. */
void job_plan_node_say(struct plan_node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
