/* Parsing a command line against a table of options. See options.h. */
#include "options/options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "options/rows.h"
#include "units/units.h"

#define SUGGESTION_DISTANCE_MAX 2  /* letters wrong before a name is no longer a likely slip */
#define SUGGESTION_NAME_MAX 64
#define PROBLEM_TEXT_MAX 192

/* One parse. */
struct parse {
    const struct option_command *command;
    char *fields;
    FILE *err;
    bool given[2 * OPTION_ROWS_MAX]; /* by flag: a list given by flag replaces the one from the environment */
};

static int complain(struct parse *parse, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int complain(struct parse *parse, const char *format, ...)
{
    va_list arguments;
    fprintf(parse->err, "%s: ", parse->command->name);
    va_start(arguments, format);
    vfprintf(parse->err, format, arguments);
    va_end(arguments);
    fprintf(parse->err, " (see %s --help)\n", parse->command->name);
    return -EINVAL;
}

static void *field_of(const struct parse *parse, size_t row)
{
    const struct option_command *command = parse->command;
    bool more = row >= command->options_count;
    return parse->fields + (more ? command->more_field : 0) + rows_at(command, row)->field;
}

/* Copies of texts that the environment or a default gave as a list; they live as long as the process, like argv. */
struct kept_text { struct kept_text *next; char text[]; };
static struct kept_text *kept_texts;

static char *keep_text(const char *text)
{
    size_t size = strlen(text) + 1;
    struct kept_text *kept = malloc(sizeof *kept + size);
    if (!kept)
        return NULL;
    memcpy(kept->text, text, size);
    kept->next = kept_texts;
    kept_texts = kept;
    return kept->text;
}

/* Adds the comma-separated parts of text. */
static int store_list(struct option_list *list, const char *text, bool split, char *problem)
{
    char *rest = split ? keep_text(text) : NULL;
    if (split && !rest)
        return -ENOMEM;
    const char *part = split ? strsep(&rest, ",") : text;
    while (part) {
        if (*part || !split) {
            if (list->count == OPTION_LIST_MAX) {
                (void)snprintf(problem, PROBLEM_TEXT_MAX, "more than %d values", OPTION_LIST_MAX);
                return -EINVAL;
            }
            list->values[list->count++] = part;
        }
        part = rest ? strsep(&rest, ",") : NULL;
    }
    return 0;
}

static int store_flag(bool *field, const char *text, char *problem)
{
    static const char *const yes[] = { "true", "1", "yes", "on" }, *const no[] = { "false", "0", "no", "off", "" };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(text, yes[i]) == 0) {
            *field = true;
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        if (strcmp(text, no[i]) == 0) {
            *field = false;
            return 0;
        }
    }
    (void)snprintf(problem, PROBLEM_TEXT_MAX, "is neither true nor false");
    return -EINVAL;
}

static int store_choice(const struct option *option, int *field, const char *text, char *problem)
{
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *field = i;
            return 0;
        }
    }
    size_t n = (size_t)snprintf(problem, PROBLEM_TEXT_MAX, "is none of");
    for (int i = 0; option->choices[i] && n < PROBLEM_TEXT_MAX; i++)
        n += (size_t)snprintf(problem + n, PROBLEM_TEXT_MAX - n, "%s %s", i ? "," : "", option->choices[i]);
    return -EINVAL;
}

