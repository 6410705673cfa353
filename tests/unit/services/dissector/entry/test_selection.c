#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "services/dissector/entry/selection.h"
#include "services/dissector/protocols/http/http_fields.h"
#include "services/dissector/protocols/protocol.h"

static int number_of(const char *name) { return protocol_number(protocol_find(name, strlen(name))); }
#define BIT(field) (UINT64_C(1) << (field))

static void names_choose_fields(void **state)
{
    (void)state;
    struct selection s;
    char error[200] = "";
    int http = number_of("HTTP"), dns = number_of("DNS");
    assert_int_equal(selection_parse((const char *const[]){ "timestamp,src.ip", "method,request.body" }, 2, &s, error, sizeof error), 0);
    assert_true(s.always == (BIT(SELECT_TIMESTAMP) | BIT(SELECT_SRC + END_IP)));
    assert_true(s.fields[http] == (BIT(HTTP_METHOD) | BIT(HTTP_REQUEST_BODY)));
    assert_true(s.fields[dns] == 0);
    assert_true(selection_has(&s, SELECT_TIMESTAMP));
    assert_false(selection_has(&s, SELECT_ID));
    assert_true(selection_has(NULL, SELECT_ID));
}

static void an_object_is_all_in_it(void **state)
{
    (void)state;
    struct selection s;
    char error[200] = "";
    int http = number_of("HTTP");
    assert_int_equal(selection_parse((const char *const[]){ "dst.pod,src,request" }, 1, &s, error, sizeof error), 0);
    assert_true(s.always == ((BIT(END_FIELDS) - 1) << SELECT_SRC | BIT(SELECT_DST + END_POD_NAME) | BIT(SELECT_DST + END_POD_NAMESPACE)));
    assert_true(s.fields[http] & BIT(HTTP_REQUEST_HEADERS));
    assert_true(s.fields[http] & BIT(HTTP_REQUEST_COOKIES));
    assert_false(s.fields[http] & BIT(HTTP_REQUEST_BODY_SIZE)); /* request_body_size is another name */
    assert_false(s.always & BIT(SELECT_REQUEST_AT));
}

static void wrong_names_are_said(void **state)
{
    (void)state;
    const char *const wrong[] = { "methods", "src.", "timestamp.x", "Method", "request.headers.host", " id" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct selection s = { .always = 7 };
        char error[200] = "";
        assert_int_equal(selection_parse(&wrong[i], 1, &s, error, sizeof error), -EINVAL);
        assert_non_null(strstr(error, wrong[i]));
        assert_int_equal(s.always, 7);
    }
}

/* What is read again stays in the message, wanted or not. */
static void what_is_read_again_is_not_skipped(void **state)
{
    (void)state;
    struct selection s;
    char error[200] = "";
    int http = number_of("HTTP");
    assert_int_equal(selection_parse((const char *const[]){ "method" }, 1, &s, error, sizeof error), 0);
    uint64_t skipped = selection_skipped(&s, http);
    assert_false(skipped & BIT(HTTP_METHOD));
    assert_false(skipped & BIT(HTTP_URL));
    assert_false(skipped & BIT(HTTP_PATH));
    assert_true(skipped & BIT(HTTP_REQUEST_HEADERS));
    assert_true(selection_skipped(NULL, http) == 0);
    assert_true(selection_skipped(&s, -1) == 0);
}

static void names_of_addresses(void **state)
{
    (void)state;
    struct selection s;
    char error[200] = "";
    assert_true(selection_needs_names(NULL));
    assert_int_equal(selection_parse((const char *const[]){ "dst.ip,src.port" }, 1, &s, error, sizeof error), 0);
    assert_false(selection_needs_names(&s));
    assert_int_equal(selection_parse((const char *const[]){ "dst.dns" }, 1, &s, error, sizeof error), 0);
    assert_true(selection_needs_names(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_choose_fields), cmocka_unit_test(an_object_is_all_in_it), cmocka_unit_test(wrong_names_are_said),
        cmocka_unit_test(what_is_read_again_is_not_skipped), cmocka_unit_test(names_of_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
