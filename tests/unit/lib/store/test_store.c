#include "store/store.h"
#include "store/name.h"
#include "store/object.h"
#include "tests/support/nats_server.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tapeloop-local-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}
static int teardown(void **state)
{
    (void)state;
    support_remove_folder(folder);
    return 0;
}

static struct store *open_as(const char *where, const char *instance)
{
    struct store *store = NULL;
    char error[STORE_ERROR_TEXT_MAX] = "";
    if (store_open(where, instance, &store, error) < 0)
        fail_msg("%s", error);
    return store;
}

static struct store_work *work_with(struct store *store, const char *name, uint64_t sequence, const char *content)
{
    struct store_work *work = NULL;
    char sha256[DIGEST_TEXT_MAX];
    assert_int_equal(store->driver->begin(store->state, name, sequence, &work), 0);
    assert_int_equal(object_put(store, work, "segments/node-a/0-1", content, strlen(content), sha256), 0);
    assert_int_equal(object_put(store, work, "manifest.json", "{}", 2, sha256), 0);
    return work;
}

static int count_file(void *context, const char *path, uint64_t bytes)
{
    (void)path, (void)bytes;
    ++*(int *)context;
    return 0;
}
static int note_name(void *context, const char *name)
{
    char *all = context;
    size_t at = strlen(all);
    snprintf(all + at, 256 - at, "%s ", name);
    return 0;
}

static size_t left_in_work(void)
{
    char path[96];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/.work", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.' && !strstr(entry->d_name, ".lock");
    closedir(dir);
    return count;
}

static void a_half_filled_driver_is_refused(void **state)
{
    (void)state;
    struct store_driver driver = store_local;
    assert_null(store_driver_check(&driver));
    driver.publish = NULL;
    assert_string_equal(store_driver_check(&driver), "publish");
}

static void published_whole_or_not_at_all(void **state)
{
    (void)state;
    struct store *store = open_as(folder, "a.1");
    char path[STORE_LOCATION_MAX], object[STORE_LOCATION_MAX + 32], names[256] = "";
    struct stat status;
    int files = 0;
    struct store_work *work = work_with(store, "one", 3, "first");
    assert_int_equal(store->driver->folder(store->state, "one", path), -ENOENT);
    assert_int_equal(store->driver->publish(work), 0);
    store->driver->free(work);
    assert_int_equal(store->driver->folder(store->state, "one", path), 0);
    snprintf(object, sizeof object, "%s/segments/node-a/0-1", path);
    assert_int_equal(stat(object, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0444);
    assert_int_equal(store->driver->files(store->state, "one", count_file, &files), 0);
    assert_int_equal(files, 2);
    /* the loser of a race deletes its own */
    work = work_with(store, "one", 4, "second");
    assert_int_equal(store->driver->publish(work), -EEXIST);
    store->driver->free(work);
    assert_int_equal(stat(object, &status), 0);
    assert_int_equal(status.st_size, 5);
    assert_int_equal(left_in_work(), 0);
    store->driver->free(NULL);
    assert_int_equal(store->driver->each(store->state, note_name, names), 0);
    assert_string_equal(names, "one ");
    assert_int_equal(store->driver->remove(store->state, "one"), 0);
    assert_int_equal(store->driver->remove(store->state, "one"), -ENOENT);
    assert_int_equal(store->driver->remove(store->state, "../one"), -ENOENT);
    assert_int_equal(left_in_work(), 0);
    store_close(store);
}

static void an_abandoned_object_is_gone(void **state)
{
    (void)state;
    struct store *store = open_as(folder, "a.1");
    struct store_work *work = NULL;
    struct object object = { 0 };
    char sha256[DIGEST_TEXT_MAX];
    assert_int_equal(store->driver->begin(store->state, "broken", 1, &work), 0);
    assert_int_equal(object_begin(store, work, "segments/x/1", &object), 0);
    assert_int_equal(object_add(&object, "abc", 3), 0);
    object_abandon(&object);
    object_abandon(&object);
    assert_int_equal(object_put(store, work, "segments/x/1", "abc", 3, sha256), 0); /* its name is free again */
    assert_string_equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-2, B.1 */
    assert_int_equal(store->driver->drop(work, "segments/x/1"), 0);
    store->driver->free(work);
    assert_int_equal(left_in_work(), 0);
    store_close(store);
}

static void two_instances_share_one_store(void **state)
{
    (void)state;
    struct store *a = open_as(folder, "a.1"), *b = open_as(folder, "b.1"), *again = NULL;
    char id_a[STORE_ID_TEXT_MAX], id_b[STORE_ID_TEXT_MAX], error[STORE_ERROR_TEXT_MAX] = "";
    a->driver->id(a->state, id_a);
    b->driver->id(b->state, id_b);
    assert_string_equal(id_a, id_b);
    assert_true(a->driver->alive(a->state, "b.1"));
    assert_false(a->driver->alive(a->state, "c.1"));
    assert_int_equal(store_open(folder, "b.1", &again, error), -EBUSY);
    assert_non_null(strstr(error, "--instance"));
    store_close(b);
    assert_false(a->driver->alive(a->state, "b.1"));
    store_close(a);
    assert_int_equal(store_open(folder, "x/y", &again, error), -EINVAL);
    assert_int_equal(store_open(folder, ".x", &again, error), -EINVAL);
}

/* A snapshotter that was killed leaves its work; whoever lives removes it, and nothing of those who live. */
static void debris_of_the_dead_is_swept(void **state)
{
    (void)state;
    struct store *a = open_as(folder, "a.1");
    unsigned removed = 0;
    pid_t child = fork();
    if (child == 0) {
        struct store *dead = open_as(folder, "dead.7");
        (void)work_with(dead, "name.with.dots", 12, "half");
        _exit(0); /* no close: as after a kill */
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store_work *mine = work_with(a, "mine", 13, "half");
    assert_int_equal(left_in_work(), 2);
    assert_int_equal(a->driver->sweep(a->state, 3600 * INT64_C(1000000000), &removed), 0);
    assert_int_equal(removed, 0); /* kept for a while, if so asked */
    assert_false(a->driver->alive(a->state, "dead.7"));
    assert_int_equal(a->driver->sweep(a->state, 0, &removed), 0);
    assert_int_equal(removed, 1);
    assert_int_equal(left_in_work(), 1);
    a->driver->free(mine);
    store_close(a);
}

static void a_restart_under_the_same_name_begins_clean(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct store *dead = open_as(folder, "same");
        (void)work_with(dead, "x", 12, "half");
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store *store = open_as(folder, "same");
    assert_int_equal(left_in_work(), 0);
    store_close(store);
}

static bool mount_tmpfs(const char *where, const char *size)
{
    char options[64];
    snprintf(options, sizeof options, "size=%s", size);
    return mkdir(where, 0755) == 0 && mount("tapeloop-test", where, "tmpfs", 0, options) == 0;
}

static void full_and_read_only_are_said(void **state)
{
    (void)state;
    char disk[96], error[STORE_ERROR_TEXT_MAX] = "";
    snprintf(disk, sizeof disk, "%s/disk", folder);
    if (!mount_tmpfs(disk, "1m")) {
        print_message("skipped: a small disk can only be mounted by root\n");
        skip();
    }
    struct store *store = open_as(disk, "a.1");
    struct store_work *work = NULL;
    struct object object = { 0 };
    char block[65536] = { 0 };
    uint64_t room = 0;
    int r = 0;
    assert_int_equal(store->driver->room(store->state, &room), 0);
    assert_true(room > 0 && room <= 1024 * 1024);
    assert_int_equal(store->driver->begin(store->state, "big", 1, &work), 0);
    assert_int_equal(object_begin(store, work, "segments/x/1", &object), 0);
    for (int i = 0; i < 64 && r == 0; i++)
        r = object_add(&object, block, sizeof block);
    assert_int_equal(r, -ENOSPC);
    object_abandon(&object);
    store->driver->free(work);
    assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), -1); /* a lock is held in it */
    store_close(store);
    assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_int_equal(store_open(disk, "a.1", &store, error), 0); /* it can still be listed, shown, exported */
    assert_int_equal(store->driver->begin(store->state, "x", 2, &work), -EROFS);
    assert_int_equal(store->driver->room(store->state, &room), -EROFS);
    assert_int_equal(store->driver->remove(store->state, "x"), -EROFS);
    store_close(store);
    assert_int_equal(umount(disk), 0);
}

