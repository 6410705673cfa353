#include "services/dissector/output/publish.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "mem/cleanup.h"

#define NAME_ATTEMPTS_MAX 8 /* of names that are taken, by 32 random bits each */

int output_failure(char *error, int code, const char *doing, const char *path)
{
    snprintf(error, OUTPUT_ERROR_TEXT_MAX, "%.*s: %s: %s", 256, path, doing, strerror(-code));
    return code;
}

int publish_open(struct publish *publish, const char *path, char *error)
{
    publish->fd = -1;
    publish->hidden[0] = '\0';
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strlen(path) + 11 > sizeof publish->path)
        return output_failure(error, -ENAMETOOLONG, "opening", path);
    if (!*name)
        return output_failure(error, -EISDIR, "opening", path);
    memcpy(publish->path, path, strlen(path) + 1);
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) { /* /dev/null, a pipe: nothing to rename, and above all nothing to put in their place */
        publish->fd = open(path, O_WRONLY | O_CLOEXEC);
        return publish->fd < 0 ? output_failure(error, -errno, "opening", path) : 0;
    }
    for (int attempt = 0; attempt < NAME_ATTEMPTS_MAX; attempt++) {
        uint32_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint32_t)getpid() + (uint32_t)attempt;
        snprintf(publish->hidden, sizeof publish->hidden, "%.*s.%s.%08x", (int)(name - path), path, name, number);
        publish->fd = open(publish->hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (publish->fd >= 0 || errno != EEXIST)
            break;
    }
    if (publish->fd < 0) {
        publish->hidden[0] = '\0';
        return output_failure(error, -errno, "opening", path);
    }
    return 0;
}

int publish_written(struct publish *publish)
{
    int fd = mem_take_fd(publish->fd);
    return fd >= 0 && close(fd) < 0 ? -errno : 0; /* a network file system may say only now that it is full */
}

int publish_commit(struct publish *publish, char *error)
{
    int r = publish_written(publish);
    if (r < 0) {
        publish_abandon(publish);
        return output_failure(error, r, "writing", publish->path);
    }
    if (publish->hidden[0] && rename(publish->hidden, publish->path) < 0) {
        int code = -errno;
        publish_abandon(publish);
        return output_failure(error, code, "renaming", publish->path);
    }
    publish->hidden[0] = '\0';
    return 0;
}

void publish_abandon(struct publish *publish)
{
    if (publish->fd >= 0)
        (void)close(publish->fd);
    publish->fd = -1;
    if (publish->hidden[0])
        (void)unlink(publish->hidden);
    publish->hidden[0] = '\0';
}

/* Without touching how the process takes SIGPIPE: it is held back for this thread, and one that came of this write is taken away again. */
static ssize_t write_quietly(int fd, const void *data, size_t size, int64_t offset)
{
    if (offset >= 0)
        return pwrite(fd, data, size, (off_t)offset);
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t n = write(fd, data, size);
    int code = errno;
    if (n < 0 && code == EPIPE && !was_pending)
        (void)sigtimedwait(&pipe_signal, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return n;
}

int output_write(int fd, const void *data, size_t size, int64_t offset)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write_quietly(fd, p, size, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
        if (offset >= 0)
            offset += n;
    }
    return 0;
}
