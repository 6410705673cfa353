/* tapeloop call ID --snapshot NAME: one entry whole, and its connection as a capture file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/call_rows.h"
#include "cli/dissection_text.h"
#include "cli/export_file.h"
#include "cli/output.h"
#include "mem/cleanup.h"
#include "units/units.h"

#define MARGIN_NS UNITS_NS_PER_S     /* around the connection: the FIN of the other side, the last acknowledgement */
#define TEXT_MAX 512

struct call_options { struct cli_options cli; const char *snapshot, *dissection, *pcap, *node; bool live; };
#define FIELD(name) offsetof(struct call_options, name)

static const struct option rows[] = {
    { .name = "snapshot", .type = OPTION_STRING, .field = FIELD(snapshot), .value_name = "NAME", .complete = "snapshot", .help = "Snapshot whose dissection is asked" },
    { .name = "dissection", .letter = 'n', .type = OPTION_STRING, .field = FIELD(dissection), .value_name = "NAME", .fallback = DISSECTION_NAME_DEFAULT, .help = "Which of its dissections" },
    { .name = "live", .type = OPTION_FLAG, .field = FIELD(live), .help = "A call that tapeloop calls --live has shown" },
    { .name = "node", .type = OPTION_STRING, .field = FIELD(node), .value_name = "NODE", .complete = "node", .help = "With --live: whose tape, where several nodes dissect theirs" },
    { .name = "pcap", .type = OPTION_STRING, .field = FIELD(pcap), .value_name = "FILE", .complete = "file", .help = "Write the packets of its connection to this file (pcapng); - is standard output" },
    CLI_ROW_JSON,
};

/* The rows that the query gives; not NULL. */
static int ask(const struct call_options *options, struct bus *bus, Tapeloop__V1__CallsQuery *query, Tapeloop__V1__CallsReply **ret)
{
    query->live = options->live;
    if (options->snapshot) {
        query->snapshot = (char *)(uintptr_t)options->snapshot;
        query->dissection = (char *)(uintptr_t)options->dissection;
    }
    if (options->node)
        query->node = (char *)(uintptr_t)options->node;
    return cli_ask(&options->cli, bus, "calls.query", &query->base, &tapeloop__v1__calls_reply__descriptor, CLI_WORK_TIMEOUT_MS, ret);
}

static int read_call(const struct call_options *options, struct bus *bus, uint64_t id, json_t **ret)
{
    Tapeloop__V1__CallsQuery query = TAPELOOP__V1__CALLS_QUERY__INIT;
    wire_auto Tapeloop__V1__CallsReply *reply = NULL;
    query.id = id;
    if (ask(options, bus, &query, &reply) != 0)
        return CLI_FAILED;
    json_t *row = reply->n_rows == 1 ? json_loads(reply->rows[0], 0, NULL) : NULL;
    if (!row)
        return cli_fail(&options->cli, "internal", "the answer holds no entry");
    *ret = row;
    return 0;
}

/* When the connection began and ended, by its own entry; false where the dissection has none (it may have been made for some protocols alone). */
static bool find_span(const struct call_options *options, struct bus *bus, const json_t *row, int64_t *ret_from_ns, int64_t *ret_to_ns)
{
    Tapeloop__V1__CallsQuery query = TAPELOOP__V1__CALLS_QUERY__INIT;
    wire_auto Tapeloop__V1__CallsReply *reply = NULL;
    char expression[128], timestamp[] = "timestamp", duration[] = "duration", *wanted[] = { timestamp, duration };
    (void)snprintf(expression, sizeof expression, "conn && conn_id == %lld", (long long)json_integer_value(json_object_get(row, "conn_id")));
    query.expression = expression;
    query.fields = wanted;
    query.n_fields = 2;
    query.limit = 1;
    if (ask(options, bus, &query, &reply) != 0 || reply->n_rows != 1)
        return false;
    json_auto json_t *connection = json_loads(reply->rows[0], 0, NULL);
    const char *text = json_string_value(json_object_get(connection, "timestamp"));
    int64_t from_ns;
    if (!text || units_parse_time(text, &from_ns) < 0)
        return false;
    *ret_from_ns = from_ns - MARGIN_NS;
    *ret_to_ns = from_ns + json_integer_value(json_object_get(connection, "duration")) * 1000 + MARGIN_NS;
    return true;
}

/* Text of the row that is an address, or NULL. */
static const char *address_of(const json_t *row, const char *side)
{
    const char *text = json_string_value(json_object_get(json_object_get(row, side), "ip"));
    return text && *text && strspn(text, "0123456789abcdefABCDEF:.") == strlen(text) ? text : NULL;
}

