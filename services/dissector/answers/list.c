/* dissect.list and dissect.show: from the claims, and from the store where the bus has forgotten. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/jobs/events.h"
#include "services/dissector/jobs/publish.h"

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX 300          /* with counters an entry has some 2 KiB: within one message */
#define LIST_REASON_MAX 400

/* The least `limit` + 1 keys behind `after`, in order: bounded memory however many dissections there are. */
struct listing {
    struct service *service;
    const char *snapshot, *after;
    size_t limit, count;
    struct { char key[LEASE_KEY_MAX]; Tapeloop__V1__DissectEvent *event; } entries[LIST_LIMIT_MAX + 1];
};

static void listing_free(struct listing **listing)
{
    for (size_t i = 0; *listing && i < (*listing)->count; i++)
        wire_free((*listing)->entries[i].event);
    free(*listing);
}

/* Where key stands or belongs; false: it does not go into this page, or is there. */
static bool find_place(const struct listing *listing, const char *key, size_t *ret)
{
    size_t place = 0, length = strlen(listing->snapshot);
    if (strcmp(key, listing->after) <= 0 || (length > 0 && (strncmp(key, listing->snapshot, length) != 0 || key[length] != '/')))
        return false;
    while (place < listing->count && strcmp(listing->entries[place].key, key) < 0)
        place++;
    *ret = place;
    return place <= listing->limit && (place == listing->count || strcmp(listing->entries[place].key, key) != 0);
}

/* Takes over event; a list shows no long reasons. */
static int add(struct listing *listing, const char *key, Tapeloop__V1__DissectEvent *event)
{
    size_t place;
    if (!event)
        return -ENOMEM;
    if (!find_place(listing, key, &place)) {
        wire_free(event);
        return 0;
    }
    if (strlen(event->reason) > LIST_REASON_MAX) {
        size_t cut = LIST_REASON_MAX - 3; /* as long as the dots are: a reason may be one byte too long */
        while (cut > 0 && (event->reason[cut] & 0xc0) == 0x80)
            cut--; /* not within a character */
        memcpy(event->reason + cut, "...", 4);
    }
    if (listing->count == listing->limit + 1)
        wire_free(listing->entries[--listing->count].event);
    memmove(&listing->entries[place + 1], &listing->entries[place], (listing->count - place) * sizeof *listing->entries);
    snprintf(listing->entries[place].key, sizeof listing->entries[place].key, "%s", key);
    listing->entries[place].event = event;
    listing->count++;
    return 0;
}

static int claim_found(void *context, const char *key, const struct bus_value *value)
{
    struct listing *listing = context;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    size_t place;
    if (!find_place(listing, key, &place) || claim_parse(value, &claim) < 0 || strcmp(claim->state, "deleted") == 0)
        return 0;
    if (strcmp(claim->state, "ready") == 0)
        return 0; /* those are taken from the store: what has vanished with its snapshot is not listed */
    return add(listing, key, events_of_claim(claim));
}

static int published_found(void *context, const char *snapshot, const char *name)
{
    struct listing *listing = context;
    struct workplace found;
    wire_auto Tapeloop__V1__DissectManifest *manifest = NULL;
    char sha256[DIGEST_TEXT_MAX], database[WORKPLACE_PATH_MAX];
    size_t at;
    if (workplace_find(listing->service->store, snapshot, name, 0, false, &found) < 0 || !find_place(listing, found.key, &at) || publish_read(&found, &manifest, sha256) < 0)
        return 0;
    publish_database_path(&found, database);
    return add(listing, found.key, events_of_manifest(manifest, sha256, database));
}

static int snapshot_found(void *context, const char *snapshot)
{
    struct listing *listing = context;
    if (listing->snapshot[0] && strcmp(listing->snapshot, snapshot) != 0)
        return 0;
    return workplace_each_published(listing->service->store, snapshot, published_found, listing);
}

void answer_dissect_list(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__DissectListRequest *request = (const Tapeloop__V1__DissectListRequest *)question->request;
    Tapeloop__V1__DissectListReply *reply = (Tapeloop__V1__DissectListReply *)base;
    struct service *service = question->service;
    MEM_CLEANUP(listing_free) struct listing *listing = calloc(1, sizeof *listing);
    if (!listing) {
        answer_fail(base, "internal", "out of memory");
        return;
    }
    listing->service = service;
    listing->snapshot = request->snapshot;
    listing->after = request->after;
    listing->limit = request->limit == 0 ? LIST_LIMIT_DEFAULT : request->limit < LIST_LIMIT_MAX ? request->limit : LIST_LIMIT_MAX;
    int r = bus_kv_each(service->bus, SERVICE_BUCKET, claim_found, listing);
    if (r == 0)
        r = service->store->driver->each(service->store->state, snapshot_found, listing);
    if (r < 0) {
        answer_fail(base, "unavailable", "the list cannot be made: %s", strerror(-r));
        return;
    }
    if (listing->count > listing->limit) {
        wire_free(listing->entries[--listing->count].event);
        if (wire_set_string(&reply->more, listing->entries[listing->count - 1].key) < 0)
            answer_fail(base, "internal", "out of memory");
    }
    for (size_t i = 0; i < listing->count; i++) {
        if (wire_append(&reply->n_dissections, &reply->dissections, listing->entries[i].event) < 0) {
            answer_fail(base, "internal", "out of memory");
            return;
        }
        listing->entries[i].event = NULL;
    }
}

void answer_dissect_show(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__DissectSelector *request = (const Tapeloop__V1__DissectSelector *)question->request;
    Tapeloop__V1__DissectShowReply *reply = (Tapeloop__V1__DissectShowReply *)base;
    struct service *service = question->service;
    struct workplace place;
    char sha256[DIGEST_TEXT_MAX], database[WORKPLACE_PATH_MAX];
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    if (!answer_find(service, request->snapshot, request->name, base, &place))
        return;
    int r = claim_read(service->bus, SERVICE_BUCKET, place.key, &claim, NULL);
    if (r < 0 && r != -ENOENT) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
        return;
    }
    r = publish_read(&place, &reply->manifest, sha256);
    if (r == -ENOENT && (!claim || strcmp(claim->state, "deleted") == 0 || strcmp(claim->state, "ready") == 0)) {
        answer_fail(base, "not_found", "snapshot %s has no dissection %s: ask for it with dissect.request", place.snapshot, place.name);
        return;
    }
    if (r < 0 && r != -ENOENT) {
        answer_fail(base, "internal", "dissection %s is damaged: %s", place.key, strerror(-r));
        return;
    }
    publish_database_path(&place, database);
    reply->dissection = r == 0 ? events_of_manifest(reply->manifest, sha256, database) : events_of_claim(claim);
    if (!reply->dissection)
        answer_fail(base, "internal", "out of memory");
}
