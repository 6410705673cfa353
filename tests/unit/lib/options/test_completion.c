/* The script is run by a real bash, which is asked what it would complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "options/options.h"

static const char *const formats[] = { "pcapng", "pcap", NULL };
static const struct option rows[] = { { .name = "format", .letter = 'f', .type = OPTION_CHOICE, .value_name = "FORMAT", .choices = formats, .help = "h" },
                                      { .name = "data", .type = OPTION_STRING, .value_name = "DIR", .complete = "dir", .help = "h" },
                                      { .name = "last", .type = OPTION_DURATION, .value_name = "DURATION", .help = "h" },
                                      { .name = "interface", .type = OPTION_LIST, .value_name = "NAME", .complete = "interface", .help = "h" } };
static const struct option_command up = { .name = "tape-tool up", .summary = "s", .options = rows, .options_count = 4 };
static const struct option_command list = { .name = "tape-tool snapshot list", .summary = "s" };
static const struct option_command create = { .name = "tape-tool snapshot create", .arguments = "NAME", .summary = "s", .options = rows, .options_count = 1 };
static const struct option_command show = { .name = "tape-tool show", .arguments = "NAME", .arguments_complete = "file", .summary = "s" };
static const struct option_command drop = { .name = "tape-tool drop", .arguments = "NAME", .arguments_complete = "thing", .summary = "s" };

/* What bash offers after the words, as one line. */
static void completes(const char *words, const char *want)
{
    static const struct option_command *const commands[] = { &up, &list, &create, &show, &drop };
    char path[] = "/tmp/tapeloop-completion-XXXXXX", command[1024], got[1024] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *script = fdopen(fd, "w");
    options_bash_completion("tape-tool", commands, 5, script);
    /* The function stands for the program, which is asked for names. */
    fprintf(script, "tape-tool() { [[ $* == \"--complete thing\" ]] && printf '%%s\\n' one other '$(touch /nowhere/x)'; }\ncompopt() { :; }\nCOMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_tape_tool\necho \"${COMPREPLY[*]}\"\n", words);
    fclose(script);
    (void)snprintf(command, sizeof command, "cd / && bash -eu %s 2>&1", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    got[fread(got, 1, sizeof got - 1, pipe)] = '\0';
    pclose(pipe);
    unlink(path);
    got[strcspn(got, "\n")] = '\0';
    assert_string_equal(got, want);
}

static void commands_are_completed(void **state)
{
    (void)state;
    completes("tape-tool ''", "up snapshot show drop --help");
    completes("tape-tool s", "snapshot show");
    completes("tape-tool snapshot ''", "list create --help");
    completes("tape-tool snapshot c", "create");
}

static void options_are_completed(void **state)
{
    (void)state;
    completes("tape-tool snapshot create --f", "--format");
    completes("tape-tool snapshot create name --", "--format --help");
    completes("tape-tool snapshot list --", "--help");
    completes("tape-tool up --d", "--data");
}

static void values_are_completed(void **state)
{
    (void)state;
    completes("tape-tool snapshot create --format ''", "pcapng pcap");
    completes("tape-tool snapshot create -f pcapn", "pcapng");
    completes("tape-tool snapshot create --format = pcapn", "pcapng");
    completes("tape-tool snapshot create --format =", "pcapng pcap");
    completes("tape-tool up --last ''", "");
    completes("tape-tool up --data /et", "/etc");
    completes("tape-tool up --interface lo", "lo");
}

static void arguments_are_completed(void **state)
{
    (void)state;
    completes("tape-tool show /etc/hostnam", "/etc/hostname");
    completes("tape-tool show --", "--help");
    completes("tape-tool drop o", "one other");
    completes("tape-tool drop ot", "other");
    completes("tape-tool drop x", "");
    completes("tape-tool drop '$'", "$(touch /nowhere/x)"); /* text from outside stays text */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(commands_are_completed), cmocka_unit_test(options_are_completed), cmocka_unit_test(values_are_completed), cmocka_unit_test(arguments_are_completed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
