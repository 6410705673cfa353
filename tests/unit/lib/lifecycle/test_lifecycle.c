/* Signals end processes, so each case runs in a child of its own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lifecycle/lifecycle.h"
#include "log/log.h"
#include "loop/loop.h"

static struct lifecycle *lifecycle;
static int stops;

static void stop_at_once(void *context)
{
    (void)context;
    stops++;
    lifecycle_finish(lifecycle, stops == 1 ? 7 : 8);
    lifecycle_finish(lifecycle, 9); /* the first reason counts */
}

static void raise_second(void *context)
{
    (void)context;
    (void)kill(getpid(), SIGINT);
}

static void never_stop(void *context) { (void)context; }

/* In a child: a lifecycle that gets SIGTERM. Its exit code; what it logged is in log. */
static int run_child(void (*stop)(void *context), int deadline_ms, char *log, size_t cap)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct lifecycle_options options = { .log_level = LOG_LEVEL_INFO };
        (void)dup2(ends[1], STDERR_FILENO);
        if (lifecycle_new("test", &options, &lifecycle) < 0)
            _exit(99);
        (void)kill(getpid(), SIGPIPE); /* is ignored */
        (void)kill(getpid(), SIGTERM); /* before the loop runs: still heard */
        int code = lifecycle_run(lifecycle, stop, NULL, deadline_ms);
        lifecycle_free(lifecycle);
        _exit(code);
    }
    (void)close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n < cap - 1 && (got = read(ends[0], log + n, cap - 1 - n)) > 0;)
        n += (size_t)got;
    log[n] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_signal_stops_gracefully(void **state)
{
    (void)state;
    char log[4096];
    assert_int_equal(run_child(stop_at_once, 60000, log, sizeof log), 7);
    assert_non_null(strstr(log, "service=test msg=\"stopping\" signal=15"));
}

static void a_second_signal_ends_at_once(void **state)
{
    (void)state;
    char log[4096];
    assert_int_equal(run_child(raise_second, 60000, log, sizeof log), 1);
    assert_non_null(strstr(log, "second signal"));
}

static void a_stop_has_a_deadline(void **state)
{
    (void)state;
    char log[4096];
    assert_int_equal(run_child(never_stop, 10, log, sizeof log), 1);
    assert_non_null(strstr(log, "deadline_ms=10 still_open="));
    assert_non_null(strstr(log, "signal"));
}

static void a_failure_before_the_loop_needs_no_loop(void **state)
{
    (void)state;
    struct lifecycle_options options = { .log_level = LOG_LEVEL_ERROR };
    assert_int_equal(lifecycle_new("test", &options, &lifecycle), 0);
    lifecycle_finish(lifecycle, 3);
    assert_int_equal(lifecycle_run(lifecycle, never_stop, NULL, 1000), 3);
    lifecycle_free(lifecycle);
    lifecycle_free(NULL);
}

static void options_have_the_names_of_the_nats_tools(void **state)
{
    (void)state;
    static const struct { const char *name, *environment; } want[] = {
        { "server", "NATS_URL" }, { "user", "NATS_USER" }, { "password", "NATS_PASSWORD" }, { "token", "NATS_TOKEN" }, { "creds", "NATS_CREDS" }, { "nkey", "NATS_NKEY" },
        { "tlsca", "NATS_CA" }, { "tlscert", "NATS_CERT" }, { "tlskey", "NATS_KEY" }, { "log-level", "TAPELOOP_LOG_LEVEL" },
    };
    assert_int_equal(lifecycle_option_rows_count, sizeof want / sizeof *want);
    for (size_t i = 0; i < lifecycle_option_rows_count; i++) {
        assert_string_equal(lifecycle_option_rows[i].name, want[i].name);
        assert_string_equal(lifecycle_option_rows[i].environment, want[i].environment);
    }
}

static void options_reach_the_bus(void **state)
{
    (void)state;
    const struct option_command command = { .name = "x", .summary = "s", .more = lifecycle_option_rows, .more_count = lifecycle_option_rows_count };
    struct lifecycle_options options;
    struct bus_options bus;
    char *argv[] = { "x", "-s", "nats://h:1", "--tlsca", "/ca", "--log-level=debug", NULL }, **arguments;
    size_t count;
    for (size_t i = 0; i < lifecycle_option_rows_count; i++)
        unsetenv(lifecycle_option_rows[i].environment);
    assert_int_equal(options_parse(&command, 6, argv, &options, &arguments, &count, stdout, stderr), 0);
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
    lifecycle_bus_options(&options, "me", &bus);
    assert_string_equal(bus.server, "nats://h:1");
    assert_string_equal(bus.tls_ca, "/ca");
    assert_string_equal(bus.name, "me");
    assert_null(bus.creds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_stops_gracefully), cmocka_unit_test(a_second_signal_ends_at_once), cmocka_unit_test(a_stop_has_a_deadline),
        cmocka_unit_test(a_failure_before_the_loop_needs_no_loop), cmocka_unit_test(options_have_the_names_of_the_nats_tools), cmocka_unit_test(options_reach_the_bus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
