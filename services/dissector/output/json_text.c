#include "services/dissector/output/json_text.h"
#include <time.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NS_PER_S INT64_C(1000000000)
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS (ONES * 0x80)

static inline uint64_t load8(const char *p) { uint64_t v; memcpy(&v, p, 8); return v; }
static inline uint32_t load4(const char *p) { uint32_t v; memcpy(&v, p, 4); return v; }

/* Not 0 where one of the eight bytes needs a look: a quote, a backslash, a control character, or not ASCII. */
static inline uint64_t special8(uint64_t v)
{
    uint64_t quote = v ^ (ONES * '"'), backslash = v ^ (ONES * '\\');
    return (v | ((v - ONES * 0x20) & ~v) | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash)) & HIGHS;
}

/* Length of the UTF-8 character at s (RFC 3629, section 4), 0 where there is none. */
static size_t character(const unsigned char *s, size_t left)
{
    unsigned char a = s[0];
    if (a < 0x80)
        return a != 0;
    if (a < 0xc2 || a > 0xf4 || left < 2)
        return 0;
    unsigned char least = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80, most = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < least || s[1] > most)
        return 0;
    size_t size = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (left < size)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

static inline char *put_replacement(char *p)
{
    memcpy(p, "\xef\xbf\xbd", 3);
    return p + 3;
}

/* One character that is not plain; *s moves behind it. */
static char *put_escaped(char *p, const char **s, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)**s;
    if (c >= 0x80 || c == 0) {
        size_t size = character((const unsigned char *)*s, (size_t)(end - *s));
        if (size == 0) {
            ++*s;
            return put_replacement(p);
        }
        memcpy(p, *s, size);
        *s += size;
        return p + size;
    }
    ++*s;
    if (c >= 0x20 && c != '"' && c != '\\') {
        *p = (char)c;
        return p + 1;
    }
    *p++ = '\\';
    switch (c) {
    case '"': case '\\': *p = (char)c; return p + 1;
    case '\n': *p = 'n'; return p + 1;
    case '\r': *p = 'r'; return p + 1;
    case '\t': *p = 't'; return p + 1;
    default:
        memcpy(p, "u00", 3);
        p[3] = digits[c >> 4];
        p[4] = digits[c & 15];
        return p + 5;
    }
}

/* Fewer than 16 bytes without anything special: two words that overlap. NULL: there is something. */
static inline char *put_plain_tail(char *p, const char *s, size_t left)
{
    if (left >= 8) {
        uint64_t a = load8(s), b = load8(s + left - 8);
        if (special8(a) | special8(b))
            return NULL;
        memcpy(p, &a, 8);
        memcpy(p + left - 8, &b, 8);
        return p + left;
    }
    if (left >= 4) {
        uint32_t a = load4(s), b = load4(s + left - 4);
        if (special8((uint64_t)b << 32 | a))
            return NULL;
        memcpy(p, &a, 4);
        memcpy(p + left - 4, &b, 4);
        return p + left;
    }
    if (left == 0)
        return p;
    /* One to three: the first, the middle and the last, which may be the same. */
    unsigned char a = (unsigned char)s[0], b = (unsigned char)s[left >> 1], c = (unsigned char)s[left - 1];
    if (special8(ONES * 'a' ^ ((uint64_t)(a ^ 'a') | (uint64_t)(b ^ 'a') << 8 | (uint64_t)(c ^ 'a') << 16)))
        return NULL;
    p[0] = (char)a;
    p[left >> 1] = (char)b;
    p[left - 1] = (char)c;
    return p + left;
}

static inline char *put_escaped_text(char *p, const char *s, size_t size)
{
    const char *end = s + size;
    for (;;) {
#ifdef __SSE2__
        while (end - s >= 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
            /* Compared as signed numbers, what is not ASCII is below the blank, too. */
            __m128i special = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
            unsigned mask = (unsigned)_mm_movemask_epi8(special);
            _mm_storeu_si128((__m128i *)(void *)p, v);
            if (mask) {
                unsigned plain = (unsigned)__builtin_ctz(mask);
                s += plain;
                p = put_escaped(p + plain, &s, end);
            } else {
                s += 16;
                p += 16;
            }
        }
#else
        for (uint64_t v; end - s >= 16 && !special8(v = load8(s)); s += 8, p += 8)
            memcpy(p, &v, 8);
#endif
        if (end - s < 16) {
            char *behind = put_plain_tail(p, s, (size_t)(end - s));
            if (behind)
                return behind;
        }
        p = put_escaped(p, &s, end);
    }
}

