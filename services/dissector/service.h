/* The dissector as a service: takes dissect.request from its work queue, deals the work out in items to all dissectors, answers questions about dissections and calls.
 * What its parts share stands here: made before the threads start, and read-only from then on, but for what says otherwise. */
#ifndef DISSECTOR_SERVICE_H
#define DISSECTOR_SERVICE_H
#include <stdatomic.h>
#include "lifecycle/lifecycle.h"
#include "services/dissector/work/stages.h"
#include "store/store.h"

#define SERVICE_QUEUE_GROUP "dissector"
#define SERVICE_BUCKET "dissections"
#define SERVICE_CONSUMER "dissector"
#define SERVICE_REQUESTS "DISSECT_REQUESTS"
#define SERVICE_ITEMS "DISSECT_JOBS"
#define SERVICE_WORKERS_MAX 64          /* each takes a core and one item's memory */
#define SERVICE_COORDINATORS 4          /* dissections seen through at once; each only watches */

/* The rows of the option table fill it; strings are borrowed. */
struct service_options {
    struct lifecycle_options lifecycle;
    const char *store;                  /* folder of the snapshots */
    const char *instance;               /* NULL: host.pid */
    uint64_t workers;                   /* items done at once, 1 to SERVICE_WORKERS_MAX */
    uint64_t memory;                    /* of entries, for each worker; 0: the stages' own */
    bool adopt_store;
    const char *tape;                   /* the capturer's --data folder, to be dissected live; NULL: none */
    const char *live_data;              /* folder of the live databases */
    const char *node;                   /* whose tape it is; NULL: the host's name */
    uint64_t live_size, live_cpu;       /* bytes of the live databases; percent of one core */
    int redact;                         /* enum redact_level, of the live databases */
};

/* The work itself; a table, so that tests can put their own in. Contracts: work/stages.h. */
struct stage_table {
    int (*check)(const struct stage_job *job, char *error);
    int (*map)(const struct stage_job *job, uint32_t input, const struct stage_progress *progress, struct stage_result *ret, char *error);
    int (*reduce)(const struct stage_job *job, uint32_t first_shard, uint32_t count, const struct stage_progress *progress, struct stage_result *ret, char *error);
    int (*finalise)(const struct stage_job *job, const struct stage_progress *progress, struct stage_result *ret, char *error);
};

struct leases;
struct live;
struct service {
    struct service_options options;
    char instance[STORE_INSTANCE_MAX + 1];
    char store_id[STORE_ID_TEXT_MAX];
    struct bus *bus;                    /* thread-safe */
    struct bus_service *discovery;      /* thread-safe; NULL in tests */
    struct store *store;                /* thread-safe */
    const struct stage_table *stages;
    struct leases *leases;              /* thread-safe */
    struct live *live;                  /* thread-safe; NULL: no tape here */
    atomic_bool stopping;               /* no new work; what is under way comes to an end */
};
/* Counts one request in STATS of service discovery. */
static inline void service_count(struct service *service, const char *endpoint, bool failed, int64_t took_ns)
{
    if (service->discovery)
        bus_service_count(service->discovery, endpoint, failed, took_ns);
}

/* Runs until SIGTERM or SIGINT; prints "ready" on standard output once it listens. The process's exit code. */
int service_run(const struct service_options *options);
#endif
