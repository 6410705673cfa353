#include "services/capturer/options.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "capfile/segment_index.h"
#include "services/capturer/lane.h"

#define FIELD(name) offsetof(struct capturer_options, name)
#define MS UINT64_C(1000000)
#define MI (UINT64_C(1024) * 1024)

static const char *const compressions[] = { "auto", "always", "never", NULL }; /* in the order of enum tape_compress */

static const struct option rows[] = {
    { .name = "data", .letter = 'd', .type = OPTION_STRING, .field = FIELD(data), .value_name = "DIR", .fallback = "/var/lib/tapeloop/tape",
      .environment = "TAPELOOP_DATA", .complete = "dir", .help = "Folder of the tape; everything the capturer writes is in it" },
    { .name = "storage-size", .type = OPTION_SIZE, .field = FIELD(storage_size), .value_name = "SIZE", .fallback = "1Gi", .environment = "TAPELOOP_STORAGE_SIZE",
      .setting = "tap.capture.raw.storageSize", .help = "Box that all files of the tape together never leave; when it is full the oldest segment goes", .least = 64 * MI },
    { .name = "interface", .letter = 'i', .type = OPTION_LIST, .field = FIELD(interfaces), .value_name = "NAME|GLOB", .environment = "TAPELOOP_INTERFACES",
      .complete = "interface", .help = "Interface to record, or a pattern such as 'veth*' (default 'auto': NICs, lo and the pods' veths, "
      "but not bridges and tunnels whose traffic is recorded already)" },
    { .name = "bpf", .type = OPTION_STRING, .field = FIELD(bpf), .value_name = "EXPRESSION", .environment = "TAPELOOP_BPF", .setting = "tap.bpfOverride",
      .help = "Record only what this pcap-filter(7) expression matches, such as 'not port 22'; what it refuses is counted as filtered" },
    { .name = "node", .letter = 'n', .type = OPTION_STRING, .field = FIELD(node), .value_name = "NAME", .environment = "TAPELOOP_NODE",
      .help = "Name of this node on the bus and in every segment (default: the host's name); two capturers must not share one" },
    { .name = "label", .letter = 'l', .type = OPTION_LIST, .field = FIELD(labels), .value_name = "KEY=VALUE", .environment = "TAPELOOP_LABELS",
      .help = "Label that a snapshot can choose nodes by" },
    { .name = "lanes", .type = OPTION_UINT, .field = FIELD(lanes), .value_name = "N", .fallback = "1", .environment = "TAPELOOP_LANES",
      .help = "Capture threads, each with a ring and a segment of its own; one takes some 500,000 packets a second", .least = 1, .most = LANES_MAX },
    { .name = "ring-size", .type = OPTION_SIZE, .field = FIELD(ring_size), .value_name = "SIZE", .fallback = "64Mi", .environment = "TAPELOOP_RING_SIZE",
      .help = "Kernel memory of each lane that packets wait in while the disk is slow", .least = 4 * MI, .most = 4096 * MI },
    { .name = "segment-size", .type = OPTION_SIZE, .field = FIELD(segment_size), .value_name = "SIZE", .environment = "TAPELOOP_SEGMENT_SIZE",
      .help = "Size at which a segment is sealed (default: a 32nd of the lane's part of the box, between 4Mi and 256Mi)", .least = 4 * MI, .most = 256 * MI },
    { .name = "segment-age", .type = OPTION_DURATION, .field = FIELD(segment_age_ns), .value_name = "DURATION", .fallback = "60s", .environment = "TAPELOOP_SEGMENT_AGE",
      .help = "Age at which a segment is sealed although it is small", .least = 1000 * MS, .most = UINT64_C(86400) * 1000 * MS },
    { .name = "flush", .type = OPTION_DURATION, .field = FIELD(flush_ns), .value_name = "DURATION", .fallback = "400ms", .environment = "TAPELOOP_FLUSH",
      .help = "Longest time that a packet waits in memory; what a killed capturer loses", .least = 10 * MS, .most = 10000 * MS },
    { .name = "compress", .type = OPTION_CHOICE, .field = FIELD(compress), .value_name = "WHEN", .fallback = "auto", .environment = "TAPELOOP_COMPRESS",
      .choices = compressions, .help = "LZ4: 'auto' compresses while the writer has time and stops before a packet is lost" },
    { .name = "sync", .type = OPTION_FLAG, .field = FIELD(sync), .environment = "TAPELOOP_SYNC",
      .help = "Flush the disk's own cache every second, so that loss of power costs no more than a crash; without it some seconds may be lost" },
    { .name = "listen", .type = OPTION_STRING, .field = FIELD(listen), .value_name = "HOST:PORT", .fallback = "0.0.0.0:0", .environment = "TAPELOOP_LISTEN",
      .help = "Address of the segment server; port 0 takes a free one" },
    { .name = "advertise", .type = OPTION_STRING, .field = FIELD(advertise), .value_name = "HOST[:PORT]", .environment = "TAPELOOP_ADVERTISE",
      .help = "Address at which snapshotters reach the segment server (default: the listening one, or this node's own address where that is 0.0.0.0)" },
};

