#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "options/options.h"

static const struct option rows[] = { { .name = "dry-run", .letter = 'n', .type = OPTION_FLAG, .environment = "T_DRY", .help = "Do nothing" } };
static const struct option more[] = { { .name = "server", .type = OPTION_STRING, .value_name = "URL", .fallback = "nats://127.0.0.1:4222", .help = "Where" } };
static const struct option_command make_command = { .name = "tool make", .arguments = "NAME", .summary = "Make it", .description = ".begins as a request\n\nback\\slash",
                                                    .options = rows, .options_count = 1, .more = more, .more_count = 1 };
static const struct option_command drop_command = { .name = "tool drop", .summary = "Drop it", .examples = "tool drop", .exit_codes = "3  in part", .more = more, .more_count = 1 };

static char *manual_text(size_t count)
{
    static const struct option_command *const commands[] = { &make_command, &drop_command };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    options_manual("tool", 1, "makes and drops", commands, count, out);
    fclose(out);
    return text;
}

static size_t occurrences(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

static void a_page_has_its_sections(void **state)
{
    (void)state;
    char *text = manual_text(2);
    assert_ptr_equal(strstr(text, ".TH \"tool\" \"1\""), text);
    static const char *const once[] = { ".SH NAME\ntool \\- makes and drops\n", ".SH SYNOPSIS\n\\fBtool make\\fR [\\fIOPTIONS\\fR] \\fINAME\\fR\n", ".SH COMMANDS\n.SS tool make NAME\n",
                                        "\\fB\\-n\\fR, \\fB\\-\\-dry\\-run\\fR\nDo nothing.\nEnvironment: \\fBT_DRY\\fR.\n", ".SH CONNECTION AND LOGGING OPTIONS\n",
                                        "nats://127.0.0.1:4222", ".SH EXAMPLES\n", ".SH EXIT STATUS\n", "3  in part" };
    for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
        if (occurrences(text, once[i]) != 1)
            fail_msg("not once: %s\nin: %s", once[i], text);
    }
    free(text);
}

static void text_never_becomes_a_request(void **state)
{
    (void)state;
    char *text = manual_text(1);
    assert_non_null(strstr(text, "\n\\&.begins as a request\n.PP\nback\\eslash\n"));
    free(text);
}

static void one_command_is_a_description(void **state)
{
    (void)state;
    char *text = manual_text(1);
    assert_non_null(strstr(text, ".SH DESCRIPTION\n"));
    assert_null(strstr(text, ".SS"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_page_has_its_sections), cmocka_unit_test(text_never_becomes_a_request), cmocka_unit_test(one_command_is_a_description) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
