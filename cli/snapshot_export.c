/* tapeloop snapshot export NAME: asks for the download's address, writes what comes to FILE.part, and renames it when it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "http/client.h"
#include "mem/cleanup.h"
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

/* Where the bytes go. */
struct sink {
    const char *path;       /* NULL: standard output */
    char *part;             /* path + ".part" */
    int fd;
    uint64_t bytes;
    int64_t began_ns;
    struct progress_line line;
};

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int take_bytes(void *context, const void *data, size_t size)
{
    struct sink *sink = context;
    int rc = write_all(sink->fd, data, size);
    sink->bytes += size;
    progress_line_bytes(&sink->line, "exported", sink->bytes, units_now_mono_ns() - sink->began_ns);
    return rc;
}

static int open_sink(const struct export_options *options, struct sink *sink)
{
    bool to_stdout = strcmp(options->output, "-") == 0;
    *sink = (struct sink){ .path = to_stdout ? NULL : options->output, .fd = STDOUT_FILENO, .began_ns = units_now_mono_ns(),
                           .line = { .out = stderr, .shown = !options->cli.json && isatty(STDERR_FILENO) } };
    if (to_stdout)
        return isatty(STDOUT_FILENO) ? cli_misuse(&options->cli, "a capture is not written to a terminal: name a file with --output, or pipe it into tshark -r -") : 0;
    struct stat there;
    if (stat(options->output, &there) == 0 && !S_ISREG(there.st_mode)) { /* /dev/null, a pipe: nothing to rename */
        sink->fd = open(options->output, O_WRONLY | O_CLOEXEC);
        sink->path = NULL;
        return sink->fd < 0 ? cli_fail(&options->cli, "invalid", "%s: %s", options->output, strerror(errno)) : 0;
    }
    if (asprintf(&sink->part, "%s.part", options->output) < 0) {
        sink->part = NULL;
        return cli_fail(&options->cli, "internal", "out of memory");
    }
    sink->fd = open(sink->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    return sink->fd < 0 ? cli_fail(&options->cli, "invalid", "%s: %s", sink->part, strerror(errno)) : 0;
}

/* Ends the file: in its place when all went well, gone otherwise. rc is passed on unless the end itself fails. */
static int close_sink(struct sink *sink, int rc)
{
    progress_line_clear(&sink->line);
    if (sink->part && sink->fd >= 0 && rc == 0 && fsync(sink->fd) < 0) /* its name shall not stand for a file that a loss of power has cut */
        rc = -errno;
    if (sink->fd >= 0 && sink->fd != STDOUT_FILENO && close(sink->fd) < 0 && rc == 0)
        rc = -errno;
    if (sink->part && sink->fd >= 0) {
        if (rc == 0 && rename(sink->part, sink->path) < 0)
            rc = -errno;
        if (rc < 0)
            (void)unlink(sink->part);
    }
    free(mem_take(sink->part));
    return rc;
}

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

/* The address of the download, or the reason why there is none. */
static int ask_export(const struct export_options *options, const char *name, Tapeloop__V1__ExportReply **ret)
{
    wire_auto Tapeloop__V1__ExportRequest *request = WIRE_NEW(Tapeloop__V1__ExportRequest, tapeloop__v1__export_request__descriptor);
    cli_bus_auto struct bus *bus = NULL;
    if (!request || fill_request(options, name, request) < 0)
        return cli_fail(&options->cli, "internal", "out of memory");
    if (cli_connect(&options->cli, &bus) != 0)
        return CLI_FAILED;
    return cli_ask(&options->cli, bus, "snapshot.export", &request->base, &tapeloop__v1__export_reply__descriptor, CLI_ASK_TIMEOUT_MS, ret);
}

static int download(const struct export_options *options, const char *name, const Tapeloop__V1__ExportReply *reply, struct sink *sink)
{
    struct http_client *client = NULL;
    char error[256] = "";
    int rc = http_client_new(&client);
    if (rc == 0) {
        http_client_set_stall(client, 0); /* a filter may find nothing for minutes, and whoever reads our output may pause */
        rc = http_client_get(client, reply->url, *reply->token ? reply->token : NULL, 0, 0, take_bytes, sink, error);
    }
    http_client_free(client);
    if (rc == -EPIPE && sink->fd == STDOUT_FILENO)
        return 0; /* the reader has seen enough */
    int closed = close_sink(sink, rc);
    if (rc < 0)
        return cli_fail(&options->cli, rc == -EACCES ? "conflict" : "unavailable", "the export of %s broke off after %" PRIu64 " bytes: %s (from %s)%s", name, sink->bytes, *error ? error : strerror(-rc),
                        reply->url, sink->path ? "; nothing was left behind" : "");
    return closed < 0 ? cli_fail(&options->cli, "internal", "%s: %s", options->output, strerror(-closed)) : 0;
}

static int run(const void *fields, char **arguments, size_t count)
{
    (void)count;
    const struct export_options *options = fields;
    wire_auto Tapeloop__V1__ExportReply *reply = NULL;
    struct sink sink;
    char size[UNITS_SIZE_TEXT_MAX];
    if (!options->output)
        return cli_misuse(&options->cli, "say where the capture goes: --output FILE, or --output - for standard output");
    if (options->cli.json && strcmp(options->output, "-") == 0)
        return cli_misuse(&options->cli, "standard output takes either the capture or the JSON document: name a file with --output");
    if (options->from_ns && options->to_ns && options->to_ns < options->from_ns)
        return cli_misuse(&options->cli, "--to lies before --from");
    if (ask_export(options, arguments[0], &reply) != 0)
        return CLI_FAILED;
    int rc = open_sink(options, &sink);
    if (rc == 0)
        rc = download(options, arguments[0], reply, &sink);
    else
        (void)close_sink(&sink, -ECANCELED);
    if (rc != 0 || strcmp(options->output, "-") == 0)
        return rc;
    if (options->cli.json)
        return cli_print_json(json_pack("{s:s,s:s,s:I}", "name", arguments[0], "output", options->output, "bytes", (json_int_t)sink.bytes));
    fprintf(stderr, "%s: %s written\n", options->output, units_format_size(sink.bytes, size, sizeof size));
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