static void what_is_made_of_a_snapshot_goes_with_it(void **state)
{
    (void)state;
    struct store *store = open_as(folder, "annexer");
    const struct store_driver *driver = store->driver;
    char path[STORE_LOCATION_MAX], file[STORE_LOCATION_MAX + 16];
    struct store_work *work = NULL;
    struct stat status;
    assert_int_equal(driver->begin(store->state, "annexed", 1, &work), 0);
    assert_int_equal(driver->publish(work), 0);
    driver->free(work);
    assert_int_equal(driver->annex(store->state, "annexed", false, path), -ENOENT);
    assert_int_equal(driver->annex(store->state, "../annexed", true, path), -ENOENT);
    assert_int_equal(driver->annex(store->state, "annexed", true, path), 0);
    assert_int_equal(driver->annex(store->state, "annexed", false, path), 0);
    snprintf(file, sizeof file, "%s/x", path);
    fclose(fopen(file, "w"));
    assert_int_equal(driver->remove(store->state, "annexed"), 0);
    assert_int_equal(stat(path, &status), -1);
    assert_int_equal(driver->annex(store->state, "annexed", true, path), 0);
    assert_int_equal(driver->remove(store->state, "annexed"), -ENOENT); /* the snapshot is gone already: what is left goes too */
    assert_int_equal(stat(path, &status), -1);
    store_close(store);
}

static void names_that_fit(void **state)
{
    (void)state;
    char error[STORE_NAME_ERROR_TEXT_MAX];
    assert_int_equal(store_name_check("a.b-c_1", error), 0);
    static const char *const bad[] = { "", "-a", "a-", "A", "a/b", "a..b", "a b" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(store_name_check(bad[i], error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_of_a_snapshot_goes_with_it), cmocka_unit_test(names_that_fit),
        cmocka_unit_test(a_half_filled_driver_is_refused), cmocka_unit_test(published_whole_or_not_at_all), cmocka_unit_test(an_abandoned_object_is_gone),
        cmocka_unit_test(two_instances_share_one_store), cmocka_unit_test(debris_of_the_dead_is_swept), cmocka_unit_test(a_restart_under_the_same_name_begins_clean),
        cmocka_unit_test(full_and_read_only_are_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
