/* Signals end processes, so each case runs in a child of its own. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lifecycle/serve.h"
#include "log/log.h"

static pthread_t main_thread;

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}
static int start(void *context, char *error)
{
    (void)error;
    say("start");
    return *(int *)context;
}
static int start_with_reason(void *context, char *error)
{
    snprintf(error, SERVE_ERROR_TEXT_MAX, "the disk is on fire");
    return start(context, error);
}
static void stop(void *context)
{
    (void)context;
    say(pthread_equal(pthread_self(), main_thread) ? "stop here" : "stop aside");
}
static void never_stop(void *context)
{
    (void)context;
    say("stopping");
    pause();
}
static void ready(void *context)
{
    (void)context;
    (void)kill(getpid(), SIGTERM);
}

/* What the child printed and logged is in text. */
static int run(struct serve_program program, int started, char *text, size_t room)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lifecycle_options options = { .log_level = LOG_LEVEL_INFO };
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)setvbuf(stdout, NULL, _IONBF, 0);
        main_thread = pthread_self();
        program.name = "test";
        program.options = &options;
        program.ready = ready;
        program.context = &started;
        _exit(serve(&program));
    }
    (void)close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < room - 1 && (got = read(ends[0], text + n, room - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void starts_says_so_and_stops_aside(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(run((struct serve_program){ .start = start, .stop = stop, .stop_deadline_ms = 10000 }, 0, text, sizeof text), 0);
    const char *started = strstr(text, "start\n"), *said = strstr(text, "ready\n"), *stopped = strstr(text, "stop aside\n");
    assert_true(started && said && stopped && started < said && said < stopped);
}

static void what_fails_is_stopped_and_told(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(run((struct serve_program){ .start = start_with_reason, .stop = stop, .stop_deadline_ms = 10000 }, -EIO, text, sizeof text), 1);
    assert_non_null(strstr(text, "the disk is on fire"));
    assert_non_null(strstr(text, "stop here\n"));
    assert_null(strstr(text, "ready\n"));
    assert_int_equal(run((struct serve_program){ .start = start, .stop = stop, .stop_deadline_ms = 10000 }, -EACCES, text, sizeof text), 1);
    assert_non_null(strstr(text, strerror(EACCES)));
}

static void the_deadline_holds(void **state)
{
    (void)state;
    char text[4096];
    assert_int_equal(run((struct serve_program){ .start = start, .stop = never_stop, .stop_deadline_ms = 50 }, 0, text, sizeof text), 1);
    assert_non_null(strstr(text, "stopping\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(starts_says_so_and_stops_aside), cmocka_unit_test(what_fails_is_stopped_and_told), cmocka_unit_test(the_deadline_holds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
