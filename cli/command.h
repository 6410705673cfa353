/* A command of tapeloop: one constant struct per file, listed in commands.c. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H
#include <stdbool.h>
#include <stddef.h>

#include "lifecycle/lifecycle.h"
#include "options/options.h"

/* Exit codes of every command. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_WRONG_USE = 2, CLI_PARTIAL = 3 };

/* Stands first in every command's own options. */
struct cli_options { struct lifecycle_options lifecycle; bool json; };

#define CLI_ROW_JSON \
    { .name = "json", .type = OPTION_FLAG, .field = offsetof(struct cli_options, json), .help = "Write one JSON document to standard output, errors too" }

struct cli_command {
    struct option_command command;  /* the name begins with "tapeloop "; `more` is filled by commands.c where the command connects */
    size_t fields_size;             /* of the options struct, which begins with struct cli_options */
    bool connects;                  /* has the connection options */
    /* Does it; returns the exit code, having said what failed. arguments are those behind the options, ended by NULL. */
    int (*run)(const void *fields, char **arguments, size_t count);
};

extern const struct cli_command cli_up, cli_status, cli_nodes, cli_nodes_forget, cli_snapshot_create, cli_snapshot_list, cli_snapshot_show, cli_snapshot_verify, cli_snapshot_delete,
    cli_snapshot_cancel, cli_snapshot_export, cli_dissect, cli_dissection_list, cli_dissection_show, cli_dissection_cancel, cli_dissection_delete, cli_calls, cli_call, cli_segment_verify,
    cli_streams_apply, cli_streams_check;

#define CLI_COMMANDS_MAX 32 /* a list that still fits one screen */
/* All of them, in the order of the manual. */
size_t cli_commands(const struct cli_command *const **ret);
/* The option table with the connection options behind it. */
struct option_command cli_option_command(const struct cli_command *command);
/* The command that argv's first words name and, in *ret_words, how many they are; NULL where they name none. */
const struct cli_command *cli_find(int argc, char **argv, int *ret_words);
/* Lists the commands whose names begin with the group ("snapshot"; "" lists all). False: there are none. */
bool cli_list_group(const char *group, FILE *out);
#endif
