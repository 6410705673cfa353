#include "services/snapshotter/jobs/events.h"
#include "mem/cleanup.h"
#include "services/snapshotter/jobs/digest.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENT_SUBJECT_PREFIX "snapshot."
#define JSON_TYPE "application/json"

void event_id(const char *name, uint64_t sequence, const char *state, char id[static EVENT_ID_TEXT_MAX])
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s\n%" PRIu64 "\n%s", name, sequence, state);
    char digest[DIGEST_TEXT_MAX];
    digest_of(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, digest);
    snprintf(id, EVENT_ID_TEXT_MAX, "%.40s", digest);
}

/* The headers beside those of CloudEvents itself; ce-request is an extension attribute. */
static size_t headers_add(struct bus_header *headers, size_t count, uint64_t request, char request_text[static 24])
{
    headers[count++] = (struct bus_header){ .name = "Content-Type", .value = JSON_TYPE };
    if (request == 0)
        return count;
    snprintf(request_text, 24, "%" PRIu64, request);
    headers[count++] = (struct bus_header){ .name = "ce-request", .value = request_text };
    return count;
}

int event_publish(struct service *service, const Tapeloop__V1__SnapshotEvent *event, const char *id, uint64_t request)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(&event->base, WIRE_JSON, &data, &size);
    if (r < 0)
        return r;
    char subject[64];
    struct bus_event about;
    struct bus_header headers[BUS_HEADERS_MAX];
    char request_text[24];
    snprintf(subject, sizeof subject, EVENT_SUBJECT_PREFIX "%s", event->state);
    memset(&about, 0, sizeof about);
    snprintf(about.id, sizeof about.id, "%s", id);
    snprintf(about.source, sizeof about.source, "/tapeloop/snapshotter/%s", service->store_id);
    snprintf(about.type, sizeof about.type, "tapeloop.snapshot.%s", event->state);
    snprintf(about.subject, sizeof about.subject, "%s", event->name);
    if (event->finished_at[0])
        snprintf(about.time, sizeof about.time, "%s", event->finished_at);
    else
        units_format_time(units_now_wall_ns(), about.time, sizeof about.time);
    size_t count = bus_event_headers(&about, headers);
    count = headers_add(headers, count, request, request_text);
    uint64_t sequence;
    return bus_publish_stream(service->bus, subject, data, size, headers, count, id, BUS_ANY, &sequence, NULL);
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

/* What is said to people and put into headers must be UTF-8 without control characters, whatever bytes a request held. */
static void text_make_plain(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : SIZE_MAX;
        bool whole = more != SIZE_MAX && *p >= 0x20 && *p != 0x7f;
        for (size_t i = 1; whole && i <= more; i++)
            whole = (p[i] & 0xc0) == 0x80;
        if (whole && ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90)))
            whole = false; /* overlong, surrogate, past U+10FFFF (RFC 3629) */
        if (!whole)
            *p++ = '?';
        else
            p += more + 1;
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
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(&progress->base, WIRE_JSON, &data, &size);
    if (r < 0)
        return r;
    struct bus_header headers[2];
    char request_text[24];
    size_t count = headers_add(headers, 0, request, request_text);
    return bus_publish(service->bus, EVENT_SUBJECT_PREFIX "progress", data, size, headers, count);
}

int event_bury(struct service *service, const struct bus_job *message, const char *reason)
{
    char id[64], sequence_text[24];
    snprintf(id, sizeof id, "dead-%" PRIu64, message->sequence);
    snprintf(sequence_text, sizeof sequence_text, "%" PRIu64, message->sequence);
    struct bus_header headers[] = {
        { .name = "Tapeloop-Reason", .value = reason },
        { .name = "Tapeloop-Stream-Sequence", .value = sequence_text },
        { .name = "Content-Type", .value = message->content_type[0] ? message->content_type : JSON_TYPE },
    };
    uint64_t sequence;
    return bus_publish_stream(service->bus, "dead.snapshot.request", message->data, message->size, headers, sizeof headers / sizeof *headers, id, BUS_ANY, &sequence, NULL);
}
