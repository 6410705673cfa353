/* What the parser and the writers of help, manual and completion share: walking a command's two tables as one list. Private to lib/options. */
#ifndef OPTIONS_ROWS_H
#define OPTIONS_ROWS_H
#include "options/options.h"

static inline size_t rows_count(const struct option_command *command) { return command->options_count + command->more_count; }
static inline const struct option *rows_at(const struct option_command *command, size_t i)
{
    return i < command->options_count ? &command->options[i] : &command->more[i - command->options_count];
}
#define ROWS_USUAL_EXIT_CODES "0  success\n1  failure\n2  wrong use"
#endif
