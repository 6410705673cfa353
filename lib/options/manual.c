/* The manual page of a program: man(7) source from its commands' tables. */
#include <string.h>

#include "options/options.h"
#include "options/rows.h"

/* Text as man(7) wants it: "-" and "\" escaped, no line that begins as a request, empty lines as paragraphs. */
static void put_text(const char *text, FILE *out)
{
    bool begins = true;
    for (const char *p = text; *p; p++) {
        if (begins && (*p == '.' || *p == '\''))
            fputs("\\&", out);
        begins = *p == '\n';
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else
            fputc(*p, out);
    }
}

static void put_paragraphs(const char *text, FILE *out)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length == 0) {
            fputs(".PP\n", out);
        } else {
            char line[1024];
            for (size_t at = 0; at < length; at += sizeof line - 1) {
                (void)snprintf(line, sizeof line, "%.*s", (int)(length - at), text + at);
                put_text(line, out);
            }
            fputc('\n', out);
        }
        text += length + (text[length] == '\n');
    }
}

static void put_verbatim(const char *text, FILE *out)
{
    fputs(".nf\n", out);
    put_text(text, out);
    if (*text && text[strlen(text) - 1] != '\n')
        fputc('\n', out);
    fputs(".fi\n", out);
}

static void put_option(const struct option *option, FILE *out)
{
    fputs(".TP\n\\fB", out);
    if (option->letter)
        fprintf(out, "\\-%c\\fR, \\fB", option->letter);
    fputs("\\-\\-", out);
    put_text(option->name, out);
    fputs("\\fR", out);
    if (option->value_name) {
        fputs(" \\fI", out);
        put_text(option->value_name, out);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put_text(option->help, out);
    for (size_t i = 0; option->type == OPTION_CHOICE && option->choices[i]; i++) {
        fputs(i ? ", " : ": ", out);
        put_text(option->choices[i], out);
    }
    fputs(".\n", out);
    if (option->type == OPTION_LIST)
        fputs("May be repeated.\n", out);
    if (option->fallback && *option->fallback) {
        fputs("Default: ", out);
        put_text(option->fallback, out);
        fputs(".\n", out);
    }
    if (option->environment)
        fprintf(out, "Environment: \\fB%s\\fR.\n", option->environment);
    if (option->setting) {
        fputs("Setting: \\fB", out);
        put_text(option->setting, out);
        fputs("\\fR.\n", out);
    }
}

static void put_command(const struct option_command *command, bool heading, FILE *out)
{
    if (heading) {
        fputs(".SS ", out);
        put_text(command->name, out);
        if (command->arguments) {
            fputc(' ', out);
            put_text(command->arguments, out);
        }
        fputc('\n', out);
        put_text(command->summary, out);
        fputs(".\n", out);
        if (command->description)
            fputs(".PP\n", out);
    }
    if (command->description)
        put_paragraphs(command->description, out);
    for (size_t i = 0; i < command->options_count; i++)
        put_option(&command->options[i], out);
    if (command->exit_codes) {
        fputs(".PP\nExit codes:\n.PP\n", out);
        put_verbatim(command->exit_codes, out);
    }
}

static void put_synopsis(const struct option_command *const *commands, size_t count, FILE *out)
{
    fputs(".SH SYNOPSIS\n", out);
    for (size_t i = 0; i < count; i++) {
        fputs(i ? ".br\n\\fB" : "\\fB", out);
        put_text(commands[i]->name, out);
        fputs("\\fR [\\fIOPTIONS\\fR]", out);
        if (commands[i]->arguments) {
            fputs(" \\fI", out);
            put_text(commands[i]->arguments, out);
            fputs("\\fR", out);
        }
        fputc('\n', out);
    }
}

/* The options that commands share, each table once. */
static void put_shared(const struct option_command *const *commands, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        bool seen = !commands[i]->more_count;
        for (size_t j = 0; j < i && !seen; j++)
            seen = commands[j]->more == commands[i]->more;
        if (seen)
            continue;
        fputs(".SH CONNECTION AND LOGGING OPTIONS\n", out);
        for (size_t row = 0; row < commands[i]->more_count; row++)
            put_option(&commands[i]->more[row], out);
    }
}

static void put_examples(const struct option_command *const *commands, size_t count, FILE *out)
{
    bool begun = false;
    for (size_t i = 0; i < count; i++) {
        if (!commands[i]->examples)
            continue;
        fputs(begun ? ".PP\n" : ".SH EXAMPLES\n", out);
        put_verbatim(commands[i]->examples, out);
        begun = true;
    }
}

void options_manual(const char *page, int section, const char *summary, const struct option_command *const *commands, size_t count, FILE *out)
{
    fprintf(out, ".TH \"%s\" \"%d\" \"\" \"tapeloop %s\" \"Tapeloop\"\n.SH NAME\n", page, section, TAPELOOP_VERSION);
    put_text(page, out);
    fputs(" \\- ", out);
    put_text(summary, out);
    fputc('\n', out);
    put_synopsis(commands, count, out);
    fputs(count > 1 ? ".SH COMMANDS\n" : ".SH DESCRIPTION\n", out);
    for (size_t i = 0; i < count; i++)
        put_command(commands[i], count > 1, out);
    put_shared(commands, count, out);
    put_examples(commands, count, out);
    fputs(".SH EXIT STATUS\nUnless a command says otherwise:\n.PP\n", out);
    put_verbatim(ROWS_USUAL_EXIT_CODES, out);
}
