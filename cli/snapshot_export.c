/* tapeloop snapshot export NAME: the whole snapshot, or a part of it, as one capture file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/export_file.h"
#include "cli/output.h"
#include "units/units.h"

struct export_options {
    struct cli_options cli;
    const char *output, *bpf, *link_type;
    struct option_list nodes;
    int64_t from_ns, to_ns;
    int format;
    bool dedup;
};
#define FIELD(name) offsetof(struct export_options, name)

static const char *const formats[] = { "pcapng", "pcap", NULL };

static const struct option rows[] = {
    { .name = "output", .letter = 'o', .type = OPTION_STRING, .field = FIELD(output), .value_name = "FILE", .complete = "file", .help = "Where the capture goes; - is standard output" },
    { .name = "bpf", .type = OPTION_STRING, .field = FIELD(bpf), .value_name = "EXPRESSION", .help = "Only packets that this filter takes, written as for tcpdump (pcap-filter(7))" },
    { .name = "node", .letter = 'n', .type = OPTION_LIST, .field = FIELD(nodes), .value_name = "NODE", .complete = "node", .help = "Only this node's packets" },
    { .name = "from", .type = OPTION_TIME, .field = FIELD(from_ns), .value_name = "TIME", .help = "No packet before this time (RFC 3339)" },
    { .name = "to", .type = OPTION_TIME, .field = FIELD(to_ns), .value_name = "TIME", .help = "No packet after this time" },
    { .name = "format", .type = OPTION_CHOICE, .field = FIELD(format), .value_name = "FORMAT", .fallback = "pcapng", .choices = formats, .help = "Format of the file" },
    { .name = "link-type", .type = OPTION_STRING, .field = FIELD(link_type), .value_name = "TYPE",
      .help = "With --format pcap, where the snapshot has several: the one to write (EN10MB, RAW, LINUX_SLL2, ...)" },
    { .name = "dedup", .type = OPTION_FLAG, .field = FIELD(dedup), .help = "Leave out later copies of the same packet, as recorded on several interfaces or nodes" },
    CLI_ROW_JSON,
};

static int fill_request(const struct export_options *options, const char *name, Tapeloop__V1__ExportRequest *request)
{
    char text[UNITS_TIME_TEXT_MAX];
    int rc = wire_set_string(&request->name, name);
    if (rc == 0 && options->from_ns)
        rc = wire_set_string(&request->from, units_format_time(options->from_ns, text, sizeof text));
    if (rc == 0 && options->to_ns)
        rc = wire_set_string(&request->to, units_format_time(options->to_ns, text, sizeof text));
    if (rc == 0 && options->bpf)
        rc = wire_set_string(&request->bpf, options->bpf);
    if (rc == 0 && options->link_type)
        rc = wire_set_string(&request->link_type, options->link_type);
    if (rc == 0)
        rc = wire_set_string(&request->format, formats[options->format]);
    for (size_t i = 0; rc == 0 && i < options->nodes.count; i++) {
        char *node = strdup(options->nodes.values[i]);
        rc = node ? wire_append(&request->n_nodes, &request->nodes, node) : -ENOMEM;
    }
    request->dedup = options->dedup;
    return rc;
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct export_options *options = fields;
    wire_auto Tapeloop__V1__ExportRequest *request = WIRE_NEW(Tapeloop__V1__ExportRequest, tapeloop__v1__export_request__descriptor);
    uint64_t bytes = 0;
    char size[UNITS_SIZE_TEXT_MAX];
    if (!options->output)
        return cli_misuse(&options->cli, "say where the capture goes: --output FILE, or --output - for standard output");
    if (options->cli.json && strcmp(options->output, "-") == 0)
        return cli_misuse(&options->cli, "standard output takes either the capture or the JSON document: name a file with --output");
    if (options->from_ns && options->to_ns && options->to_ns < options->from_ns)
        return cli_misuse(&options->cli, "--to lies before --from");
    if (!request || fill_request(options, arguments[0], request) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    int rc = export_file(&options->cli, request, options->output, &bytes);
    if (rc != 0 || strcmp(options->output, "-") == 0)
        return rc;
    if (options->cli.json)
        return cli_print_json(json_pack("{s:s,s:s,s:I}", "name", arguments[0], "output", options->output, "bytes", (json_int_t)bytes));
    fprintf(stderr, "%s: %s written\n", options->output, units_format_size(bytes, size, sizeof size));
    return CLI_OK;
}

const struct cli_command cli_snapshot_export = {
    .command = {
        .name = "tapeloop snapshot export", .arguments = "NAME", .arguments_least = 1, .arguments_most = 1, .arguments_complete = "snapshot",
        .summary = "Write a snapshot as one capture file, merged and in the order of time",
        .description = "Cuts exactly to the window of the snapshot, or to a narrower one. The file appears under its name only when it is whole. The snapshotter makes the export while it is sent; "
                       "this command needs to reach the address that it answers with.",
        .examples = "tapeloop snapshot export incident-42 --output incident-42.pcapng\n"
                    "tapeloop snapshot export incident-42 --bpf 'tcp port 443' --output - | tshark -r -\n"
                    "tapeloop snapshot export incident-42 --format pcap --node worker-1 --output worker-1.pcap",
        .exit_codes = "0  written\n1  there is no such snapshot, the filter is wrong, or the download broke off\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct export_options), .connects = true, .run = run,
};
