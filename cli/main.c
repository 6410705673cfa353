/* tapeloop: the command. Finds the sub-command, parses its options by its table, runs it. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/documents.h"
#include "cli/output.h"
#include "mem/cleanup.h"

#define LEADING_WORDS_MAX 64 /* connection options in front of the sub-command */

static void put_overview(FILE *out)
{
    fputs("Usage: tapeloop COMMAND [OPTIONS]\n\n"
          "Records a node's TCP and UDP traffic on a bounded loop of files, and keeps the stretches that matter.\n\nCommands:\n", out);
    (void)cli_list_group("", out);
    fputs("\n\"tapeloop COMMAND --help\" tells more. Commands find the bus by --server or NATS_URL (nats://127.0.0.1:4222).\n", out);
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
    struct option_command table = cli_option_command(command);
    mem_auto_free void *fields = calloc(1, command->fields_size);
    mem_auto_free char *said = NULL;
    size_t said_size = 0, count = 0;
    char **arguments = NULL;
    struct cli_options usage = { .json = wants_json(argc, argv) };
    FILE *err = open_memstream(&said, &said_size);
    if (!fields || !err)
        return cli_fail(&usage, "internal", "out of memory");
    int rc = options_parse(&table, argc, argv, fields, &arguments, &count, stdout, err);
    (void)fclose(err);
    if (rc == 1)
        return CLI_OK;
    if (rc == -EINVAL) {
        static const char program[] = "tapeloop "; /* cli_misuse says it anyway */
        const char *sentence = strncmp(said, program, sizeof program - 1) == 0 ? said + sizeof program - 1 : said;
        return cli_misuse(&usage, "%.*s", (int)strcspn(sentence, "\n"), sentence);
    }
    if (rc < 0)
        return cli_fail(&usage, "internal", "%s", strerror(-rc));
    return command->run(fields, arguments, count);
}

/* "tapeloop -s URL status" is "tapeloop status -s URL": moves connection options behind the words that follow them. Returns how many words of options there were. */
static int move_leading_options(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] && at < LEADING_WORDS_MAX) {
        const struct option *found = NULL;
        const char *name = argv[at][1] == '-' ? argv[at] + 2 : "";
        size_t length = strcspn(name, "=");
        for (size_t i = 0; i < lifecycle_option_rows_count && !found; i++) {
            const struct option *row = &lifecycle_option_rows[i];
            bool by_letter = !length && row->letter && argv[at][1] == row->letter && !argv[at][2];
            if (by_letter || (length && strncmp(row->name, name, length) == 0 && !row->name[length]))
                found = row;
        }
        if (!found)
            break;
        at += name[length] == '=' || found->type == OPTION_FLAG ? 1 : 2;
    }
    int words = (at < argc ? at : argc) - 1;
    char *moved[LEADING_WORDS_MAX + 2];
    memcpy(moved, argv + 1, (size_t)words * sizeof *argv);
    int end = argc;
    for (int i = 1 + words; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            end = i;
            break;
        }
    }
    memmove(argv + 1, argv + 1 + words, (size_t)(end - 1 - words) * sizeof *argv);
    memcpy(argv + end - words, moved, (size_t)words * sizeof *argv);
    return words;
}

static int serve_group(int argc, char **argv)
{
    struct cli_options usage = { .json = wants_json(argc, argv) };
    bool asked = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    if (asked && cli_list_group(argv[1], stdout))
        return CLI_OK;
    if (argc > 2 && !asked && argv[2][0] != '-')
        return cli_misuse(&usage, "there is no command \"tapeloop %s %s\" (see tapeloop --help)", argv[1], argv[2]);
    if (!usage.json && cli_list_group(argv[1], stderr))
        return CLI_WRONG_USE;
    return cli_misuse(&usage, "there is no command \"tapeloop %s\" (see tapeloop --help)", argv[1]);
}

static int serve(int argc, char **argv)
{
    (void)move_leading_options(argc, argv);
    if (argc < 2) {
        put_overview(stderr);
        return CLI_WRONG_USE;
    }
    const char *first = argv[1];
    if (strcmp(first, "help") == 0 && argc > 2) { /* "help snapshot create" is "snapshot create --help" */
        static char help[] = "--help";
        memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof *argv);
        argv[argc - 1] = help;
        first = argv[1];
    }
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        put_overview(stdout);
        return CLI_OK;
    }
    if (strcmp(first, "--version") == 0) {
        printf("tapeloop %s\n", TAPELOOP_VERSION);
        return CLI_OK;
    }
    int words = 0, code;
    if (documents_serve(argc - 1, argv + 1, &code))
        return code;
    const struct cli_command *command = cli_find(argc - 1, argv + 1, &words);
    return command ? run_command(command, argc - words, argv + words) : serve_group(argc, argv);
}

int main(int argc, char **argv)
{
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return CLI_FAILED;
    int code = serve(argc, argv);
    /* A reader that has gone has seen enough; any other failure to write is one. */
    if (fflush(stdout) != 0 && errno != EPIPE && code == CLI_OK) {
        perror("tapeloop: standard output");
        code = CLI_FAILED;
    }
    return code;
}
