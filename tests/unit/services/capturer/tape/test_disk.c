/* The back ends write the same bytes; errors come back; the way is found by trying. */
#include "services/capturer/tape/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_folder.h"

#define PIECE (64u * 1024)
#define PIECES 40u

static void reap_one(struct disk *disk, int *result)
{
    unsigned slot;
    while (!disk_reap(disk, &slot, result))
        disk_wait(disk, -1, -1);
}

static void bytes_arrive(void **state)
{
    (void)state;
    char folder[TAPE_FOLDER_MAX];
    tape_folder_make(folder);
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY), result;
    uint8_t *data = aligned_alloc(DISK_ALIGN, PIECE * PIECES), *back = malloc(PIECE * PIECES);
    for (size_t i = 0; i < PIECE * PIECES; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    for (enum disk_kind kind = DISK_URING; kind <= DISK_BUFFERED; kind++) {
        struct disk *disk;
        int fd;
        unsigned slot;
        assert_int_equal(disk_new(kind, &disk), 0);
        assert_int_equal(disk_create(kind, folder_fd, "file", PIECE * PIECES, &fd), 0);
        assert_int_equal(disk_create(kind, folder_fd, "file", PIECE, &(int){ 0 }), -EEXIST);
        struct stat status;
        assert_int_equal(fstat(fd, &status), 0);
        assert_true(status.st_blocks * 512 >= (blkcnt_t)(PIECE * PIECES));
        for (unsigned i = 0; i < PIECES; i++) {
            if (disk_room(disk) == 0) {
                reap_one(disk, &result);
                assert_int_equal(result, 0);
            }
            unsigned piece = (i * 7) % PIECES;
            assert_int_equal(disk_submit(disk, &(struct disk_write){ .fd = fd, .data = data + piece * PIECE, .size = PIECE, .offset = piece * PIECE }, &slot), 0);
        }
        while (disk_room(disk) < DISK_WRITES_MAX) {
            reap_one(disk, &result);
            assert_int_equal(result, 0);
        }
        assert_int_equal(disk_buffer(fd), 0);
        assert_int_equal(pread(fd, back, PIECE * PIECES, 0), PIECE * PIECES);
        assert_memory_equal(back, data, PIECE * PIECES);
        /* Errors come back with their number. */
        int full = open("/dev/full", O_WRONLY);
        assert_int_equal(disk_submit(disk, &(struct disk_write){ .fd = full, .data = data, .size = PIECE, .offset = 0 }, &slot), 0);
        reap_one(disk, &result);
        assert_int_equal(result, -ENOSPC);
        close(full);
        close(fd);
        unlinkat(folder_fd, "file", 0);
        disk_free(disk);
    }
    free(data);
    free(back);
    close(folder_fd);
    tape_folder_remove(folder);
}

static void the_way_is_found_by_trying(void **state)
{
    (void)state;
    char folder[TAPE_FOLDER_MAX];
    tape_folder_make(folder);
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    enum disk_kind kind = DISK_BUFFERED;
    assert_int_equal(disk_kind_try(folder_fd, false, &kind), 0);
    assert_true(kind != DISK_URING);
    assert_int_equal(disk_kind_try(folder_fd, true, &kind), 0);
    assert_int_equal(faccessat(folder_fd, ".probe", F_OK, 0), -1);
    close(folder_fd);
    folder_fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
    enum disk_kind untouched = DISK_DIRECT;
    assert_true(disk_kind_try(folder_fd, true, &untouched) < 0);
    assert_int_equal(untouched, DISK_DIRECT);
    close(folder_fd);
    tape_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(bytes_arrive), cmocka_unit_test(the_way_is_found_by_trying) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
