#include "services/snapshotter/jobs/manifest.h"
#include "json/json.h"
#include "mem/cleanup.h"
#include "services/snapshotter/jobs/events.h"
#include "services/snapshotter/jobs/node_report.h"
#include "store/object.h"
#include "units/units.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REASON_MAX 1000 /* of a whole snapshot; each node's own is in its entry */

static int set_time(char **field, int64_t ns)
{
    char text[UNITS_TIME_TEXT_MAX];
    return wire_set_string(field, units_format_time(ns, text, sizeof text));
}

static int compare_objects(const void *a, const void *b)
{
    const Tapeloop__V1__ManifestObject *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

static int take_objects(Tapeloop__V1__Manifest *manifest, struct job_plan *plan)
{
    for (size_t i = 0; i < plan->segments_count; i++) {
        struct plan_segment *segment = plan->segments[i];
        if (!segment->stored)
            continue;
        manifest->bytes += segment->object->bytes + segment->index_object->bytes;
        if (wire_append(&manifest->n_objects, &manifest->objects, segment->object) < 0)
            return -ENOMEM;
        segment->object = NULL;
        if (wire_append(&manifest->n_objects, &manifest->objects, segment->index_object) < 0)
            return -ENOMEM;
        segment->index_object = NULL;
    }
    if (manifest->n_objects > 0)
        qsort(manifest->objects, manifest->n_objects, sizeof *manifest->objects, compare_objects);
    return 0;
}

/* The nodes' reports go in, in the order of their names, and the window that any of them covers. */
static int take_nodes(Tapeloop__V1__Manifest *manifest, struct job_plan *plan, const struct request_window *window)
{
    int64_t from_ns = INT64_MAX, to_ns = INT64_MIN;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        struct plan_node *node = &plan->nodes[i];
        struct request_window covered = { 0 };
        if (node_report_cover(node, window, &covered)) {
            from_ns = covered.from_ns < from_ns ? covered.from_ns : from_ns;
            to_ns = covered.to_ns > to_ns ? covered.to_ns : to_ns;
        }
        manifest->packets += node->report->packets;
        if (wire_append(&manifest->n_nodes, &manifest->nodes, node->report) < 0)
            return -ENOMEM;
        node->report = NULL;
    }
    if (from_ns > to_ns)
        return 0;
    int r = set_time(&manifest->covered_from, from_ns);
    return r < 0 ? r : set_time(&manifest->covered_to, to_ns);
}

/* Complete or partial, and why: the nodes' own reasons, as many as a person wants to read. */
static int judge_completeness(Tapeloop__V1__Manifest *manifest)
{
    char text[REASON_MAX] = "";
    size_t incomplete = 0, said = 0, at = 0;
    for (size_t i = 0; i < manifest->n_nodes; i++) {
        const Tapeloop__V1__SnapshotNode *node = manifest->nodes[i];
        if (strcmp(node->state, "complete") == 0 || strcmp(node->state, "empty") == 0)
            continue;
        incomplete++;
        if (at + 300 < sizeof text) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%.100s: %.180s", at ? "; " : "", node->name, node->reason);
            said++;
        }
    }
    if (incomplete > said)
        snprintf(text + at, sizeof text - at, "; and %zu more nodes", incomplete - said);
    int r = wire_set_string(&manifest->completeness, incomplete ? "partial" : "complete");
    return r < 0 ? r : wire_set_string(&manifest->reason, text);
}

static int fill(Tapeloop__V1__Manifest *manifest, struct job_plan *plan, struct job *job)
{
    manifest->version = MANIFEST_VERSION;
    manifest->stream_sequence = job->message.sequence;
    manifest->request = (Tapeloop__V1__SnapshotRequest *)wire_copy(&job->request->base);
    int r = manifest->request ? 0 : -ENOMEM;
    if (r == 0)
        r = wire_set_string(&manifest->name, job->name);
    if (r == 0)
        r = wire_set_string(&manifest->store_id, job->service->store_id);
    if (r == 0)
        r = set_time(&manifest->requested_at, job->message.time_ns);
    if (r == 0)
        r = set_time(&manifest->created_at, units_now_wall_ns());
    if (r == 0)
        r = set_time(&manifest->from, job->window.from_ns);
    if (r == 0)
        r = set_time(&manifest->to, job->window.to_ns);
    if (r == 0)
        r = node_reports_fill(plan, &job->window);
    if (r == 0)
        r = take_nodes(manifest, plan, &job->window);
    if (r == 0)
        r = take_objects(manifest, plan);
    return r < 0 ? r : judge_completeness(manifest);
}

