/* Files that leave no name, in both ways. */
#include "files/unnamed.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void a_file_without_a_name(void **state)
{
    (void)state;
    char folder[] = "/tmp/tapeloop-unnamed-XXXXXX", text[3] = "";
    int (*const ways[])(const char *) = { unnamed_open, unnamed_open_by_name };
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        struct stat status;
        int fd = ways[i](folder);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(status.st_nlink, 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        assert_int_equal(pwrite(fd, "ab", 2, 0), 2);
        assert_int_equal(pread(fd, text, 2, 0), 2);
        assert_string_equal(text, "ab");
        close(fd);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing is left in it */
    assert_int_equal(unnamed_open(folder), -ENOENT);
    assert_int_equal(unnamed_open_by_name(folder), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_file_without_a_name) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
