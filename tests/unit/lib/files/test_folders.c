#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "files/folders.h"

static mode_t mode_of(int fd, const char *path)
{
    struct stat status;
    return fstatat(fd, path, &status, 0) == 0 && S_ISDIR(status.st_mode) ? status.st_mode & 07777 : 0;
}

static void folders_with_their_parents(void **state)
{
    (void)state;
    char root[] = "/tmp/tapeloop-folders.XXXXXX";
    assert_non_null(mkdtemp(root));
    int fd = open(root, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(folders_make(fd, "a/b/c", 0700), 0);
    assert_int_equal(mode_of(fd, "a/b"), 0755);
    assert_int_equal(mode_of(fd, "a/b/c"), 0700);
    assert_int_equal(folders_make(fd, "a/b/c/", 0755), 0); /* there already: its mode stays */
    assert_int_equal(mode_of(fd, "a/b/c"), 0700);
    assert_int_equal(folders_make_parents(fd, "x/y/file"), 0);
    assert_int_equal(mode_of(fd, "x/y"), 0755);
    assert_int_equal(mode_of(fd, "x/y/file"), 0);
    int file = openat(fd, "x/plain", O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(folders_make(fd, "x/plain/below", 0755), -ENOTDIR);
    char endless[PATH_MAX + 16];
    memset(endless, 'a', sizeof endless);
    endless[sizeof endless - 1] = '\0';
    assert_int_equal(folders_make(fd, endless, 0755), -ENAMETOOLONG);
    assert_int_equal(folders_make(fd, "", 0755), -ENOENT);
    unlinkat(fd, "x/plain", 0);
    for (const char *const *path = (const char *const[]){ "a/b/c", "a/b", "a", "x/y", "x", NULL }; *path; path++)
        assert_int_equal(unlinkat(fd, *path, AT_REMOVEDIR), 0);
    close(fd);
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(folders_with_their_parents) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
