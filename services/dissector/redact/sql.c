/* SQL text: what follows PASSWORD (or a name that ends so, as MASTER_PASSWORD), or BY, AS and USING behind IDENTIFIED; strict: every literal. Written for PostgreSQL's and MySQL's words alike, without knowing which it is;
 * where the two read a text differently (a backslash before a quote, a quote in what is a comment to one of them), the rest of the text is hidden. See redact.h. */
#include "services/dissector/redact/redact.h"
#include "services/dissector/redact/writer.h"

enum expects { EXPECTS_NOTHING, EXPECTS_SECRET, EXPECTS_EQUALS /* SET PASSWORD FOR user = */ };
struct scanner {
    struct redact_writer w;
    size_t at, size;
    size_t clear;       /* no quote stands before it */
    bool strict;
    enum expects expects;
    bool identified;    /* IDENTIFIED was seen in this statement */
    bool bare;          /* the secret may be a word without quotes (IDENTIFIED BY tiger) */
    bool joins;         /* a secret has just ended: a literal behind it, with nothing but blanks between, goes on with it */
    bool inserting;     /* the statement's first word is INSERT or REPLACE: a column named password makes every literal behind it one */
    bool first_word;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_password(const char *word, size_t size) { return size >= 8 && REDACT_IS(word + size - 8, 8, "password"); }
static bool is_word(char c) { return (redact_lower(c) >= 'a' && redact_lower(c) <= 'z') || is_digit(c) || c == '_' || c == '$' || (unsigned char)c >= 128; }

/* Whether there is anything to look for: both words have a letter that is rare in SQL. */
static bool mentions_secret(const char *text, size_t size)
{
    for (size_t i = 4; i + 3 < size; i++) {
        char c = redact_lower(text[i]);
        if (c == 'w' && size - i >= 4 && REDACT_IS(text + i - 4, 8, "password"))
            return true;
        if (c == 'f' && i >= 6 && size - i >= 4 && REDACT_IS(text + i - 6, 10, "identified"))
            return true;
    }
    return false;
}

/* A literal whose contents are [from, to). */
static void take_literal(struct scanner *s, size_t from, size_t to)
{
    bool secret = s->strict || s->expects == EXPECTS_SECRET || s->joins;
    if (!secret && to - from > 9) /* a connection string: 'host=db password=x' */
        for (size_t i = from; i + 9 <= to && !secret; i++)
            secret = REDACT_IS(s->w.text + i, 8, "password") && (s->w.text[i + 8] == '=' || s->w.text[i + 8] == ' ');
    if (secret)
        redact_writer_cut(&s->w, from, to);
    s->joins = secret;
    if (!s->inserting && s->expects == EXPECTS_SECRET)
        s->expects = EXPECTS_NOTHING;
    s->bare = false;
}

static void take_word(struct scanner *s, size_t from, size_t to)
{
    const char *word = s->w.text + from;
    size_t size = to - from;
    if (s->first_word) {
        s->inserting = REDACT_IS(word, size, "insert") || REDACT_IS(word, size, "replace");
        s->first_word = false;
    }
    if (is_password(word, size)) {
        s->expects = EXPECTS_SECRET;
        s->bare = false;
    } else if (REDACT_IS(word, size, "identified"))
        s->identified = true;
    else if (s->identified && (REDACT_IS(word, size, "by") || REDACT_IS(word, size, "as") || REDACT_IS(word, size, "using") || REDACT_IS(word, size, "replace"))) {
        s->expects = EXPECTS_SECRET;
        s->bare = REDACT_IS(word, size, "by");
    } else if (s->expects == EXPECTS_SECRET && !s->inserting) {
        if (REDACT_IS(word, size, "for"))
            s->expects = EXPECTS_EQUALS;
        else if (REDACT_IS(word, size, "from") || REDACT_IS(word, size, "where") || REDACT_IS(word, size, "null") || REDACT_IS(word, size, "and") || REDACT_IS(word, size, "or") || REDACT_IS(word, size, "expire") ||
                 REDACT_IS(word, size, "history") || REDACT_IS(word, size, "reuse") || REDACT_IS(word, size, "require") || REDACT_IS(word, size, "random"))
            s->expects = EXPECTS_NOTHING;
        else if (s->bare)
            take_literal(s, from, to);
    }
}

/* 'text', "text", `name`: a doubled quote stands for one. False: a backslash makes it unclear where it ends. */
static bool take_quoted(struct scanner *s)
{
    const char *text = s->w.text;
    char quote = text[s->at];
    size_t from = ++s->at;
    for (;;) {
        const char *found = memchr(text + s->at, quote, s->size - s->at);
        if (!found) {
            s->at = s->size;
            break;
        }
        s->at = (size_t)(found - text);
        if (quote != '`' && s->at > from && text[s->at - 1] == '\\')
            return false;
        if (s->at + 1 == s->size || text[s->at + 1] != quote)
            break;
        s->at += 2;
    }
    size_t to = s->at;
    s->at += s->at < s->size;
    if (quote == '`' || (quote == '"' && !s->strict && (s->expects != EXPECTS_SECRET || is_password(text + from, to - from))))
        take_word(s, from, to); /* a name */
    else
        take_literal(s, from, to);
    return true;
}

/* PostgreSQL's $tag$ text $tag$. False: it is none. */
static bool take_dollar_quoted(struct scanner *s)
{
    const char *text = s->w.text;
    size_t tag_end = s->at + 1;
    while (tag_end < s->size && is_word(text[tag_end]) && text[tag_end] != '$')
        tag_end++;
    if (tag_end == s->size || text[tag_end] != '$' || is_digit(text[s->at + 1]))
        return false;
    size_t tag_size = tag_end + 1 - s->at, from = tag_end + 1;
    const char *end = memmem(text + from, s->size - from, text + s->at, tag_size);
    size_t to = end ? (size_t)(end - text) : s->size;
    take_literal(s, from, to);
    s->at = end ? to + tag_size : s->size;
    return true;
}

/* A comment of one of the two that the other reads on in: MySQL's with '#', PostgreSQL's "--" without a blank behind it, where there is a quote in it; and a comment inside of one, which only PostgreSQL counts. */
static bool is_unclear(struct scanner *s)
{
    const char *text = s->w.text + s->at, *end;
    size_t left = s->size - s->at;
    if (left > 2 && text[0] == '/' && text[1] == '*' && text[2] != '!') {
        end = memmem(text + 2, left - 2, "*/", 2);
        return memmem(text + 2, end ? (size_t)(end - text) - 2 : left - 2, "/*", 2) != NULL;
    }
    bool dashes = left > 2 && text[0] == '-' && text[1] == '-' && !is_blank(text[2]), hash = left > 1 && text[0] == '#' && text[1] != '>' && text[1] != '-'; /* #> and #- are operators */
    if ((!dashes && !hash) || s->at < s->clear)
        return false;
    end = memchr(text, '\n', left);
    s->clear = end ? (size_t)(end - s->w.text) : s->size;
    return redact_find_any(s->w.text, s->at, s->clear, "'\"`$") < s->clear;
}

/* Skips a comment at the front. MySQL runs what stands in one that begins with a '!'. */
static bool skip_comment(struct scanner *s)
{
    const char *text = s->w.text + s->at, *end = NULL;
    size_t left = s->size - s->at;
    if (left >= 2 && text[0] == '-' && text[1] == '-')
        end = memchr(text, '\n', left);
    else if (left >= 3 && text[0] == '/' && text[1] == '*' && text[2] == '!') {
        s->at += 3;
        return true;
    } else if (left >= 2 && text[0] == '/' && text[1] == '*') {
        end = left >= 4 ? memmem(text + 2, left - 2, "*/", 2) : NULL;
        end = end ? end + 1 : NULL;
    } else
        return false;
    s->at = end ? (size_t)(end - s->w.text) + 1 : s->size;
    return true;
}

static void take_number(struct scanner *s)
{
    size_t from = s->at;
    while (s->at < s->size && (is_word(s->w.text[s->at]) || s->w.text[s->at] == '.'))
        s->at++;
    if (s->strict || s->expects == EXPECTS_SECRET)
        take_literal(s, from, s->at);
}

/* False: the rest of the text cannot be told apart. */
static bool take_next(struct scanner *s)
{
    const char *text = s->w.text;
    char c = text[s->at];
    if (c == '\'' || c == '"' || c == '`')
        return take_quoted(s);
    if ((c == '-' || c == '/' || c == '#') && is_unclear(s))
        return false;
    if ((c == '-' || c == '/') && skip_comment(s))
        return true;
    if (c == '$' && s->at + 1 < s->size && take_dollar_quoted(s))
        return true;
    s->joins = s->joins && is_blank(c);
    if (is_digit(c)) {
        take_number(s);
    } else if (c == '$') { /* a parameter, $1: not a value, and none follows where it stands */
        for (s->at++; s->at < s->size && is_digit(text[s->at]);)
            s->at++;
        if (!s->inserting && s->expects == EXPECTS_SECRET)
            s->expects = EXPECTS_NOTHING;
    } else if (is_word(c)) {
        size_t from = s->at;
        while (s->at < s->size && is_word(text[s->at]))
            s->at++;
        if (s->at < s->size && text[s->at] == '\'' && s->at - from <= 2) /* E'', B'', X'', N'', U&'' */
            return true;
        take_word(s, from, s->at);
    } else {
        if (c == ';')
            *s = (struct scanner){ .w = s->w, .at = s->at, .size = s->size, .clear = s->clear, .strict = s->strict, .first_word = true };
        else if (c == '=' && s->expects == EXPECTS_EQUALS)
            s->expects = EXPECTS_SECRET;
        s->at++;
    }
    return true;
}

ssize_t redact_sql(const char *text, size_t size, bool strict, char *dst, size_t room)
{
    if (size == 0 || (!strict && !mentions_secret(text, size)))
        return REDACT_SAME;
    struct scanner s = { .w = redact_writer_over(text, dst, room), .size = size, .strict = strict, .first_word = true };
    while (s.at < size) {
        size_t from = s.at;
        if (!take_next(&s)) {
            redact_writer_cut(&s.w, from + 1, size);
            break;
        }
    }
    return redact_writer_end(&s.w, size);
}
