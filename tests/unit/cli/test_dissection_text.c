/* A dissection as lines: what somebody else wrote reaches no terminal as a control character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/dissection_text.h"

static void the_expression_is_plain(void **state)
{
    (void)state;
    Tapeloop__V1__DissectManifest manifest = TAPELOOP__V1__DISSECT_MANIFEST__INIT;
    Tapeloop__V1__DissectRequest request = TAPELOOP__V1__DISSECT_REQUEST__INIT;
    char where[] = "path == \"\x1b[2J\" ||\n\tdns", redact[] = "on", *text = NULL;
    size_t size = 0;
    request.where = where;
    request.redact = redact;
    manifest.request = &request;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    dissection_print_manifest(&manifest, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "  protocols    all\n  redacted     on\n  where        path == \"?[2J\" ||??dns\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_expression_is_plain) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
