#include "services/snapshotter/jobs/plan.h"
#include "mem/cleanup.h"
#include "services/snapshotter/jobs/patience.h"
#include "units/units.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NODE_NAME_MAX 253   /* a DNS name; it becomes a folder's name */
#define REASON_MAX 2000     /* of one node: a reader wants the first few, not thousands of segments */

int job_plan_new(struct job_plan **ret)
{
    struct job_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return -ENOMEM;
    pthread_mutex_init(&plan->lock, NULL);
    *ret = plan;
    return 0;
}

void job_plan_clear_refused(struct plan_node *node)
{
    for (size_t i = 0; i < node->refused_count; i++)
        wire_free(node->refused[i]);
    free(node->refused);
    node->refused = NULL;
    node->refused_count = 0;
}

void job_plan_drop_segment(struct plan_segment *segment)
{
    wire_free(segment->pinned);
    wire_free(segment->object);
    wire_free(segment->index_object);
    for (size_t i = 0; i < segment->gaps_count; i++)
        wire_free(segment->gaps[i]);
    free(segment->gaps);
    free(segment);
}

void job_plan_free(struct job_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->nodes_count; i++) {
        wire_free(plan->nodes[i].report);
        job_plan_clear_refused(&plan->nodes[i]);
    }
    for (size_t i = 0; i < plan->segments_count; i++)
        job_plan_drop_segment(plan->segments[i]);
    free(plan->nodes);
    free(plan->segments);
    pthread_mutex_destroy(&plan->lock);
    free(plan);
}

void job_plan_node_say(struct plan_node *node, const char *format, ...)
{
    char text[REASON_MAX];
    const char *before = node->report->reason;
    size_t at = (size_t)snprintf(text, sizeof text, "%s%s", before, before[0] ? "; " : "");
    if (at + 100 > sizeof text)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + at, sizeof text - at, format, arguments);
    va_end(arguments);
    (void)wire_set_string(&node->report->reason, text);
}

