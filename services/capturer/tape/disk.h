/* Writing a file in a few large pieces, several at once: io_uring with O_DIRECT, O_DIRECT on the calling thread where io_uring is forbidden, buffered where the filesystem refuses O_DIRECT.
 * liburing's only home. A disk belongs to one thread. Sources: open(2) "O_DIRECT", io_uring(7).
 *
 * Writes of one disk are not ordered among each other: whoever submits a write that covers a sector again waits for the earlier one of that sector first. */
#ifndef CAPTURER_TAPE_DISK_H
#define CAPTURER_TAPE_DISK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_ALIGN 4096u         /* of memory, offset and size: no device that matters has larger sectors */
#define DISK_WRITES_MAX 4u       /* in flight: half of a lane's chunks, so that the capture thread keeps the other half */

enum disk_kind { DISK_URING, DISK_DIRECT, DISK_BUFFERED };
const char *disk_kind_name(enum disk_kind kind); /* "io_uring", "direct", "buffered" */
/* Finds out by trying, with a file of one page that is gone again afterwards. -errno: files cannot be written there at all. */
int disk_kind_try(int folder_fd, bool allow_uring, enum disk_kind *ret);

/* data stays valid and unchanged until the write is reaped. */
struct disk_write { int fd; const uint8_t *data; uint32_t size; uint64_t offset; };
struct disk;
/* Call on the thread that writes. -ENOSYS, -EPERM: no io_uring here. */
int disk_new(enum disk_kind kind, struct disk **ret);
void disk_free(struct disk *disk);               /* with nothing in flight */
unsigned disk_room(const struct disk *disk);
/* Needs room. The slot (below DISK_WRITES_MAX) names the write until it is reaped. */
int disk_submit(struct disk *disk, const struct disk_write *write, unsigned *ret_slot);
/* A finished write and its result (0: all bytes written; -errno). False: none finished. */
bool disk_reap(struct disk *disk, unsigned *ret_slot, int *ret_result);
/* Sleeps until a write finished, other_fd (-1: none) is readable or timeout_ms passed. */
void disk_wait(struct disk *disk, int other_fd, int timeout_ms);

/* A new file, its blocks taken in advance (planned bytes; what is not written reads as zeros until it is cut). -errno; then there is no such file. */
int disk_create(enum disk_kind kind, int folder_fd, const char *name, uint64_t planned, int *ret_fd);
/* The same file written through the page cache from now on: for an unaligned end. */
int disk_buffer(int fd);
/* All bytes, or -errno. */
int disk_write_all(int fd, const void *data, size_t size, uint64_t offset);

/* What a back end fills in. */
struct disk_slot { struct disk_write write; uint32_t done; bool busy, finished; int result; };
struct disk_ops {
    const char *name;
    int (*open)(struct disk *disk);              /* makes disk->state */
    void (*close)(struct disk *disk);
    int (*submit)(struct disk *disk, unsigned slot); /* starts what is left of the slot's write */
    void (*look)(struct disk *disk);             /* calls disk_finished for each that ended; does not wait */
    int (*wait_fd)(struct disk *disk);           /* readable when look has something; -1: never anything to wait for */
};
struct disk {
    const struct disk_ops *ops;
    void *state;
    enum disk_kind kind;
    unsigned in_flight;
    struct disk_slot slots[DISK_WRITES_MAX];
};
void disk_finished(struct disk *disk, unsigned slot, int result); /* bytes, or -errno */
extern const struct disk_ops disk_uring, disk_sync;
#endif
