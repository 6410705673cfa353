/* Writing through io_uring. See disk.h. */
#include "services/capturer/tape/disk.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

static int disk_uring_open(struct disk *disk)
{
    struct io_uring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return -ENOMEM;
    /* Kernels before 5.19 do not know the flag; it saves an interrupt of this thread per completion. */
    int rc = io_uring_queue_init(DISK_WRITES_MAX * 2, ring, IORING_SETUP_COOP_TASKRUN);
    if (rc == -EINVAL)
        rc = io_uring_queue_init(DISK_WRITES_MAX * 2, ring, 0);
    if (rc < 0) {
        free(ring);
        return rc;
    }
    disk->state = ring;
    return 0;
}

static void disk_uring_close(struct disk *disk)
{
    io_uring_queue_exit(disk->state);
    free(disk->state);
}

static int disk_uring_submit(struct disk *disk, unsigned slot)
{
    struct io_uring *ring = disk->state;
    struct disk_slot *s = &disk->slots[slot];
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (!sqe)
        return -EBUSY;
    io_uring_prep_write(sqe, s->write.fd, s->write.data + s->done, s->write.size - s->done, s->write.offset + s->done);
    io_uring_sqe_set_data64(sqe, slot);
    int rc;
    do
        rc = io_uring_submit(ring);
    while (rc == -EINTR || rc == -EAGAIN);
    if (rc < 0) {                                /* it stays in the queue: let it do nothing when it is taken after all */
        io_uring_prep_nop(sqe);
        io_uring_sqe_set_data64(sqe, DISK_WRITES_MAX);
    }
    return rc < 0 ? rc : 0;
}

static void disk_uring_look(struct disk *disk)
{
    struct io_uring *ring = disk->state;
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        unsigned slot = (unsigned)io_uring_cqe_get_data64(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(ring, cqe);
        if (slot >= DISK_WRITES_MAX)
            continue;
        if (result == -EINTR || result == -EAGAIN) {
            result = disk_uring_submit(disk, slot);
            if (result == 0)
                continue;
        }
        disk_finished(disk, slot, result);
    }
}

static int disk_uring_wait_fd(struct disk *disk)
{
    struct io_uring *ring = disk->state;
    return ring->ring_fd;
}

const struct disk_ops disk_uring = {
    .name = "io_uring",
    .open = disk_uring_open,
    .close = disk_uring_close,
    .submit = disk_uring_submit,
    .look = disk_uring_look,
    .wait_fd = disk_uring_wait_fd,
};