bool job_plan_labels_match(const Tapeloop__V1__SnapshotRequest *request, const Tapeloop__V1__NodeHeartbeat *heartbeat)
{
    for (size_t i = 0; i < request->n_labels; i++) {
        bool found = false;
        for (size_t k = 0; k < heartbeat->n_labels && !found; k++)
            found = strcmp(heartbeat->labels[k]->key, request->labels[i]->key) == 0 && strcmp(heartbeat->labels[k]->value, request->labels[i]->value) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool name_is_usable(const char *name)
{
    size_t length = strlen(name);
    return length > 0 && length <= NODE_NAME_MAX && name[0] != '.' && !strchr(name, '/');
}

static int node_add(struct job_plan *plan, const char *name, const Tapeloop__V1__NodeHeartbeat *heartbeat)
{
    struct plan_node *nodes = reallocarray(plan->nodes, plan->nodes_count + 1, sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    plan->nodes = nodes;
    struct plan_node *node = &nodes[plan->nodes_count];
    memset(node, 0, sizeof *node);
    node->report = WIRE_NEW(Tapeloop__V1__SnapshotNode, tapeloop__v1__snapshot_node__descriptor);
    if (!node->report)
        return -ENOMEM;
    plan->nodes_count++;
    bus_node_token(name, node->token);
    if (heartbeat) {
        node->known = true;
        node->heartbeat_ns = heartbeat->time_ns;
        snprintf(node->state, sizeof node->state, "%s", heartbeat->state);
    }
    return wire_set_string(&node->report->name, name);
}

struct expectation { struct job_plan *plan; const struct job *job; size_t known, named_known; int error; bool *named; };

static int heartbeat_found(void *context, const char *key, const struct bus_value *value)
{
    (void)key;
    struct expectation *expect = context;
    const Tapeloop__V1__SnapshotRequest *request = expect->job->request;
    char error[WIRE_ERROR_TEXT_MAX];
    enum wire_format format;
    ProtobufCMessage *message = NULL;
    if (wire_decode(&tapeloop__v1__node_heartbeat__descriptor, value->data, value->size, NULL, &message, &format, error) < 0)
        return 0; /* not a capturer's: nothing can be asked of it */
    wire_auto Tapeloop__V1__NodeHeartbeat *heartbeat = (Tapeloop__V1__NodeHeartbeat *)message;
    if (!name_is_usable(heartbeat->node) || units_now_wall_ns() - heartbeat->time_ns > PLAN_NODE_MEMORY_NS)
        return 0;
    expect->known++;
    bool wanted = request->n_nodes == 0;
    for (size_t i = 0; i < request->n_nodes; i++)
        if (strcmp(request->nodes[i], heartbeat->node) == 0) {
            wanted = true;
            expect->named[i] = true;
        }
    if (!wanted || !job_plan_labels_match(request, heartbeat))
        return 0;
    expect->error = node_add(expect->plan, heartbeat->node, heartbeat);
    return expect->error;
}

/* Nodes that the request names and nobody knows are part of the answer: they are missing. */
static int add_unknown(struct job_plan *plan, const Tapeloop__V1__SnapshotRequest *request, const bool *named)
{
    for (size_t i = 0; i < request->n_nodes; i++) {
        bool before = named[i];
        for (size_t k = 0; k < i && !before; k++)
            before = strcmp(request->nodes[k], request->nodes[i]) == 0;
        if (before)
            continue;
        int r = node_add(plan, request->nodes[i], NULL);
        if (r < 0)
            return r;
        job_plan_node_say(&plan->nodes[plan->nodes_count - 1], "no node of this name is known");
        r = wire_set_string(&plan->nodes[plan->nodes_count - 1].report->state, "unreachable");
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const struct plan_node *)a)->report->name, ((const struct plan_node *)b)->report->name);
}

enum job_verdict job_plan_expect(struct job_plan *plan, struct job *job)
{
    mem_auto_free bool *named = calloc(job->request->n_nodes + 1, sizeof *named);
    struct expectation expect = { .plan = plan, .job = job, .named = named };
    int r = named ? bus_kv_each(job->service->bus, "nodes", heartbeat_found, &expect) : -ENOMEM;
    if (r < 0)
        return patience_judge(job, r, "cannot read which nodes there are");
    if (expect.known == 0)
        return job_fail(job, JOB_FAILED, "no capturer is known: start one on each node (it appears in `tapeloop nodes`), then ask again");
    if (plan->nodes_count == 0 && job->request->n_labels > 0)
        return job_fail(job, JOB_FAILED, "none of the %zu known nodes carries the labels asked for: see `tapeloop nodes`", expect.known);
    if (plan->nodes_count == 0)
        return job_fail(job, JOB_FAILED, "none of the nodes named is known (the first is '%.100s'; %zu others are): see `tapeloop nodes`", job->request->nodes[0],
                        expect.known);
    r = add_unknown(plan, job->request, named);
    if (r < 0)
        return job_fail(job, JOB_RETRY, "cannot plan: %s", strerror(-r));
    qsort(plan->nodes, plan->nodes_count, sizeof *plan->nodes, compare_nodes);
    atomic_store(&job->nodes_total, (unsigned)plan->nodes_count);
    return JOB_READY;
}

int job_plan_add_segment(struct job_plan *plan, struct plan_node *node, Tapeloop__V1__PinnedSegment *pinned)
{
    size_t count = plan->segments_count;
    if (count >= PLAN_SEGMENTS_MAX)
        return -E2BIG;
    if ((count & (count - 1)) == 0) { /* grows at powers of two */
        struct plan_segment **segments = reallocarray(plan->segments, count ? count * 2 : 1, sizeof *segments);
        if (!segments)
            return -ENOMEM;
        plan->segments = segments;
    }
    struct plan_segment *segment = calloc(1, sizeof *segment);
    if (!segment)
        return -ENOMEM;
    segment->node = node;
    segment->pinned = pinned;
    plan->segments[count] = segment;
    plan->segments_count++;
    atomic_fetch_add(&node->segments_left, 1);
    return 0;
}

static int compare_segments(const void *a, const void *b)
{
    const struct plan_segment *const *x = a, *const *y = b;
    const Tapeloop__V1__SegmentSealed *s = (*x)->pinned->segment, *t = (*y)->pinned->segment;
    if (s->first_ns != t->first_ns)
        return s->first_ns < t->first_ns ? -1 : 1;
    int nodes = strcmp(s->node, t->node);
    return nodes ? nodes : s->ordinal < t->ordinal ? -1 : s->ordinal > t->ordinal;
}

/* About the bytes that a segment brings: the share of its time that lies inside the window. */
static uint64_t bytes_expected(const struct plan_segment *segment)
{
    const Tapeloop__V1__SegmentSealed *sealed = segment->pinned->segment;
    int64_t from_ns = sealed->first_ns > segment->node->select_from_ns ? sealed->first_ns : segment->node->select_from_ns;
    int64_t to_ns = sealed->last_ns < segment->node->select_to_ns ? sealed->last_ns : segment->node->select_to_ns;
    double all = (double)(sealed->last_ns - sealed->first_ns), inside = (double)(to_ns - from_ns);
    double share = all <= 0 || inside >= all ? 1 : inside <= 0 ? 0 : inside / all;
    return (uint64_t)(share * (double)sealed->size) + sealed->index_size;
}

void job_plan_order(struct job_plan *plan)
{
    if (plan->segments_count > 0)
        qsort(plan->segments, plan->segments_count, sizeof *plan->segments, compare_segments);
    plan->bytes_bound = 0;
    for (size_t i = 0; i < plan->nodes_count; i++)
        plan->nodes[i].first_segment = NULL;
    for (size_t i = plan->segments_count; i-- > 0;) {
        struct plan_segment *segment = plan->segments[i];
        plan->bytes_bound += bytes_expected(segment);
        segment->next_of_node = segment->node->first_segment;
        segment->node->first_segment = segment;
    }
}
