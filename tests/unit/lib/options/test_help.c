#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "options/options.h"

static const char *const formats[] = { "pcapng", "pcap", NULL };
static const struct option rows[] = {
    { .name = "format", .letter = 'f', .type = OPTION_CHOICE, .value_name = "FORMAT", .choices = formats, .fallback = "pcapng", .environment = "T_FORMAT", .help = "Format of the file" },
    { .name = "storage-size", .type = OPTION_SIZE, .value_name = "SIZE", .setting = "tap.capture.raw.storageSize",
      .help = "All files together never exceed this, at any moment, whatever the traffic is; the oldest is recycled first" },
    { .name = "a-name-so-long-that-it-fills-the-column", .type = OPTION_LIST, .value_name = "X", .help = "Sentence" },
};
static const struct option more[] = { { .name = "server", .letter = 's', .type = OPTION_STRING, .value_name = "URL", .help = "Where" } };
static const struct option_command command = {
    .name = "tool export", .arguments = "NAME", .arguments_least = 1, .arguments_most = 1, .summary = "Write one file",
    .description = "First paragraph.\n\nSecond one.", .examples = "tool export  a --format pcap", .exit_codes = "0  written\n3  in part",
    .options = rows, .options_count = 3, .more = more, .more_count = 1,
};

static char *help_text(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    options_help(&command, out);
    fclose(out);
    return text;
}

static void everything_is_said(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "Usage: tool export [OPTIONS] NAME\n\nWrite one file\n\nFirst paragraph.\n\nSecond one.\n\nOptions:\n",
        "  -f, --format FORMAT       Format of the file: pcapng, pcap (default pcapng)\n                            [$T_FORMAT]\n",
        "      --storage-size SIZE   All files", "[tap.capture.raw.storageSize]",
        "      --a-name-so-long-that-it-fills-the-column X\n                            Sentence; may be repeated\n",
        "  -h, --help ", "      --version ", "\nConnection and logging:\n  -s, --server URL ", "\nExamples:\n  tool export  a --format pcap\n", "\nExit codes:\n  0  written\n  3  in part\n",
    };
    char *text = help_text();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(text, parts[i]))
            fail_msg("missing: %s\nin: %s", parts[i], text);
    }
    free(text);
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    char *text = help_text();
    for (const char *p = text; *p;) {
        size_t length = strcspn(p, "\n");
        assert_in_range(length, 0, 80);
        if (length)
            assert_true(p[length - 1] != ' ');
        p += length + (p[length] == '\n');
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(everything_is_said), cmocka_unit_test(lines_fit_the_terminal) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
