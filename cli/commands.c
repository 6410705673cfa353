/* The commands of tapeloop and how their names are found. */
#include "cli/command.h"

#include <assert.h>
#include <string.h>

#define NAME_PREFIX_LENGTH (sizeof "tapeloop " - 1)
#define NAME_COLUMN 32

static const struct cli_command *const commands[] = {
    &cli_up, &cli_status, &cli_nodes, &cli_nodes_forget, &cli_snapshot_create, &cli_snapshot_list, &cli_snapshot_show, &cli_snapshot_verify, &cli_snapshot_delete,
    &cli_snapshot_cancel, &cli_snapshot_export, &cli_dissect, &cli_dissection_list, &cli_dissection_show, &cli_dissection_cancel, &cli_dissection_delete, &cli_calls, &cli_call,
    &cli_segment_verify, &cli_streams_apply, &cli_streams_check,
};
#define COMMANDS_COUNT (sizeof commands / sizeof *commands)
_Static_assert(COMMANDS_COUNT <= CLI_COMMANDS_MAX, "the list has outgrown its bound");

size_t cli_commands(const struct cli_command *const **ret)
{
    *ret = commands;
    return COMMANDS_COUNT;
}

struct option_command cli_option_command(const struct cli_command *command)
{
    assert(strncmp(command->command.name, "tapeloop ", NAME_PREFIX_LENGTH) == 0 && command->run && command->fields_size >= sizeof(struct cli_options));
    struct option_command completed = command->command;
    if (command->connects) {
        completed.more = lifecycle_option_rows;
        completed.more_count = lifecycle_option_rows_count;
        completed.more_field = offsetof(struct cli_options, lifecycle);
    }
    return completed;
}

/* How many words `name` has when argv begins with all of them; else 0. */
static int match_words(const char *name, int argc, char **argv)
{
    int words = 0;
    while (*name) {
        size_t length = strcspn(name, " ");
        if (words == argc || strlen(argv[words]) != length || strncmp(argv[words], name, length) != 0)
            return 0;
        words++;
        name += length + (name[length] == ' ');
    }
    return words;
}

const struct cli_command *cli_find(int argc, char **argv, int *ret_words)
{
    const struct cli_command *best = NULL;
    int best_words = 0;
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        int words = match_words(commands[i]->command.name + NAME_PREFIX_LENGTH, argc, argv);
        if (words > best_words) {
            best = commands[i];
            best_words = words;
        }
    }
    if (best)
        *ret_words = best_words;
    return best;
}

bool cli_list_group(const char *group, FILE *out)
{
    size_t length = strlen(group);
    bool found = false;
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        const char *name = commands[i]->command.name + NAME_PREFIX_LENGTH;
        if (length && (strncmp(name, group, length) != 0 || (name[length] != ' ' && name[length])))
            continue;
        const char *arguments = commands[i]->command.arguments ? commands[i]->command.arguments : "";
        int column = fprintf(out, "  %s %s", name, arguments);
        fprintf(out, "%*s%s\n", column < NAME_COLUMN ? NAME_COLUMN - column : 1, "", commands[i]->command.summary);
        found = true;
    }
    return found;
}
