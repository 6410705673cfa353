/* snapshot.delete and snapshot.cancel. */
#include "log/log.h"
#include "services/snapshotter/answers/answers.h"
#include "jobs/claim.h"
#include "services/snapshotter/jobs/events.h"
#include "services/snapshotter/jobs/job.h"
#include "services/snapshotter/jobs/manifest.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void say_deleted(struct question *question, const char *name, uint64_t sequence)
{
    wire_auto Tapeloop__V1__SnapshotEvent *event = WIRE_NEW(Tapeloop__V1__SnapshotEvent, tapeloop__v1__snapshot_event__descriptor);
    char id[EVENT_ID_TEXT_MAX], now[UNITS_TIME_TEXT_MAX];
    int r = -ENOMEM;
    if (event && wire_set_string(&event->name, name) == 0 && wire_set_string(&event->state, "deleted") == 0
        && wire_set_string(&event->finished_at, units_format_time(units_now_wall_ns(), now, sizeof now)) == 0) {
        event_id(name, sequence, "deleted", id);
        r = event_publish(question->service, event, id, 0);
    }
    if (r < 0)
        log_warning("cannot say that a snapshot was deleted", "snapshot=%s error=%s", log_quote(name), log_quote(strerror(-r)));
}

static void fail_delete(ProtobufCMessage *reply, const char *name, int r)
{
    if (r == -EROFS)
        answer_fail(reply, "unavailable", "the store is read-only: mount it writable, then delete %s again", name);
    else
        answer_fail(reply, "unavailable", "snapshot %s could not be deleted: %s", name, strerror(-r));
}

void answer_delete(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__SnapshotSelector *request = (const Tapeloop__V1__SnapshotSelector *)question->request;
    struct service *service = question->service;
    char error[REQUEST_ERROR_TEXT_MAX];
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    wire_auto Tapeloop__V1__Manifest *manifest = NULL;
    if (store_name_check(request->name, error) < 0) {
        answer_fail(base, "invalid", "%s", error);
        return;
    }
    int r = claim_read(service->bus, SERVICE_BUCKET, request->name, &claim, NULL);
    if (r < 0 && r != -ENOENT) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
        return;
    }
    if (claim && claim_is_open(claim)) {
        answer_fail(base, "conflict", "snapshot %s is being made: cancel it first", request->name);
        return;
    }
    (void)manifest_read(service->store, request->name, &manifest, NULL, error); /* only for its sequence; a damaged one is deleted as well */
    r = service->store->driver->remove(service->store->state, request->name);
    if (r == -ENOENT && (!claim || strcmp(claim->state, "deleted") == 0)) {
        answer_fail(base, "not_found", "there is no snapshot %s", request->name);
        return;
    }
    if (r == 0 || r == -ENOENT)
        r = claim_bury(service->bus, SERVICE_BUCKET, request->name, manifest ? manifest->stream_sequence : 0, service->instance);
    if (r < 0) {
        fail_delete(base, request->name, r);
        return;
    }
    uint64_t sequence = claim ? claim->stream_sequence : manifest ? manifest->stream_sequence : 0;
    say_deleted(question, request->name, sequence);
    log_info("snapshot deleted", "snapshot=%s", log_quote(request->name));
    if (wire_set_string(&((Tapeloop__V1__SnapshotDeleteReply *)base)->name, request->name) < 0)
        answer_fail(base, "internal", "out of memory");
}

/* Every snapshotter hears it. The one that has the job answers; where the job rests, all mark it and any answers. */
void answer_cancel(struct question *question, ProtobufCMessage *base)
{
    const Tapeloop__V1__SnapshotSelector *request = (const Tapeloop__V1__SnapshotSelector *)question->request;
    struct service *service = question->service;
    char error[REQUEST_ERROR_TEXT_MAX];
    wire_auto Tapeloop__V1__Claim *claim = NULL;
    uint64_t revision = 0;
    if (store_name_check(request->name, error) < 0) {
        answer_fail(base, "invalid", "%s", error);
        return;
    }
    if (jobs_cancel(service->jobs, request->name) == 0) {
        if (wire_set_string(&((Tapeloop__V1__SnapshotCancelReply *)base)->name, request->name) < 0)
            answer_fail(base, "internal", "out of memory");
        return;
    }
    int r = claim_read(service->bus, SERVICE_BUCKET, request->name, &claim, &revision);
    if (r == -ENOENT || (claim && strcmp(claim->state, "deleted") == 0)) {
        answer_fail(base, "not_found", "no snapshot %s is being made", request->name);
    } else if (r < 0) {
        answer_fail(base, "unavailable", "the claims cannot be read: %s", strerror(-r));
    } else if (!claim_is_open(claim)) {
        answer_fail(base, "conflict", "snapshot %s is %s already", request->name, claim->state);
    } else if (strcmp(claim->instance, service->instance) != 0 && claim->renewed_ns != 0 && units_now_wall_ns() - claim->renewed_ns < CLAIM_LIVE_NS
               && service->store->driver->alive(service->store->state, claim->instance)) {
        question->silent = true; /* that one answers */
    } else {
        r = claim_mark_cancelled(service->bus, SERVICE_BUCKET, claim, revision);
        if (r < 0)
            answer_fail(base, "unavailable", "the claim cannot be marked: %s", strerror(-r));
        else if (wire_set_string(&((Tapeloop__V1__SnapshotCancelReply *)base)->name, request->name) < 0)
            answer_fail(base, "internal", "out of memory");
    }
}