char *json_put_string(char *p, const void *text, size_t size)
{
    *p++ = '"';
    p = put_escaped_text(p, text, size);
    *p++ = '"';
    return p;
}

char *json_put_list(char *p, const struct value *value)
{
    char *start = p;
    struct text text;
    for (uint32_t at = 0; value_next_item(value, &at, &text);) {
        *p++ = ',';
        p = json_put_string(p, text.data, text.size);
    }
    if (p == start)
        *p++ = '[';
    else
        *start = '[';
    *p++ = ']';
    return p;
}

char *json_put_map(char *p, const struct value *value)
{
    char *start = p;
    struct text name, text;
    for (uint32_t at = 0; value_next_pair(value, &at, &name, &text);) {
        *p++ = ',';
        p = json_put_string(p, name.data, name.size);
        *p++ = ':';
        p = json_put_string(p, text.data, text.size);
    }
    if (p == start)
        *p++ = '{';
    else
        *start = '{';
    *p++ = '}';
    return p;
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

char *json_put_unsigned(char *p, uint64_t value)
{
    char digits[20], *at = digits + sizeof digits;
    while (value >= 100) {
        at -= 2;
        memcpy(at, pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, pairs + value * 2, 2);
    } else {
        *--at = (char)('0' + value);
    }
    size_t size = (size_t)(digits + sizeof digits - at);
    memcpy(p, at, size);
    return p + size;
}

char *json_put_signed(char *p, int64_t value)
{
    if (value >= 0)
        return json_put_unsigned(p, (uint64_t)value);
    *p = '-';
    return json_put_unsigned(p + 1, 0 - (uint64_t)value);
}

static char *put_two(char *p, int value, char behind)
{
    memcpy(p, pairs + value * 2, 2);
    p[2] = behind;
    return p + 3;
}

static void clock_set(struct json_clock *clock, int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm = { 0 };
    gmtime_r(&t, &tm); /* 64-bit nanoseconds reach from 1677 to 2262 */
    char *p = clock->text;
    memcpy(p, pairs + (tm.tm_year + 1900) / 100 * 2, 2);
    p = put_two(p + 2, (tm.tm_year + 1900) % 100, '-');
    p = put_two(p, tm.tm_mon + 1, '-');
    p = put_two(p, tm.tm_mday, 'T');
    p = put_two(p, tm.tm_hour, ':');
    p = put_two(p, tm.tm_min, ':');
    put_two(p, tm.tm_sec, '.');
    clock->second = second;
    clock->known = true;
}

char *json_put_time(char *p, struct json_clock *clock, int64_t ns)
{
    int64_t second = ns / NS_PER_S, rest = ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        second--;
    }
    if (!clock->known || clock->second != second)
        clock_set(clock, second);
    memcpy(p, clock->text, 20);
    p += 20;
    uint32_t fraction = (uint32_t)rest;
    for (int i = 7; i > 0; i -= 2, fraction /= 100)
        memcpy(p + i, pairs + fraction % 100 * 2, 2);
    p[0] = (char)('0' + fraction);
    p[9] = 'Z';
    return p + 10;
}

/* Bytes at the front that are ASCII and not NUL. */
static inline size_t plain_bytes(const char *s, size_t size)
{
    size_t at = 0;
#ifdef __SSE2__
    for (; at + 16 <= size; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + at));
        unsigned plain = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_setzero_si128()));
        if (plain != 0xffff)
            return at + (unsigned)__builtin_ctz(~plain);
    }
#endif
    for (uint64_t v; at + 8 <= size && !((v = load8(s + at)) & HIGHS) && !((v - ONES) & ~v & HIGHS);)
        at += 8;
    while (at < size && (signed char)s[at] > 0)
        at++;
    return at;
}

bool utf8_is_clean(const void *text, size_t size)
{
    const char *s = text, *end = s + size;
    for (;;) {
        s += plain_bytes(s, (size_t)(end - s));
        if (s == end)
            return true;
        size_t length = character((const unsigned char *)s, (size_t)(end - s));
        if (length == 0)
            return false;
        s += length;
    }
}

char *utf8_put_clean(char *p, const void *text, size_t size)
{
    const char *s = text, *end = s + size;
    for (;;) {
        size_t plain = plain_bytes(s, (size_t)(end - s));
        memcpy(p, s, plain);
        p += plain;
        s += plain;
        if (s == end)
            return p;
        size_t length = character((const unsigned char *)s, (size_t)(end - s));
        if (length == 0) {
            p = put_replacement(p);
            s++;
        } else {
            memcpy(p, s, length);
            p += length;
            s += length;
        }
    }
}
