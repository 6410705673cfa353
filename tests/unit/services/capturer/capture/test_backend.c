/* The table of capture back ends: names, and that none is half-filled. */
#include "services/capturer/capture/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void finds_by_name(void **state)
{
    (void)state;
    const char *missing = NULL;
    const struct capture_backend *best = backend_find(NULL, &missing);
    assert_non_null(best);
    assert_null(missing);
    assert_ptr_equal(backend_find("best", &missing), best);
    assert_ptr_equal(backend_find("af_packet", &missing), &capture_backend_af_packet);
    assert_string_equal(best->name, "af_packet");
    assert_null(backend_find("", &missing));
    assert_null(backend_find("pf_ring", &missing));
    assert_null(missing);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds_by_name) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
