/* The manual page, the completion script, and names for the shell. See documents.h. */
#include "cli/documents.h"

#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "options/options.h"

static void write_document(bool manual)
{
    static struct option_command completed[CLI_COMMANDS_MAX];
    const struct option_command *pointers[CLI_COMMANDS_MAX];
    const struct cli_command *const *commands;
    size_t count = cli_commands(&commands);
    for (size_t i = 0; i < count; i++) {
        completed[i] = cli_option_command(commands[i]);
        pointers[i] = &completed[i];
    }
    if (manual)
        options_manual("tapeloop", 1, "record a node's traffic on a loop and keep the stretches that matter", pointers, count, stdout);
    else
        options_bash_completion("tapeloop", pointers, count, stdout);
}

bool documents_serve(int argc, char **argv, int *ret_code)
{
    bool manual = strcmp(argv[0], "--generate-manual") == 0;
    *ret_code = CLI_OK;
    if (manual || strcmp(argv[0], "--generate-completion") == 0) {
        write_document(manual);
        return true;
    }
    if (strcmp(argv[0], "--complete") == 0 && argc == 2) {
        complete_names(argv[1]);
        return true;
    }
    return false;
}
