#include "services/snapshotter/jobs/pin.h"
#include "services/snapshotter/jobs/patience.h"
#include "services/snapshotter/jobs/trouble.h"
#include "mem/cleanup.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_TOLERANCE_NS (10 * UNITS_NS_PER_MS) /* below it the segments listed for the plain window are taken; above it the wider one is asked for */
#define STOP_PATIENCE_NS (3 * UNITS_NS_PER_S)      /* the leases that are left end by themselves */
#define RETURN_ROUND_US (500 * 1000)
#define PIN_TRIES 2                               /* a lost answer must not cost a node */

void pin_clock(int64_t sent_ns, int64_t received_ns, int64_t replied_ns, int64_t arrived_ns, int64_t *ret_offset_ns, int64_t *ret_uncertainty_ns)
{
    int64_t trip_ns = (arrived_ns - sent_ns) - (replied_ns - received_ns);
    *ret_offset_ns = ((received_ns - sent_ns) + (replied_ns - arrived_ns)) / 2;
    *ret_uncertainty_ns = trip_ns > 0 ? trip_ns / 2 : 0;
}

static void lease_name(const struct job *job, char *lease, size_t cap)
{
    snprintf(lease, cap, "%s.%" PRIu64, job->name, job->message.sequence);
}

/* One exchange. *ret_arrived_ns is the moment of the answer. -EPROTO: an answer that is none; -EREMOTEIO: the node says no, sentence in error. */
static int pin_ask(struct job *job, const struct plan_node *node, const Tapeloop__V1__PinRequest *request, Tapeloop__V1__PinReply **ret, int64_t *ret_arrived_ns, char *error)
{
    char subject[BUS_SUBJECT_MAX + 16];
    mem_auto_free void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    snprintf(subject, sizeof subject, "node.%s.pin", node->token);
    int r = wire_encode(&request->base, WIRE_PROTOBUF, &data, &size);
    if (r < 0)
        return r;
    r = bus_request(job->service->bus, subject, data, size, true, PIN_TIMEOUT_MS, &answer, &answer_size);
    if (r < 0)
        return r;
    *ret_arrived_ns = units_now_wall_ns();
    char decode_error[WIRE_ERROR_TEXT_MAX];
    enum wire_format format;
    ProtobufCMessage *message = NULL;
    r = wire_decode(&tapeloop__v1__pin_reply__descriptor, answer, answer_size, "application/protobuf", &message, &format, decode_error);
    if (r < 0) {
        snprintf(error, 256, "its answer to pin cannot be read: %.150s", decode_error);
        return -EPROTO;
    }
    wire_auto Tapeloop__V1__PinReply *reply = (Tapeloop__V1__PinReply *)message;
    if (reply->error && (reply->error->code[0] || reply->error->message[0])) {
        snprintf(error, 256, "it refused to pin: %.200s", reply->error->message);
        return -EREMOTEIO;
    }
    *ret = mem_take(reply);
    return 0;
}

/* Sets the time of sending. */
static int pin_ask_patiently(struct job *job, const struct plan_node *node, Tapeloop__V1__PinRequest *request, Tapeloop__V1__PinReply **ret, int64_t *ret_arrived_ns, char *error)
{
    for (int tries = 1;;) {
        uint64_t generation = bus_generation(job->service->bus);
        request->sent_ns = units_now_wall_ns();
        int r = pin_ask(job, node, request, ret, ret_arrived_ns, error);
        if (r == 0)
            return 0;
        if (patience_ask_again(job, r, generation))
            continue;
        if (r == -ENOENT && units_now_wall_ns() - node->heartbeat_ns < PIN_RETURN_NS && !trouble_should_stop(job)) {
            job_advance(job);
            usleep(RETURN_ROUND_US); /* alive a moment ago: perhaps it restarts */
            continue;
        }
        if (r != -ETIMEDOUT || tries++ >= PIN_TRIES)
            return r;
    }
}

static void say_gap(struct plan_node *node, const Tapeloop__V1__Gap *gap)
{
    char from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX];
    units_format_time(gap->from_ns, from, sizeof from);
    units_format_time(gap->to_ns, to, sizeof to);
    if (gap->count_unknown)
        job_plan_node_say(node, "%s from %s to %s, how many packets passed is unknown", gap->reason, from, to);
    else
        job_plan_node_say(node, "%" PRIu64 " packets missing between %s and %s (%s)", gap->packets, from, to, gap->reason);
}

static bool segment_is_sound(const struct plan_node *node, const Tapeloop__V1__PinnedSegment *pinned)
{
    const Tapeloop__V1__SegmentSealed *sealed = pinned->segment;
    return sealed && pinned->url[0] && strcmp(sealed->node, node->report->name) == 0 && sealed->segment_id[0] && sealed->size > 0;
}

