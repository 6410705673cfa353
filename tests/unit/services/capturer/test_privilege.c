/* What is left after each step, in a child, since it cannot be undone. */
#include <cap-ng.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/capturer/capture/filter.h"
#include "services/capturer/privilege.h"

static char folder[] = "/tmp/tapeloop-privilege-XXXXXX";

static bool has(unsigned capability)
{
    capng_get_caps_process();
    return capng_have_capability(CAPNG_EFFECTIVE, capability) == 1;
}

static int check(void)
{
    if (privilege_begin(folder) < 0)
        return 1;
    if (!has(CAP_NET_RAW) || !has(CAP_NET_ADMIN) || !has(CAP_BPF) || !has(CAP_IPC_LOCK) || has(CAP_SYS_ADMIN) || has(CAP_DAC_OVERRIDE) || has(CAP_CHOWN))
        return 2;
    struct capture_filter *filter = NULL; /* what is left must do for the kernel's verifier */
    char error[256];
    if (filter_load(1, &filter, error) < 0)
        return 6;
    filter_free(filter);
    if (privilege_drop(folder) < 0)
        return 3;
    if (!has(CAP_NET_RAW) || !has(CAP_NET_ADMIN) || !has(CAP_BPF) || has(CAP_IPC_LOCK) || has(CAP_SYS_RESOURCE))
        return 4;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 5;
}

static int check_foreign(void)
{
    if (chown(folder, 12345, 12345) < 0)
        return 1;
    return privilege_begin(folder) == 0 && has(CAP_DAC_OVERRIDE) && privilege_drop(folder) == 0 && has(CAP_DAC_OVERRIDE) ? 0 : 2;
}

static int in_child(int (*function)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(function());
    assert_int_equal(child, waitpid(child, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_steps(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(0, in_child(check));
    assert_int_equal(0, in_child(check_foreign));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_steps) };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(folder);
    return failed;
}
