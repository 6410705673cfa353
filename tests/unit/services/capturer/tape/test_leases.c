/* Leases in memory and in their file. */
#include "services/capturer/tape/leases.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "services/capturer/tape/persist.h"
#include "tests/support/tape_folder.h"

static void ordinals_are_a_set(void **state)
{
    (void)state;
    struct leases leases = { 0 };
    struct lease *lease, *copy;
    assert_int_equal(leases_add(&leases, "a.1", &lease), 0);
    for (uint64_t i = 100; i > 0; i--)
        assert_int_equal(lease_add(lease, i * 3), 0);
    assert_int_equal(lease_add(lease, 30), 0);
    assert_int_equal(lease->count, 100);
    assert_int_equal(lease_copy(lease, &copy), 0);
    assert_true(lease_drop(lease, 30));
    assert_false(lease_drop(lease, 30));
    assert_false(lease_drop(lease, 31));
    assert_int_equal(lease->count, 99);
    assert_int_equal(copy->count, 100);
    lease_free(copy);
    char longest[LEASE_ID_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(leases_add(&leases, longest, &lease), -EINVAL);
    assert_int_equal(leases_add(&leases, "", &lease), -EINVAL);
    for (int i = 1; i < (int)LEASES_MAX; i++) {
        char id[16];
        snprintf(id, sizeof id, "l%d", i);
        assert_int_equal(leases_add(&leases, id, &lease), 0);
        lease->until_ns = i;
    }
    assert_int_equal(leases_add(&leases, "one more", &lease), -EMFILE);
    leases_find(&leases, "a.1")->until_ns = 1000;
    leases_expire(&leases, LEASES_MAX - 2);
    assert_int_equal(leases.count, 2);
    assert_non_null(leases_find(&leases, "a.1"));
    leases_free(&leases);
}

static void the_file_brings_them_back(void **state)
{
    (void)state;
    char folder[TAPE_FOLDER_MAX];
    tape_folder_make(folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    struct leases leases = { 0 }, back = { 0 };
    struct lease *lease;
    assert_int_equal(leases_load(fd, &back), -ENOENT);
    assert_int_equal(leases_add(&leases, "snap \"quoted\".7", &lease), 0);
    lease->until_ns = INT64_C(1900000000123456789);
    uint64_t ordinals[] = { 1, 2, 3, 9, 11, 12 };
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(lease_add(lease, ordinals[i]), 0);
    assert_int_equal(leases_save(fd, &leases), 0);
    assert_int_equal(leases_load(fd, &back), 0);
    assert_int_equal(back.count, 1);
    assert_true(back.items[0]->until_ns == lease->until_ns && back.items[0]->count == 6 && memcmp(back.items[0]->ordinals, ordinals, sizeof ordinals) == 0);
    leases_free(&back);
    /* More than the file may hold is refused, and the old one stays. */
    for (uint64_t i = 0; i < 60000; i++)
        assert_int_equal(lease_add(lease, 100 + i * 2), 0);
    assert_int_equal(leases_save(fd, &leases), -EFBIG);
    assert_int_equal(leases_load(fd, &back), 0);
    assert_int_equal(back.items[0]->count, 6);
    leases_free(&back);
    leases_free(&leases);
    int file = openat(fd, "leases", O_WRONLY | O_TRUNC);
    assert_true(write(file, "{\"version\":1,\"leases\":[{\"lease\":\"x\",\"until_ns\":1,\"ordinals\":[[5,1]]}]}", 70) > 0);
    close(file);
    assert_int_equal(leases_load(fd, &back), -EBADMSG);
    close(fd);
    tape_folder_remove(folder);
}

static void entries_know_how_long_they_are_held(void **state)
{
    (void)state;
    struct catalogue catalogue = { 0 };
    struct leases leases = { 0 };
    struct lease *a, *b;
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(catalogue_add(&catalogue, &(struct catalogue_entry){ .segment = { .ordinal = i * 2, .leased_until_ns = 99 } }), 0);
    assert_int_equal(leases_add(&leases, "a", &a), 0);
    assert_int_equal(leases_add(&leases, "b", &b), 0);
    a->until_ns = 10;
    b->until_ns = 20;
    (void)lease_add(a, 4);
    (void)lease_add(a, 6);
    (void)lease_add(b, 5);                       /* recycled long ago */
    (void)lease_add(b, 6);
    (void)lease_add(b, 20);
    leases_apply(&leases, &catalogue);
    const int64_t held[] = { 0, 10, 20, 0, 0, 0, 0, 0, 0, 20 };
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(catalogue_at(&catalogue, i)->segment.leased_until_ns, held[i]);
    leases_free(&leases);
    catalogue_free(&catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ordinals_are_a_set), cmocka_unit_test(the_file_brings_them_back), cmocka_unit_test(entries_know_how_long_they_are_held) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
