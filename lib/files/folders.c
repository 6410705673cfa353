/* See folders.h. */
#include "files/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* A folder on a read-only disk is refused with EROFS although it is there: whoever needs it finds out by opening it. */
static bool refused(void) { return errno != EEXIST && errno != EROFS; }

int folders_make_parents(int fd, const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        if (length == 0)
            continue; /* the root */
        if (length >= sizeof part)
            return -ENAMETOOLONG;
        memcpy(part, path, length);
        part[length] = '\0';
        if (mkdirat(fd, part, 0755) < 0 && refused())
            return -errno;
    }
    return 0;
}

int folders_make(int fd, const char *path, mode_t mode)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char whole[PATH_MAX];
    if (length == 0 || length >= sizeof whole)
        return length == 0 ? -ENOENT : -ENAMETOOLONG;
    memcpy(whole, path, length);
    whole[length] = '\0';
    int rc = folders_make_parents(fd, whole);
    if (rc == 0 && mkdirat(fd, whole, mode) < 0 && refused())
        rc = -errno;
    return rc;
}
