/* snapshot.list and snapshot.show: from the claims, and from the store where the bus has forgotten. */
#include "json/json.h"
#include "mem/cleanup.h"
#include "services/snapshotter/answers/answers.h"
#include "jobs/claim.h"
#include "services/snapshotter/jobs/manifest.h"
#include "units/units.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX 500          /* without nodes an entry has at most 2 KiB: within one message */
#define LIST_REASON_MAX 400
#define DISSECTIONS_MAX 500         /* of one snapshot, in a reply: some 100 bytes each */
#define DISSECTION_BYTES_MAX (1024u * 1024) /* of its manifest: counters and some file names */

/* The least `limit` + 1 names behind `after`, in order: bounded memory however many snapshots there are. */
struct listing { struct service *service; const char *after; size_t limit, count; Tapeloop__V1__SnapshotEvent *entries[LIST_LIMIT_MAX + 1]; int error; };

static void listing_free(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        wire_free(listing->entries[i]);
}

/* Where name stands or belongs. */
static size_t place_of(const struct listing *listing, const char *name, bool *ret_there)
{
    size_t low = 0, high = listing->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(listing->entries[middle]->name, name);
        if (order == 0) {
            *ret_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = false;
    return low;
}

static bool is_wanted(const struct listing *listing, const char *name)
{
    bool there = false;
    size_t place = place_of(listing, name, &there);
    return strcmp(name, listing->after) > 0 && !there && place <= listing->limit;
}

/* Takes over entry. */
static void listing_add(struct listing *listing, Tapeloop__V1__SnapshotEvent *entry)
{
    bool there = false;
    size_t place = place_of(listing, entry->name, &there);
    if (there || place > listing->limit) {
        wire_free(entry);
        return;
    }
    if (listing->count == listing->limit + 1)
        wire_free(listing->entries[--listing->count]);
    memmove(&listing->entries[place + 1], &listing->entries[place], (listing->count - place) * sizeof *listing->entries);
    listing->entries[place] = entry;
    listing->count++;
}

/* A list shows no nodes and no long reasons. */
static void shorten(Tapeloop__V1__SnapshotEvent *entry)
{
    for (size_t i = 0; i < entry->n_nodes; i++)
        wire_free(entry->nodes[i]);
    free(entry->nodes);
    entry->nodes = NULL;
    entry->n_nodes = 0;
    if (strlen(entry->reason) > LIST_REASON_MAX) {
        size_t cut = LIST_REASON_MAX - 3; /* as long as the dots are: a reason may be one byte too long */
        while (cut > 0 && (entry->reason[cut] & 0xc0) == 0x80)
            cut--; /* not within a character */
        memcpy(entry->reason + cut, "...", 4);
    }
}

/* What a claim says about its snapshot; NULL: no memory. */
static Tapeloop__V1__SnapshotEvent *event_of_claim(const Tapeloop__V1__Claim *claim)
{
    if (claim->final_event)
        return (Tapeloop__V1__SnapshotEvent *)wire_copy(&claim->final_event->base);
    wire_auto Tapeloop__V1__SnapshotEvent *event = WIRE_NEW(Tapeloop__V1__SnapshotEvent, tapeloop__v1__snapshot_event__descriptor);
    char from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX], asked[UNITS_TIME_TEXT_MAX];
    if (!event)
        return NULL;
    const struct { char **field; const char *text; } texts[] = {
        { &event->name, claim->name }, { &event->state, "accepted" }, { &event->from, units_format_time(claim->from_ns, from, sizeof from) },
        { &event->to, units_format_time(claim->to_ns, to, sizeof to) }, { &event->requested_at, units_format_time(claim->asked_ns, asked, sizeof asked) },
        { &event->reason, claim->last_error },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (wire_set_string(texts[i].field, texts[i].text) < 0)
            return NULL;
    event->attempts = claim->attempt;
    return mem_take(event);
}

static bool folder_is_there(const struct service *service, const char *name)
{
    char folder[STORE_LOCATION_MAX];
    return service->store->driver->folder(service->store->state, name, folder) == 0;
}

static int claim_found(void *context, const char *key, const struct bus_value *value)
{
    struct listing *listing = context;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    if (key[0] == '_' || !is_wanted(listing, key) || claim_parse(value, &claim) < 0)
        return 0;
    if (strcmp(claim->state, "deleted") == 0)
        return 0;
    Tapeloop__V1__SnapshotEvent *event = event_of_claim(claim);
    if (!event)
        return -ENOMEM;
    shorten(event);
    if (strcmp(event->state, "ready") == 0 && !folder_is_there(listing->service, event->name))
        (void)wire_set_string(&event->reason, "its files are gone from the store: delete it, then ask for it again while the tapes still hold it");
    listing_add(listing, event);
    return 0;
}

static int folder_found(void *context, const char *name)
{
    struct listing *listing = context;
    char sha256[DIGEST_TEXT_MAX], error[MANIFEST_ERROR_TEXT_MAX];
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    if (!is_wanted(listing, name))
        return 0;
    if (manifest_read(listing->service->store, name, &manifest, sha256, error) < 0)
        return 0; /* nothing of ours, or a damaged one that the bus has forgotten: verify names it */
    Tapeloop__V1__SnapshotEvent *event = manifest_event(manifest, sha256, listing->service->store, 1);
    if (!event)
        return -ENOMEM;
    shorten(event);
    listing_add(listing, event);
    return 0;
}

void answer_list(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__SnapshotListRequest *request = (const Tapeloop__V1__SnapshotListRequest *)question->request;
    Tapeloop__V1__SnapshotListReply *reply = (Tapeloop__V1__SnapshotListReply *)base;
    struct service *service = question->service;
    MEM_CLEANUP(listing_free) struct listing listing = { .service = service, .after = request->after, .limit = request->limit ? request->limit : LIST_LIMIT_DEFAULT };
    if (listing.limit > LIST_LIMIT_MAX)
        listing.limit = LIST_LIMIT_MAX;
    int r = bus_kv_each(service->bus, SERVICE_BUCKET, claim_found, &listing);
    if (r == 0)
        r = service->store->driver->each(service->store->state, folder_found, &listing);
    if (r < 0) {
        answer_fail(base, "unavailable", "the list cannot be made: %s", strerror(-r));
        return;
    }
    if (listing.count > listing.limit) {
        wire_free(listing.entries[--listing.count]);
        if (wire_set_string(&reply->more, listing.entries[listing.count - 1]->name) < 0)
            answer_fail(base, "internal", "out of memory");
    }
    for (size_t i = 0; i < listing.count; i++) {
        if (wire_append(&reply->n_snapshots, &reply->snapshots, listing.entries[i]) < 0) {
            answer_fail(base, "internal", "out of memory");
            return;
        }
        listing.entries[i] = NULL;
    }
}

/* A manifest with thousands of objects does not fit a message: then its objects stay in the store's manifest.json. */
static void fit_show(Tapeloop__V1__SnapshotShowReply *reply)
{
    for (int level = 0; level < 2; level++) {
        mem_auto_free void *data = NULL;
        size_t size = 0;
        Tapeloop__V1__Manifest *manifest = reply->manifest;
        int r = wire_encode(&reply->base, WIRE_JSON, &data, &size);
        if (!manifest || (r == 0 && size <= WIRE_MESSAGE_BYTES_MAX - 4096))
            return;
        for (size_t i = 0; level == 0 && i < manifest->n_objects; i++)
            wire_free(manifest->objects[i]);
        if (level == 0) {
            free(manifest->objects);
            manifest->objects = NULL;
            manifest->n_objects = 0;
        } else { /* thousands of nodes, too */
            wire_free(manifest);
            reply->manifest = NULL;
        }
    }
}

/* What was made of the snapshot; without a word where there is nothing. -ENOMEM. */
static int add_dissections(const struct store *store, const char *name, Tapeloop__V1__SnapshotShowReply *reply)
{
    char folder[STORE_LOCATION_MAX];
    if (store->driver->annex(store->state, name, false, folder) < 0)
        return 0;
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort), r = 0;
    for (int i = 0; i < count; i++) {
        char path[STORE_LOCATION_MAX + 2 * NAME_MAX], sha256[DIGEST_TEXT_MAX];
        mem_auto_free char *text = NULL;
        size_t size = 0;
        snprintf(path, sizeof path, "%s/%s/" MANIFEST_FILE, folder, entries[i]->d_name);
        if (r == 0 && entries[i]->d_name[0] != '.' && reply->n_dissections < DISSECTIONS_MAX && json_read_text(path, DISSECTION_BYTES_MAX, &text, &size) == 0) {
            Tapeloop__V1__SnapshotDissection *dissection = WIRE_NEW(Tapeloop__V1__SnapshotDissection, tapeloop__v1__snapshot_dissection__descriptor);
            digest_of(text, size, sha256);
            r = !dissection || wire_set_string(&dissection->name, entries[i]->d_name) < 0 || wire_set_string(&dissection->manifest_sha256, sha256) < 0 ? -ENOMEM : 0;
            if (r == 0)
                r = wire_append(&reply->n_dissections, &reply->dissections, dissection);
            if (r < 0)
                wire_free(dissection);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

void answer_show(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__SnapshotSelector *request = (const Tapeloop__V1__SnapshotSelector *)question->request;
    Tapeloop__V1__SnapshotShowReply *reply = (Tapeloop__V1__SnapshotShowReply *)base;
    struct service *service = question->service;
    char error[REQUEST_ERROR_TEXT_MAX], sha256[DIGEST_TEXT_MAX];
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    if (store_name_check(request->name, error) < 0) {
        answer_fail(base, "invalid", "%s", error);
        return;
    }
    int r = claim_read(service->bus, SERVICE_BUCKET, request->name, &claim, NULL);
    if (r < 0 && r != -ENOENT) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
        return;
    }
    bool published = folder_is_there(service, request->name);
    bool claimed = claim && strcmp(claim->state, "deleted") != 0;
    if (!published && !claimed) {
        answer_fail(base, "not_found", "there is no snapshot %s", request->name);
        return;
    }
    r = published ? manifest_read(service->store, request->name, &reply->manifest, sha256, error) : 0;
    if (r < 0) {
        answer_fail(base, "internal", "snapshot %s is damaged: %.300s", request->name, error);
        return;
    }
    if (claimed)
        reply->snapshot = event_of_claim(claim);
    else
        reply->snapshot = manifest_event(reply->manifest, sha256, service->store, 1);
    if (!reply->snapshot || add_dissections(service->store, request->name, reply) < 0)
        answer_fail(base, "internal", "out of memory");
    else if (!published && strcmp(reply->snapshot->state, "ready") == 0)
        answer_fail(base, "not_found", "the files of snapshot %s are gone from the store", request->name);
    fit_show(reply);
}
