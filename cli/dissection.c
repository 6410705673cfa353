/* tapeloop dissection list, show, cancel, delete: one question to the dissectors each. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/dissection_text.h"
#include "cli/output.h"
#include "units/units.h"

#define PAGE_LIMIT 200      /* one page is far below the bus's largest message */
#define PAGES_MAX 100000    /* a list that never ends is cut off */

struct list_options { struct cli_options cli; const char *snapshot; };
struct named_options { struct cli_options cli; const char *name; };
static const struct option list_rows[] = {
    { .name = "snapshot", .type = OPTION_STRING, .field = offsetof(struct list_options, snapshot), .value_name = "NAME", .complete = "snapshot", .help = "Only those of this snapshot" },
    CLI_ROW_JSON,
};
static const struct option named_rows[] = {
    { .name = "name", .letter = 'n', .type = OPTION_STRING, .field = offsetof(struct named_options, name), .value_name = "NAME", .fallback = DISSECTION_NAME_DEFAULT,
      .help = "Name of the dissection among those of its snapshot" },
    CLI_ROW_JSON,
};

/* A question that names one dissection. The strings are lent by the caller. */
static int ask_about(const struct named_options *options, const char *subject, char *snapshot, const ProtobufCMessageDescriptor *reply_type, void *ret)
{
    Tapeloop__V1__DissectSelector selector = TAPELOOP__V1__DISSECT_SELECTOR__INIT;
    cli_bus_auto struct bus *bus = NULL;
    selector.snapshot = snapshot;
    selector.name = (char *)(uintptr_t)options->name;
    return cli_connect(&options->cli, &bus) != 0 ? CLI_FAILED : cli_ask(&options->cli, bus, subject, &selector.base, reply_type, CLI_ASK_TIMEOUT_MS, ret);
}

static void add_dissection(const struct cli_options *options, const Tapeloop__V1__DissectEvent *event, json_t *dissections, struct cli_table *table)
{
    char size[UNITS_SIZE_TEXT_MAX];
    if (options->json) {
        (void)json_array_append_new(dissections, cli_json_of(&event->base));
        return;
    }
    bool ready = strcmp(event->state, "ready") == 0;
    cli_table_add(table, event->snapshot);
    cli_table_add(table, event->name);
    cli_table_add(table, event->state);
    if (ready)
        cli_table_format(table, "%" PRIu64, event->entries);
    else
        cli_table_add(table, NULL);
    cli_table_add(table, ready ? units_format_size(event->bytes, size, sizeof size) : NULL);
    cli_table_add(table, event->reason);
}

/* One page after the other until the answer names none that follows. */
static int read_list(const struct list_options *options, struct bus *bus, json_t *dissections, struct cli_table *table)
{
    wire_auto Tapeloop__V1__DissectListReply *reply = NULL;
    for (size_t page = 0; page < PAGES_MAX; page++) {
        Tapeloop__V1__DissectListRequest request = TAPELOOP__V1__DISSECT_LIST_REQUEST__INIT;
        Tapeloop__V1__DissectListReply *next = NULL;
        request.limit = PAGE_LIMIT;
        if (options->snapshot)
            request.snapshot = (char *)(uintptr_t)options->snapshot;
        if (reply)
            request.after = reply->more;
        int rc = cli_ask(&options->cli, bus, "dissect.list", &request.base, &tapeloop__v1__dissect_list_reply__descriptor, CLI_ASK_TIMEOUT_MS, &next);
        if (rc != 0)
            return rc;
        wire_free(reply);
        reply = next;
        for (size_t i = 0; i < reply->n_dissections; i++)
            add_dissection(&options->cli, reply->dissections[i], dissections, table);
        if (!*reply->more)
            return 0;
    }
    return cli_fail(&options->cli, "internal", "the list of dissections does not end");
}

static int run_list(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    static const char *const titles[] = { "SNAPSHOT", "NAME", "STATE", "ENTRIES", "SIZE", "REASON" };
    const struct list_options *options = fields;
    struct cli_table table = { .columns = sizeof titles / sizeof *titles };
    json_auto json_t *dissections = json_array();
    cli_bus_auto struct bus *bus = NULL;
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    for (size_t i = 0; !options->cli.json && i < table.columns; i++)
        cli_table_add(&table, titles[i]);
    int code = read_list(options, bus, dissections, &table);
    if (options->cli.json)
        return code == 0 ? cli_print_json(json_pack("{s:O}", "dissections", dissections)) : code;
    if (code == 0 && table.cells_count > table.columns) {
        cli_table_print(&table, 0, stdout);
        return code;
    }
    cli_table_clear(&table);
    if (code == 0)
        puts("no dissection is kept");
    return code;
}

