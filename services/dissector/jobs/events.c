#include "services/dissector/jobs/events.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/jobs/item.h"
#include "units/units.h"

#define EVENT_KIND "dissect"

Tapeloop__V1__DissectEvent *events_make(const char *snapshot, const char *name, const char *state, const char *reason, int64_t asked_ns, bool finished)
{
    wire_auto Tapeloop__V1__DissectEvent *event = WIRE_NEW(Tapeloop__V1__DissectEvent, tapeloop__v1__dissect_event__descriptor);
    char asked[UNITS_TIME_TEXT_MAX], now[UNITS_TIME_TEXT_MAX];
    if (!event)
        return NULL;
    const struct { char **field; const char *text; } texts[] = {
        { &event->snapshot, snapshot }, { &event->name, name }, { &event->state, state }, { &event->reason, reason },
        { &event->requested_at, asked_ns ? units_format_time(asked_ns, asked, sizeof asked) : "" }, { &event->finished_at, finished ? units_format_time(units_now_wall_ns(), now, sizeof now) : "" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (wire_set_string(texts[i].field, texts[i].text) < 0)
            return NULL;
        if (**texts[i].field)
            text_make_plain(*texts[i].field);
    }
    return mem_take(event);
}

Tapeloop__V1__DissectEvent *events_of_manifest(const Tapeloop__V1__DissectManifest *manifest, const char *sha256, const char *location)
{
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(manifest->snapshot, manifest->name, "ready", manifest->reason, 0, false);
    if (!event)
        return NULL;
    const struct { char **field; const char *text; } texts[] = {
        { &event->digest, manifest->digest }, { &event->manifest_sha256, sha256 }, { &event->location, location }, { &event->requested_at, manifest->requested_at },
        { &event->finished_at, manifest->created_at },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (wire_set_string(texts[i].field, texts[i].text) < 0)
            return NULL;
    event->entries = manifest->entries;
    event->connections = manifest->connections;
    event->packets = manifest->packets;
    for (size_t i = 0; i < manifest->n_files; i++)
        event->bytes += manifest->files[i]->bytes;
    for (size_t i = 0; i < manifest->n_counters; i++)
        if (item_add_counter(&event->n_counters, &event->counters, &tapeloop__v1__dissect_event__counters_entry__descriptor, manifest->counters[i]->key, manifest->counters[i]->value) < 0)
            return NULL;
    return mem_take(event);
}

Tapeloop__V1__DissectEvent *events_of_claim(const Tapeloop__V1__Claim *claim)
{
    if (claim->final_dissection)
        return (Tapeloop__V1__DissectEvent *)wire_copy(&claim->final_dissection->base);
    const char *slash = strchr(claim->name, '/');
    mem_auto_free char *snapshot = strndup(claim->name, slash ? (size_t)(slash - claim->name) : 0);
    Tapeloop__V1__DissectEvent *event = snapshot ? events_make(snapshot, slash ? slash + 1 : claim->name, "accepted", claim->last_error, claim->asked_ns, false) : NULL;
    if (event)
        event->attempts = claim->attempt;
    return event;
}

void events_id(const Tapeloop__V1__DissectEvent *event, uint64_t sequence, char id[static EVENT_ID_TEXT_MAX])
{
    char key[LEASE_KEY_MAX + 16];
    snprintf(key, sizeof key, "dissect/%s/%s", event->snapshot, event->name);
    event_id(key, sequence, event->state, id);
}

int events_publish(struct service *service, const Tapeloop__V1__DissectEvent *event, const char *id, uint64_t request)
{
    char source[64 + STORE_ID_TEXT_MAX], about[LEASE_KEY_MAX];
    snprintf(source, sizeof source, "/tapeloop/dissector/%s", service->store_id);
    snprintf(about, sizeof about, "%s/%s", event->snapshot, event->name);
    struct announcement announcement = { .kind = EVENT_KIND, .state = event->state, .id = id, .source = source, .about = about, .time = event->finished_at, .request = request };
    return announce(service->bus, &announcement, &event->base);
}

static const char *stage_text(int stage)
{
    static const char *const texts[] = { "planning", "mapping", "reducing", "finalising", "publishing" };
    return texts[stage];
}

int events_progress(struct dissection *dissection)
{
    Tapeloop__V1__DissectProgress progress = TAPELOOP__V1__DISSECT_PROGRESS__INIT;
    progress.snapshot = dissection->place.snapshot;
    progress.name = dissection->place.name;
    progress.stage = (char *)(uintptr_t)stage_text(atomic_load(&dissection->stage));
    progress.items_done = atomic_load(&dissection->items_done);
    progress.items_total = atomic_load(&dissection->items_total);
    progress.items_running = atomic_load(&dissection->items_running);
    progress.failures = atomic_load(&dissection->failures);
    progress.packets = atomic_load(&dissection->packets);
    progress.entries = atomic_load(&dissection->entries);
    progress.percent = atomic_load(&dissection->percent);
    return announce_progress(dissection->service->bus, EVENT_KIND, &progress.base, dissection->lease.message.sequence);
}
