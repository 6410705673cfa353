/* Heartbeats of the bucket `nodes`. See node_list.h. */
#include "cli/node_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "units/units.h"

struct reading { struct node_list list; int64_t now_ns; char problem[512]; };

static int64_t oldest_proof(const Tapeloop__V1__NodeHeartbeat *heartbeat)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < heartbeat->n_lanes; i++) {
        if (heartbeat->lanes[i]->canary_proved_ns < oldest)
            oldest = heartbeat->lanes[i]->canary_proved_ns;
    }
    return oldest == INT64_MAX ? 0 : oldest;
}

static int take_heartbeat(void *context, const char *key, const struct bus_value *value)
{
    struct reading *reading = context;
    struct node_list *list = &reading->list;
    ProtobufCMessage *message = NULL;
    char error[WIRE_ERROR_TEXT_MAX] = "";
    if (list->count == NODE_LIST_MAX)
        return -E2BIG;
    struct node *nodes = realloc(list->nodes, (list->count + 1) * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    list->nodes = nodes;
    if (wire_decode(&tapeloop__v1__node_heartbeat__descriptor, value->data, value->size, "application/protobuf", &message, NULL, error) < 0) {
        (void)snprintf(reading->problem, sizeof reading->problem, "the heartbeat of %s cannot be read: %s", key, error);
        return -EBADMSG;
    }
    struct node *node = &nodes[list->count++];
    *node = (struct node){ .heartbeat = (Tapeloop__V1__NodeHeartbeat *)message, .heard_ns = value->time_ns };
    if (!*node->heartbeat->node && wire_set_string(&node->heartbeat->node, key) < 0)
        return -ENOMEM;
    int64_t silent = reading->now_ns - value->time_ns, proved = oldest_proof(node->heartbeat);
    node->silent_ns = silent > 0 ? silent : 0;
    /* The node's own clock measured the proof, so its age at the heartbeat is true whatever this machine's clock says. */
    int64_t at_heartbeat = node->heartbeat->time_ns - proved;
    node->proof_age_ns = proved > 0 ? (at_heartbeat > 0 ? at_heartbeat : 0) + node->silent_ns : -1;
    node->recording = strcmp(node->heartbeat->state, "recording") == 0 && node->silent_ns < NODE_SILENT_NS;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->heartbeat->node, ((const struct node *)b)->heartbeat->node);
}

int node_list_read(const struct cli_options *options, struct bus *bus, struct node_list *ret)
{
    struct reading reading = { .now_ns = units_now_wall_ns() };
    int rc = bus_kv_each(bus, "nodes", take_heartbeat, &reading);
    if (rc < 0) {
        node_list_free(&reading.list);
        if (*reading.problem)
            return cli_fail(options, "internal", "%s", reading.problem);
        if (rc == -ENOENT)
            return cli_fail(options, "unavailable", "the bus has no bucket \"nodes\": make it with tapeloop streams apply (JetStream must be on: nats-server -js)");
        return cli_fail(options, "unavailable", "reading the nodes: %s", cli_bus_problem(rc));
    }
    if (reading.list.count)
        qsort(reading.list.nodes, reading.list.count, sizeof *reading.list.nodes, compare_names);
    *ret = reading.list;
    return 0;
}

void node_list_free(struct node_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        wire_free(list->nodes[i].heartbeat);
    free(list->nodes);
    *list = (struct node_list){ 0 };
}

const char *node_state(const struct node *node)
{
    return node->silent_ns >= NODE_SILENT_NS ? "silent" : *node->heartbeat->state ? node->heartbeat->state : "unknown";
}

const char *node_reason(const struct node *node, char *text, size_t cap)
{
    char duration[UNITS_DURATION_TEXT_MAX];
    bool stopped = strcmp(node->heartbeat->state, "stopped") == 0;
    if (node->silent_ns < NODE_SILENT_NS)
        (void)snprintf(text, cap, "%s", node->heartbeat->reason);
    else
        (void)snprintf(text, cap, "%s %s", stopped ? "stopped; heard last before" : "no heartbeat for",
                       units_format_duration(node->silent_ns / UNITS_NS_PER_S * UNITS_NS_PER_S, duration, sizeof duration));
    return text;
}

uint64_t node_lost_packets(const struct node *node)
{
    const Tapeloop__V1__Ledger *ledger = node->heartbeat->ledger;
    return ledger ? ledger->dropped_kernel_packets + ledger->dropped_disk_packets : 0;
}

json_t *node_json(const struct node *node)
{
    char reason[256], time[UNITS_TIME_TEXT_MAX];
    json_t *json = cli_json_of((const ProtobufCMessage *)node->heartbeat);
    if (json && (json_object_set_new(json, "state", json_string(node_state(node))) < 0 || json_object_set_new(json, "recording", json_boolean(node->recording)) < 0 ||
                 json_object_set_new(json, "reason", json_string(node_reason(node, reason, sizeof reason))) < 0 ||
                 json_object_set_new(json, "lastHeard", json_string(units_format_time(node->heard_ns, time, sizeof time))) < 0)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static void add_age(struct cli_table *table, int64_t age_ns)
{
    char duration[UNITS_DURATION_TEXT_MAX];
    if (age_ns < 0)
        cli_table_add(table, "never");
    else
        cli_table_format(table, "%s ago", units_format_duration(age_ns / (100 * UNITS_NS_PER_MS) * (100 * UNITS_NS_PER_MS), duration, sizeof duration));
}

static void add_row(struct cli_table *table, const struct node *node)
{
    const Tapeloop__V1__NodeHeartbeat *heartbeat = node->heartbeat;
    char used[UNITS_SIZE_TEXT_MAX], box[UNITS_SIZE_TEXT_MAX], held[UNITS_DURATION_TEXT_MAX], reason[256];
    int64_t span = heartbeat->oldest_ns > 0 && heartbeat->newest_ns > heartbeat->oldest_ns ? heartbeat->newest_ns - heartbeat->oldest_ns : 0;
    cli_table_add(table, heartbeat->node);
    cli_table_add(table, node_state(node));
    add_age(table, node->proof_age_ns);
    cli_table_add(table, span ? units_format_duration(span / UNITS_NS_PER_S * UNITS_NS_PER_S, held, sizeof held) : NULL);
    cli_table_format(table, "%s of %s", units_format_size(heartbeat->storage_used, used, sizeof used), units_format_size(heartbeat->storage_size, box, sizeof box));
    cli_table_format(table, "%" PRIu64, heartbeat->ledger ? heartbeat->ledger->written_packets : 0);
    cli_table_format(table, "%" PRIu64, node_lost_packets(node));
    cli_table_add(table, node_reason(node, reason, sizeof reason));
}

void node_list_print(const struct node_list *list, size_t indent, FILE *out)
{
    static const char *const titles[] = { "NODE", "STATE", "PROVED", "TAPE HOLDS", "STORAGE", "PACKETS", "LOST", "REASON" };
    struct cli_table table = { .columns = sizeof titles / sizeof *titles };
    for (size_t i = 0; i < table.columns; i++)
        cli_table_add(&table, titles[i]);
    for (size_t i = 0; i < list->count; i++)
        add_row(&table, &list->nodes[i]);
    cli_table_print(&table, indent, out);
}
