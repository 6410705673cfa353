/* Runs a command, passes SIGINT and SIGTERM on to it, and writes what the finished process cost: one line of JSON with user and system CPU seconds of the whole process (with its
 * threads and the children it waited for), wall seconds, and greatest resident size. usage: cpu_run [--cpu LIST] REPORT COMMAND [ARGUMENT]... */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t child;
static void pass_on(int number) { if (child > 0) kill((pid_t)child, number); }

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void affinity_set(const char *list)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const char *p = list; *p; p += strspn(p, ",")) {
        char *end = NULL;
        long cpu = strtol(p, &end, 10);
        if (end == p || cpu < 0 || cpu >= CPU_SETSIZE) {
            fprintf(stderr, "cpu_run: --cpu takes numbers with commas, not \"%s\"\n", list);
            exit(2);
        }
        CPU_SET((size_t)cpu, &cpus);
        p = end;
    }
    if (sched_setaffinity(0, sizeof cpus, &cpus)) {
        fprintf(stderr, "cpu_run: --cpu %s: %s\n", list, strerror(errno));
        exit(2);
    }
}

int main(int argc, char **argv)
{
    int at = 1;
    if (argc > 3 && strcmp(argv[1], "--cpu") == 0) {
        affinity_set(argv[2]);
        at = 3;
    }
    if (argc - at < 2) {
        fputs("usage: cpu_run [--cpu LIST] REPORT COMMAND [ARGUMENT]...\n", stderr);
        return 2;
    }
    struct sigaction action = { .sa_handler = pass_on };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    pid_t pid = fork();
    if (pid == 0) {
        /* A background shell job starts with SIGINT ignored, and that would be inherited. */
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        execvp(argv[at + 1], argv + at + 1);
        fprintf(stderr, "cpu_run: %s: %s\n", argv[at + 1], strerror(errno));
        _exit(127);
    }
    child = pid;
    int status = 0;
    struct rusage usage = { 0 };
    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return 1;
    clock_gettime(CLOCK_MONOTONIC, &ended);
    FILE *report = fopen(argv[at], "w");
    if (!report) {
        fprintf(stderr, "cpu_run: %s: %s\n", argv[at], strerror(errno));
        return 1;
    }
    double wall = (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
    fprintf(report, "{\"user\":%.6f,\"system\":%.6f,\"cpu\":%.6f,\"wall\":%.6f,\"rss_kib\":%ld,\"status\":%d,\"signal\":%d}\n", seconds_of(usage.ru_utime), seconds_of(usage.ru_stime),
            seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), wall, usage.ru_maxrss, WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fclose(report);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
