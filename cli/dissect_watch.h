/* What job_watch.h has to know of dissect.request. */
#ifndef CLI_DISSECT_WATCH_H
#define CLI_DISSECT_WATCH_H
#include "cli/job_watch.h"

struct dissect_watch_wish { const char *snapshot, *name; };
extern const struct job_watch_kind dissect_watch_kind;
#endif
