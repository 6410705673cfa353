#include "services/dissector/query/lexer.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX 64          /* digits of a number, with room */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_name(char c) { return is_name_start(c) || is_digit(c); }

/* Bytes of the UTF-8 character here; 0: it is none, or NUL. */
static uint32_t character_size(const uint8_t *p, uint32_t left)
{
    uint32_t size = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    if (!p[0] || !size || size > left)
        return 0;
    for (uint32_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool surrogate = p[0] == 0xed && p[1] > 0x9f, beyond = p[0] == 0xf4 && p[1] > 0x8f, overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    return surrogate || beyond || overlong ? 0 : size;
}

int lexer_check_text(const struct expression *e, struct query_error *error)
{
    for (uint32_t i = 0, size; i < e->size; i += size) {
        size = character_size((const uint8_t *)e->source + i, e->size - i);
        if (size == 0)
            return expression_error(e, i, error, "this is not text in UTF-8");
    }
    return 0;
}

/* The source ends with a NUL, so one byte may always be looked at. */
static uint32_t skip_space(const struct expression *e, uint32_t at)
{
    const char *s = e->source;
    for (;;) {
        while (s[at] == ' ' || s[at] == '\t' || s[at] == '\n' || s[at] == '\r' || s[at] == '\f')
            at++;
        if (s[at] != '/' || s[at + 1] != '/')
            return at;
        while (s[at] && s[at] != '\n')
            at++;
    }
}

bool lexer_is_reserved(const char *text, size_t size)
{
    static const char *const words[] = { "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0)
            return true;
    return false;
}

static void lex_name(const struct expression *e, struct token *t)
{
    static const struct { const char *word; enum token_kind kind; } words[] = { { "true", TOKEN_TRUE }, { "false", TOKEN_FALSE }, { "null", TOKEN_NULL }, { "in", TOKEN_IN } };
    t->kind = TOKEN_NAME;
    t->text = e->source + t->at;
    for (t->end = t->at; is_name(e->source[t->end]);)
        t->end++;
    t->size = t->end - t->at;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == t->size && memcmp(words[i].word, t->text, t->size) == 0)
            t->kind = words[i].kind;
}

static uint32_t skip_digits(const char *s, uint32_t at)
{
    while (is_digit(s[at]))
        at++;
    return at;
}

static int lex_double(const struct expression *e, struct token *t, uint32_t end, struct query_error *error)
{
    char text[NUMBER_TEXT_MAX];
    if (end - t->at >= sizeof text)
        return expression_error(e, t->at, error, "this number has too many digits");
    memcpy(text, e->source + t->at, end - t->at);
    text[end - t->at] = '\0';
    t->kind = TOKEN_DOUBLE;
    t->real = strtod(text, NULL);
    t->end = end;
    return 0;
}

static int lex_int(const struct expression *e, struct token *t, uint32_t end, unsigned base, struct query_error *error)
{
    uint64_t value = 0;
    for (uint32_t i = t->at + (base == 16 ? 2 : 0); i < end; i++) {
        unsigned char c = (unsigned char)e->source[i];
        unsigned digit = is_digit((char)c) ? c - (unsigned)'0' : (unsigned)tolower(c) - 'a' + 10;
        if (value > (UINT64_C(1) << 63) / base || value * base > (UINT64_C(1) << 63) - digit)
            return expression_error(e, t->at, error, "this number does not fit into 64 bits");
        value = value * base + digit;
    }
    t->kind = TOKEN_INT;
    t->number = value;
    t->end = end;
    return 0;
}

static int lex_number(const struct expression *e, struct token *t, struct query_error *error)
{
    const char *s = e->source;
    uint32_t end = t->at;
    int r;
    if (s[end] == '0' && (s[end + 1] == 'x' || s[end + 1] == 'X')) {
        for (end += 2; is_hex(s[end]);)
            end++;
        if (end == t->at + 2)
            return expression_error(e, t->at, error, "a hexadecimal number has digits behind 0x");
        r = lex_int(e, t, end, 16, error);
    } else {
        end = skip_digits(s, end);
        bool fraction = s[end] == '.' && is_digit(s[end + 1]), exponent;
        if (fraction)
            end = skip_digits(s, end + 1);
        uint32_t digits = end + 1 + (s[end] && (s[end + 1] == '+' || s[end + 1] == '-'));
        exponent = (s[end] == 'e' || s[end] == 'E') && is_digit(s[digits]);
        if (exponent)
            end = skip_digits(s, digits);
        r = fraction || exponent ? lex_double(e, t, end, error) : lex_int(e, t, end, 10, error);
    }
    if (r < 0)
        return r;
    if ((s[end] == 'u' || s[end] == 'U') && !is_name(s[end + 1]))
        return expression_error(e, end, error, "there are no unsigned numbers here: leave out the u");
    if (is_name(s[end]))
        return expression_error(e, end, error, "a number ends with a digit");
    return 0;
}

static uint32_t put_utf8(char *dst, uint32_t c)
{
    if (c < 0x80) {
        dst[0] = (char)c;
        return 1;
    }
    uint32_t size = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (uint32_t i = size; i-- > 1; c >>= 6)
        dst[i] = (char)(0x80 | (c & 0x3f));
    dst[0] = (char)((0xf00 >> size & 0xf0) | c);
    return size;
}

/* An escape of `digits` digits of the base behind *at, which is moved behind them. */
static int escaped_number(const struct expression *e, uint32_t backslash, uint32_t *at, unsigned digits, unsigned base, uint32_t *ret, struct query_error *error)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < digits; i++, (*at)++) {
        char c = e->source[*at];
        if (base == 16 ? !is_hex(c) : c < '0' || c > '7')
            return expression_error(e, backslash, error, "this escape needs %u %s digits", digits, base == 16 ? "hexadecimal" : "octal");
        value = value * base + (is_digit(c) ? (uint32_t)(c - '0') : (uint32_t)tolower((unsigned char)c) - 'a' + 10);
    }
    *ret = value;
    return 0;
}

