#include "services/dissector/query/json_scan.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX 64

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* Behind the closing quote; NULL: there is none. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
    }
    return NULL;
}

/* Behind the value that begins at p; brackets are counted, not matched. NULL: it does not end. */
static const char *skip_value(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            if (!(p = skip_string(p, end)))
                return NULL;
            if (depth == 0)
                return p;
        } else if (*p == '[' || *p == '{') {
            depth++;
            p++;
        } else if (*p == ']' || *p == '}') {
            if (depth == 0)
                return p;
            p++;
            if (--depth == 0)
                return p;
        } else if (depth == 0 && (*p == ',' || *p == ':' || *p == ' ' || *p == '\n'))
            return p;
        else
            p++;
    }
    return depth ? NULL : p;
}

bool json_scan_open(const char *text, size_t size, struct json_scan *ret)
{
    if (size == 0) /* a text of no bytes may have no address */
        return false;
    const char *end = text + size, *p = skip_space(text, end);
    if (p == end || (*p != '[' && *p != '{'))
        return false;
    *ret = (struct json_scan){ .at = p + 1, .end = end, .map = *p == '{' };
    return true;
}

static bool broken(struct json_scan *s)
{
    s->bad = true;
    s->at = s->end;
    return false;
}

static bool take_value(struct json_scan *s, struct json_piece *ret)
{
    const char *p = skip_space(s->at, s->end), *behind = p < s->end ? skip_value(p, s->end) : NULL;
    if (!behind || behind == p)
        return broken(s);
    *ret = (struct json_piece){ p, (size_t)(behind - p) };
    s->at = skip_space(behind, s->end);
    return true;
}

bool json_scan_next(struct json_scan *s, struct json_piece *ret_key, struct json_piece *ret)
{
    s->at = skip_space(s->at, s->end);
    if (s->at < s->end && *s->at == ',')
        s->at = skip_space(s->at + 1, s->end);
    if (s->at >= s->end)
        return s->bad ? false : broken(s);
    if (*s->at == ']' || *s->at == '}')
        return false;
    if (s->map) {
        if (*s->at != '"' || !take_value(s, ret_key) || s->at >= s->end || *s->at != ':')
            return broken(s);
        s->at++;
    }
    return take_value(s, ret);
}

static int hex_value(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* Four hexadecimal digits; 0xfffd where they are none. */
static uint32_t hex4(const char *p, const char *end)
{
    uint32_t value = 0;
    if (end - p < 4)
        return 0xfffd;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(p[i]);
        if (digit < 0)
            return 0xfffd;
        value = value << 4 | (uint32_t)digit;
    }
    return value;
}

static size_t put_utf8(char *dst, uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    size_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; c >>= 6)
        dst[i] = (char)(0x80 | (c & 0x3f));
    dst[0] = (char)((0xf00u >> size & 0xf0u) | c);
    return size;
}

/* One escape, *at behind the backslash; at most four bytes into dst. */
static size_t unescape_one(const char **at, const char *end, char *dst)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char c = *(*at)++;
    const char *letter = c ? strchr(letters, c) : NULL;
    if (c == 'u') {
        uint32_t value = hex4(*at, end);
        *at += end - *at < 4 ? end - *at : 4;
        if (value >= 0xd800 && value < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
            uint32_t low = hex4(*at + 2, end);
            if (low >= 0xdc00 && low < 0xe000) {
                value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
                *at += 6;
            }
        }
        return put_utf8(dst, value);
    }
    dst[0] = letter ? meant[letter - letters] : c;
    return 1;
}

bool json_is_text(struct json_piece piece, const char *text, size_t size)
{
    if (!json_is_string(piece) || piece.size < 2)
        return false;
    const char *p = piece.data + 1, *end = piece.data + piece.size - 1;
    if (!memchr(p, '\\', (size_t)(end - p)))
        return (size_t)(end - p) == size && (size == 0 || memcmp(p, text, size) == 0);
    size_t at = 0;
    while (p < end) {
        char buf[4];
        size_t n = 1;
        if (*p == '\\' && p + 1 < end) {
            p++;
            n = unescape_one(&p, end, buf);
        } else
            buf[0] = *p++;
        if (size - at < n || memcmp(text + at, buf, n) != 0)
            return false;
        at += n;
    }
    return at == size;
}

