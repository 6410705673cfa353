/* tapeloop snapshot list, show, verify, delete, cancel: one question to the snapshotters each. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/output.h"
#include "cli/snapshot_text.h"
#include "units/units.h"

#define PAGE_LIMIT 200      /* one page is far below the bus's largest message */
#define PAGES_MAX 100000    /* a list that never ends is cut off */

static const struct option rows[] = { CLI_ROW_JSON };
struct show_options { struct cli_options cli; bool objects; };
static const struct option show_rows[] = {
    { .name = "objects", .type = OPTION_FLAG, .field = offsetof(struct show_options, objects), .help = "List every file of the snapshot with its SHA-256" },
    CLI_ROW_JSON,
};

/* A question that names one snapshot. The string is lent by the caller. */
static int ask_about(const struct cli_options *options, const char *subject, char *name, const ProtobufCMessageDescriptor *reply_type, int timeout_ms, void *ret)
{
    Tapeloop__V1__SnapshotSelector selector = TAPELOOP__V1__SNAPSHOT_SELECTOR__INIT;
    cli_bus_auto struct bus *bus = NULL;
    selector.name = name;
    return cli_connect(options, &bus) != 0 ? CLI_FAILED : cli_ask(options, bus, subject, &selector.base, reply_type, timeout_ms, ret);
}

static void add_snapshot(const struct cli_options *options, const Tapeloop__V1__SnapshotEvent *event, json_t *snapshots, struct cli_table *table)
{
    char text[SNAPSHOT_WINDOW_TEXT_MAX], size[UNITS_SIZE_TEXT_MAX];
    if (options->json) {
        (void)json_array_append_new(snapshots, cli_json_of((const ProtobufCMessage *)event));
        return;
    }
    cli_table_add(table, event->name);
    cli_table_add(table, snapshot_state_text(event, text, sizeof text));
    cli_table_add(table, *event->from ? snapshot_window_text(event->from, event->to, text) : NULL);
    cli_table_format(table, "%" PRIu64, event->packets);
    cli_table_add(table, units_format_size(event->bytes, size, sizeof size));
    cli_table_add(table, event->reason);
}

/* One page after the other until the answer names none that follows. */
static int read_list(const struct cli_options *options, struct bus *bus, json_t *snapshots, struct cli_table *table)
{
    wire_auto Tapeloop__V1__SnapshotListReply *reply = NULL;
    int rc = 0;
    for (size_t page = 0; page < PAGES_MAX; page++) {
        Tapeloop__V1__SnapshotListRequest request = TAPELOOP__V1__SNAPSHOT_LIST_REQUEST__INIT;
        Tapeloop__V1__SnapshotListReply *next = NULL;
        request.limit = PAGE_LIMIT;
        if (reply)
            request.after = reply->more;
        rc = cli_ask(options, bus, "snapshot.list", &request.base, &tapeloop__v1__snapshot_list_reply__descriptor, CLI_ASK_TIMEOUT_MS, &next);
        if (rc != 0)
            return rc;
        wire_free(reply);
        reply = next;
        for (size_t i = 0; i < reply->n_snapshots; i++)
            add_snapshot(options, reply->snapshots[i], snapshots, table);
        if (!*reply->more)
            return 0;
    }
    return cli_fail(options, "internal", "the list of snapshots does not end");
}

static int run_list(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    static const char *const titles[] = { "NAME", "STATE", "WINDOW", "PACKETS", "SIZE", "REASON" };
    const struct cli_options *options = fields;
    struct cli_table table = { .columns = sizeof titles / sizeof *titles };
    json_auto json_t *snapshots = json_array();
    cli_bus_auto struct bus *bus = NULL;
    if (cli_connect(options, &bus) != 0)
        return CLI_FAILED;
    for (size_t i = 0; !options->json && i < table.columns; i++)
        cli_table_add(&table, titles[i]);
    int code = read_list(options, bus, snapshots, &table);
    if (options->json)
        return code == 0 ? cli_print_json(json_pack("{s:O}", "snapshots", snapshots)) : code;
    if (code == 0 && table.cells_count > table.columns) {
        cli_table_print(&table, 0, stdout);
        return code;
    }
    cli_table_clear(&table);
    if (code == 0)
        puts("no snapshot is kept");
    return code;
}

static int run_show(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct show_options *options = fields;
    wire_auto Tapeloop__V1__SnapshotShowReply *reply = NULL;
    if (ask_about(&options->cli, "snapshot.show", arguments[0], &tapeloop__v1__snapshot_show_reply__descriptor, CLI_ASK_TIMEOUT_MS, &reply) != 0)
        return CLI_FAILED;
    if (options->cli.json)
        return cli_print_json(cli_json_of(&reply->base));
    if (!reply->snapshot)
        return cli_fail(&options->cli, "internal", "the answer names no snapshot");
    snapshot_print(reply->snapshot, stdout);
    if (options->objects && reply->manifest)
        snapshot_print_objects(reply->manifest, stdout);
    return CLI_OK;
}