/* One escape at *at (the backslash) into dst; at most four bytes, never more than the escape itself has. */
static int unescape(const struct expression *e, uint32_t *at, bool bytes, char *dst, uint32_t *ret_size, struct query_error *error)
{
    static const char plain[] = "\\?\"'`", letters[] = "abfnrtv", meant[] = "\a\b\f\n\r\t\v";
    uint32_t backslash = *at, value = 0;
    char c = e->source[*at + 1];
    int r = 0;
    *at += 2;
    if (c && strchr(plain, c)) {
        dst[0] = c;
        *ret_size = 1;
        return 0;
    }
    if (c && strchr(letters, c)) {
        dst[0] = meant[strchr(letters, c) - letters];
        *ret_size = 1;
        return 0;
    }
    if (c == 'x' || c == 'X')
        r = escaped_number(e, backslash, at, 2, 16, &value, error);
    else if (c == 'u' && !bytes)
        r = escaped_number(e, backslash, at, 4, 16, &value, error);
    else if (c == 'U' && !bytes)
        r = escaped_number(e, backslash, at, 8, 16, &value, error);
    else if (c >= '0' && c <= '3') {
        (*at)--;
        r = escaped_number(e, backslash, at, 3, 8, &value, error);
    } else
        return expression_error(e, backslash, error, "there is no such escape; a raw string, r\"...\", has none");
    if (r < 0)
        return r;
    if (!bytes && (value > 0x10ffff || (value >= 0xd800 && value < 0xe000) || value == 0))
        return expression_error(e, backslash, error, "a string cannot hold this character");
    dst[0] = (char)value;
    *ret_size = bytes ? 1 : put_utf8(dst, value);
    return 0;
}

/* Where the closing quotes are; 0: nowhere. A quote behind a backslash closes nothing, also in a raw string. */
static uint32_t string_end(const char *s, uint32_t at, char quote, uint32_t quotes)
{
    while (s[at] && (quotes == 3 || (s[at] != '\n' && s[at] != '\r'))) {
        if (s[at] == quote && (quotes == 1 || (s[at + 1] == quote && s[at + 2] == quote)))
            return at;
        at += 1 + (s[at] == '\\' && s[at + 1]);
    }
    return 0;
}

