#include "services/snapshotter/options.h"
#include <errno.h>

#define FIELD(name) offsetof(struct snapshotter_options, name)

static const struct option rows[] = {
    { .name = "store", .type = OPTION_STRING, .field = FIELD(store), .value_name = "DIR", .fallback = "/var/lib/tapeloop/snapshots",
      .environment = "TAPELOOP_STORE", .complete = "dir", .help = "folder that keeps the snapshots; several snapshotters mount the same one" },
    { .name = "workers", .type = OPTION_UINT, .field = FIELD(workers), .value_name = "N", .fallback = "2", .environment = "TAPELOOP_WORKERS",
      .help = "snapshots made at once", .least = 1, .most = SNAPSHOTTER_WORKERS_MAX },
    { .name = "pulls", .type = OPTION_UINT, .field = FIELD(pulls), .value_name = "N", .fallback = "4", .environment = "TAPELOOP_PULLS",
      .help = "transfers at once for each snapshot", .least = 1, .most = SNAPSHOTTER_PULLS_MAX },
    { .name = "instance", .type = OPTION_STRING, .field = FIELD(instance), .value_name = "NAME", .environment = "TAPELOOP_INSTANCE",
      .help = "name of this snapshotter among those of its store (default: host name and process id)" },
    { .name = "listen", .type = OPTION_STRING, .field = FIELD(listen), .value_name = "HOST:PORT", .fallback = "0.0.0.0:0",
      .environment = "TAPELOOP_EXPORT_LISTEN", .help = "address that serves exports; port 0 takes a free one" },
    { .name = "advertise", .type = OPTION_STRING, .field = FIELD(advertise), .value_name = "HOST[:PORT]", .environment = "TAPELOOP_EXPORT_ADVERTISE",
      .help = "address written into export URLs (default: the listening one, or the host name where that is 0.0.0.0)" },
    { .name = "exports", .type = OPTION_UINT, .field = FIELD(exports), .value_name = "N", .fallback = "2", .environment = "TAPELOOP_EXPORTS",
      .help = "export downloads at once; further ones are told to come back", .least = 1, .most = SNAPSHOTTER_EXPORTS_MAX },
    { .name = "export-memory", .type = OPTION_SIZE, .field = FIELD(export_memory), .value_name = "SIZE", .fallback = "512Mi",
      .environment = "TAPELOOP_EXPORT_MEMORY", .help = "memory of one export; above it the merge goes through temporary files in the store",
      .least = 16u * 1024 * 1024 },
    { .name = "wait-limit", .type = OPTION_DURATION, .field = FIELD(wait_limit_ns), .value_name = "DURATION", .fallback = "24h",
      .environment = "TAPELOOP_WAIT_LIMIT", .help = "how far in the future a window may end" },
    { .name = "work-retention", .type = OPTION_DURATION, .field = FIELD(work_retention_ns), .value_name = "DURATION", .fallback = "0",
      .environment = "TAPELOOP_WORK_RETENTION", .help = "how long the unfinished work of a dead snapshotter is left in the store" },
    { .name = "adopt-store", .type = OPTION_FLAG, .field = FIELD(adopt_store),
      .help = "make this folder the store although the bus remembers another one" },
};

const struct option_command snapshotter_command = {
    .name = "snapshotter",
    .summary = "cut windows out of the nodes' tapes and keep them",
    .description = "Takes snapshot.request from its work queue, pins the window on every node, pulls the segments, checks every block,\n"
                   "and puts the snapshot into the store. Answers snapshot.list, .show, .verify, .delete, .cancel and .export.",
    .exit_codes = "0  stopped as asked\n1  could not start or go on\n2  wrong use",
    .options = rows,
    .options_count = sizeof rows / sizeof *rows,
    .more_field = FIELD(lifecycle),
};

int snapshotter_options_parse(int argc, char **argv, struct snapshotter_options *ret, FILE *out, FILE *err)
{
    struct option_command command = snapshotter_command;
    command.more = lifecycle_option_rows;
    command.more_count = lifecycle_option_rows_count;
    char **arguments = NULL;
    size_t count = 0;
    return options_parse(&command, argc, argv, ret, &arguments, &count, out, err);
}