static int parse_uint(const char *text, uint64_t *ret)
{
    uint64_t value = 0;
    if (!*text)
        return -EINVAL;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

/* A bound as the user would write it. */
static const char *format_bound(const struct option *option, uint64_t bound, char *buf, size_t cap)
{
    if (option->type == OPTION_SIZE)
        return units_format_size(bound, buf, cap);
    if (option->type == OPTION_DURATION)
        return units_format_duration((int64_t)bound, buf, cap);
    (void)snprintf(buf, cap, "%" PRIu64, bound);
    return buf;
}

/* UINT, SIZE and DURATION alike: parse, check the bounds. */
static int parse_amount(const struct option *option, const char *text, uint64_t *ret, char *problem)
{
    static const char *const what[] = { [OPTION_UINT] = "is not a whole number", [OPTION_SIZE] = "is not a size; write for example 500M or 10Gi",
                                        [OPTION_DURATION] = "is not a duration; write for example 30s, 15m or 1h30m" };
    uint64_t value = 0;
    int64_t duration = 0;
    int rc;
    switch (option->type) {
    case OPTION_UINT: rc = parse_uint(text, &value); break;
    case OPTION_SIZE: rc = units_parse_size(text, &value); break;
    default:
        rc = units_parse_duration(text, &duration);
        value = (uint64_t)duration;
    }
    if (rc < 0) {
        (void)snprintf(problem, PROBLEM_TEXT_MAX, "%s", rc == -ERANGE ? "is too large" : what[option->type]);
        return -EINVAL;
    }
    bool low = value < option->least, high = option->most && value > option->most;
    if (low || high) {
        char bound[32];
        (void)snprintf(problem, PROBLEM_TEXT_MAX, "is %s than %s", low ? "less" : "more", format_bound(option, low ? option->least : option->most, bound, sizeof bound));
        return -EINVAL;
    }
    *ret = value;
    return 0;
}

/* Stores one value. problem (PROBLEM_TEXT_MAX) gets what is wrong with it, to stand behind the value. */
static int store_value(const struct option *option, void *field, const char *text, bool split, char *problem)
{
    uint64_t amount;
    int rc;
    switch (option->type) {
    case OPTION_FLAG: return store_flag(field, text, problem);
    case OPTION_STRING: *(const char **)field = text; return 0;
    case OPTION_LIST: return store_list(field, text, split, problem);
    case OPTION_CHOICE: return store_choice(option, field, text, problem);
    case OPTION_UINT:
    case OPTION_SIZE:
        rc = parse_amount(option, text, &amount, problem);
        if (rc == 0)
            *(uint64_t *)field = amount;
        return rc;
    case OPTION_DURATION:
        rc = parse_amount(option, text, &amount, problem);
        if (rc == 0)
            *(int64_t *)field = (int64_t)amount;
        return rc;
    case OPTION_TIME:
        rc = units_parse_time(text, field);
        if (rc < 0)
            (void)snprintf(problem, PROBLEM_TEXT_MAX, "is not a time; write for example 2026-01-31T12:00:00Z");
        return rc < 0 ? -EINVAL : 0;
    }
    return -EINVAL;
}

static void clear_field(const struct option *option, void *field)
{
    switch (option->type) {
    case OPTION_FLAG: *(bool *)field = false; break;
    case OPTION_STRING: *(const char **)field = NULL; break;
    case OPTION_LIST: ((struct option_list *)field)->count = 0; break;
    case OPTION_CHOICE: *(int *)field = 0; break;
    case OPTION_UINT:
    case OPTION_SIZE: *(uint64_t *)field = 0; break;
    case OPTION_DURATION:
    case OPTION_TIME: *(int64_t *)field = 0; break;
    }
}

/* Defaults of the table, then the environment. */
static int apply_defaults(struct parse *parse)
{
    for (size_t i = 0; i < rows_count(parse->command); i++) {
        const struct option *option = rows_at(parse->command, i);
        void *field = field_of(parse, i);
        char problem[PROBLEM_TEXT_MAX];
        clear_field(option, field);
        if (option->fallback) {
            int rc = store_value(option, field, option->fallback, true, problem);
            assert(rc != -EINVAL && "a default in the table must be valid");
            if (rc < 0)
                return rc;
        }
        const char *value = option->environment ? getenv(option->environment) : NULL;
        if (!value || !*value)
            continue;
        clear_field(option, field);
        int rc = store_value(option, field, value, true, problem);
        if (rc == -EINVAL)
            return complain(parse, "%s: \"%s\" %s", option->environment, value, problem);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The least number of letters to add, drop or change between two names of at most SUGGESTION_NAME_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[SUGGESTION_NAME_MAX + 1], la = strlen(a), lb = strlen(b);
    if (la > SUGGESTION_NAME_MAX || lb > SUGGESTION_NAME_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]), least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[lb];
}

static int complain_unknown(struct parse *parse, const char *name, size_t length)
{
    char asked[SUGGESTION_NAME_MAX + 1];
    (void)snprintf(asked, sizeof asked, "%.*s", (int)length, name);
    const char *best = NULL;
    size_t best_distance = SUGGESTION_DISTANCE_MAX + 1;
    for (size_t i = 0; i < rows_count(parse->command); i++) {
        size_t distance = edit_distance(asked, rows_at(parse->command, i)->name);
        if (distance < best_distance) {
            best_distance = distance;
            best = rows_at(parse->command, i)->name;
        }
    }
    if (best)
        return complain(parse, "there is no option --%s; did you mean --%s?", asked, best);
    return complain(parse, "there is no option --%s", asked);
}

#define NO_ROW SIZE_MAX

static size_t find_name(const struct option_command *command, const char *name, size_t length)
{
    for (size_t i = 0; i < rows_count(command); i++) {
        const char *have = rows_at(command, i)->name;
        if (strncmp(have, name, length) == 0 && !have[length])
            return i;
    }
    return NO_ROW;
}

static size_t find_letter(const struct option_command *command, char letter)
{
    for (size_t i = 0; i < rows_count(command); i++) {
        if (rows_at(command, i)->letter == letter)
            return i;
    }
    return NO_ROW;
}

static int store_given(struct parse *parse, size_t row, const char *value)
{
    const struct option *option = rows_at(parse->command, row);
    void *field = field_of(parse, row);
    char problem[PROBLEM_TEXT_MAX];
    if (option->type == OPTION_LIST && !parse->given[row])
        clear_field(option, field);
    parse->given[row] = true;
    int rc = store_value(option, field, value, false, problem);
    if (rc == -EINVAL)
        return complain(parse, "--%s: \"%s\" %s", option->name, value, problem);
    return rc;
}

/* Where an option needs a value and has none of its own, the next word. Returns NULL after complaining. */
static const char *next_value(struct parse *parse, size_t row, int argc, char **argv, int *at)
{
    const struct option *option = rows_at(parse->command, row);
    if (*at + 1 < argc)
        return argv[++*at];
    (void)complain(parse, "--%s needs a value: --%s %s", option->name, option->name, option->value_name ? option->value_name : "VALUE");
    return NULL;
}

static int parse_long(struct parse *parse, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    size_t row = find_name(parse->command, name, length);
    if (row == NO_ROW)
        return complain_unknown(parse, name, length);
    const char *value = equals ? equals + 1 : NULL;
    if (!value && rows_at(parse->command, row)->type == OPTION_FLAG)
        value = "true";
    if (!value && !(value = next_value(parse, row, argc, argv, at)))
        return -EINVAL;
    return store_given(parse, row, value);
}

/* "-v", "-vq" (flags together), "-sVALUE", "-s VALUE". */
static int parse_letters(struct parse *parse, int argc, char **argv, int *at)
{
    for (const char *p = argv[*at] + 1; *p; p++) {
        size_t row = find_letter(parse->command, *p);
        if (row == NO_ROW)
            return complain(parse, "there is no option -%c", *p);
        if (rows_at(parse->command, row)->type == OPTION_FLAG) {
            int rc = store_given(parse, row, "true");
            if (rc < 0)
                return rc;
            continue;
        }
        const char *value = p[1] ? p + 1 : next_value(parse, row, argc, argv, at);
        return value ? store_given(parse, row, value) : -EINVAL;
    }
    return 0;
}

/* --help and --version (and --generate-manual of a service) win over everything else on the line, also over what is wrong there. */
static bool serve_questions(const struct option_command *command, int argc, char **argv, FILE *out)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || (strcmp(argv[i], "-h") == 0 && find_letter(command, 'h') == NO_ROW)) {
            options_help(command, out);
            return true;
        }
        if (strcmp(argv[i], "--generate-manual") == 0 && !strchr(command->name, ' ')) {
            options_manual(command->name, 8, command->summary, &command, 1, out); /* hidden: for make install */
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            fprintf(out, "%.*s %s\n", (int)strcspn(command->name, " "), command->name, TAPELOOP_VERSION);
            return true;
        }
    }
    return false;
}

