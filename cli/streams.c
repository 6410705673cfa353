/* tapeloop streams apply, tapeloop streams check */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/output.h"
#include "mem/cleanup.h"

#define DEFINITIONS_BYTES_MAX (1024 * 1024) /* ours take 3 KiB */

struct streams_options { struct cli_options cli; const char *file; };

static const struct option apply_rows[] = {
    { .name = "file", .letter = 'f', .type = OPTION_STRING, .field = offsetof(struct streams_options, file), .value_name = "FILE", .complete = "file",
      .help = "Apply these definitions instead of the built-in ones" },
    CLI_ROW_JSON,
};
static const struct option check_rows[] = { CLI_ROW_JSON };

struct report { bool json; json_t *changes; };

static void take_change(void *context, const char *what, const char *change)
{
    struct report *report = context;
    if (report->json)
        (void)json_array_append_new(report->changes, json_pack("{s:s,s:s}", "what", what, "change", change));
    else
        printf("%s: %s\n", what, change);
}

static int run_apply(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct streams_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    mem_auto_free char *text = NULL;
    json_auto json_t *changes = json_array();
    struct report report = { .json = options->cli.json, .changes = changes };
    char error[256] = "";
    size_t size;
    if (options->file) {
        int rc = json_read_text(options->file, DEFINITIONS_BYTES_MAX, &text, &size);
        if (rc < 0)
            return cli_fail(&options->cli, "invalid", "%s: %s", options->file, strerror(-rc));
    }
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    int rc = bus_apply_definitions(bus, text, take_change, &report, error);
    if (rc < 0)
        return cli_fail(&options->cli, "unavailable", "%s", *error ? error : cli_bus_problem(rc));
    return report.json ? cli_print_json(json_pack("{s:O}", "definitions", changes)) : CLI_OK;
}

static int run_check(const void *fields, char **arguments, size_t count)
{
    (void)arguments, (void)count;
    const struct cli_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    char error[256] = "";
    if (cli_connect(options, &bus) != 0)
        return CLI_FAILED;
    int rc = bus_check_definitions(bus, error);
    if (rc == -ENOENT)
        return cli_fail(options, "not_found", "%s", error);
    if (rc < 0)
        return cli_fail(options, "unavailable", "%s", *error ? error : cli_bus_problem(rc));
    if (options->json)
        return cli_print_json(json_pack("{s:b}", "complete", true));
    puts("every stream is there");
    return CLI_OK;
}

const struct cli_command cli_streams_apply = {
    .command = {
        .name = "tapeloop streams apply",
        .summary = "Create or update the streams and buckets on the bus",
        .description = "Brings a NATS server with JetStream to the definitions that this version needs: creates what is missing, updates what differs, leaves alone what is as it should be. "
                       "tapeloop up does it by itself. Run it once on a server of your own before the services start, and again after an upgrade.",
        .examples = "tapeloop streams apply --server nats://bus.example.net:4222\ntapeloop streams apply --file streams.json",
        .options = apply_rows, .options_count = sizeof apply_rows / sizeof *apply_rows,
    },
    .fields_size = sizeof(struct streams_options), .connects = true, .run = run_apply,
};

const struct cli_command cli_streams_check = {
    .command = {
        .name = "tapeloop streams check",
        .summary = "Tell whether the bus has every stream",
        .description = "A message published to a subject without a stream vanishes without a word, so the services want the streams there before they start.",
        .examples = "tapeloop streams check || tapeloop streams apply",
        .exit_codes = "0  every stream is there\n1  one is missing and named, or the bus cannot be reached\n2  wrong use",
        .options = check_rows, .options_count = sizeof check_rows / sizeof *check_rows,
    },
    .fields_size = sizeof(struct cli_options), .connects = true, .run = run_check,
};
