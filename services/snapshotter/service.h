/* What the parts of the snapshotter share: made by main before the threads start, and read-only from then on, but for what says otherwise. */
#ifndef SNAPSHOTTER_SERVICE_H
#define SNAPSHOTTER_SERVICE_H
#include "bus/bus.h"
#include "services/snapshotter/options.h"
#include "store/store.h"
#include <stdatomic.h>

#define SERVICE_STREAM "REQUESTS"
#define SERVICE_CONSUMER "snapshotter"
#define SERVICE_QUEUE_GROUP "snapshotter"
#define SERVICE_BUCKET "snapshots"

struct jobs;
struct exports;
struct service {
    struct snapshotter_options options;
    char instance[STORE_INSTANCE_MAX + 1];
    char store_id[STORE_ID_TEXT_MAX];
    struct bus *bus;                        /* thread-safe */
    struct bus_service *discovery;          /* thread-safe; NULL in tests */
    struct store *store;                    /* thread-safe */
    struct jobs *jobs;                      /* thread-safe */
    struct exports *exports;                /* thread-safe */
    _Atomic int64_t reconnected_ns;         /* monotonic; when the bus last came back, 0: it never went away */
    atomic_bool stopping;                   /* no new work; what is under way comes to an end */
};
/* Counts one request in STATS of service discovery. */
static inline void service_count(struct service *service, const char *endpoint, bool failed, int64_t took_ns)
{
    if (service->discovery)
        bus_service_count(service->discovery, endpoint, failed, took_ns);
}
#endif
