#include "services/snapshotter/jobs/node_report.h"
#include "services/snapshotter/jobs/manifest.h"
#include "units/units.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static Tapeloop__V1__InterfaceLedger *interface_of(Tapeloop__V1__Ledger *ledger, const char *name)
{
    for (size_t i = 0; i < ledger->n_interfaces; i++)
        if (strcmp(ledger->interfaces[i]->name, name) == 0)
            return ledger->interfaces[i];
    Tapeloop__V1__InterfaceLedger *fresh = WIRE_NEW(Tapeloop__V1__InterfaceLedger, tapeloop__v1__interface_ledger__descriptor);
    if (!fresh || wire_set_string(&fresh->name, name) < 0 || wire_append(&ledger->n_interfaces, &ledger->interfaces, fresh) < 0) {
        wire_free(fresh);
        return NULL;
    }
    return fresh;
}

static int ledger_add(Tapeloop__V1__Ledger *sum, const Tapeloop__V1__Ledger *part)
{
    sum->offered_packets += part->offered_packets;
    sum->offered_bytes += part->offered_bytes;
    sum->written_packets += part->written_packets;
    sum->written_bytes += part->written_bytes;
    sum->dropped_kernel_packets += part->dropped_kernel_packets;
    sum->dropped_disk_packets += part->dropped_disk_packets;
    sum->filtered_packets += part->filtered_packets;
    sum->truncated_packets += part->truncated_packets;
    sum->canaries += part->canaries;
    sum->events += part->events;
    for (size_t i = 0; i < part->n_interfaces; i++) {
        const Tapeloop__V1__InterfaceLedger *from = part->interfaces[i];
        Tapeloop__V1__InterfaceLedger *to = interface_of(sum, from->name);
        if (!to)
            return -ENOMEM;
        to->offered_packets += from->offered_packets;
        to->offered_bytes += from->offered_bytes;
        to->written_packets += from->written_packets;
        to->written_bytes += from->written_bytes;
        to->dropped_packets += from->dropped_packets;
        to->filtered_packets += from->filtered_packets;
    }
    return 0;
}

static bool gap_is_known(const Tapeloop__V1__SnapshotNode *report, const Tapeloop__V1__Gap *gap)
{
    for (size_t i = 0; i < report->n_gaps; i++) {
        const Tapeloop__V1__Gap *known = report->gaps[i];
        if (known->from_ns == gap->from_ns && known->to_ns == gap->to_ns && known->lane == gap->lane && strcmp(known->reason, gap->reason) == 0)
            return true;
    }
    return false;
}

/* What the tape says it lost inside the window, as one sentence however many gaps there are. */
struct losses { uint64_t gaps, packets; bool unknown; int64_t from_ns, to_ns; };

static int gaps_take(struct plan_node *node, struct plan_segment *segment, struct losses *losses)
{
    for (size_t i = 0; i < segment->gaps_count; i++) {
        Tapeloop__V1__Gap *gap = segment->gaps[i];
        if (gap_is_known(node->report, gap))
            continue;
        if (strcmp(gap->reason, "damaged") != 0) { /* said with its segment */
            losses->from_ns = losses->gaps == 0 || gap->from_ns < losses->from_ns ? gap->from_ns : losses->from_ns;
            losses->to_ns = losses->gaps == 0 || gap->to_ns > losses->to_ns ? gap->to_ns : losses->to_ns;
            losses->gaps++;
            losses->packets += gap->packets;
            losses->unknown |= gap->count_unknown;
        }
        Tapeloop__V1__Gap *copy = (Tapeloop__V1__Gap *)wire_copy(&gap->base);
        if (!copy || wire_append(&node->report->n_gaps, &node->report->gaps, copy) < 0) {
            wire_free(copy);
            return -ENOMEM;
        }
    }
    return 0;
}

static void say_losses(struct plan_node *node, const struct losses *losses)
{
    char from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX];
    if (losses->gaps == 0)
        return;
    job_plan_node_say(node, "%s%" PRIu64 " packets were not recorded, in %" PRIu64 " gaps between %s and %s", losses->unknown ? "at least " : "", losses->packets, losses->gaps,
                  units_format_time(losses->from_ns, from, sizeof from), units_format_time(losses->to_ns, to, sizeof to));
}