static int export_connection(const struct call_options *options, struct bus *bus, const json_t *row)
{
    wire_auto Tapeloop__V1__ExportRequest *request = WIRE_NEW(Tapeloop__V1__ExportRequest, tapeloop__v1__export_request__descriptor);
    const char *source = address_of(row, "src"), *destination = address_of(row, "dst");
    long long source_port = json_integer_value(call_row_value(row, "src.port")), destination_port = json_integer_value(call_row_value(row, "dst.port"));
    char text[UNITS_TIME_TEXT_MAX];
    int64_t from_ns = 0, to_ns = 0;
    if (!source || !destination)
        return cli_fail(&options->cli, "internal", "the entry does not say who spoke with whom");
    int rc = request ? wire_set_string(&request->name, options->snapshot) : -ENOMEM;
    Tapeloop__V1__ExportConnection *connection = rc == 0 ? WIRE_NEW(Tapeloop__V1__ExportConnection, tapeloop__v1__export_connection__descriptor) : NULL;
    rc = connection ? 0 : -ENOMEM;
    if (rc == 0) {
        request->connection = connection; /* goes with it */
        connection->source_port = (uint32_t)source_port;
        connection->destination_port = (uint32_t)destination_port;
        rc = wire_set_string(&connection->source, source);
    }
    if (rc == 0)
        rc = wire_set_string(&connection->destination, destination);
    if (rc == 0 && find_span(options, bus, row, &from_ns, &to_ns)) {
        rc = wire_set_string(&request->from, units_format_time(from_ns, text, sizeof text));
        if (rc == 0)
            rc = wire_set_string(&request->to, units_format_time(to_ns, text, sizeof text));
    }
    if (rc < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    uint64_t bytes = 0;
    rc = export_file(&options->cli, request, options->pcap, &bytes);
    char size[UNITS_SIZE_TEXT_MAX];
    if (rc == 0 && !options->cli.json && strcmp(options->pcap, "-") != 0)
        fprintf(stderr, "%s: %s written\n", options->pcap, units_format_size(bytes, size, sizeof size));
    return rc;
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct call_options *options = fields;
    cli_bus_auto struct bus *bus = NULL;
    json_auto json_t *row = NULL;
    char *end = NULL;
    errno = 0;
    unsigned long long id = strtoull(arguments[0], &end, 10);
    if (errno || *end || id == 0 || arguments[0][0] == '-')
        return cli_misuse(&options->cli, "\"%s\" is no entry's number: tapeloop calls shows them in its first column", arguments[0]);
    if (!options->snapshot == !options->live)
        return cli_misuse(&options->cli, "say whose call: --snapshot NAME, or --live%s", options->live ? ", not both" : "");
    if (options->live && options->pcap)
        return cli_misuse(&options->cli, "a capture is cut out of a snapshot: keep the stretch with snapshot create first");
    if (options->pcap && options->cli.json && strcmp(options->pcap, "-") == 0)
        return cli_misuse(&options->cli, "standard output takes either the capture or the JSON document: name a file with --pcap");
    if (cli_connect(&options->cli, &bus) != 0 || read_call(options, bus, id, &row) != 0)
        return CLI_FAILED;
    int code = options->pcap ? export_connection(options, bus, row) : 0;
    if (code != 0 || (options->pcap && strcmp(options->pcap, "-") == 0))
        return code;
    if (options->cli.json)
        return cli_print_json(json_incref(row));
    call_print(row, stdout);
    return CLI_OK;
}

const struct cli_command cli_call = {
    .command = {
        .name = "tapeloop call", .arguments = "ID", .arguments_least = 1, .arguments_most = 1, .summary = "Show one call whole; export its connection as a capture",
        .description = "ID is the entry's number in its dissection, as tapeloop calls shows it. With --pcap the packets of its connection are cut out of the snapshot by its addresses and ports, those inside tunnels too; of a tunnel's packet that came in fragments, those that were captured before its first one are left out.",
        .examples = "tapeloop call 42 --snapshot incident-42\ntapeloop call 42 --snapshot incident-42 --json | jq .request.headers\n"
                    "tapeloop call 42 --snapshot incident-42 --pcap call-42.pcapng",
        .exit_codes = "0  shown\n1  there is no such entry or dissection, or nobody answers\n2  wrong use",
        .options = rows, .options_count = sizeof rows / sizeof *rows,
    },
    .fields_size = sizeof(struct call_options), .connects = true, .run = run,
};