static struct plan_segment *segment_of(const struct plan_node *node, const char *id)
{
    for (struct plan_segment *segment = node->first_segment; segment; segment = segment->next_of_node)
        if (strcmp(segment->pinned->segment->segment_id, id) == 0)
            return segment;
    return NULL;
}

/* What a page says goes into the report and the plan. Lock held. */
static int page_take(struct job_plan *plan, struct plan_node *node, Tapeloop__V1__PinReply *reply, bool first, const Tapeloop__V1__PinRequest *request)
{
    node->oldest_ns = reply->oldest_ns;
    node->newest_ns = reply->newest_ns;
    for (size_t i = 0; i < reply->n_segments; i++) {
        if (!segment_is_sound(node, reply->segments[i])) {
            job_plan_node_say(node, "it listed a segment that is none of its own");
            continue;
        }
        if (segment_of(node, reply->segments[i]->segment->segment_id))
            continue; /* from an earlier round */
        int r = job_plan_add_segment(plan, node, reply->segments[i]);
        if (r < 0)
            return r;
        reply->segments[i] = reply->segments[--reply->n_segments]; /* taken over: the order is made later */
        i--;
    }
    for (size_t i = 0; i < reply->n_refused; i++) {
        if (segment_of(node, reply->refused[i]->segment_id))
            continue;
        ProtobufCMessage *refused = wire_copy(&reply->refused[i]->base);
        if (!refused || wire_append(&node->refused_count, &node->refused, refused) < 0)
            return -ENOMEM;
    }
    if (!first)
        return 0;
    for (size_t i = 0; i < reply->n_gaps; i++) {
        Tapeloop__V1__Gap *gap = (Tapeloop__V1__Gap *)wire_copy(&reply->gaps[i]->base);
        if (!gap || wire_append(&node->report->n_gaps, &node->report->gaps, gap) < 0)
            return -ENOMEM;
        if (gap->from_ns <= request->to_ns && gap->to_ns >= request->from_ns)
            say_gap(node, gap);
    }
    for (size_t i = 0; i < reply->n_not_visible; i++) {
        char *copy = strdup(reply->not_visible[i]);
        if (!copy || wire_append(&node->report->n_not_visible, &node->report->not_visible, copy) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Drops what a node listed, so that it can be asked again for a wider window. Lock held. */
static void forget(struct job_plan *plan, struct plan_node *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->segments_count; i++)
        if (plan->segments[i]->node == node)
            job_plan_drop_segment(plan->segments[i]);
        else
            plan->segments[kept++] = plan->segments[i];
    plan->segments_count = kept;
    job_plan_clear_refused(node);
    atomic_store(&node->segments_left, 0);
    Tapeloop__V1__SnapshotNode *fresh = WIRE_NEW(Tapeloop__V1__SnapshotNode, tapeloop__v1__snapshot_node__descriptor);
    if (fresh && wire_set_string(&fresh->name, node->report->name) == 0) {
        wire_free(node->report);
        node->report = fresh;
    } else {
        wire_free(fresh);
    }
}

/* All pages of a window. */
static int pin_window(struct job_plan *plan, struct job *job, struct plan_node *node, int64_t from_ns, int64_t to_ns, bool seal, bool again, char *error)
{
    char lease[STORE_NAME_MAX + 24];
    lease_name(job, lease, sizeof lease);
    Tapeloop__V1__PinRequest request = TAPELOOP__V1__PIN_REQUEST__INIT;
    request.lease = lease;
    request.from_ns = from_ns;
    request.to_ns = to_ns;
    request.lease_seconds = PIN_LEASE_S;
    request.seal = seal;
    for (int page = 0; page < PIN_PAGES_MAX; page++) {
        wire_auto Tapeloop__V1__PinReply *reply = NULL;
        int64_t arrived_ns = 0;
        int r = pin_ask_patiently(job, node, &request, &reply, &arrived_ns, error);
        if (r < 0)
            return r;
        node->answered = true;
        job_advance(job);
        uint64_t more = reply->more_after_ordinal;
        if (page == 0 && !again)
            pin_clock(request.sent_ns, reply->received_ns, reply->replied_ns, arrived_ns, &node->report->clock_offset_ns, &node->report->clock_uncertainty_ns);
        pthread_mutex_lock(&plan->lock);
        r = page_take(plan, node, reply, page == 0 && !again, &request);
        pthread_mutex_unlock(&plan->lock);
        if (r < 0 || more == 0)
            return r;
        if (more <= request.after_ordinal) {
            snprintf(error, 256, "its list of segments does not end");
            return -EPROTO;
        }
        request.after_ordinal = more;
        request.seal = false;
    }
    snprintf(error, 256, "its list of segments does not end");
    return -EPROTO;
}

static void say_silent(struct plan_node *node, int r, const char *error)
{
    char seen[UNITS_TIME_TEXT_MAX] = "";
    if (node->heartbeat_ns)
        units_format_time(node->heartbeat_ns, seen, sizeof seen);
    if (r == -ENOENT || r == -ETIMEDOUT)
        job_plan_node_say(node, "it does not answer%s; last heard of at %s", r == -ETIMEDOUT ? " in time" : "", seen);
    else
        job_plan_node_say(node, "%s", error[0] ? error : strerror(-r));
    (void)wire_set_string(&node->report->state, "unreachable");
}

/* The window by the node's clock: only wider than asked, since timestamps stay as they are. */
static void widen(struct plan_node *node, const struct request_window *window)
{
    int64_t offset_ns = node->report->clock_offset_ns, uncertain_ns = node->report->clock_uncertainty_ns;
    int64_t before_ns = offset_ns - uncertain_ns < 0 ? offset_ns - uncertain_ns : 0;
    int64_t after_ns = offset_ns + uncertain_ns > 0 ? offset_ns + uncertain_ns : 0;
    node->select_from_ns = window->from_ns + before_ns;
    node->select_to_ns = window->to_ns + after_ns;
}

static int pin_node(struct job_plan *plan, struct job *job, struct plan_node *node, char *error)
{
    int r = pin_window(plan, job, node, job->window.from_ns, job->window.to_ns, true, false, error);
    widen(node, &job->window);
    if (r < 0)
        return r;
    int64_t offset_ns = node->report->clock_offset_ns, uncertain_ns = node->report->clock_uncertainty_ns;
    if (node->select_from_ns >= job->window.from_ns - CLOCK_TOLERANCE_NS && node->select_to_ns <= job->window.to_ns + CLOCK_TOLERANCE_NS)
        return 0;
    pthread_mutex_lock(&plan->lock);
    forget(plan, node);
    pthread_mutex_unlock(&plan->lock);
    r = pin_window(plan, job, node, node->select_from_ns, node->select_to_ns, true, false, error);
    node->report->clock_offset_ns = offset_ns; /* of the first exchange, by which the window was chosen */
    node->report->clock_uncertainty_ns = uncertain_ns;
    return r;
}

struct pin_crew { struct job_plan *plan; struct job *job; atomic_size_t next; };

/* The refused, once there is room again: what was pulled has been let go. True: there is more to pull. */
static bool pin_node_more(struct job_plan *plan, struct job *job, struct plan_node *node)
{
    size_t before = plan->segments_count;
    int64_t from_ns = node->select_to_ns;
    char error[256];
    for (size_t i = 0; i < node->refused_count; i++)
        from_ns = node->refused[i]->first_ns < from_ns ? node->refused[i]->first_ns : from_ns;
    if (from_ns < node->select_from_ns)
        from_ns = node->select_from_ns;
    job_plan_clear_refused(node);
    int r = pin_window(plan, job, node, from_ns, node->select_to_ns, false, true, error);
    if (r < 0)
        say_silent(node, r, error);
    return plan->segments_count > before;
}

bool pin_more(struct job_plan *plan, struct job *job)
{
    bool more = false;
    for (size_t i = 0; i < plan->nodes_count; i++)
        if (plan->nodes[i].refused_count > 0 && pin_node_more(plan, job, &plan->nodes[i]))
            more = true;
    if (more)
        job_plan_order(plan);
    return more;
}

static void *pin_thread(void *context)
{
    struct pin_crew *crew = context;
    for (;;) {
        size_t i = atomic_fetch_add(&crew->next, 1);
        if (i >= crew->plan->nodes_count || atomic_load(&crew->job->cancelled) || atomic_load(&crew->job->service->stopping))
            return NULL;
        struct plan_node *node = &crew->plan->nodes[i];
        char error[256] = "";
        if (!node->known)
            continue;
        int r = pin_node(crew->plan, crew->job, node, error);
        pthread_mutex_lock(&crew->plan->lock);
        if (r < 0)
            say_silent(node, r, error);
        pthread_mutex_unlock(&crew->plan->lock);
        job_advance(crew->job);
    }
}

enum job_verdict pin_all(struct job_plan *plan, struct job *job)
{
    pthread_t threads[PIN_THREADS_MAX];
    size_t count = 0;
    struct pin_crew crew = { .plan = plan, .job = job };
    while (count < PIN_THREADS_MAX && count < plan->nodes_count && pthread_create(&threads[count], NULL, pin_thread, &crew) == 0)
        count++;
    if (count == 0)
        pin_thread(&crew);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    job_plan_order(plan);
    return job_interrupted(job);
}

/* Replaces url and token of what is still wanted by those of a fresh page. Lock held. */
static void tokens_take(const struct plan_node *node, Tapeloop__V1__PinReply *reply)
{
    for (size_t i = 0; i < reply->n_segments; i++) {
        struct plan_segment *segment = reply->segments[i]->segment ? segment_of(node, reply->segments[i]->segment->segment_id) : NULL;
        if (!segment || segment->done)
            continue;
        (void)wire_set_string(&segment->pinned->url, reply->segments[i]->url);
        (void)wire_set_string(&segment->pinned->token, reply->segments[i]->token);
        segment->refreshed++;
    }
}

/* Pins again from `from_ns` on, without sealing. */
static int pin_refresh(struct job_plan *plan, struct job *job, struct plan_node *node, int64_t from_ns, int64_t to_ns)
{
    char lease[STORE_NAME_MAX + 24], error[256];
    lease_name(job, lease, sizeof lease);
    Tapeloop__V1__PinRequest request = TAPELOOP__V1__PIN_REQUEST__INIT;
    request.lease = lease;
    request.from_ns = from_ns;
    request.to_ns = to_ns;
    request.lease_seconds = PIN_LEASE_S;
    for (int page = 0; page < PIN_PAGES_MAX; page++) {
        wire_auto Tapeloop__V1__PinReply *reply = NULL;
        int64_t arrived_ns;
        int r = pin_ask_patiently(job, node, &request, &reply, &arrived_ns, error);
        if (r < 0)
            return r;
        pthread_mutex_lock(&plan->lock);
        tokens_take(node, reply);
        pthread_mutex_unlock(&plan->lock);
        if (reply->more_after_ordinal <= request.after_ordinal)
            return 0;
        request.after_ordinal = reply->more_after_ordinal;
    }
    return 0;
}

void pin_renew(struct job_plan *plan, struct job *job)
{
    for (size_t i = 0; i < plan->nodes_count; i++) {
        struct plan_node *node = &plan->nodes[i];
        int64_t from_ns = INT64_MAX;
        if (!node->answered || atomic_load(&node->segments_left) == 0)
            continue;
        pthread_mutex_lock(&plan->lock);
        for (const struct plan_segment *segment = node->first_segment; segment; segment = segment->next_of_node) {
            if (!segment->done && segment->pinned->segment->first_ns < from_ns)
                from_ns = segment->pinned->segment->first_ns;
        }
        pthread_mutex_unlock(&plan->lock);
        if (from_ns != INT64_MAX)
            (void)pin_refresh(plan, job, node, from_ns, node->select_to_ns); /* when it fails the lease runs out, and the pull says so */
    }
}

int pin_again(struct job_plan *plan, struct job *job, struct plan_segment *segment)
{
    pthread_mutex_lock(&plan->lock);
    unsigned before = segment->refreshed;
    pthread_mutex_unlock(&plan->lock);
    int r = pin_refresh(plan, job, segment->node, segment->pinned->segment->first_ns, segment->pinned->segment->last_ns);
    if (r < 0)
        return r == -ENOENT ? -EHOSTUNREACH : r;
    pthread_mutex_lock(&plan->lock);
    bool listed = segment->refreshed != before;
    pthread_mutex_unlock(&plan->lock);
    return listed ? 0 : -ENOENT;
}

static void unpin(struct job *job, const struct plan_node *node, char *segment_id)
{
    char subject[BUS_SUBJECT_MAX + 16], lease[STORE_NAME_MAX + 24];
    mem_auto_free void *data = NULL, *answer = NULL;
    size_t size = 0, answer_size = 0;
    Tapeloop__V1__UnpinRequest request = TAPELOOP__V1__UNPIN_REQUEST__INIT;
    lease_name(job, lease, sizeof lease);
    request.lease = lease;
    request.n_segment_ids = segment_id ? 1 : 0;
    request.segment_ids = segment_id ? &segment_id : NULL;
    snprintf(subject, sizeof subject, "node.%s.unpin", node->token);
    if (wire_encode(&request.base, WIRE_PROTOBUF, &data, &size) == 0)
        (void)bus_request(job->service->bus, subject, data, size, true, 2000, &answer, &answer_size);
}

void pin_release(struct job *job, const struct plan_segment *segment)
{
    unpin(job, segment->node, segment->pinned->segment->segment_id);
}

void pin_release_all(struct job_plan *plan, struct job *job)
{
    int64_t began_ns = units_now_mono_ns();
    for (size_t i = 0; i < plan->nodes_count; i++) {
        if (plan->nodes[i].answered)
            unpin(job, &plan->nodes[i], NULL);
        if (atomic_load(&job->service->stopping) && units_now_mono_ns() - began_ns > STOP_PATIENCE_NS)
            return;
    }
}
