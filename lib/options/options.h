/* One table of options per command: parsing, --help, the manual page, shell completion and environment names come from it.
 *
 * Precedence: flag, then environment, then the default in the table. Not thread-safe; called before threads start. */
#ifndef OPTIONS_OPTIONS_H
#define OPTIONS_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_FLAG,     /* bool */
    OPTION_STRING,   /* const char *, NULL where neither given nor defaulted */
    OPTION_LIST,     /* struct option_list: repeatable, also comma-separated from the environment */
    OPTION_UINT,     /* uint64_t */
    OPTION_SIZE,     /* uint64_t bytes */
    OPTION_DURATION, /* int64_t ns */
    OPTION_TIME,     /* int64_t ns since the epoch; 0 = not given */
    OPTION_CHOICE,   /* int: index into choices */
};

#define OPTION_LIST_MAX 256 /* far above any node's interface count given by hand */
#define OPTION_ROWS_MAX 64   /* rows in one table; a command with more could not be read */
struct option_list { const char *values[OPTION_LIST_MAX]; size_t count; };

struct option {
    const char *name;             /* long name without dashes */
    char letter;                  /* short letter or 0 */
    enum option_type type;
    size_t field;                 /* offsetof in the options struct */
    const char *value_name;       /* "DIR"; NULL for flags */
    const char *fallback;         /* default as text, parsed like a flag's value; NULL = zero */
    const char *environment;      /* variable name or NULL */
    const char *setting;          /* the product's switch ("tap.capture.raw.storageSize") or NULL */
    const char *const *choices;   /* NULL-terminated, for OPTION_CHOICE */
    const char *complete;         /* what the shell completes: "file", "dir", "interface", a word that PROGRAM --complete WORD answers with names, or NULL */
    const char *help;             /* one sentence, no full stop */
    uint64_t least, most;         /* bounds for UINT, SIZE and DURATION(ns); most 0 = none */
};

struct option_command {
    const char *name;             /* "tapeloop snapshot create" */
    const char *arguments;        /* "NAME", "[NODE...]" or NULL */
    size_t arguments_least, arguments_most;
    const char *arguments_complete; /* what the shell completes for them, as an option's `complete`; or NULL */
    const char *summary;          /* one line */
    const char *description;      /* paragraphs, for --help and the manual */
    const char *examples;         /* lines, or NULL */
    const char *exit_codes;       /* lines, or NULL for the usual 0 and 1, 2 = wrong use */
    const struct option *options; /* rows from a plain array */
    size_t options_count;
    const struct option *more;    /* a second table shared by commands (connection options), stored behind more_field */
    size_t more_count;
    size_t more_field;            /* offset of the struct that `more`'s fields count from */
};

/* Parses argv[1..]. Fills *fields (defaults, environment, flags) and *ret_arguments (points into argv).
 * The arguments end with a NULL. Returns 0 to go on; 1 when --help or --version was served (exit 0); -EINVAL when use was wrong: one line naming the
 * option, the value and what would be right, was written to err. --help and --version always exist, and for a command of one word --generate-manual,
 * which writes its man(7) page of section 8; "--" ends options;
 * "--name=value" and "--name value" both work. */
int options_parse(const struct option_command *command, int argc, char **argv, void *fields, char ***ret_arguments,
                  size_t *ret_count, FILE *out, FILE *err);
void options_help(const struct option_command *command, FILE *out);
/* man(7) source, section 1 (tapeloop ...) or 8 (services), for one page over `count` commands. */
void options_manual(const char *page, int section, const char *summary, const struct option_command *const *commands, size_t count, FILE *out);
/* A bash completion script for program over its commands (each name begins with the program's name). */
void options_bash_completion(const char *program, const struct option_command *const *commands, size_t count, FILE *out);
#endif