/* A sentence for a window without a packet: what the tapes do hold. */
static enum job_verdict fail_empty(struct job_plan *plan, struct job *job, const Tapeloop__V1__Manifest *manifest)
{
    int64_t oldest_ns = INT64_MAX, newest_ns = 0;
    size_t answered = 0;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        const struct plan_node *node = &plan->nodes[i];
        answered += node->answered;
        if (node->oldest_ns > 0 && node->oldest_ns < oldest_ns)
            oldest_ns = node->oldest_ns;
        newest_ns = node->newest_ns > newest_ns ? node->newest_ns : newest_ns;
    }
    char oldest[UNITS_TIME_TEXT_MAX], newest[UNITS_TIME_TEXT_MAX];
    const char *why = manifest->reason[0] ? " (" : "", *end = manifest->reason[0] ? ")" : "";
    if (answered == 0)
        return job_fail(job, JOB_FAILED, "none of the %zu nodes answered%s%.600s%s: see `tapeloop nodes`, then ask again", plan->nodes_count, why, manifest->reason, end);
    for (size_t i = 0; i < plan->segments_count; i++)
        if (plan->segments[i]->problem[0])
            return job_fail(job, JOB_FAILED, "nothing of the window could be fetched%s%.600s%s: see the capturers' logs, then ask again", why, manifest->reason, end);
    if (newest_ns == 0)
        return job_fail(job, JOB_FAILED, "the window %s to %s holds no packets: nothing has been recorded yet%s%.600s%s", manifest->from, manifest->to, why, manifest->reason, end);
    return job_fail(job, JOB_FAILED, "the window %s to %s holds no packets: the tapes reach from %s to %s%s%.600s%s; choose a window inside that", manifest->from, manifest->to,
                    units_format_time(oldest_ns, oldest, sizeof oldest), units_format_time(newest_ns, newest, sizeof newest), why, manifest->reason, end);
}

enum job_verdict manifest_make(struct job_plan *plan, struct job *job, Tapeloop__V1__Manifest **ret)
{
    wire_auto Tapeloop__V1__Manifest *manifest = WIRE_NEW(Tapeloop__V1__Manifest, tapeloop__v1__manifest__descriptor);
    int r = manifest ? fill(manifest, plan, job) : -ENOMEM;
    if (r < 0)
        return job_fail(job, JOB_RETRY, "cannot make the manifest: %s", strerror(-r));
    if (manifest->packets == 0)
        return fail_empty(plan, job, manifest);
    if (job->request->complete && strcmp(manifest->completeness, "complete") != 0)
        return job_fail(job, JOB_FAILED, "it was asked to be complete and would be partial: %.900s", manifest->reason);
    *ret = mem_take(manifest);
    return JOB_READY;
}

int manifest_write(const Tapeloop__V1__Manifest *manifest, const struct store *store, struct store_work *work, char sha256[static DIGEST_TEXT_MAX])
{
    mem_auto_free char *text = NULL;
    int r = wire_encode_pretty(&manifest->base, &text);
    return r < 0 ? r : object_put(store, work, MANIFEST_FILE, text, strlen(text), sha256);
}

