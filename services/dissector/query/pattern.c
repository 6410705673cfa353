#define PCRE2_CODE_UNIT_WIDTH 8
#include "services/dissector/query/pattern.h"
#include <errno.h>
#include <pcre2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_FIRST_BYTES (64u * 1024)

struct pattern { pcre2_code *code; pcre2_match_data *data; pcre2_match_context *context; pcre2_jit_stack *stack; /* NULL: not needed yet */ };

struct scan {
    const char *text;
    size_t size, at;
    char *error;
    bool after_repeat;      /* a second repetition would be possessive, or none */
    char meant[PATTERN_BYTES_MAX]; /* the text as PCRE2 must have it to mean the same */
};

static int refuse(struct scan *s, size_t at, const char *why)
{
    s->at = at;
    (void)snprintf(s->error, PATTERN_ERROR_TEXT_MAX, "%s", why);
    return -EINVAL;
}

static char peek(const struct scan *s, size_t ahead) { return s->at + ahead < s->size ? s->text[s->at + ahead] : '\0'; }

/* An escape that RE2 has; at the backslash. in_class: inside [...]. */
static int scan_escape(struct scan *s, bool in_class)
{
    char c = peek(s, 1);
    if (s->at + 1 >= s->size)
        return refuse(s, s->at, "a backslash at the end escapes nothing");
    if (c >= '1' && c <= '9')
        return refuse(s, s->at, "backreferences are not in RE2's syntax");
    if (c == 'k' || c == 'g')
        return refuse(s, s->at, "backreferences are not in RE2's syntax");
    if (c == 'Q' && !in_class) {
        const char *end = memmem(s->text + s->at + 2, s->size - s->at - 2, "\\E", 2);
        s->at = end ? (size_t)(end - s->text) + 2 : s->size;
        return 0;
    }
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && !strchr(in_class ? "aftnrvxdDsSwWpP" : "aftnrvxdDsSwWpPAbBzE", c))
        return refuse(s, s->at, "this escape is not in RE2's syntax");
    if (c == 'v') /* one character to RE2, a class of them to PCRE2 */
        s->meant[s->at + 1] = '\v';
    s->at += 2;
    return 0;
}

static int scan_class(struct scan *s)
{
    size_t open = s->at++;
    if (peek(s, 0) == '^')
        s->at++;
    for (bool first = true; s->at < s->size; first = false) {
        if (peek(s, 0) == ']' && !first) {
            s->at++;
            return 0;
        }
        if (peek(s, 0) == '\\') {
            int r = scan_escape(s, true);
            if (r < 0)
                return r;
        } else if (peek(s, 0) == '[' && peek(s, 1) == ':') { /* [:alpha:]; its ] is not the class's */
            const char *end = memmem(s->text + s->at + 2, s->size - s->at - 2, ":]", 2);
            s->at = end ? (size_t)(end - s->text) + 2 : s->at + 1;
        } else if (peek(s, 0) == '[' && (peek(s, 1) == '.' || peek(s, 1) == '='))
            return refuse(s, s->at, "collating elements are not in RE2's syntax");
        else
            s->at++;
    }
    return refuse(s, open, "this [ is not closed");
}

/* Behind "(?": only what names a group, or sets flags i, m, s and U. */
static int scan_group(struct scan *s)
{
    size_t open = s->at++;
    if (peek(s, 0) == '*')
        return refuse(s, open, "verbs are not in RE2's syntax");
    if (peek(s, 0) != '?')
        return 0;
    char c = peek(s, 1), d = peek(s, 2);
    if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!')))
        return refuse(s, open, "lookaround is not in RE2's syntax");
    if (c == 'P' && d == '=')
        return refuse(s, open, "backreferences are not in RE2's syntax");
    if ((c == 'P' && d == '<') || c == '<') {
        const char *end = memchr(s->text + s->at, '>', s->size - s->at);
        if (!end)
            return refuse(s, open, "the name of this group does not end");
        s->at = (size_t)(end - s->text) + 1;
        return 0;
    }
    for (s->at++; peek(s, 0) && strchr("imsU-", peek(s, 0));)
        s->at++;
    if (peek(s, 0) != ':' && peek(s, 0) != ')')
        return refuse(s, open, "this kind of group is not in RE2's syntax");
    if (peek(s, 0) == ':')
        s->at++;
    return 0;
}

