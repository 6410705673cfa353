#include "services/snapshotter/jobs/events.h"
#include "mem/cleanup.h"
#include "units/units.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_KIND "snapshot"

int event_publish(struct service *service, const Tapeloop__V1__SnapshotEvent *event, const char *id, uint64_t request)
{
    char source[64 + STORE_ID_TEXT_MAX];
    snprintf(source, sizeof source, "/tapeloop/snapshotter/%s", service->store_id);
    struct announcement announcement = { .kind = EVENT_KIND, .state = event->state, .id = id, .source = source, .about = event->name, .time = event->finished_at, .request = request };
    return announce(service->bus, &announcement, &event->base);
}

static void gaps_clear(Tapeloop__V1__SnapshotNode *node)
{
    for (size_t i = 0; i < node->n_gaps; i++)
        wire_free(node->gaps[i]);
    free(node->gaps);
    node->gaps = NULL;
    node->n_gaps = 0;
}

static void interfaces_clear(Tapeloop__V1__Ledger *ledger)
{
    for (size_t i = 0; ledger && i < ledger->n_interfaces; i++)
        wire_free(ledger->interfaces[i]);
    if (ledger) {
        free(ledger->interfaces);
        ledger->interfaces = NULL;
        ledger->n_interfaces = 0;
    }
}

/* Leaves out the nodes that keep says no to. */
static void nodes_filter(Tapeloop__V1__SnapshotEvent *event, bool keep_incomplete)
{
    size_t kept = 0;
    for (size_t i = 0; i < event->n_nodes; i++) {
        Tapeloop__V1__SnapshotNode *node = event->nodes[i];
        if (keep_incomplete && strcmp(node->state, "complete") != 0 && strcmp(node->state, "empty") != 0)
            event->nodes[kept++] = node;
        else
            wire_free(node);
    }
    event->n_nodes = kept;
}

int event_fit(Tapeloop__V1__SnapshotEvent *event)
{
    for (int level = 0;; level++) {
        mem_auto_free void *data = NULL;
        size_t size = 0;
        int r = wire_encode(&event->base, WIRE_JSON, &data, &size);
        if (r == 0 && size <= EVENT_BYTES_MAX)
            return 0;
        if (r < 0 && r != -EMSGSIZE)
            return r;
        if (level == 0)
            for (size_t i = 0; i < event->n_nodes; i++) {
                gaps_clear(event->nodes[i]);
                interfaces_clear(event->nodes[i]->ledger);
            }
        else if (level == 1)
            nodes_filter(event, true);
        else if (level == 2)
            nodes_filter(event, false);
        else
            return -EMSGSIZE;
    }
}

Tapeloop__V1__SnapshotEvent *event_failed(const char *name, const char *reason, int64_t asked_ns, uint32_t attempts)
{
    Tapeloop__V1__SnapshotEvent *event = WIRE_NEW(Tapeloop__V1__SnapshotEvent, tapeloop__v1__snapshot_event__descriptor);
    char time[UNITS_TIME_TEXT_MAX];
    if (!event)
        return NULL;
    event->attempts = attempts;
    int r = wire_set_string(&event->name, name);
    if (r == 0)
        r = wire_set_string(&event->state, "failed");
    if (r == 0)
        r = wire_set_string(&event->reason, reason);
    if (r == 0) {
        text_make_plain(event->name);
        text_make_plain(event->reason);
    }
    if (r == 0)
        r = wire_set_string(&event->requested_at, units_format_time(asked_ns, time, sizeof time));
    if (r == 0)
        r = wire_set_string(&event->finished_at, units_format_time(units_now_wall_ns(), time, sizeof time));
    if (r < 0) {
        wire_free(event);
        return NULL;
    }
    return event;
}

int event_publish_progress(struct service *service, const Tapeloop__V1__SnapshotProgress *progress, uint64_t request)
{
    return announce_progress(service->bus, EVENT_KIND, &progress->base, request);
}

int event_bury(struct service *service, const struct bus_job *message, const char *reason)
{
    return announce_dead(service->bus, "dead.snapshot.request", message, reason);
}
