/* tapeloop nodes, tapeloop nodes forget NAME */
#include <errno.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/node_list.h"
#include "cli/output.h"
#include "units/units.h"

static const struct option rows[] = { CLI_ROW_JSON };

static json_t *nodes_document(const struct node_list *list)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < list->count; i++)
        (void)json_array_append_new(nodes, node_json(&list->nodes[i]));
    return json_pack("{s:o}", "nodes", nodes);
}

static int run_list(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct cli_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    struct node_list list;
    if (cli_connect(options, &bus) != 0 || node_list_read(options, bus, &list) != 0)
        return CLI_FAILED;
    int code = CLI_OK;
    if (options->json)
        code = cli_print_json(nodes_document(&list));
    else if (list.count)
        node_list_print(&list, 0, stdout);
    else
        puts("no node has reported to this bus yet");
    node_list_free(&list);
    return code;
}

/* A node that still reports would be back within a second: forgetting it would only look as if it worked. */
static bool is_heard(const struct node_list *list, const char *token, bool *ret_known)
{
    char its[BUS_SUBJECT_MAX];
    *ret_known = false;
    for (size_t i = 0; i < list->count; i++) {
        bus_node_token(list->nodes[i].heartbeat->node, its);
        if (strcmp(its, token) != 0)
            continue;
        *ret_known = true;
        return list->nodes[i].silent_ns < NODE_SILENT_NS && strcmp(list->nodes[i].heartbeat->state, "stopped") != 0;
    }
    return false;
}

static int run_forget(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct cli_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    struct node_list list;
    char token[BUS_SUBJECT_MAX];
    bool known;
    if (strlen(arguments[0]) >= sizeof token)
        return cli_fail(options, "invalid", "that is no node's name: too long");
    bus_node_token(arguments[0], token);
    if (cli_connect(options, &bus) != 0 || node_list_read(options, bus, &list) != 0)
        return CLI_FAILED;
    bool heard = is_heard(&list, token, &known);
    node_list_free(&list);
    if (!known)
        return cli_fail(options, "not_found", "no node \"%s\" is known; tapeloop nodes lists them", arguments[0]);
    if (heard)
        return cli_fail(options, "conflict", "node %s still reports to the bus: stop its capturer first", arguments[0]);
    int rc = bus_kv_delete(bus, "nodes", token);
    if (rc < 0)
        return cli_fail(options, "unavailable", "forgetting %s: %s", arguments[0], cli_bus_problem(rc));
    if (options->json)
        return cli_print_json(json_pack("{s:s}", "forgotten", arguments[0]));
    printf("%s is forgotten: snapshots no longer wait for it\n", arguments[0]);
    return CLI_OK;
}

const struct cli_command cli_nodes = {
    .command = {
        .name = "tapeloop nodes",
        .summary = "List every node that the bus knows, with its state",
        .description = "A node is known from its first heartbeat until it is forgotten, also while it is silent: a snapshot names it as missing.\n\n"
                       "PROVED is the age of the last proof of work: a packet of the capturer's own that has gone through the kernel and is on the tape. "
                       "LOST counts the packets that the kernel offered and that are not on the tape, since the capturer started.",
        .examples = "tapeloop nodes\ntapeloop nodes --json | jq -r '.nodes[] | select(.recording | not) | .node'",
        .exit_codes = "0  listed\n1  the bus cannot be reached\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct cli_options), .connects = true, .run = run_list,
};

const struct cli_command cli_nodes_forget = {
    .command = {
        .name = "tapeloop nodes forget", .arguments = "NAME", .arguments_least = 1, .arguments_most = 1, .arguments_complete = "node",
        .summary = "Forget a node that will not come back",
        .description = "Every later snapshot would be partial for the sake of a node that is gone. A node that still reports is not forgotten: stop its capturer first. "
                       "Its tape and the snapshots that hold its packets stay as they are.",
        .examples = "tapeloop nodes forget worker-7.example.net",
        .exit_codes = "0  forgotten\n1  it is not known, it still reports, or the bus cannot be reached\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct cli_options), .connects = true, .run = run_forget,
};
