/* What the back ends share: slots, short writes, files. See disk.h. */
#include "services/capturer/tape/disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/cleanup.h"

#define PROBE_NAME ".probe"
#define SECTOR_BYTES 512u        /* what a short direct write can end at */

static const struct disk_ops *const disk_backends[] = { [DISK_URING] = &disk_uring, [DISK_DIRECT] = &disk_sync, [DISK_BUFFERED] = &disk_sync };

const char *disk_kind_name(enum disk_kind kind)
{
    static const char *const names[] = { [DISK_URING] = "io_uring", [DISK_DIRECT] = "direct", [DISK_BUFFERED] = "buffered" };
    assert((size_t)kind < sizeof names / sizeof names[0]);
    return names[kind];
}

int disk_new(enum disk_kind kind, struct disk **ret)
{
    assert((size_t)kind < sizeof disk_backends / sizeof disk_backends[0]);
    struct disk *disk = calloc(1, sizeof *disk);
    if (!disk)
        return -ENOMEM;
    disk->kind = kind;
    disk->ops = disk_backends[kind];
    int rc = disk->ops->open(disk);
    if (rc < 0) {
        free(disk);
        return rc;
    }
    *ret = disk;
    return 0;
}

void disk_free(struct disk *disk)
{
    if (!disk)
        return;
    assert(disk->in_flight == 0);
    disk->ops->close(disk);
    free(disk);
}

unsigned disk_room(const struct disk *disk)
{
    return DISK_WRITES_MAX - disk->in_flight;
}

int disk_submit(struct disk *disk, const struct disk_write *write, unsigned *ret_slot)
{
    assert(disk_room(disk) > 0 && write->size > 0);
    assert(disk->kind == DISK_BUFFERED || ((uintptr_t)write->data | write->size | write->offset) % DISK_ALIGN == 0);
    unsigned slot = 0;
    while (disk->slots[slot].busy)
        slot++;
    disk->slots[slot] = (struct disk_slot){ .write = *write, .busy = true };
    disk->in_flight++;
    int rc = disk->ops->submit(disk, slot);
    if (rc < 0) {
        disk->slots[slot].busy = false;
        disk->in_flight--;
        return rc;
    }
    *ret_slot = slot;
    return 0;
}

void disk_finished(struct disk *disk, unsigned slot, int result)
{
    struct disk_slot *s = &disk->slots[slot];
    assert(s->busy && !s->finished);
    if (result > 0 && s->done + (uint32_t)result < s->write.size && (disk->kind == DISK_BUFFERED || result % (int)SECTOR_BYTES == 0)) {
        s->done += (uint32_t)result;
        result = disk->ops->submit(disk, slot);
        if (result == 0)
            return;
    }
    s->finished = true;
    s->result = result < 0 ? result : result > 0 && s->done + (uint32_t)result == s->write.size ? 0 : -EIO;
}

bool disk_reap(struct disk *disk, unsigned *ret_slot, int *ret_result)
{
    if (disk->in_flight == 0)
        return false;
    disk->ops->look(disk);
    for (unsigned i = 0; i < DISK_WRITES_MAX; i++)
        if (disk->slots[i].busy && disk->slots[i].finished) {
            *ret_slot = i;
            *ret_result = disk->slots[i].result;
            disk->slots[i].busy = false;
            disk->in_flight--;
            return true;
        }
    return false;
}

void disk_wait(struct disk *disk, int other_fd, int timeout_ms)
{
    struct pollfd fds[2] = { { .fd = other_fd, .events = POLLIN }, { .fd = disk->in_flight ? disk->ops->wait_fd(disk) : -1, .events = POLLIN } };
    for (unsigned i = 0; i < DISK_WRITES_MAX; i++)
        if (disk->slots[i].busy && disk->slots[i].finished)
            timeout_ms = 0;                      /* a writer on this thread has finished already */
    (void)poll(fds, 2, timeout_ms);              /* EINTR: the caller looks again in any case */
}

int disk_write_all(int fd, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int disk_create(enum disk_kind kind, int folder_fd, const char *name, uint64_t planned, int *ret_fd)
{
    int direct = kind == DISK_BUFFERED ? 0 : O_DIRECT;
    mem_auto_close int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | direct, 0640);
    if (fd < 0)
        return -errno;
    /* Blocks taken now cannot be missing later, and writes into them do not lengthen the file, which ext4 would do one after the other. */
    if (fallocate(fd, 0, 0, (off_t)planned) < 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        int rc = -errno;
        (void)unlinkat(folder_fd, name, 0);
        return rc;
    }
    *ret_fd = mem_take_fd(fd);
    return 0;
}

int disk_buffer(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || ((flags & O_DIRECT) && fcntl(fd, F_SETFL, flags & ~O_DIRECT) < 0))
        return -errno;
    return 0;
}

/* 0 when a page can be written so. */
static int try_kind(int folder_fd, enum disk_kind kind, const uint8_t *page)
{
    int fd = -1;
    int rc = disk_create(kind, folder_fd, PROBE_NAME, DISK_ALIGN, &fd);
    if (rc < 0)
        return rc;
    struct disk *disk = NULL;
    rc = disk_new(kind, &disk);
    unsigned slot;
    if (rc == 0)
        rc = disk_submit(disk, &(struct disk_write){ .fd = fd, .data = page, .size = DISK_ALIGN }, &slot);
    if (rc == 0)
        while (!disk_reap(disk, &slot, &rc))
            disk_wait(disk, -1, -1);
    disk_free(disk);
    (void)close(fd);
    (void)unlinkat(folder_fd, PROBE_NAME, 0);
    return rc;
}

int disk_kind_try(int folder_fd, bool allow_uring, enum disk_kind *ret)
{
    mem_auto_free uint8_t *page = aligned_alloc(DISK_ALIGN, DISK_ALIGN);
    if (!page)
        return -ENOMEM;
    memset(page, 0, DISK_ALIGN);
    (void)unlinkat(folder_fd, PROBE_NAME, 0);    /* of a run that was killed here */
    int rc = -ENOSYS;
    for (enum disk_kind kind = allow_uring ? DISK_URING : DISK_DIRECT; kind <= DISK_BUFFERED && rc < 0; kind++) {
        rc = try_kind(folder_fd, kind, page);
        if (rc == 0)
            *ret = kind;
    }
    return rc;
}