size_t json_unescape(struct json_piece piece, char *dst)
{
    size_t size = 0;
    if (piece.size < 2)
        return 0;
    const char *p = piece.data + 1, *end = piece.data + piece.size - 1;
    while (p < end) {
        if (*p == '\\' && p + 1 < end) {
            p++;
            size += unescape_one(&p, end, dst + size);
        } else
            dst[size++] = *p++;
    }
    return size;
}

static bool strings_same(struct json_piece a, struct json_piece b)
{
    if (a.size == b.size && memcmp(a.data, b.data, a.size) == 0)
        return true;
    char *text = malloc(a.size);
    if (!text)
        return false;
    size_t size = json_unescape(a, text);
    bool same = json_is_text(b, text, size);
    free(text);
    return same;
}

/* Whole numbers as such: a double does not tell a time in nanoseconds from the next one. */
static bool numbers_same(struct json_piece a, struct json_piece b)
{
    char x[NUMBER_TEXT_MAX] = "", y[NUMBER_TEXT_MAX] = "";
    memcpy(x, a.data, a.size < sizeof x ? a.size : sizeof x - 1);
    memcpy(y, b.data, b.size < sizeof y ? b.size : sizeof y - 1);
    if (strpbrk(x, ".eEn") || strpbrk(y, ".eEn")) /* also of "inf" and "nan" */
        return strtod(x, NULL) == strtod(y, NULL);
    return strtoll(x, NULL, 10) == strtoll(y, NULL, 10);
}

static bool lists_same(struct json_scan *a, struct json_scan *b, unsigned depth)
{
    struct json_piece key, x, y;
    for (;;) {
        bool more = json_scan_next(a, &key, &x);
        if (more != json_scan_next(b, &key, &y))
            return false;
        if (!more)
            return !a->bad && !b->bad;
        if (!json_same(x, y, depth))
            return false;
    }
}

/* b's value of a key of a. */
static bool find_key(struct json_scan b, struct json_piece key, struct json_piece *ret)
{
    struct json_piece other;
    while (json_scan_next(&b, &other, ret))
        if (strings_same(key, other))
            return true;
    return false;
}

static bool maps_same(struct json_scan *a, const struct json_scan *b, unsigned depth)
{
    struct json_piece key, x, y;
    struct json_scan count = *b;
    size_t keys = 0;
    while (json_scan_next(a, &key, &x)) {
        if (!find_key(*b, key, &y) || !json_same(x, y, depth))
            return false;
        keys++;
    }
    while (json_scan_next(&count, &key, &x))
        keys--;
    return keys == 0 && !a->bad && !count.bad;
}

bool json_same(struct json_piece a, struct json_piece b, unsigned depth)
{
    struct json_scan x, y;
    if (json_is_string(a) || json_is_string(b))
        return json_is_string(a) && json_is_string(b) && strings_same(a, b);
    if (!json_is_nested(a) || !json_is_nested(b)) {
        bool equal = a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
        return equal || (!json_is_nested(a) && !json_is_nested(b) && numbers_same(a, b));
    }
    if (depth == 0 || !json_scan_open(a.data, a.size, &x) || !json_scan_open(b.data, b.size, &y) || x.map != y.map)
        return false;
    return x.map ? maps_same(&x, &y, depth - 1) : lists_same(&x, &y, depth - 1);
}

void json_append(struct json_made *t, const void *data, size_t size)
{
    if (t->failed || size > JSON_TEXT_BYTES_MAX - t->size) {
        t->failed = true;
        return;
    }
    if (t->size + size > t->room) {
        size_t room = (t->size + size) * 2 + 64;
        char *grown = realloc(t->data, room);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->data = grown;
        t->room = room;
    }
    if (size)
        memcpy(t->data + t->size, data, size);
    t->size += size;
}

void json_append_string(struct json_made *t, const char *data, size_t size)
{
    json_append(t, "\"", 1);
    for (size_t i = 0, from = 0; i <= size; i++) {
        unsigned char c = i < size ? (unsigned char)data[i] : '"';
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        json_append(t, data + from, i - from);
        from = i + 1;
        if (i == size)
            break;
        char escape[8];
        int n = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c) : snprintf(escape, sizeof escape, "\\u%04x", c);
        json_append(t, escape, (size_t)n);
    }
    json_append(t, "\"", 1);
}
