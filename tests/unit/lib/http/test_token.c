#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "http/token.h"

#define NOW INT64_C(1000000000000)
static const struct token_keys keys = { .key = { { 1, 2, 3 }, { 4, 5, 6 } } };
static const struct token sample = { .node = "node-a", .object = "node-a/00ff/0/17", .lease = "incident-1.42", .from = 100, .to = 200, .expires_ns = NOW + 10 };

static int check(const char *text, uint64_t from, uint64_t to, int64_t now)
{
    return token_check(&keys, text, sample.node, sample.object, from, to, now, NULL);
}

static void a_token_opens_its_range(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_MAX], lease[TOKEN_TEXT_MAX] = "";
    assert_int_equal(token_make(&keys, &sample, text), 0);
    assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(text));
    assert_int_equal(token_check(&keys, text, "node-a", "node-a/00ff/0/17", 100, 200, NOW, lease), 0);
    assert_string_equal(lease, "incident-1.42");
    assert_int_equal(check(text, 150, 151, NOW + 9), 0);
}

static void other_things_stay_shut(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_MAX], lease[TOKEN_TEXT_MAX] = "untouched";
    assert_int_equal(token_make(&keys, &sample, text), 0);
    assert_int_equal(check(text, 99, 200, NOW), -EACCES);
    assert_int_equal(check(text, 100, 201, NOW), -EACCES);
    assert_int_equal(check(text, 200, 100, NOW), -EACCES);
    assert_int_equal(check(text, 0, UINT64_MAX, NOW), -EACCES);
    assert_int_equal(check(text, 100, 200, NOW + 10), -ETIME);
    assert_int_equal(token_check(&keys, text, "node-b", sample.object, 100, 200, NOW, lease), -EACCES);
    assert_int_equal(token_check(&keys, text, sample.node, "node-a/00ff/0/18", 100, 200, NOW, lease), -EACCES);
    /* the border between node and object is signed too */
    assert_int_equal(token_check(&keys, text, "node-an", "ode-a/00ff/0/17", 100, 200, NOW, lease), -EACCES);
    assert_string_equal(lease, "untouched");
}

static void every_forged_character_is_noticed(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_MAX], forged[TOKEN_TEXT_MAX];
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_int_equal(token_make(&keys, &sample, text), 0);
    for (size_t at = 0; at < strlen(text); at++) {
        for (const char *c = alphabet; *c; c++) {
            memcpy(forged, text, strlen(text) + 1);
            forged[at] = *c;
            assert_int_equal(check(forged, 100, 200, NOW), *c == text[at] ? 0 : -EACCES);
        }
        memcpy(forged, text, at); /* cut */
        forged[at] = '\0';
        assert_int_equal(check(forged, 100, 200, NOW), -EACCES);
    }
    size_t length = strlen(text);
    memcpy(forged, text, length);
    memcpy(forged + length, "A", 2);
    assert_int_equal(check(forged, 100, 200, NOW), -EACCES);
    assert_int_equal(check("not a token!", 100, 200, NOW), -EACCES);
    memset(forged, 'A', sizeof forged - 1);
    forged[sizeof forged - 1] = '\0';
    assert_int_equal(check(forged, 100, 200, NOW), -EACCES);
}

static void both_keys_verify_and_no_third(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_MAX];
    struct token_keys rotated = { .key = { { 9 }, { 1, 2, 3 } } }, forgotten = { .key = { { 8 }, { 9 } } };
    assert_int_equal(token_make(&keys, &sample, text), 0);
    assert_int_equal(token_check(&rotated, text, sample.node, sample.object, 100, 200, NOW, NULL), 0);
    assert_int_equal(token_check(&forgotten, text, sample.node, sample.object, 100, 200, NOW, NULL), -EACCES);
}

static void names_have_bounds(void **state)
{
    (void)state;
    char text[TOKEN_TEXT_MAX], lease[TOKEN_TEXT_MAX], *name = malloc(5000);
    memset(lease, 'l', sizeof lease);
    lease[TOKEN_LEASE_MAX] = '\0';
    struct token token = sample;
    token.lease = lease;
    assert_int_equal(token_make(&keys, &token, text), 0);
    assert_in_range(strlen(text), TOKEN_LEASE_MAX, TOKEN_TEXT_MAX - 1);
    char back[TOKEN_TEXT_MAX];
    assert_int_equal(token_check(&keys, text, sample.node, sample.object, 100, 200, NOW, back), 0);
    assert_string_equal(back, lease);
    lease[TOKEN_LEASE_MAX] = 'l';
    lease[TOKEN_LEASE_MAX + 1] = '\0';
    assert_int_equal(token_make(&keys, &token, text), -EMSGSIZE);
    memset(name, 'n', 4999);
    name[4999] = '\0';
    token = sample;
    token.object = name;
    assert_int_equal(token_make(&keys, &token, text), -EMSGSIZE);
    free(name);
}

static void keys_are_kept_and_rotated(void **state)
{
    (void)state;
    char folder[] = "/tmp/tapeloop-token-XXXXXX", path[64], text[TOKEN_TEXT_MAX];
    struct token_keys first, again, second, third;
    struct stat status;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/token.key", folder);
    assert_int_equal(token_keys_load(path, NOW, 60, &first), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_memory_not_equal(first.key[0], first.key[1], TOKEN_KEY_BYTES);
    assert_int_equal(token_keys_load(path, NOW + INT64_C(59999999999), 60, &again), 0);
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(token_keys_load(path, NOW - 5, 60, &again), 0); /* a clock that went back rotates nothing */
    assert_memory_equal(&first, &again, sizeof first);
    assert_int_equal(token_keys_load(path, NOW + INT64_C(60000000000), 60, &second), 0);
    assert_memory_equal(second.key[1], first.key[0], TOKEN_KEY_BYTES);
    assert_memory_not_equal(second.key[0], first.key[0], TOKEN_KEY_BYTES);
    assert_int_equal(token_keys_load(path, NOW + INT64_C(900000000000), 0, &third), 0); /* 0: never */
    assert_memory_equal(&second, &third, sizeof first);
    assert_int_equal(token_make(&first, &sample, text), 0);
    assert_int_equal(token_check(&second, text, sample.node, sample.object, 100, 200, NOW, NULL), 0);

    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(token_keys_load(path, NOW, 60, &again), -EPERM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(token_keys_load(path, NOW, 60, &again), -EBADMSG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_opens_its_range), cmocka_unit_test(other_things_stay_shut), cmocka_unit_test(every_forged_character_is_noticed),
        cmocka_unit_test(both_keys_verify_and_no_third), cmocka_unit_test(names_have_bounds), cmocka_unit_test(keys_are_kept_and_rotated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
