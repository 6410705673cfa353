/* How the redactors write: what is not cut is copied only once something has been cut, so that a value with nothing to hide costs no copy. Cuts come in the order of the text. What does not fit is left out. Pure; inline. */
#ifndef DISSECTOR_REDACT_WRITER_H
#define DISSECTOR_REDACT_WRITER_H
#include <string.h>
#include "services/dissector/redact/redact.h"

struct redact_writer { const char *text; size_t copied; char *dst; size_t room, size; bool changed; };

static inline struct redact_writer redact_writer_over(const char *text, char *dst, size_t room) { return (struct redact_writer){ .text = text, .dst = dst, .room = room }; }

static inline void redact_writer_put(struct redact_writer *w, const char *data, size_t size)
{
    size_t n = size < w->room - w->size ? size : w->room - w->size;
    if (n)
        memcpy(w->dst + w->size, data, n);
    w->size += n;
}

/* text[from..to) becomes `instead`. */
static inline void redact_writer_cut_as(struct redact_writer *w, size_t from, size_t to, const char *instead, size_t instead_size)
{
    redact_writer_put(w, w->text + w->copied, from - w->copied);
    redact_writer_put(w, instead, instead_size);
    w->copied = to;
    w->changed = true;
}

/* text[from..to) becomes "[redacted]"; nothing at all stays nothing. */
static inline void redact_writer_cut(struct redact_writer *w, size_t from, size_t to)
{
    if (to > from)
        redact_writer_cut_as(w, from, to, REDACT_TEXT, sizeof REDACT_TEXT - 1);
}

/* The result of a redactor over `size` bytes of text. */
static inline ssize_t redact_writer_end(struct redact_writer *w, size_t size)
{
    if (!w->changed)
        return REDACT_SAME;
    redact_writer_put(w, w->text + w->copied, size - w->copied);
    return (ssize_t)w->size;
}

/* The first place in [from, size) of any byte of `set`; size where there is none. */
static inline size_t redact_find_any(const char *text, size_t from, size_t size, const char *set)
{
    for (; from < size; from++)
        for (const char *s = set; *s; s++)
            if (text[from] == *s)
                return from;
    return size;
}

static inline char redact_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline bool redact_equals(const char *text, size_t size, const char *lower, size_t lower_size)
{
    if (size != lower_size)
        return false;
    for (size_t i = 0; i < size; i++)
        if (redact_lower(text[i]) != lower[i])
            return false;
    return true;
}
/* With a literal; without case. */
#define REDACT_IS(text, size, literal) redact_equals((text), (size), (literal), sizeof(literal) - 1)
#endif