const struct option_command capturer_command = {
    .name = "capturer",
    .summary = "record a node's TCP and UDP traffic onto a bounded tape",
    .description = "Records all TCP and UDP traffic of this node's interfaces into segments (.pcapng.lz4, readable by stock Wireshark) in a box on "
                   "the own disk, for ever over its own oldest part. Announces sealed segments on the bus, keeps its heartbeat in the bucket "
                   "'nodes', and hands out segments that a snapshot asks for. With the bus gone it goes on recording and catches up later.\n"
                   "\n"
                   "Needs CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON (or root), and drops everything else once the rings are open. "
                   "Writes the line 'ready' on standard output when a packet sent by itself has been found on the tape again.",
    .examples = "capturer --data /var/lib/tapeloop/tape --storage-size 20Gi\n"
                "capturer --interface eth0 --interface 'veth*' --bpf 'not port 22' --label zone=a",
    .exit_codes = "0  stopped as asked\n1  could not start or go on\n2  wrong use",
    .options = rows,
    .options_count = sizeof rows / sizeof *rows,
    .more_field = FIELD(lifecycle),
};

static int check(const struct capturer_options *options, FILE *err)
{
    for (size_t i = 0; i < options->labels.count; i++) {
        const char *equals = strchr(options->labels.values[i], '=');
        if (!equals || equals == options->labels.values[i]) {
            (void)fprintf(err, "capturer: --label: '%s' is not KEY=VALUE\n", options->labels.values[i]);
            return -EINVAL;
        }
    }
    if (strlen(options->node) > SEGMENT_NODE_NAME_MAX || !*options->node || strpbrk(options->node, "/*> \t\n")) {
        (void)fprintf(err, "capturer: --node: '%s' is not a node's name (letters, digits, dots, dashes; at most %d)\n", options->node, SEGMENT_NODE_NAME_MAX);
        return -EINVAL;
    }
    return 0;
}

int capturer_options_parse(int argc, char **argv, struct capturer_options *ret, FILE *out, FILE *err)
{
    static char host[SEGMENT_NODE_NAME_MAX + 1]; /* lives as long as the options that point at it */
    struct option_command command = capturer_command;
    command.more = lifecycle_option_rows;
    command.more_count = lifecycle_option_rows_count;
    char **arguments = NULL;
    size_t count = 0;
    int r = options_parse(&command, argc, argv, ret, &arguments, &count, out, err);
    if (r != 0)
        return r;
    if (!ret->node) {
        if (gethostname(host, sizeof host - 1) < 0)
            return -errno;
        ret->node = host;
    }
    if (ret->interfaces.count == 0)
        ret->interfaces.values[ret->interfaces.count++] = "auto";
    return check(ret, err);
}
