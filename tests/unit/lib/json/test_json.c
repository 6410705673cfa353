#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "json/json.h"
#include "mem/cleanup.h"

static char folder[64], path[128];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/tapeloop-json-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/a.json", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder); /* fails when a hidden file was left behind */
}

static void put(const char *text) { assert_int_equal(json_write_text(path, text, strlen(text), 0640), 0); }

static void a_text_comes_back_whole(void **state)
{
    (void)state;
    mem_auto_free char *text = NULL;
    size_t size;
    struct stat status;
    put("{\"a\": 1}");
    put("{\"a\": 22}"); /* replaces */
    assert_int_equal(json_read_text(path, 9, &text, &size), 0);
    assert_string_equal(text, "{\"a\": 22}");
    assert_int_equal(size, 9);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
}

static void the_bound_holds(void **state)
{
    (void)state;
    char *text = NULL, error[JSON_ERROR_TEXT_MAX];
    size_t size = 7;
    json_t *json = NULL;
    put("[1,2,3]");
    assert_int_equal(json_read_text(path, 6, &text, &size), -EFBIG);
    assert_null(text);
    assert_int_equal(size, 7);
    assert_int_equal(json_read_file(path, 6, &json, error), -EFBIG);
    assert_null(json);
    assert_int_equal(json_read_text(folder, 100, &text, &size), -EINVAL);
    assert_int_equal(json_read_text("/nonexistent/x", 100, &text, &size), -ENOENT);
}

static void broken_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "{", "[1,]", "{\"a\":1}{}", "{\"a\":1,\"a\":2}", "nul" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char error[JSON_ERROR_TEXT_MAX] = "";
        json_t *json = NULL;
        put(bad[i]);
        assert_int_equal(json_read_file(path, 100, &json, error), -EBADMSG);
        assert_null(json);
        assert_non_null(strstr(error, "a.json:"));
    }
}

static void a_good_file_is_parsed(void **state)
{
    (void)state;
    json_auto json_t *json = NULL;
    char error[JSON_ERROR_TEXT_MAX];
    put("{\"streams\": [1]}\n");
    assert_int_equal(json_read_file(path, 100, &json, error), 0);
    assert_int_equal(json_array_size(json_object_get(json, "streams")), 1);
}

static void a_failed_write_leaves_the_old(void **state)
{
    (void)state;
    char sub[128];
    put("old");
    (void)snprintf(sub, sizeof sub, "%s/missing/x.json", folder);
    assert_int_equal(json_write_text(sub, "x", 1, 0600), -ENOENT);
    assert_int_equal(json_write_text(folder, "x", 1, 0600), -EISDIR); /* the hidden file beside it is removed again */
    mem_auto_free char *text = NULL;
    size_t size;
    assert_int_equal(json_read_text(path, 100, &text, &size), 0);
    assert_string_equal(text, "old");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_comes_back_whole, make_folder, remove_folder), cmocka_unit_test_setup_teardown(the_bound_holds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(broken_json_is_refused_with_its_place, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_good_file_is_parsed, make_folder, remove_folder), cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
