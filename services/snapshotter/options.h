/* The snapshotter's options: one table for the command line, --help, the manual and the environment. */
#ifndef SNAPSHOTTER_OPTIONS_H
#define SNAPSHOTTER_OPTIONS_H
#include "lifecycle/lifecycle.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SNAPSHOTTER_WORKERS_MAX 16  /* each may hold pulls threads of 1 MiB and one connection each */
#define SNAPSHOTTER_PULLS_MAX 32
#define SNAPSHOTTER_EXPORTS_MAX 16  /* downloads at once; each takes export_memory */

struct snapshotter_options {
    struct lifecycle_options lifecycle;
    const char *store;
    const char *instance;       /* NULL: host.pid */
    const char *listen;         /* host:port of the export downloads */
    const char *advertise;      /* host[:port] in the URLs; NULL: what listen says */
    uint64_t workers, pulls, exports, export_memory;
    int64_t wait_limit_ns, work_retention_ns;
    bool adopt_store;
};

extern const struct option_command snapshotter_command;
/* As options_parse: 0, 1 (help was served), -EINVAL (said on err). Strings point into argv and the environment. */
int snapshotter_options_parse(int argc, char **argv, struct snapshotter_options *ret, FILE *out, FILE *err);
#endif
