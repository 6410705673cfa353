#include "services/capturer/tape/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem/cleanup.h"
#include "services/capturer/tape/disk.h"

#define NAME_MAX_BYTES 64

int persist_read(int folder_fd, const char *name, json_t **ret)
{
    mem_auto_close int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    mem_auto_free char *text = malloc(PERSIST_BYTES_MAX);
    if (!text)
        return -ENOMEM;
    size_t at = 0;
    while (at < PERSIST_BYTES_MAX) {
        ssize_t n = read(fd, text + at, PERSIST_BYTES_MAX - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    json_error_t problem;
    json_t *json = json_loadb(text, at, JSON_REJECT_DUPLICATES, &problem);
    if (!json)
        return -EBADMSG;
    *ret = json;
    return 0;
}

int persist_write(int folder_fd, const char *name, const json_t *json, bool flush)
{
    mem_auto_free char *text = json_dumps(json, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    size_t size = strlen(text);
    if (size > PERSIST_BYTES_MAX)
        return -EFBIG;
    char hidden[NAME_MAX_BYTES + 8];
    (void)snprintf(hidden, sizeof hidden, ".%.*s.tmp", NAME_MAX_BYTES, name);
    mem_auto_close int fd = openat(folder_fd, hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    int rc = disk_write_all(fd, text, size, 0);
    if (rc == 0 && flush && fdatasync(fd) < 0)
        rc = -errno;
    if (rc == 0 && renameat(folder_fd, hidden, folder_fd, name) < 0)
        rc = -errno;
    if (rc == 0 && flush && fsync(folder_fd) < 0)
        return -errno;
    if (rc < 0)
        (void)unlinkat(folder_fd, hidden, 0);
    return rc;
}
