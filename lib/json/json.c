/* JSON texts in files. See json.h. */
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "mem/cleanup.h"

#define PATH_BYTES_MAX 4096 /* PATH_MAX */

int json_read_text(const char *path, size_t most, char **ret_text, size_t *ret_size)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if ((uint64_t)status.st_size > most)
        return -EFBIG;
    size_t size = (size_t)status.st_size, at = 0;
    mem_auto_free char *text = malloc(size + 1);
    if (!text)
        return -ENOMEM;
    while (at < size) {
        ssize_t n = read(fd, text + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break; /* cut meanwhile: what is there is what there is */
        at += (size_t)n;
    }
    text[at] = '\0';
    *ret_text = mem_take(text);
    *ret_size = at;
    return 0;
}

int json_read_file(const char *path, size_t most, json_t **ret, char *error)
{
    mem_auto_free char *text = NULL;
    size_t size;
    int rc = json_read_text(path, most, &text, &size);
    if (rc < 0) {
        (void)snprintf(error, JSON_ERROR_TEXT_MAX, "%.150s: %s", path, strerror(-rc));
        return rc;
    }
    json_error_t problem;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (!json) {
        (void)snprintf(error, JSON_ERROR_TEXT_MAX, "%.100s:%d: %.100s", path, problem.line, problem.text);
        return -EBADMSG;
    }
    *ret = json;
    return 0;
}

/* The folder of path, ending in "/", or "./". */
static void folder_of(const char *path, char *folder)
{
    const char *slash = strrchr(path, '/');
    if (slash)
        (void)snprintf(folder, PATH_BYTES_MAX, "%.*s", (int)(slash - path + 1), path);
    else
        (void)snprintf(folder, PATH_BYTES_MAX, "./");
}

static int write_all(int fd, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, text + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    return 0;
}

static int write_hidden(const char *hidden, const char *text, size_t size, mode_t mode)
{
    mem_auto_close int fd = open(hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, text, size);
    if (rc == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        rc = -errno;
    return rc;
}

static int flush_folder(const char *folder)
{
    mem_auto_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int json_write_text(const char *path, const char *text, size_t size, mode_t mode)
{
    char folder[PATH_BYTES_MAX], hidden[PATH_BYTES_MAX];
    uint64_t salt;
    if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
        return -EIO;
    folder_of(path, folder);
    int n = snprintf(hidden, sizeof hidden, "%s.%016llx.tmp", folder, (unsigned long long)salt);
    if (n >= (int)sizeof hidden || strlen(path) >= PATH_BYTES_MAX)
        return -ENAMETOOLONG;
    int rc = write_hidden(hidden, text, size, mode);
    if (rc == 0 && rename(hidden, path) < 0)
        rc = -errno;
    if (rc < 0) {
        if (rc != -EEXIST)
            (void)unlink(hidden);
        return rc;
    }
    return flush_folder(folder);
}
