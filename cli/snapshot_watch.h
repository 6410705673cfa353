/* What job_watch.h has to know of snapshot.request. */
#ifndef CLI_SNAPSHOT_WATCH_H
#define CLI_SNAPSHOT_WATCH_H
#include "cli/job_watch.h"

/* What the request asked for, to know its events from those of another request of that name. */
struct snapshot_watch_wish { const char *name; int64_t from_ns, to_ns; /* 0: not named */ };
extern const struct job_watch_kind snapshot_watch_kind;
#endif
