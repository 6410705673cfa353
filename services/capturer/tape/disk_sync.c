/* Writing on the calling thread, direct or buffered. See disk.h. */
#include "services/capturer/tape/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int disk_sync_open(struct disk *disk)
{
    disk->state = NULL;
    return 0;
}

static void disk_sync_close(struct disk *disk)
{
    (void)disk;
}

static int disk_sync_submit(struct disk *disk, unsigned slot)
{
    struct disk_slot *s = &disk->slots[slot];
    uint64_t offset = s->write.offset + s->done;
    uint32_t size = s->write.size - s->done;
    int rc = disk_write_all(s->write.fd, s->write.data + s->done, size, offset);
    /* Buffered: start the write-back now, or the kernel saves it up and then stops this thread for as long as the disk takes. */
    if (rc == 0 && disk->kind == DISK_BUFFERED)
        (void)sync_file_range(s->write.fd, (off_t)offset, size, SYNC_FILE_RANGE_WRITE);
    disk_finished(disk, slot, rc < 0 ? rc : (int)size);
    return 0;
}

static void disk_sync_look(struct disk *disk)
{
    (void)disk;                                  /* every write ended in submit */
}

static int disk_sync_wait_fd(struct disk *disk)
{
    (void)disk;
    return -1;
}

const struct disk_ops disk_sync = {
    .name = "sync",
    .open = disk_sync_open,
    .close = disk_sync_close,
    .submit = disk_sync_submit,
    .look = disk_sync_look,
    .wait_fd = disk_sync_wait_fd,
};