static int check_arguments(struct parse *parse, char **arguments, size_t count)
{
    const struct option_command *command = parse->command;
    if (count < command->arguments_least)
        return complain(parse, "%s is missing", command->arguments ? command->arguments : "an argument");
    if (count > command->arguments_most)
        return complain(parse, "one argument too many: \"%s\"", arguments[command->arguments_most]);
    return 0;
}

int options_parse(const struct option_command *command, int argc, char **argv, void *fields, char ***ret_arguments,
                  size_t *ret_count, FILE *out, FILE *err)
{
    assert(command->options_count <= OPTION_ROWS_MAX && command->more_count <= OPTION_ROWS_MAX);
    struct parse parse = { .command = command, .fields = fields, .err = err };
    if (serve_questions(command, argc, argv, out))
        return 1;
    int rc = apply_defaults(&parse);
    char **arguments = argv + 1; /* written over words that were read already */
    size_t count = 0;
    bool ended = false;
    for (int at = 1; rc == 0 && at < argc; at++) {
        if (ended || argv[at][0] != '-' || !argv[at][1])
            arguments[count++] = argv[at];
        else if (strcmp(argv[at], "--") == 0)
            ended = true;
        else if (argv[at][1] == '-')
            rc = parse_long(&parse, argc, argv, &at);
        else
            rc = parse_letters(&parse, argc, argv, &at);
    }
    if (rc == 0)
        rc = check_arguments(&parse, arguments, count);
    if (rc < 0)
        return rc;
    arguments[count] = NULL; /* a slot that was read, or argv's own end */
    *ret_arguments = arguments;
    *ret_count = count;
    return 0;
}
