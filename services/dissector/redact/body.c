/* Bodies: JSON (RFC 8259, also several in a row), forms (application/x-www-form-urlencoded, multipart/form-data of RFC 7578). They may be cut off anywhere. See redact.h. */
#include <string.h>

#include "services/dissector/redact/pairs.h"
#include "services/dissector/redact/redact.h"
#include "services/dissector/redact/writer.h"

#define KEY_BYTES_MAX 64 /* longer keys are no secret's name */

static size_t skip_space(const char *text, size_t at, size_t size)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
        at++;
    return at;
}

/* The quote that ends the string whose first byte is at `at`; size where it is cut off. *ret_quotes: there are others in it. */
static size_t string_end_and(const char *text, size_t at, size_t size, bool *ret_quotes)
{
    *ret_quotes = false;
    for (size_t from = at; from < size; *ret_quotes = true) {
        const char *quote = memchr(text + from, '"', size - from);
        if (!quote)
            return size;
        size_t end = (size_t)(quote - text), slashes = 0;
        while (end - slashes > at && text[end - slashes - 1] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return end;
        from = end + 1;
    }
    return size;
}

static size_t string_end(const char *text, size_t at, size_t size)
{
    bool quotes;
    return string_end_and(text, at, size, &quotes);
}

/* A key may be written with escapes: "pass\u0077ord". */
static bool key_is_secret(const char *text, size_t size)
{
    if (!memchr(text, '\\', size))
        return redact_is_secret_name(text, size);
    char key[KEY_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < size && n < sizeof key; i++) {
        if (text[i] != '\\' || i + 1 == size) {
            key[n++] = text[i];
            continue;
        }
        i++;
        unsigned value = 0;
        if (text[i] != 'u' || size - i < 5) {
            key[n++] = text[i];
            continue;
        }
        for (unsigned digit = 1; digit <= 4; digit++) {
            char c = redact_lower(text[i + digit]);
            value = value * 16 + (c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 0);
        }
        key[n++] = value < 128 ? (char)value : '?';
        i += 4;
    }
    return redact_is_secret_name(key, n);
}

/* Behind the value that begins at `at` (not a string). */
static size_t value_end(const char *text, size_t at, size_t size)
{
    size_t depth = 0;
    for (; at < size; at++) {
        char c = text[at];
        if (c == '"')
            at = string_end(text, at + 1, size);
        else if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            if (--depth == 0)
                return at + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n'))
            return at;
    }
    return size;
}

/* The next quote of JSON that stands in a string, behind one backslash there. One that stands in a string of that JSON is behind three. size where there is none. */
static size_t inner_quote(const char *text, size_t at, size_t size)
{
    const char *quote;
    for (size_t from = at; from < size && (quote = memchr(text + from, '"', size - from)); from = (size_t)(quote - text) + 1) {
        size_t end = (size_t)(quote - text), slashes = 0;
        while (end - slashes > at && text[end - slashes - 1] == '\\')
            slashes++;
        if (slashes % 4 == 1)
            return end;
    }
    return size;
}

/* What stands between `at` and `size` of a string may be JSON itself, as queues hand it on. */
static void cut_inner_json(struct redact_writer *w, size_t at, size_t size)
{
    static const char quoted[] = "\\\"" REDACT_TEXT "\\\"";
    const char *text = w->text;
    while ((at = inner_quote(text, at, size)) < size) {
        size_t key = at + 1, key_end = inner_quote(text, key, size);
        at = skip_space(text, key_end + (key_end < size), size);
        if (at == size || text[at] != ':')
            continue;
        at = skip_space(text, at + 1, size);
        if (at == size || !key_is_secret(text + key, key_end - 1 - key))
            continue;
        size_t value = at, end;
        if (size - at >= 2 && text[at] == '\\' && text[at + 1] == '"') {
            end = inner_quote(text, at + 2, size);
            redact_writer_cut(w, value + 2, end - (end < size));
            at = end + (end < size);
        } else {
            end = redact_find_any(text, value, size, ",}] \\");
            if (end > value && !(end - value == 4 && memcmp(text + value, "null", 4) == 0))
                redact_writer_cut_as(w, value, end, quoted, sizeof quoted - 1);
            at = end;
        }
    }
}

static void cut_json(struct redact_writer *w, size_t size)
{
    static const char quoted[] = "\"" REDACT_TEXT "\"";
    const char *text = w->text, *quote;
    bool quotes;
    for (size_t at = 0; at < size && (quote = memchr(text + at, '"', size - at));) {
        size_t key = (size_t)(quote - text) + 1, key_end = string_end_and(text, key, size, &quotes);
        if (key_end == size) {
            cut_inner_json(w, key, key_end);
            return;
        }
        at = skip_space(text, key_end + 1, size);
        if (at == size || text[at] != ':') {
            if (quotes)
                cut_inner_json(w, key, key_end);
            continue;
        }
        at = skip_space(text, at + 1, size);
        if (at == size || !key_is_secret(text + key, key_end - key))
            continue;
        if (text[at] == '"') {
            size_t end = string_end(text, at + 1, size);
            redact_writer_cut(w, at + 1, end);
            at = end + 1;
            continue;
        }
        size_t end = value_end(text, at, size);
        if (end > at && !(end - at == 4 && memcmp(text + at, "null", 4) == 0))
            redact_writer_cut_as(w, at, end, quoted, sizeof quoted - 1);
        at = end;
    }
}

/* The value of name= in a part's headers. */
static bool part_is_secret(const char *headers, size_t size)
{
    for (size_t at = 0; at + 5 < size; at++) {
        if (!REDACT_IS(headers + at, 5, "name=") || (at && headers[at - 1] != ' ' && headers[at - 1] != ';' && headers[at - 1] != '\t'))
            continue;
        at += 5;
        bool quoted = headers[at] == '"';
        at += quoted;
        size_t end = redact_find_any(headers, at, size, quoted ? "\"" : "; \r\n");
        return redact_is_secret_name(headers + at, end - at);
    }
    return false;
}

/* The first line that begins with two hyphens is the delimiter of all parts; what stands before it belongs to none. */
static void cut_multipart(struct redact_writer *w, size_t size)
{
    const char *text = w->text;
    size_t start = 0;
    if (size < 2 || memcmp(text, "--", 2) != 0) {
        const char *before = memmem(text, size, "\n--", 3);
        if (!before)
            return;
        start = (size_t)(before - text) + 1;
    }
    size_t line_end = redact_find_any(text, start, size, "\r\n"), line = line_end - start;
    if (line < 3 || line_end == size)
        return;
    for (size_t at = start; at < size;) {
        const char *blank = memmem(text + at, size - at, "\r\n\r\n", 4), *next;
        size_t skip = 4;
        if (!blank) {
            blank = memmem(text + at, size - at, "\n\n", 2);
            skip = 2;
        }
        if (!blank)
            return;
        size_t content = (size_t)(blank - text) + skip;
        next = memmem(text + content, size - content, text + start, line);
        size_t end = next ? (size_t)(next - text) : size;
        if (part_is_secret(text + at, content - at)) {
            size_t until = end;
            while (next && until > content && (text[until - 1] == '\n' || text[until - 1] == '\r'))
                until--;
            redact_writer_cut(w, content, until);
        }
        at = end;
    }
}

/* What names in forms consist of. */
static bool is_name(char c)
{
    return (c >= '0' && c <= '9') || (redact_lower(c) >= 'a' && redact_lower(c) <= 'z') || c == '_' || c == '-' || c == '.' || c == '%' || c == '+' || c == '[' || c == ']';
}

enum body_kind { BODY_OTHER, BODY_JSON, BODY_FORM, BODY_MULTIPART };

/* By the type that was told, else by what it looks like: browsers send JSON as text/plain, too. */
static enum body_kind kind_of(const char *type, size_t type_size, const char *text, size_t size)
{
    for (size_t i = 0; i + 4 <= type_size; i++)
        switch (type[i] | 32) {
        case 'j':
            if (REDACT_IS(type + i, 4, "json"))
                return BODY_JSON;
            break;
        case 'e':
            if (type_size - i >= 12 && REDACT_IS(type + i, 12, "event-stream")) /* lines of JSON, mostly */
                return BODY_JSON;
            break;
        case 'u':
            if (type_size - i >= 10 && REDACT_IS(type + i, 10, "urlencoded"))
                return BODY_FORM;
            break;
        case 'm':
            if (type_size - i >= 10 && REDACT_IS(type + i, 10, "multipart/"))
                return BODY_MULTIPART;
            break;
        default: break;
        }
    size_t at = skip_space(text, 0, size);
    if (at < size && (text[at] == '{' || text[at] == '['))
        return BODY_JSON;
    if (type_size || at == size)
        return BODY_OTHER;
    if (size - at > 2 && memcmp(text + at, "--", 2) == 0)
        return BODY_MULTIPART;
    /* Without a type: the first name of a form; otherwise there may be JSON in it all the same (42["log-in",{"password":"x"}]). */
    size_t end = at;
    while (end < size && is_name(text[end]))
        end++;
    return end > at && end < size && text[end] == '=' ? BODY_FORM : BODY_JSON;
}

ssize_t redact_body(const char *content_type, size_t content_type_size, const char *text, size_t size, bool strict, char *dst, size_t room)
{
    if (size == 0)
        return REDACT_SAME;
    if (strict)
        return 0;
    struct redact_writer w = redact_writer_over(text, dst, room);
    switch (kind_of(content_type, content_type_size, text, size)) {
    case BODY_JSON: cut_json(&w, size); break;
    case BODY_FORM: redact_pairs(&w, 0, size, REDACT_PAIRS_OF_FORM); break;
    case BODY_MULTIPART: cut_multipart(&w, size); break;
    case BODY_OTHER: break;
    }
    return redact_writer_end(&w, size);
}
