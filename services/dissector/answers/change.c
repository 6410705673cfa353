/* dissect.delete and dissect.cancel. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "log/log.h"
#include "services/dissector/answers/answers.h"
#include "services/dissector/jobs/events.h"
#include "services/dissector/jobs/publish.h"
#include "units/units.h"

static void say_deleted(struct service *service, const struct workplace *place, uint64_t sequence)
{
    char id[EVENT_ID_TEXT_MAX];
    wire_auto Tapeloop__V1__DissectEvent *event = events_make(place->snapshot, place->name, "deleted", "", 0, true);
    int r = -ENOMEM;
    if (event) {
        events_id(event, sequence, id);
        r = events_publish(service, event, id, 0);
    }
    if (r < 0)
        log_warning("cannot say that a dissection was deleted", "dissection=%s error=%s", log_quote(place->key), log_quote(strerror(-r)));
}

static void fail_delete(ProtobufCMessage *reply, const struct workplace *place, int r)
{
    if (r == -EROFS)
        answer_fail(reply, "unavailable", "the store is read-only: mount it writable, then delete %s again", place->key);
    else
        answer_fail(reply, "unavailable", "dissection %s could not be deleted: %s", place->key, strerror(-r));
}

void answer_dissect_delete(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__DissectSelector *request = (const Tapeloop__V1__DissectSelector *)question->request;
    Tapeloop__V1__DissectDeleteReply *reply = (Tapeloop__V1__DissectDeleteReply *)base;
    struct service *service = question->service;
    struct workplace place;
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    wire_auto Tapeloop__V1__DissectManifest *manifest = NULL;
    if (!answer_find(service, request->snapshot, request->name, base, &place))
        return;
    int r = claim_read(service->bus, SERVICE_BUCKET, place.key, &claim, NULL);
    if (r < 0 && r != -ENOENT) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
        return;
    }
    if (claim && claim_is_open(claim)) {
        answer_fail(base, "conflict", "dissection %s is being made: cancel it first", place.key);
        return;
    }
    (void)publish_read(&place, &manifest, NULL); /* only for its sequence; a damaged one is deleted as well */
    r = place.annex[0] ? workplace_remove(&place) : -ENOENT;
    if (r == -ENOENT && (!claim || strcmp(claim->state, "deleted") == 0)) {
        answer_fail(base, "not_found", "snapshot %s has no dissection %s", place.snapshot, place.name);
        return;
    }
    uint64_t sequence = manifest ? manifest->stream_sequence : claim ? claim->stream_sequence : 0;
    if (r == 0 || r == -ENOENT)
        r = claim_bury(service->bus, SERVICE_BUCKET, place.key, sequence, service->instance);
    if (r < 0) {
        fail_delete(base, &place, r);
        return;
    }
    say_deleted(service, &place, sequence);
    log_info("dissection deleted", "dissection=%s", log_quote(place.key));
    if (wire_set_string(&reply->snapshot, place.snapshot) < 0 || wire_set_string(&reply->name, place.name) < 0)
        answer_fail(base, "internal", "out of memory");
}

/* The claim of a request that nobody has in hand. False: its holder lives and answers. */
static bool cancel_resting(struct service *service, const struct workplace *place, ProtobufCMessage *base)
{
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    uint64_t revision = 0;
    int r = claim_read(service->bus, SERVICE_BUCKET, place->key, &claim, &revision);
    if (r == -ENOENT || (claim && strcmp(claim->state, "deleted") == 0)) {
        answer_fail(base, "not_found", "no dissection %s is being made", place->key);
    } else if (r < 0) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
    } else if (!claim_is_open(claim)) {
        answer_fail(base, "conflict", "dissection %s is %s already", place->key, claim->state);
    } else if (strcmp(claim->instance, service->instance) != 0 && claim->renewed_ns != 0 && units_now_wall_ns() - claim->renewed_ns < CLAIM_LIVE_NS
               && service->store->driver->alive(service->store->state, claim->instance)) {
        return false;
    } else {
        r = claim_mark_cancelled(service->bus, SERVICE_BUCKET, claim, revision);
        if (r < 0)
            answer_fail(base, "unavailable", "the claim cannot be marked: %s", strerror(-r));
    }
    return true;
}

/* Every dissector hears it and stops its items. The one that sees the dissection through answers; where nobody does, all mark the claim and any answers. */
void answer_dissect_cancel(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__DissectSelector *request = (const Tapeloop__V1__DissectSelector *)question->request;
    Tapeloop__V1__DissectCancelReply *reply = (Tapeloop__V1__DissectCancelReply *)base;
    struct service *service = question->service;
    struct workplace place;
    if (!answer_find(service, request->snapshot, request->name, base, &place))
        return;
    if (!leases_cancel(service->leases, place.key) && !cancel_resting(service, &place, base)) {
        question->silent = true;
        return;
    }
    if (!answer_failed(base) && (wire_set_string(&reply->snapshot, place.snapshot) < 0 || wire_set_string(&reply->name, place.name) < 0))
        answer_fail(base, "internal", "out of memory");
}
