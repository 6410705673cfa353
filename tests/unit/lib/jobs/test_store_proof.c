#include "jobs/store_proof.h"
#include "tests/unit/lib/jobs/bus_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void the_first_store_is_remembered(void **state)
{
    (void)state;
    char error[STORE_PROOF_ERROR_TEXT_MAX] = "";
    assert_int_equal(store_prove(bus, "0123", "/here", false, error), 0);
    assert_int_equal(store_prove(bus, "0123", "/here", false, error), 0);
    assert_int_equal(store_prove(bus, "4567", "/there", false, error), -EXDEV);
    assert_non_null(strstr(error, "/there is store 4567"));
    assert_non_null(strstr(error, "0123"));
    assert_int_equal(store_prove(bus, "4567", "/there", true, error), 0);
    assert_int_equal(store_prove(bus, "0123", "/here", false, error), -EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_first_store_is_remembered) };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