static int run_show(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct named_options *options = fields;
    wire_auto Tapeloop__V1__DissectShowReply *reply = NULL;
    if (ask_about(options, "dissect.show", arguments[0], &tapeloop__v1__dissect_show_reply__descriptor, &reply) != 0)
        return CLI_FAILED;
    if (options->cli.json)
        return cli_print_json(cli_json_of(&reply->base));
    if (!reply->dissection)
        return cli_fail(&options->cli, "internal", "the answer names no dissection");
    dissection_print(reply->dissection, stdout);
    if (reply->manifest)
        dissection_print_manifest(reply->manifest, stdout);
    return CLI_OK;
}

static int run_cancel(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct named_options *options = fields;
    wire_auto Tapeloop__V1__DissectCancelReply *reply = NULL;
    if (ask_about(options, "dissect.cancel", arguments[0], &tapeloop__v1__dissect_cancel_reply__descriptor, &reply) != 0)
        return CLI_FAILED;
    if (options->cli.json)
        return cli_print_json(json_pack("{s:{s:s,s:s}}", "cancelled", "snapshot", arguments[0], "name", options->name));
    printf("%s of snapshot %s is being cancelled\n", options->name, arguments[0]);
    return CLI_OK;
}

static int run_delete(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct named_options *options = fields;
    wire_auto Tapeloop__V1__DissectDeleteReply *reply = NULL;
    if (ask_about(options, "dissect.delete", arguments[0], &tapeloop__v1__dissect_delete_reply__descriptor, &reply) != 0)
        return CLI_FAILED;
    if (options->cli.json)
        return cli_print_json(json_pack("{s:{s:s,s:s}}", "deleted", "snapshot", arguments[0], "name", options->name));
    printf("%s of snapshot %s is deleted\n", options->name, arguments[0]);
    return CLI_OK;
}

#define NAMED .arguments = "SNAPSHOT", .arguments_least = 1, .arguments_most = 1, .arguments_complete = "snapshot", .options = named_rows, .options_count = sizeof named_rows / sizeof *named_rows
#define NAMED_REST .fields_size = sizeof(struct named_options), .connects = true

const struct cli_command cli_dissection_list = {
    .command = {
        .name = "tapeloop dissection list", .summary = "List the dissections that are kept or being made",
        .examples = "tapeloop dissection list\ntapeloop dissection list --snapshot incident-42 --json | jq -r '.dissections[].name'",
        .exit_codes = "0  listed\n1  no dissector answers, or the bus cannot be reached\n2  wrong use", .options = list_rows, .options_count = sizeof list_rows / sizeof *list_rows,
    },
    .fields_size = sizeof(struct list_options), .connects = true, .run = run_list,
};
const struct cli_command cli_dissection_show = {
    .command = {
        .name = "tapeloop dissection show", NAMED, .summary = "Show a dissection: entries, digest, what was given up",
        .description = "With --json the whole manifest comes along: every file with its size and SHA-256, the request, each counter.",
        .examples = "tapeloop dissection show incident-42\ntapeloop dissection show incident-42 --name errors --json | jq .manifest.files",
        .exit_codes = "0  shown\n1  there is no such dissection, or nobody answers\n2  wrong use",
    }, NAMED_REST, .run = run_show,
};
const struct cli_command cli_dissection_cancel = {
    .command = {
        .name = "tapeloop dissection cancel", NAMED, .summary = "Give up a dissection that is being made",
        .description = "It ends as dissect.failed and leaves nothing in the store. One that is ready already stays: delete it instead.", .examples = "tapeloop dissection cancel incident-42",
        .exit_codes = "0  cancelled\n1  nothing of that name is being made, or nobody answers\n2  wrong use",
    }, NAMED_REST, .run = run_cancel,
};
const struct cli_command cli_dissection_delete = {
    .command = {
        .name = "tapeloop dissection delete", NAMED, .summary = "Delete a dissection; its snapshot stays",
        .description = "The name is free for a new dissection afterwards. dissect.deleted is published.", .examples = "tapeloop dissection delete incident-42 --name errors",
        .exit_codes = "0  deleted\n1  there is no such dissection, or nobody answers\n2  wrong use",
    }, NAMED_REST, .run = run_delete,
};