static bool path_is_inside(const char *path)
{
    size_t length = strlen(path);
    if (strncmp(path, "segments/", 9) != 0 || length >= STORE_PATH_MAX || path[length - 1] == '/')
        return false;
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t size = strcspn(part, "/");
        if (size == 0 || (size == 1 && part[0] == '.') || (size == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

static int manifest_check(const Tapeloop__V1__Manifest *manifest, char *error)
{
    char name_error[REQUEST_ERROR_TEXT_MAX];
    if (manifest->version != MANIFEST_VERSION) {
        snprintf(error, MANIFEST_ERROR_TEXT_MAX, "its version is %u, and this program reads version %d", manifest->version, MANIFEST_VERSION);
        return -EBADMSG;
    }
    if (store_name_check(manifest->name, name_error) < 0) {
        snprintf(error, MANIFEST_ERROR_TEXT_MAX, "the snapshot's name in it is none");
        return -EBADMSG;
    }
    for (size_t i = 0; i < manifest->n_objects; i++) {
        const Tapeloop__V1__ManifestObject *object = manifest->objects[i];
        bool ordered = i == 0 || strcmp(manifest->objects[i - 1]->path, object->path) < 0;
        if (!path_is_inside(object->path) || !ordered || strlen(object->sha256) != 64 || strspn(object->sha256, "0123456789abcdef") != 64) {
            snprintf(error, MANIFEST_ERROR_TEXT_MAX, "its object number %zu has a false path, place or hash", i);
            return -EBADMSG;
        }
    }
    return 0;
}

int manifest_parse(const char *text, size_t size, Tapeloop__V1__Manifest **ret, char *error)
{
    char decode_error[WIRE_ERROR_TEXT_MAX] = "";
    ProtobufCMessage *message = NULL;
    int r = wire_decode_json(&tapeloop__v1__manifest__descriptor, text, size, MANIFEST_BYTES_MAX, &message, decode_error);
    if (r < 0) {
        snprintf(error, MANIFEST_ERROR_TEXT_MAX, "%.200s", decode_error[0] ? decode_error : strerror(-r));
        return r;
    }
    wire_auto Tapeloop__V1__Manifest *manifest = (Tapeloop__V1__Manifest *)message;
    r = manifest_check(manifest, error);
    if (r < 0)
        return r;
    *ret = mem_take(manifest);
    return 0;
}

int manifest_read(const struct store *store, const char *name, Tapeloop__V1__Manifest **ret, char *sha256, char *error)
{
    char path[STORE_LOCATION_MAX + sizeof MANIFEST_FILE + 1], folder[STORE_LOCATION_MAX];
    int r = store->driver->folder(store->state, name, folder);
    if (r < 0) {
        snprintf(error, MANIFEST_ERROR_TEXT_MAX, "there is no snapshot %.128s", name);
        return r;
    }
    mem_auto_free char *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/" MANIFEST_FILE, folder);
    r = json_read_text(path, MANIFEST_BYTES_MAX, &text, &size);
    if (r < 0) {
        snprintf(error, MANIFEST_ERROR_TEXT_MAX, "its " MANIFEST_FILE " cannot be read: %s", strerror(-r));
        return r == -ENOENT ? -EBADMSG : r;
    }
    r = manifest_parse(text, size, ret, error);
    if (r == 0 && sha256)
        digest_of(text, size, sha256);
    return r;
}

static int copy_nodes(Tapeloop__V1__SnapshotEvent *event, const Tapeloop__V1__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_nodes; i++) {
        ProtobufCMessage *copy = wire_copy(&manifest->nodes[i]->base);
        if (!copy || wire_append(&event->n_nodes, &event->nodes, copy) < 0)
            return -ENOMEM;
    }
    return 0;
}

Tapeloop__V1__SnapshotEvent *manifest_event(const Tapeloop__V1__Manifest *manifest, const char *sha256, const struct store *store, uint32_t attempts)
{
    wire_auto Tapeloop__V1__SnapshotEvent *event = WIRE_NEW(Tapeloop__V1__SnapshotEvent, tapeloop__v1__snapshot_event__descriptor);
    if (!event)
        return NULL;
    char location[STORE_LOCATION_MAX + STORE_NAME_MAX + 2];
    snprintf(location, sizeof location, "%s/%s", store->location, manifest->name);
    const struct { char **field; const char *text; } texts[] = {
        { &event->name, manifest->name }, { &event->state, "ready" }, { &event->completeness, manifest->completeness }, { &event->reason, manifest->reason },
        { &event->from, manifest->from }, { &event->to, manifest->to }, { &event->covered_from, manifest->covered_from },
        { &event->covered_to, manifest->covered_to }, { &event->manifest_sha256, sha256 }, { &event->location, location },
        { &event->requested_at, manifest->requested_at }, { &event->finished_at, manifest->created_at },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (wire_set_string(texts[i].field, texts[i].text) < 0)
            return NULL;
    event->packets = manifest->packets;
    event->bytes = manifest->bytes;
    event->attempts = attempts;
    for (size_t i = 0; i < manifest->n_objects; i++)
        event->segments += strcmp(manifest->objects[i]->kind, "segment") == 0;
    if (copy_nodes(event, manifest) < 0 || event_fit(event) < 0)
        return NULL;
    return mem_take(event);
}
