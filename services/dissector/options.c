#include "services/dissector/options.h"
#include "services/dissector/work/run.h"

#define FIELD(name) offsetof(struct dissector_options, name)

const char *const dissector_formats[] = { "ndjson", "sqlite", NULL };
static const char *const redact_levels[] = { "off", "on", "strict", NULL }; /* enum redact_level */

static const struct option rows[] = {
    { .name = "input", .letter = 'i', .type = OPTION_LIST, .field = FIELD(inputs), .value_name = "FILE", .complete = "file",
      .help = "dissect this and end: pcap, pcapng, a segment, a snapshot's or a tape's folder, - for standard input" },
    { .name = "output", .letter = 'o', .type = OPTION_STRING, .field = FIELD(output), .value_name = "FILE", .fallback = "-", .complete = "file",
      .help = "where the entries go with --input; - is standard output (ndjson alone)" },
    { .name = "format", .letter = 'f', .type = OPTION_CHOICE, .field = FIELD(format), .value_name = "FORMAT", .fallback = "ndjson", .choices = dissector_formats,
      .help = "ndjson, a line for each entry, or sqlite, a database" },
    { .name = "where", .letter = 'w', .type = OPTION_STRING, .field = FIELD(where), .value_name = "EXPR", .fallback = "", .help = "keeps entries that match the expression, with --input" },
    { .name = "fields", .letter = 'F', .type = OPTION_LIST, .field = FIELD(fields), .value_name = "NAMES", .help = "keeps these fields of entries (timestamp,src,status_code ...), with --input and ndjson; less to write is faster" },
    { .name = "protocols", .letter = 'p', .type = OPTION_LIST, .field = FIELD(protocols), .value_name = "NAMES", .environment = "TAPELOOP_PROTOCOLS",
      .help = "keeps entries of these protocols (HTTP,GRPC,DNS ...), with --input" },
    { .name = "stream", .letter = 'S', .type = OPTION_FLAG, .field = FIELD(stream),
      .help = "writes each entry as soon as it is whole, in that order, with --input and ndjson: for pipes that go on; copies of a packet at several interfaces are not joined" },
    { .name = "redact", .type = OPTION_CHOICE, .field = FIELD(redact), .value_name = "LEVEL", .fallback = "on", .environment = "TAPELOOP_REDACT", .choices = redact_levels,
      .help = "on takes secrets out of values, strict SQL literals and bodies too, off nothing" },
    { .name = "limit", .type = OPTION_UINT, .field = FIELD(limit), .value_name = "N", .fallback = "0", .help = "keeps the first N entries alone, with --input; 0 keeps all" },
    { .name = "memory", .type = OPTION_SIZE, .field = FIELD(memory), .value_name = "SIZE", .fallback = "1Gi", .environment = "TAPELOOP_DISSECT_MEMORY",
      .help = "memory of entries on their way into order; what is more goes through temporary files", .least = 16u * 1024 * 1024 },
    { .name = "work", .type = OPTION_STRING, .field = FIELD(work_folder), .value_name = "DIR", .fallback = "/tmp", .environment = "TMPDIR", .complete = "dir", .help = "folder of those temporary files, with --input" },
    { .name = "workers", .letter = 'j', .type = OPTION_UINT, .field = FIELD(workers), .value_name = "N", .fallback = "1", .environment = "TAPELOOP_WORKERS",
      .help = "items of work done at once; each takes a core", .least = 1, .most = DISSECTOR_WORKERS_MAX },
    { .name = "store", .type = OPTION_STRING, .field = FIELD(service.store), .value_name = "DIR", .fallback = "/var/lib/tapeloop/snapshots", .environment = "TAPELOOP_STORE", .complete = "dir",
      .help = "folder that keeps the snapshots; what is made of them lies there, too" },
    { .name = "instance", .type = OPTION_STRING, .field = FIELD(service.instance), .value_name = "NAME", .environment = "TAPELOOP_INSTANCE",
      .help = "name of this dissector among those of its store (default: host name and process id)" },
    { .name = "adopt-store", .type = OPTION_FLAG, .field = FIELD(service.adopt_store), .help = "make this folder the store although the bus remembers another one" },
    { .name = "tape", .type = OPTION_STRING, .field = FIELD(service.tape), .value_name = "DIR", .environment = "TAPELOOP_TAPE", .complete = "dir",
      .help = "the capturer's --data folder on this node: dissect it live while tap.capture.stopped is false" },
    { .name = "node", .type = OPTION_STRING, .field = FIELD(service.node), .value_name = "NAME", .environment = "TAPELOOP_NODE", .help = "name of the node whose tape it is (default: host name)" },
    { .name = "live-data", .type = OPTION_STRING, .field = FIELD(service.live_data), .value_name = "DIR", .fallback = "/var/lib/tapeloop/live", .environment = "TAPELOOP_LIVE_DATA", .complete = "dir",
      .help = "folder of the live databases" },
    { .name = "live-size", .type = OPTION_SIZE, .field = FIELD(service.live_size), .value_name = "SIZE", .fallback = "512Mi", .environment = "TAPELOOP_LIVE_SIZE",
      .help = "all live databases together; the oldest make room for the newest", .least = 16u * 1024 * 1024 },
    { .name = "live-cpu", .type = OPTION_UINT, .field = FIELD(service.live_cpu), .value_name = "PERCENT", .fallback = "25", .environment = "TAPELOOP_LIVE_CPU",
      .help = "ceiling of live dissection, in percent of one core; what it cannot keep up with is counted", .least = 1, .most = 100 },
    { .name = "generate-vocabulary", .type = OPTION_FLAG, .field = FIELD(generate_vocabulary), .help = "print the page of all names that entries and expressions know, and end" },
};

const struct option_command dissector_command = {
    .name = "dissector",
    .summary = "find the calls in recorded traffic: HTTP, gRPC, DNS, TLS, SQL and more",
    .description = "With --input, reads captures and writes an entry for each call, message and connection in the order of time. No bus is needed.\n"
                   "Without, takes dissect.request from its work queue; any number of dissectors share the work, and answer calls.query.\n"
                   "Secrets (passwords, tokens, cookies) are taken out of entries; the captures stay as they are.",
    .examples = "dissector --input trace.pcapng --where 'http && status_code >= 500'\n"
                "dissector --input incident-42/ --format sqlite --output incident-42.sqlite --workers 4\n"
                "dissector --input trace.pcapng --protocols DNS --fields timestamp,src.ip,dns_questions,dns_response_code\n"
                "tcpdump -U -w - -i eth0 | dissector --input - --stream | jq 'select(.protocol == \"DNS\") | .dns_questions'\n"
                "dissector --server nats://bus:4222 --store /srv/snapshots --workers 2",
    .exit_codes = "0  done, or stopped as asked\n1  could not start or go on\n2  wrong use\n3  done, and some input was not whole, or held packets of a link type that is not known",
    .options = rows,
    .options_count = sizeof rows / sizeof *rows,
    .more_field = FIELD(service.lifecycle),
};

int dissector_options_parse(int argc, char **argv, struct dissector_options *ret, FILE *out, FILE *err)
{
    char **arguments = NULL;
    size_t count = 0;
    struct option_command command = dissector_command;
    command.more = lifecycle_option_rows;
    command.more_count = lifecycle_option_rows_count;
    int r = options_parse(&command, argc, argv, ret, &arguments, &count, out, err);
    if (r == 0) {
        ret->service.workers = ret->workers;
        ret->service.memory = ret->memory;
        ret->service.redact = ret->redact;
    }
    return r;
}
