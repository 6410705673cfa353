#include "store/tree.h"
#include "mem/cleanup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

static void dir_close_p(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* NULL with errno. */
static DIR *dir_open(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return dir;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_below(int parent_fd, const char *name, int depth)
{
    if (depth > TREE_DEPTH_MAX)
        return -ELOOP;
    MEM_CLEANUP(dir_close_p) DIR *dir = dir_open(parent_fd, name);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (is_dots(entry->d_name))
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return -errno;
        int r = remove_below(dirfd(dir), entry->d_name, depth + 1);
        if (r < 0)
            return r;
    }
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

int tree_remove(int parent_fd, const char *name)
{
    return remove_below(parent_fd, name, 0);
}

static int flush_below(int parent_fd, const char *name, int depth)
{
    if (depth > TREE_DEPTH_MAX)
        return -ELOOP;
    MEM_CLEANUP(dir_close_p) DIR *dir = dir_open(parent_fd, name);
    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat status;
        if (is_dots(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode))
            continue;
        int r = flush_below(dirfd(dir), entry->d_name, depth + 1);
        if (r < 0)
            return r;
    }
    return fsync(dirfd(dir)) < 0 ? -errno : 0;
}

int tree_flush(int parent_fd, const char *name)
{
    return flush_below(parent_fd, name, 0);
}

static int walk_below(int parent_fd, const char *name, const char *prefix, int depth,
                      int (*found)(void *context, const char *path, const struct stat *status), void *context)
{
    if (depth > TREE_DEPTH_MAX)
        return -ELOOP;
    MEM_CLEANUP(dir_close_p) DIR *dir = dir_open(parent_fd, name);
    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat status;
        char path[PATH_MAX];
        if (is_dots(entry->d_name))
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name) >= sizeof path)
            return -ENAMETOOLONG;
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT)
                continue;
            return -errno;
        }
        int r = S_ISDIR(status.st_mode) ? walk_below(dirfd(dir), entry->d_name, path, depth + 1, found, context) : found(context, path, &status);
        if (r != 0)
            return r;
    }
    return 0;
}

int tree_walk(int parent_fd, const char *name, int (*found)(void *context, const char *path, const struct stat *status), void *context)
{
    return walk_below(parent_fd, name, "", 0, found, context);
}
