#include "digest/digest.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* FIPS 180-4, example of one block. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void of_one_piece_and_of_several(void **state)
{
    (void)state;
    char text[DIGEST_TEXT_MAX];
    digest_of("abc", 3, text);
    assert_string_equal(text, ABC);
    struct digest *digest = digest_new();
    for (int i = 0; i < 2; i++) { /* it begins anew */
        digest_add(digest, "a", 1);
        digest_add(digest, "bc", 2);
        digest_text(digest, text);
        assert_string_equal(text, ABC);
    }
    digest_free(digest);
    digest_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(of_one_piece_and_of_several) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
