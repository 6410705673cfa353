/* Bash completion: one function per program, made of case statements over its commands. */
#include <string.h>

#include "options/options.h"
#include "options/rows.h"

/* Letters that may stand in a shell function's name. */
static void put_identifier(const char *text, FILE *out)
{
    for (; *text; text++)
        fputc(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *text) ? *text : '_', out);
}

/* The first `words` words of name; its length, or 0 when it has fewer. */
static size_t prefix_length(const char *name, size_t words)
{
    size_t at = 0;
    while (words--) {
        if (!name[at])
            return 0;
        at += strspn(name + at, " ");
        at += strcspn(name + at, " ");
    }
    return at;
}

/* Each distinct prefix of the names ("tapeloop", "tapeloop snapshot", "tapeloop snapshot create") once. */
static bool is_first_with_prefix(const struct option_command *const *commands, size_t index, size_t length)
{
    for (size_t i = 0; i < index; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, commands[index]->name, length) == 0 && (name[length] == ' ' || !name[length]))
            return false;
    }
    return true;
}

static void put_prefixes(const struct option_command *const *commands, size_t count, FILE *out)
{
    bool begun = false;
    for (size_t i = 0; i < count; i++) {
        size_t length;
        for (size_t words = 2; (length = prefix_length(commands[i]->name, words)) > 0; words++) {
            if (!is_first_with_prefix(commands, i, length))
                continue;
            fprintf(out, "%s\"%.*s\"", begun ? " | " : "            ", (int)length, commands[i]->name);
            begun = true;
        }
    }
    fputs(begun ? ") command=$next ;;\n" : "            \"\") ;;\n", out);
}

/* What may follow a prefix: the next words of longer names, and the options of the command of that very name. */
static void put_words(const struct option_command *const *commands, size_t count, const char *prefix, size_t length, FILE *out)
{
    fprintf(out, "        \"%.*s\") words=\"", (int)length, prefix);
    for (size_t i = 0; i < count; i++) {
        const char *name = commands[i]->name;
        if (strncmp(name, prefix, length) != 0 || name[length] != ' ')
            continue;
        size_t end = length + 1 + strcspn(name + length + 1, " ");
        if (is_first_with_prefix(commands, i, end))
            fprintf(out, "%.*s ", (int)(end - length - 1), name + length + 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (strlen(commands[i]->name) != length || strncmp(commands[i]->name, prefix, length) != 0)
            continue;
        for (size_t row = 0; row < rows_count(commands[i]); row++)
            fprintf(out, "--%s ", rows_at(commands[i], row)->name);
    }
    fputs("--help\" ;;\n", out);
}

/* Fills COMPREPLY with what stands for `complete`. */
static void put_reply(const char *complete, FILE *out)
{
    if (strcmp(complete, "file") == 0)
        fputs("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")", out);
    else if (strcmp(complete, "dir") == 0)
        fputs("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")", out);
    else if (strcmp(complete, "interface") == 0)
        fputs("mapfile -t COMPREPLY < <(cd /sys/class/net && compgen -f -- \"$cur\")", out);
    else /* the program knows, the one that is being typed; no compgen -W, which would expand what comes from outside */
        fprintf(out, "while read -r next; do if [[ $next == \"$cur\"* ]]; then COMPREPLY+=(\"$next\"); fi; done < <(\"${COMP_WORDS[0]}\" --complete %s 2>/dev/null)", complete);
}

/* How the shell completes an option's value. */
static void put_value(const struct option_command *command, const struct option *option, FILE *out)
{
    fprintf(out, "        \"%s --%s\"", command->name, option->name);
    if (option->letter)
        fprintf(out, " | \"%s -%c\"", command->name, option->letter);
    fputs(") ", out);
    if (option->type == OPTION_CHOICE) {
        fputs("mapfile -t COMPREPLY < <(compgen -W \"", out);
        for (size_t i = 0; option->choices[i]; i++)
            fprintf(out, "%s%s", i ? " " : "", option->choices[i]);
        fputs("\" -- \"$cur\")", out);
    } else if (option->complete) {
        put_reply(option->complete, out);
    } else {
        fputs(":", out);
    }
    fputs("; return ;;\n", out);
}

static void put_values(const struct option_command *const *commands, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < rows_count(commands[i]); row++) {
            const struct option *option = rows_at(commands[i], row);
            if (option->type != OPTION_FLAG)
                put_value(commands[i], option, out);
        }
    }
}

/* Arguments, where what is typed is no option. */
static void put_arguments(const struct option_command *const *commands, size_t count, FILE *out)
{
    fputs("    [[ $cur == -* ]] || case \"$command\" in\n", out);
    for (size_t i = 0; i < count; i++) {
        if (!commands[i]->arguments_complete)
            continue;
        fprintf(out, "        \"%s\") ", commands[i]->name);
        put_reply(commands[i]->arguments_complete, out);
        fputs("; return ;;\n", out);
    }
    fputs("    esac\n", out);
}

void options_bash_completion(const char *program, const struct option_command *const *commands, size_t count, FILE *out)
{
    fprintf(out, "# bash completion for %s; made from its option tables.\n_", program);
    put_identifier(program, out);
    fprintf(out, "()\n{\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=\"%s\" next words=\"\" i\n"
                 "    COMPREPLY=()\n"
                 "    [[ $cur == = ]] && cur=\"\"\n"
                 "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        next=\"$command ${COMP_WORDS[i]}\"\n"
                 "        case \"$next\" in\n", program);
    put_prefixes(commands, count, out);
    fputs("        esac\n    done\n    case \"$command $prev\" in\n", out);
    put_values(commands, count, out);
    fputs("    esac\n", out);
    put_arguments(commands, count, out);
    fputs("    case \"$command\" in\n", out);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        for (size_t n = 1; (length = prefix_length(commands[i]->name, n)) > 0; n++) {
            if (is_first_with_prefix(commands, i, length))
                put_words(commands, count, commands[i]->name, length, out);
        }
    }
    fputs("    esac\n    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _", out);
    put_identifier(program, out);
    fprintf(out, " %s\n", program);
}