static int run_verify(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct cli_options *options = fields;
    wire_auto Tapeloop__V1__SnapshotVerifyReply *reply = NULL;
    char size[UNITS_SIZE_TEXT_MAX];
    if (ask_about(options, "snapshot.verify", arguments[0], &tapeloop__v1__snapshot_verify_reply__descriptor, CLI_WORK_TIMEOUT_MS, &reply) != 0)
        return CLI_FAILED;
    int code = reply->intact ? CLI_OK : CLI_FAILED;
    if (options->json) {
        json_t *document = cli_json_of(&reply->base);
        if (document)
            (void)json_object_set_new(document, "intact", json_boolean(reply->intact));
        return cli_print_json(document) == CLI_OK ? code : CLI_FAILED;
    }
    for (size_t i = 0; i < reply->n_damage; i++) {
        const Tapeloop__V1__Damage *damage = reply->damage[i];
        printf("%s: at byte %" PRId64 ": %s\n", damage->object, damage->offset, damage->problem);
    }
    printf("%s: %s (%" PRIu64 " objects, %s)\n", reply->name, reply->intact ? "intact" : "damaged", reply->objects, units_format_size(reply->bytes, size, sizeof size));
    return code;
}

static int run_delete(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct cli_options *options = fields;
    wire_auto Tapeloop__V1__SnapshotDeleteReply *reply = NULL;
    if (ask_about(options, "snapshot.delete", arguments[0], &tapeloop__v1__snapshot_delete_reply__descriptor, CLI_ASK_TIMEOUT_MS, &reply) != 0)
        return CLI_FAILED;
    if (options->json)
        return cli_print_json(json_pack("{s:s}", "deleted", arguments[0]));
    printf("%s is deleted\n", arguments[0]);
    return CLI_OK;
}

static int run_cancel(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct cli_options *options = fields;
    wire_auto Tapeloop__V1__SnapshotCancelReply *reply = NULL;
    if (ask_about(options, "snapshot.cancel", arguments[0], &tapeloop__v1__snapshot_cancel_reply__descriptor, CLI_ASK_TIMEOUT_MS, &reply) != 0)
        return CLI_FAILED;
    if (options->json)
        return cli_print_json(json_pack("{s:s}", "cancelled", arguments[0]));
    printf("%s is being cancelled\n", arguments[0]);
    return CLI_OK;
}

#define NAMED .arguments = "NAME", .arguments_least = 1, .arguments_most = 1, .arguments_complete = "snapshot"
#define USUAL_ROWS .options = rows, .options_count = sizeof rows / sizeof *rows
#define USUAL_REST .fields_size = sizeof(struct cli_options), .connects = true

const struct cli_command cli_snapshot_list = {
    .command = {
        .name = "tapeloop snapshot list", .summary = "List the snapshots that are kept or being made",
        .examples = "tapeloop snapshot list\ntapeloop snapshot list --json | jq -r '.snapshots[] | select(.state == \"ready\") | .name'",
        .exit_codes = "0  listed\n1  no snapshotter answers, or the bus cannot be reached\n2  wrong use", USUAL_ROWS,
    }, USUAL_REST, .run = run_list,
};
const struct cli_command cli_snapshot_show = {
    .command = {
        .name = "tapeloop snapshot show", NAMED, .summary = "Show a snapshot: window, nodes, what is missing",
        .description = "With --json the whole manifest comes along: every object with its size and SHA-256, each node's ledger, each gap.",
        .examples = "tapeloop snapshot show incident-42\ntapeloop snapshot show incident-42 --json | jq '.manifest.nodes[] | {name, state, reason}'",
        .exit_codes = "0  shown\n1  there is no such snapshot, or nobody answers\n2  wrong use", .options = show_rows, .options_count = sizeof show_rows / sizeof *show_rows,
    }, .fields_size = sizeof(struct show_options), .connects = true, .run = run_show,
};
const struct cli_command cli_snapshot_verify = {
    .command = {
        .name = "tapeloop snapshot verify", NAMED, .summary = "Re-hash everything that a snapshot holds",
        .description = "A snapshotter reads every object and compares it with the manifest: size, SHA-256, every block's own hash, and that nothing is missing or was added. Names each damage.",
        .examples = "tapeloop snapshot verify incident-42", .exit_codes = "0  intact\n1  damaged and each damage named, or there is no such snapshot, or nobody answers\n2  wrong use", USUAL_ROWS,
    }, USUAL_REST, .run = run_verify,
};
const struct cli_command cli_snapshot_delete = {
    .command = {
        .name = "tapeloop snapshot delete", NAMED, .summary = "Delete a snapshot and everything it holds",
        .description = "It cannot be brought back. The name is free for a new snapshot afterwards. snapshot.deleted is published.", .examples = "tapeloop snapshot delete incident-42",
        .exit_codes = "0  deleted\n1  there is no such snapshot, or nobody answers\n2  wrong use", USUAL_ROWS,
    }, USUAL_REST, .run = run_delete,
};
const struct cli_command cli_snapshot_cancel = {
    .command = {
        .name = "tapeloop snapshot cancel", NAMED, .summary = "Give up a snapshot that is waiting or being made",
        .description = "It ends as snapshot.failed and leaves nothing in the store. One that is ready already stays: delete it instead.", .examples = "tapeloop snapshot cancel incident-42",
        .exit_codes = "0  cancelled\n1  nothing of that name is being made, or nobody answers\n2  wrong use", USUAL_ROWS,
    }, USUAL_REST, .run = run_cancel,
};