static void say_refused(struct plan_node *node)
{
    for (size_t i = 0; i < node->refused_count; i++) {
        const Tapeloop__V1__RefusedSegment *refused = node->refused[i];
        char from[UNITS_TIME_TEXT_MAX] = "", to[UNITS_TIME_TEXT_MAX] = "";
        bool timed = refused->first_ns > 0;
        if (timed) {
            units_format_time(refused->first_ns, from, sizeof from);
            units_format_time(refused->last_ns, to, sizeof to);
        }
        job_plan_node_say(node, "segment %s%s%s%s%s%s could not be held: %s", refused->segment_id, timed ? " (" : "", from, timed ? " to " : "", to, timed ? ")" : "", refused->reason);
    }
}

static int sum_segments(struct plan_node *node)
{
    Tapeloop__V1__SnapshotNode *report = node->report;
    struct losses losses = { 0 };
    report->ledger = WIRE_NEW(Tapeloop__V1__Ledger, tapeloop__v1__ledger__descriptor);
    if (!report->ledger)
        return -ENOMEM;
    for (struct plan_segment *segment = node->first_segment; segment; segment = segment->next_of_node) {
        int r = gaps_take(node, segment, &losses);
        if (r == 0 && segment->stored && segment->pinned->segment->ledger)
            r = ledger_add(report->ledger, segment->pinned->segment->ledger);
        if (r < 0)
            return r;
        if (segment->problem[0])
            job_plan_node_say(node, "segment %s: %s", segment->pinned->segment->segment_id, segment->problem);
        if (!segment->stored)
            continue;
        report->segments++;
        report->packets += segment->packets;
        report->bytes += segment->object->bytes + segment->index_object->bytes;
    }
    say_losses(node, &losses);
    say_refused(node);
    return 0;
}

bool node_report_cover(const struct plan_node *node, const struct request_window *window, struct request_window *ret)
{
    if (!node->answered || node->oldest_ns == 0)
        return false;
    int64_t begin_ns = node->oldest_ns;
    for (const struct plan_segment *segment = node->first_segment; segment; segment = segment->next_of_node)
        if (segment->pinned->segment->opened_ns > 0 && segment->pinned->segment->opened_ns < begin_ns)
            begin_ns = segment->pinned->segment->opened_ns;
    bool stalled = strcmp(node->state, "recording") != 0 && node->newest_ns + MANIFEST_STALL_NS < window->to_ns;
    ret->from_ns = begin_ns > window->from_ns ? begin_ns : window->from_ns;
    ret->to_ns = stalled ? node->newest_ns : window->to_ns;
    return ret->from_ns < ret->to_ns;
}

static int say_cover(struct plan_node *node, const struct request_window *window)
{
    char from[UNITS_TIME_TEXT_MAX], to[UNITS_TIME_TEXT_MAX];
    struct request_window covered;
    if (!node_report_cover(node, window, &covered)) {
        if (node->answered && node->oldest_ns > window->from_ns)
            job_plan_node_say(node, "its tape begins only at %s", units_format_time(node->oldest_ns, from, sizeof from));
        else if (node->answered)
            job_plan_node_say(node, "its tape holds nothing of the window");
        return 0;
    }
    units_format_time(covered.from_ns, from, sizeof from);
    units_format_time(covered.to_ns, to, sizeof to);
    if (covered.from_ns > window->from_ns)
        job_plan_node_say(node, "its tape begins only at %s", from);
    if (covered.to_ns < window->to_ns)
        job_plan_node_say(node, "its tape ends at %s (%s)", to, node->state);
    int r = wire_set_string(&node->report->covered_from, from);
    return r < 0 ? r : wire_set_string(&node->report->covered_to, to);
}

static int report_fill(struct plan_node *node, const struct request_window *window)
{
    int r = sum_segments(node);
    if (r == 0)
        r = say_cover(node, window);
    if (r < 0)
        return r;
    const char *state = node->report->reason[0] == '\0' ? (node->report->packets ? "complete" : "empty") : "partial";
    if (strcmp(node->report->state, "unreachable") == 0 && node->report->segments == 0)
        state = "unreachable";
    return wire_set_string(&node->report->state, state);
}

int node_reports_fill(struct job_plan *plan, const struct request_window *window)
{
    for (size_t i = 0; i < plan->nodes_count; i++) {
        int r = report_fill(&plan->nodes[i], window);
        if (r < 0)
            return r;
    }
    return 0;
}
