/* Names for the shell's completion. See complete.h. */
#include "cli/complete.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "mem/cleanup.h"

#define WAIT_MS 500     /* somebody has pressed the tab key */
#define NAMES_LIMIT 500
#define LIMIT_S 1       /* also of a connection that does not come about */

/* Names of ours are made of these; anything else is no name, and a shell might take it for more. */
static void put_name(const char *name)
{
    if (*name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name))
        puts(name);
}

static void give_up(int number)
{
    (void)number;
    _exit(0);
}

static int put_node(void *context, const char *key, const struct bus_value *value)
{
    (void)context;
    ProtobufCMessage *decoded = NULL;
    char error[WIRE_ERROR_TEXT_MAX];
    if (wire_decode(&tapeloop__v1__node_heartbeat__descriptor, value->data, value->size, "application/protobuf", &decoded, NULL, error) < 0)
        return 0;
    const char *name = ((Tapeloop__V1__NodeHeartbeat *)decoded)->node;
    put_name(*name ? name : key);
    wire_free(decoded);
    return 0;
}

static void put_snapshots(struct bus *bus)
{
    Tapeloop__V1__SnapshotListRequest request = TAPELOOP__V1__SNAPSHOT_LIST_REQUEST__INIT;
    wire_auto ProtobufCMessage *decoded = NULL;
    mem_auto_free void *data = NULL, *answer = NULL;
    size_t size, answer_size;
    char error[WIRE_ERROR_TEXT_MAX];
    request.limit = NAMES_LIMIT;
    if (wire_encode(&request.base, WIRE_PROTOBUF, &data, &size) < 0 || bus_request(bus, "snapshot.list", data, size, true, WAIT_MS, &answer, &answer_size) < 0 ||
        wire_decode(&tapeloop__v1__snapshot_list_reply__descriptor, answer, answer_size, "application/protobuf", &decoded, NULL, error) < 0)
        return;
    const Tapeloop__V1__SnapshotListReply *reply = (const Tapeloop__V1__SnapshotListReply *)decoded;
    for (size_t i = 0; i < reply->n_snapshots; i++)
        put_name(reply->snapshots[i]->name);
}

void complete_names(const char *what)
{
    static const struct option_command connection = { .name = "tapeloop" };
    struct option_command command = connection;
    struct lifecycle_options options;
    struct bus_options bus_options;
    char program[] = "tapeloop", *argv[] = { program, NULL }, **arguments, error[256];
    size_t count;
    cli_bus_auto struct bus *bus = NULL;
    command.options = lifecycle_option_rows;
    command.options_count = lifecycle_option_rows_count;
    if (options_parse(&command, 1, argv, &options, &arguments, &count, stdout, stderr) != 0)
        return;
    (void)signal(SIGALRM, give_up);
    (void)alarm(LIMIT_S);
    lifecycle_bus_options(&options, "tapeloop completion", &bus_options);
    if (bus_open(&bus_options, true, &bus, error) < 0)
        return;
    if (strcmp(what, "node") == 0)
        (void)bus_kv_each(bus, "nodes", put_node, NULL);
    else if (strcmp(what, "snapshot") == 0)
        put_snapshots(bus);
}