/* at: the first quote, behind what prefixes there are. */
static int lex_string(struct expression *e, struct token *t, uint32_t at, bool raw, bool bytes, struct query_error *error)
{
    const char *s = e->source;
    uint32_t quotes = s[at + 1] == s[at] && s[at + 2] == s[at] ? 3 : 1, size = 0;
    uint32_t end = string_end(s, at + quotes, s[at], quotes);
    if (end == 0)
        return expression_error(e, t->at, error, "this string does not end");
    at += quotes;
    char *text = expression_allocate(e, end - at + 1);
    if (!text)
        return -ENOMEM;
    while (at < end) {
        uint32_t written = 1;
        int r = 0;
        if (s[at] == '\\' && !raw)
            r = unescape(e, &at, bytes, text + size, &written, error);
        else
            text[size] = s[at++];
        if (r < 0)
            return r;
        size += written;
    }
    t->kind = bytes ? TOKEN_BYTES : TOKEN_STRING;
    t->text = text;
    t->size = size;
    t->end = end + quotes;
    return 0;
}

static int lex_sign(const struct expression *e, struct token *t, struct query_error *error)
{
    static const struct { const char *text; enum token_kind kind; } signs[] = {
        { "&&", TOKEN_AND }, { "||", TOKEN_OR }, { "<=", TOKEN_LESS_EQUAL }, { ">=", TOKEN_GREATER_EQUAL }, { "==", TOKEN_EQUAL }, { "!=", TOKEN_NOT_EQUAL },
        { "<", TOKEN_LESS }, { ">", TOKEN_GREATER }, { "!", TOKEN_NOT }, { ".", TOKEN_DOT }, { ",", TOKEN_COMMA }, { ":", TOKEN_COLON }, { "?", TOKEN_QUESTION },
        { "(", TOKEN_OPEN }, { ")", TOKEN_CLOSE }, { "[", TOKEN_OPEN_LIST }, { "]", TOKEN_CLOSE_LIST }, { "{", TOKEN_OPEN_MAP }, { "}", TOKEN_CLOSE_MAP },
        { "+", TOKEN_PLUS }, { "-", TOKEN_MINUS }, { "*", TOKEN_STAR }, { "/", TOKEN_SLASH }, { "%", TOKEN_PERCENT },
    };
    const char *here = e->source + t->at;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strncmp(here, signs[i].text, strlen(signs[i].text)) == 0) {
            t->kind = signs[i].kind;
            t->end = t->at + (uint32_t)strlen(signs[i].text);
            return 0;
        }
    const char *hint = *here == '=' ? ": equal is ==" : *here == '&' ? ": and is &&" : *here == '|' ? ": or is ||" : *here == '#' ? ": a comment begins with //" : "";
    return expression_error(e, t->at, error, "this character means nothing here%s", hint);
}

int lexer_next(struct expression *e, uint32_t from, struct token *ret, struct query_error *error)
{
    const char *s = e->source;
    struct token t = { .at = skip_space(e, from) };
    int r = 0;
    t.end = t.at;
    uint32_t quote = t.at;
    bool raw = false, bytes = false;
    while ((!raw && (s[quote] == 'r' || s[quote] == 'R')) || (!bytes && (s[quote] == 'b' || s[quote] == 'B'))) {
        raw = raw || s[quote] == 'r' || s[quote] == 'R';
        bytes = bytes || s[quote] == 'b' || s[quote] == 'B';
        quote++;
    }
    if (t.at >= e->size)
        t.kind = TOKEN_END;
    else if (s[quote] == '"' || s[quote] == '\'')
        r = lex_string(e, &t, quote, raw, bytes, error);
    else if (is_name_start(s[t.at]))
        lex_name(e, &t);
    else if (is_digit(s[t.at]) || (s[t.at] == '.' && is_digit(s[t.at + 1])))
        r = lex_number(e, &t, error);
    else
        r = lex_sign(e, &t, error);
    if (r < 0)
        return r;
    *ret = t;
    return 0;
}
