/* A service whose parts run in threads of their own, from its start to its end: the loop, starting the parts, the word "ready", stopping them without holding the loop up. */
#ifndef LIFECYCLE_SERVE_H
#define LIFECYCLE_SERVE_H
#include "lifecycle/lifecycle.h"

#define SERVE_ERROR_TEXT_MAX 512

/* Everything is borrowed until serve() returns. */
struct serve_program {
    const char *name;
    const struct lifecycle_options *options;
    /* The calling thread, before the loop runs. Negative errno, with a sentence in error (SERVE_ERROR_TEXT_MAX, "" at first); parts that were started by then are stop's. */
    int (*start)(void *context, char *error);
    /* Once, after a signal on a thread of its own (or, where there is none to be had, on the loop's), or after start has failed: ends the parts, waits for their threads, frees them. Parts may be missing. */
    void (*stop)(void *context);
    /* After start: the line of the log that says what is ready. */
    void (*ready)(void *context);
    void *context;
    int stop_deadline_ms;
};
/* Until SIGTERM or SIGINT; prints "ready" on standard output once start is through, logs why it is not. The process's exit code: 0 stopped as asked, 1 could not start or stop in time. */
int serve(const struct serve_program *program);
#endif
