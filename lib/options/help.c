/* --help: one command's table as text for a terminal. */
#include <stdlib.h>
#include <string.h>

#include "options/options.h"
#include "options/rows.h"

#define TEXT_WIDTH 80
#define HELP_COLUMN 28 /* where a row's sentence begins */

static void put_usage(const struct option_command *command, FILE *out)
{
    if (rows_count(command))
        fprintf(out, " [OPTIONS]");
    if (command->arguments)
        fprintf(out, " %s", command->arguments);
}

static void put_indent(size_t indent, FILE *out) { fprintf(out, "%*s", (int)indent, ""); }

/* One line of text, broken at spaces. */
static void wrap_line(const char *line, size_t length, size_t indent, size_t width, FILE *out)
{
    size_t column = indent;
    bool first = true;
    while (length) {
        size_t word = 0;
        while (word < length && line[word] != ' ')
            word++;
        if (!first && column + 1 + word > width) {
            fputc('\n', out);
            put_indent(indent, out);
            column = indent;
            first = true;
        }
        if (!first) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", (int)word, line);
        column += word;
        first = false;
        line += word;
        length -= word;
        while (length && *line == ' ') {
            line++;
            length--;
        }
    }
}

/* Writes text in lines of at most `width` columns, each after `indent` spaces (the first too unless `started`). A line that begins with a space stays as it is. */
static void wrap_text(const char *text, size_t indent, size_t width, bool started, FILE *out)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (length && !started)
            put_indent(indent, out);
        if (*text == ' ')
            fprintf(out, "%.*s", (int)length, text);
        else
            wrap_line(text, length, indent, width, out);
        fputc('\n', out);
        text += length + (text[length] == '\n');
        started = false;
    }
}

/* "  -s, --server URL". Returns its columns. */
static size_t put_flag(const struct option *option, FILE *out)
{
    int n = option->letter ? fprintf(out, "  -%c, --%s", option->letter, option->name) : fprintf(out, "      --%s", option->name);
    if (option->value_name)
        n += fprintf(out, " %s", option->value_name);
    return (size_t)n;
}

/* The sentence with its choices, default, environment name and setting. Heap text, or NULL. */
static char *describe(const struct option *option)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%s", option->help);
    if (option->type == OPTION_CHOICE) {
        for (size_t i = 0; option->choices[i]; i++)
            fprintf(out, "%s%s", i ? ", " : ": ", option->choices[i]);
    }
    if (option->type == OPTION_LIST)
        fprintf(out, "; may be repeated");
    if (option->fallback && *option->fallback)
        fprintf(out, " (default %s)", option->fallback);
    if (option->environment)
        fprintf(out, " [$%s]", option->environment);
    if (option->setting)
        fprintf(out, " [%s]", option->setting);
    return fclose(out) == 0 ? text : NULL;
}

static void put_row(const struct option *option, FILE *out)
{
    size_t column = put_flag(option, out);
    if (column + 2 > HELP_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    put_indent(HELP_COLUMN - column, out);
    char *text = describe(option);
    wrap_text(text ? text : option->help, HELP_COLUMN, TEXT_WIDTH, true, out);
    free(text);
}

static void put_rows(const char *title, const struct option *rows, size_t count, FILE *out)
{
    if (count)
        fprintf(out, "\n%s:\n", title);
    for (size_t i = 0; i < count; i++)
        put_row(&rows[i], out);
}

/* Lines as they are, indented. */
static void put_lines(const char *text, FILE *out)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", length ? "  " : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

void options_help(const struct option_command *command, FILE *out)
{
    static const struct option questions[] = {
        { .name = "help", .letter = 'h', .help = "Show this and exit" },
        { .name = "version", .help = "Show the version and exit" },
    };
    fprintf(out, "Usage: %s", command->name);
    put_usage(command, out);
    fprintf(out, "\n\n%s\n", command->summary);
    if (command->description) {
        fputc('\n', out);
        wrap_text(command->description, 0, TEXT_WIDTH, false, out);
    }
    put_rows("Options", command->options, command->options_count, out);
    if (!command->options_count)
        fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        put_row(&questions[i], out);
    put_rows("Connection and logging", command->more, command->more_count, out);
    if (command->examples) {
        fprintf(out, "\nExamples:\n");
        put_lines(command->examples, out);
    }
    fprintf(out, "\nExit codes:\n");
    put_lines(command->exit_codes ? command->exit_codes : ROWS_USUAL_EXIT_CODES, out);
}
