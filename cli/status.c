/* tapeloop status: one screen. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/node_list.h"
#include "cli/output.h"
#include "units/units.h"

#define ANSWERS_WAIT_MS 300       /* for all that answer: the first comes within a millisecond or two */
#define SERVICES_SHOWN_MAX 100

static const struct option rows[] = { CLI_ROW_JSON };

struct status {
    struct node_list nodes;
    size_t recording;
    char streams_problem[256];      /* "" where all are there */
    json_t *snapshotters, *dissectors; /* their answers to $SRV.PING: name, id, version */
    json_t *live;                   /* LiveStatus of the dissectors that read a tape */
};

static void take_service(void *context, const struct bus_message *message)
{
    json_t *answer = json_loadb(message->data, message->size, 0, NULL);
    if (answer && json_array_size(context) < SERVICES_SHOWN_MAX)
        (void)json_array_append(context, answer);
    json_decref(answer);
}

static void take_live(void *context, const struct bus_message *message)
{
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(&tapeloop__v1__live_status__descriptor, message->data, message->size, message->content_type, &decoded, NULL, error) < 0)
        return;
    if (json_array_size(context) < SERVICES_SHOWN_MAX)
        (void)json_array_append_new(context, cli_json_of(decoded));
    wire_free(decoded);
}

static int read_status(const struct cli_options *options, struct bus *bus, struct status *ret)
{
    *ret = (struct status){ 0 };
    if (bus_check_definitions(bus, ret->streams_problem) == 0)
        *ret->streams_problem = '\0';
    else if (!*ret->streams_problem)
        (void)snprintf(ret->streams_problem, sizeof ret->streams_problem, "streams cannot be checked");
    if (node_list_read(options, bus, &ret->nodes) != 0)
        return CLI_FAILED;
    for (size_t i = 0; i < ret->nodes.count; i++)
        ret->recording += ret->nodes.nodes[i].recording;
    ret->snapshotters = json_array();
    ret->dissectors = json_array();
    (void)bus_request_many(bus, "$SRV.PING.snapshotter", "", 0, ANSWERS_WAIT_MS, take_service, ret->snapshotters); /* none is an answer too */
    (void)bus_request_many(bus, "$SRV.PING.dissector", "", 0, ANSWERS_WAIT_MS, take_service, ret->dissectors);
    ret->live = json_array();
    if (json_array_size(ret->dissectors) > 0)
        (void)bus_request_many(bus, "dissect.live", "", 0, ANSWERS_WAIT_MS, take_live, ret->live);
    return 0;
}

static int print_document(const struct cli_options *options, const struct status *status, bool well)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < status->nodes.count; i++)
        (void)json_array_append_new(nodes, node_json(&status->nodes.nodes[i]));
    return cli_print_json(json_pack("{s:b, s:{s:s, s:b, s:s}, s:o, s:i, s:O, s:O, s:O}", "recording", well, "bus", "server", options->lifecycle.server, "connected", true, "problem",
                                    status->streams_problem, "nodes", nodes, "nodesRecording", (int)status->recording, "snapshotters", status->snapshotters,
                                    "dissectors", status->dissectors, "live", status->live));
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "-";
}

static void print_services(const char *title, const json_t *services)
{
    size_t count = json_array_size(services);
    if (count)
        printf("%-12s %zu (version %s)\n", title, count, text_of(json_array_get(services, 0), "version"));
    else
        printf("%-12s none: requests wait in their queue until one is up\n", title);
}

/* Numbers of 64 bits stand as text in proto3 JSON. */
static void print_live(const json_t *live)
{
    char lag[UNITS_DURATION_TEXT_MAX];
    int64_t lag_ns = strtoll(text_of(live, "lagNs"), NULL, 10);
    if (strcmp(text_of(live, "state"), "dissecting") != 0)
        return;
    printf("live         %s: %s entries, lag %s", text_of(live, "node"), text_of(live, "entries"), units_format_duration(lag_ns / UNITS_NS_PER_MS * UNITS_NS_PER_MS, lag, sizeof lag));
    if (json_object_get(live, "recycled"))
        printf(", %s segments recycled before they were read", text_of(live, "recycled"));
    putchar('\n');
}

static void print_screen(const struct cli_options *options, const struct status *status)
{
    printf("bus          %s, connected%s%s\n", options->lifecycle.server, *status->streams_problem ? "; " : "", status->streams_problem);
    print_services("snapshotters", status->snapshotters);
    print_services("dissectors", status->dissectors);
    for (size_t i = 0; i < json_array_size(status->live); i++)
        print_live(json_array_get(status->live, i));
    printf("nodes        %zu of %zu recording\n", status->recording, status->nodes.count);
    if (status->nodes.count) {
        putchar('\n');
        node_list_print(&status->nodes, 0, stdout);
    }
    for (size_t i = 0; i < status->nodes.count; i++) {
        const Tapeloop__V1__NodeHeartbeat *heartbeat = status->nodes.nodes[i].heartbeat;
        if (heartbeat->owed)
            printf("%s owes the bus %" PRIu64 " announcements of sealed segments\n", heartbeat->node, heartbeat->owed);
        for (size_t k = 0; k < heartbeat->n_not_visible; k++)
            printf("%s cannot see: %s\n", heartbeat->node, heartbeat->not_visible[k]);
    }
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct cli_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    struct status status;
    if (cli_connect(options, &bus) != 0 || read_status(options, bus, &status) != 0)
        return CLI_FAILED;
    bool well = status.nodes.count && status.recording == status.nodes.count;
    int code = CLI_OK;
    if (options->json)
        code = print_document(options, &status, well);
    else
        print_screen(options, &status);
    json_decref(status.snapshotters);
    json_decref(status.dissectors);
    json_decref(status.live);
    node_list_free(&status.nodes);
    return code == CLI_OK && !well ? CLI_PARTIAL : code;
}

const struct cli_command cli_status = {
    .command = {
        .name = "tapeloop status",
        .summary = "Show at a glance whether everything records",
        .description = "Shows the bus, whether snapshotters and dissectors answer, and every node: whether it records, how old the last proof of that is, how much time its tape holds, and what was lost.\n\n"
                       "A node records when its heartbeat is fresh and says so; the capturer says so only while its proof of work, a packet that must reappear on the tape, is younger than five seconds.",
        .examples = "tapeloop status\ntapeloop status --json | jq .recording",
        .exit_codes = "0  every known node records\n1  the bus cannot be reached\n2  wrong use\n3  a node does not record, or none is known",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct cli_options), .connects = true, .run = run,
};
