/* A process that `tapeloop up` keeps running: started by the main thread, restarted with growing pauses, killed by the kernel when the main thread is gone. */
#ifndef CLI_UP_CHILD_H
#define CLI_UP_CHILD_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_ARGUMENTS_MAX 320 /* every interface that may be given by hand twice over, and the rest */
#define CHILD_PATH_MAX 4096

struct up_child {
    const char *name;
    char path[CHILD_PATH_MAX];
    const char *arguments[CHILD_ARGUMENTS_MAX]; /* [0] is the name; ended by NULL */
    size_t arguments_count;
    pid_t pid;              /* 0: not running */
    int status;             /* of waitpid, once it has ended */
    unsigned failures;      /* ends in a row without a long life in between */
    int64_t started_ns, start_at_ns; /* monotonic */
};

/* Finds program beside this one, else on PATH and where Debian keeps servers. -ENOENT. path: CHILD_PATH_MAX. */
int up_child_find(const char *program, char *path);
/* Adds an argument, which is lent; asserts that there is room. */
void up_child_add(struct up_child *child, const char *argument);
/* Main thread only: it is its death that ends the child. -errno. */
int up_child_start(struct up_child *child);
/* Notes that it has ended and when it may start again. */
void up_child_ended(struct up_child *child, int status);
/* "ended with code 1", "was killed by signal 9 (Killed)" into text. */
const char *up_child_end_text(const struct up_child *child, char *text, size_t cap);
#endif
