/* A disk that somebody else fills: the tape recycles its own oldest, says so once, records on, and says when all is well again; every packet stays counted. A small file system is mounted for it: root only (77: skipped). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/tape_rig.h"

#define DISK_BYTES (UINT64_C(96) << 20)
#define BOX (UINT64_C(80) << 20)

static char mounted[64], image[80];

static int mount_tmpfs(void)
{
    char options[64];
    snprintf(options, sizeof options, "size=%lu", DISK_BYTES);
    return mount("tmpfs", mounted, "tmpfs", 0, options);
}

static int run(const char *command)
{
    int status = system(command);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int mount_ext4(void)
{
    char command[512];
    snprintf(image, sizeof image, "%s.img", mounted);
    snprintf(command, sizeof command, "truncate -s %lu %s && mkfs.ext4 -q -m 0 %s && mount -o loop %s %s 2>/dev/null", DISK_BYTES, image, image, image, mounted);
    return run(command);
}

static bool mount_one(int (*mounting)(void))
{
    snprintf(mounted, sizeof mounted, "/var/tmp/tape-full-XXXXXX");
    image[0] = 0;
    return mkdtemp(mounted) && mounting() == 0;
}

static void unmount_one(void)
{
    (void)umount2(mounted, MNT_DETACH);
    (void)rmdir(mounted);
    if (image[0])
        (void)unlink(image);
}

struct told { _Atomic int full, well, error, recycled; };
static void on_event(void *context, const struct tape_event *event)
{
    struct told *told = context;
    if (event->kind == TAPE_EVENT_DISK_FULL)
        told->full++;
    else if (event->kind == TAPE_EVENT_DISK_WELL)
        told->well++;
    else if (event->kind == TAPE_EVENT_DISK_ERROR)
        told->error++;
    else if (event->kind == TAPE_EVENT_RECYCLED)
        told->recycled++;
}

static void fill_disk(const char *path)
{
    static char bytes[65536];
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
    close(fd);
}

static void feed(struct tape_rig *rig, uint64_t bytes)
{
    uint64_t until = rig->fake.bytes + bytes;
    while (rig->fake.bytes < until)
        fake_lane_feed(&rig->fake, 300000, 1000, 0, true, 1, &rig->seals);
}

static struct segment_ledger ledger_of(struct tape *tape)
{
    struct tape_lost lost;
    tape_lost(tape, &lost);
    struct segment_ledger total = lost.ledger;
    struct tape_segment last;
    for (uint64_t after = 0; tape_list(tape, after, &last, 1) == 1; after = last.ordinal)
        cursor_add_ledger(&total, &last.ledger);
    return total;
}

static void somebody_fills_the_disk(enum tape_compress compress)
{
    struct tape_rig rig = { 0 };
    struct told told = { 0 };
    char other[128];
    snprintf(other, sizeof other, "%s/other", mounted);
    tape_folder_make_in(mounted, rig.folder);
    tape_rig_open(&rig, &(struct tape_options){ .storage_size = BOX, .compress = compress });
    print_message("%s\n", tape_writer_kind(rig.tape));
    tape_on_event(rig.tape, on_event, &told);
    tape_rig_start(&rig);
    feed(&rig, 40000000);
    assert_int_equal(told.full, 0);
    fill_disk(other);
    feed(&rig, 60000000);
    assert_true(told.full > 0 && told.recycled > 0);
    /* What is recorded while it is full is on the tape. */
    atomic_store(&rig.lane->canary_proved_ns, 0);
    for (int64_t canary = 5; atomic_load(&rig.lane->canary_proved_ns) == 0; canary++) {
        fake_lane_feed(&rig.fake, 3000, 1000, 0, true, canary, &rig.seals);
        usleep(1000);
    }
    assert_int_equal(unlink(other), 0);
    feed(&rig, 60000000);
    uint64_t offered = rig.fake.packets;
    tape_rig_stop(&rig);
    assert_true(told.well > 0);
    struct segment_ledger total = ledger_of(rig.tape);
    print_message("offered %lu written %lu dropped %lu, full %d well %d error %d\n", total.offered_packets, total.written_packets, total.dropped_disk_packets, told.full, told.well, told.error);
    assert_int_equal(total.offered_packets, offered);
    assert_int_equal(total.written_packets + total.dropped_disk_packets, offered);
    tape_rig_close(&rig);
    struct tape_folder_sum sum = tape_folder_verify(rig.folder);
    assert_true(sum.damages == 0 && sum.hidden == 0 && sum.orphans == 0 && sum.segments > 3);
    tape_folder_remove(rig.folder);
}

static void on_tmpfs(void **state)
{
    (void)state;
    assert_true(mount_one(mount_tmpfs));
    somebody_fills_the_disk(TAPE_COMPRESS_NEVER);
    somebody_fills_the_disk(TAPE_COMPRESS_AUTO);
    unmount_one();
}

static void on_ext4(void **state)
{
    (void)state;
    if (!mount_one(mount_ext4)) {
        unmount_one();
        print_message("no loop device here\n");
        skip();
    }
    somebody_fills_the_disk(TAPE_COMPRESS_NEVER);
    somebody_fills_the_disk(TAPE_COMPRESS_AUTO);
    unmount_one();
}

int main(void)
{
    if (geteuid() != 0) {
        puts("needs root to mount a small file system");
        return 77;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(on_tmpfs), cmocka_unit_test(on_ext4) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
