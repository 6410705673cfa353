/* Processes of `tapeloop up`. See up_child.h. */
#include "cli/up_child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "units/units.h"

#define PAUSE_LEAST_NS (500 * UNITS_NS_PER_MS)
#define PAUSE_MOST_NS (30 * UNITS_NS_PER_S)
#define LONG_LIFE_NS (60 * UNITS_NS_PER_S) /* whoever lived that long starts anew without a grudge */

static bool is_program(const char *path) { return access(path, X_OK) == 0; }

static bool find_in(const char *folders, const char *program, char *path)
{
    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        if (length && snprintf(path, CHILD_PATH_MAX, "%.*s/%s", (int)length, folders, program) < CHILD_PATH_MAX && is_program(path))
            return true;
        folders += length + (folders[length] == ':');
    }
    return false;
}

int up_child_find(const char *program, char *path)
{
    char own[CHILD_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    char *slash = n > 0 ? memrchr(own, '/', (size_t)n) : NULL;
    if (slash) {
        *slash = '\0';
        if (find_in(own, program, path))
            return 0;
    }
    return find_in(getenv("PATH"), program, path) || find_in("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", program, path) ? 0 : -ENOENT;
}

void up_child_add(struct up_child *child, const char *argument)
{
    assert(child->arguments_count + 1 < CHILD_ARGUMENTS_MAX);
    child->arguments[child->arguments_count++] = argument;
    child->arguments[child->arguments_count] = NULL;
}

/* Between fork and exec: only calls that a forked thread may make. */
static void become(const struct up_child *child, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1); /* it died before the line above */
    (void)setpgid(0, 0); /* Ctrl-C reaches the parent alone, which stops all in order */
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        _exit(127);
    (void)execv(child->path, (char *const *)child->arguments);
    _exit(127);
}

int up_child_start(struct up_child *child)
{
    assert(!child->pid && child->arguments_count);
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become(child, parent);
    child->pid = pid;
    child->started_ns = units_now_mono_ns();
    return 0;
}

void up_child_ended(struct up_child *child, int status)
{
    int64_t now = units_now_mono_ns(), pause = PAUSE_LEAST_NS;
    child->pid = 0;
    child->status = status;
    child->failures = now - child->started_ns >= LONG_LIFE_NS ? 1 : child->failures + 1;
    for (unsigned i = 1; i < child->failures && pause < PAUSE_MOST_NS; i++)
        pause *= 2;
    child->start_at_ns = now + (pause < PAUSE_MOST_NS ? pause : PAUSE_MOST_NS);
}

const char *up_child_end_text(const struct up_child *child, char *text, size_t cap)
{
    if (WIFSIGNALED(child->status))
        (void)snprintf(text, cap, "was killed by signal %d (%s)", WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
    else
        (void)snprintf(text, cap, "ended with code %d", WEXITSTATUS(child->status));
    return text;
}