/* {n}, {n,} or {n,m}: bytes, or 0 where it is plain text. */
static size_t repeat_size(const struct scan *s, unsigned *ret_most)
{
    size_t i = 1;
    unsigned number = 0, most = 0;
    bool digits = false;
    for (;; i++) {
        char c = peek(s, i);
        if (c >= '0' && c <= '9') {
            number = number > PATTERN_REPEAT_MAX ? number : number * 10 + (unsigned)(c - '0');
            most = number > most ? number : most;
            digits = true;
        } else if (c == ',' && digits && !memchr(s->text + s->at, ',', i))
            number = 0;
        else
            break;
    }
    *ret_most = most;
    return digits && peek(s, i) == '}' ? i + 1 : 0;
}

static int scan_repeat(struct scan *s)
{
    unsigned most = 0;
    size_t size = peek(s, 0) == '{' ? repeat_size(s, &most) : 1;
    if (size == 0) { /* a brace like any other letter */
        s->at++;
        s->after_repeat = false;
        return 0;
    }
    if (s->after_repeat)
        return refuse(s, s->at, "a repetition of a repetition is not in RE2's syntax");
    if (most > PATTERN_REPEAT_MAX)
        return refuse(s, s->at, "more than 1000 repetitions");
    s->at += size;
    if (peek(s, 0) == '?')
        s->at++;
    s->after_repeat = true;
    return 0;
}

static int scan_pattern(struct scan *s)
{
    while (s->at < s->size) {
        int r = 0;
        char c = peek(s, 0);
        bool repeat = c == '*' || c == '+' || c == '?' || c == '{';
        if (repeat)
            r = scan_repeat(s);
        else if (c == '\\')
            r = scan_escape(s, false);
        else if (c == '[')
            r = scan_class(s);
        else if (c == '(')
            r = scan_group(s);
        else
            s->at++;
        if (r < 0)
            return r;
        s->after_repeat = s->after_repeat && repeat;
    }
    return 0;
}

static int make_limits(struct pattern *p)
{
    p->data = pcre2_match_data_create(1, NULL);
    p->context = pcre2_match_context_create(NULL);
    if (!p->data || !p->context)
        return -ENOMEM;
    pcre2_set_match_limit(p->context, PATTERN_STEPS_MAX);
    pcre2_set_depth_limit(p->context, PATTERN_DEPTH_MAX);
    pcre2_set_heap_limit(p->context, PATTERN_HEAP_KIB_MAX);
    return 0;
}

int pattern_compile(const char *text, size_t size, struct pattern **ret, size_t *ret_at, char *error)
{
    struct scan s = { .text = text, .size = size, .error = error };
    memcpy(s.meant, text, size < sizeof s.meant ? size : sizeof s.meant);
    int r = size > PATTERN_BYTES_MAX ? refuse(&s, 0, "this pattern is too long") : scan_pattern(&s);
    if (r < 0) {
        *ret_at = s.at;
        return r;
    }
    struct pattern *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    int number;
    PCRE2_SIZE at;
    p->code = pcre2_compile((PCRE2_SPTR)s.meant, size, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &number, &at, NULL);
    if (!p->code) {
        pattern_free(p);
        *ret_at = at;
        if (pcre2_get_error_message(number, (PCRE2_UCHAR *)error, PATTERN_ERROR_TEXT_MAX) < 0)
            (void)snprintf(error, PATTERN_ERROR_TEXT_MAX, "this pattern is wrong");
        return -EINVAL;
    }
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where memory may not be executable, the interpreter does it */
    if ((r = make_limits(p)) < 0) {
        pattern_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

/* Compiled code has 32 KiB of the machine's stack, which a group repeated over a page of text fills; then it gets what the interpreter may have. False: it has that already, or there is no memory. */
static bool take_stack(struct pattern *p)
{
    if (p->stack)
        return false;
    p->stack = pcre2_jit_stack_create(STACK_FIRST_BYTES, PATTERN_HEAP_KIB_MAX * 1024, NULL);
    pcre2_jit_stack_assign(p->context, NULL, p->stack);
    return p->stack;
}

int pattern_match(struct pattern *p, const char *text, size_t size)
{
    int r = pcre2_match(p->code, (PCRE2_SPTR)text, size, 0, 0, p->data, p->context);
    if (r == PCRE2_ERROR_JIT_STACKLIMIT && take_stack(p))
        r = pcre2_match(p->code, (PCRE2_SPTR)text, size, 0, 0, p->data, p->context);
    if (r >= 0)
        return 1;
    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    return r == PCRE2_ERROR_NOMEMORY ? -ENOMEM : -E2BIG;
}

void pattern_free(void *pattern)
{
    struct pattern *p = pattern;
    if (!p)
        return;
    pcre2_match_data_free(p->data);
    pcre2_match_context_free(p->context);
    pcre2_jit_stack_free(p->stack);
    pcre2_code_free(p->code);
    free(p);
}
