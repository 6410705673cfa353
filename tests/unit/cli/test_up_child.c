/* Processes that are kept running: how they start, end, and how long the pauses get. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "cli/up_child.h"
#include "units/units.h"

static void run_shell(struct up_child *child, const char *script)
{
    *child = (struct up_child){ .name = "sh", .path = "/bin/sh" };
    up_child_add(child, "sh");
    up_child_add(child, "-c");
    up_child_add(child, script);
    assert_int_equal(up_child_start(child), 0);
    assert_true(child->pid > 0);
    int status;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    up_child_ended(child, status);
    assert_int_equal(child->pid, 0);
}

static void ends_are_told(void **state)
{
    (void)state;
    struct up_child child;
    char text[96];
    run_shell(&child, "exit 7");
    assert_string_equal(up_child_end_text(&child, text, sizeof text), "ended with code 7");
    run_shell(&child, "kill -KILL $$");
    assert_string_equal(up_child_end_text(&child, text, sizeof text), "was killed by signal 9 (Killed)");
    /* It has a process group of its own, no blocked signal and nothing on its standard input. */
    sigset_t set, old;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
    run_shell(&child, "read -r line && exit 1; kill -TERM 0; exit 2");
    assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
    assert_string_equal(up_child_end_text(&child, text, sizeof text), "was killed by signal 15 (Terminated)");
}

static void pauses_grow_to_a_limit(void **state)
{
    (void)state;
    struct up_child child = { .name = "x" };
    int64_t last = 0, now = 0;
    for (int i = 0; i < 12; i++) {
        child.started_ns = units_now_mono_ns();
        up_child_ended(&child, 0);
        now = units_now_mono_ns();
        assert_true(child.start_at_ns - now <= 30 * UNITS_NS_PER_S);
        assert_true(child.start_at_ns - now > last / 2);
        last = child.start_at_ns - now;
    }
    assert_true(last > 20 * UNITS_NS_PER_S);
    child.started_ns = units_now_mono_ns() - 3600 * UNITS_NS_PER_S;
    up_child_ended(&child, 0);
    assert_int_equal(child.failures, 1);
    assert_true(child.start_at_ns - units_now_mono_ns() <= UNITS_NS_PER_S);
}

static void programs_are_found(void **state)
{
    (void)state;
    char path[CHILD_PATH_MAX];
    assert_int_equal(up_child_find("sh", path), 0);
    assert_int_equal(path[0], '/');
    assert_int_equal(up_child_find("no-program-is-called-so", path), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ends_are_told), cmocka_unit_test(pauses_grow_to_a_limit), cmocka_unit_test(programs_are_found) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
