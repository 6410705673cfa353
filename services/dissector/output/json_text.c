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

/* Where writing and reading have come to: both in registers, as the loop below is short. */
struct spot { char *p; const char *s; };

/* One character that is not plain. Quotes and backslashes, which JSON inside of JSON is full of, do not come here. */
static __attribute__((noinline)) struct spot put_escaped(char *p, const char *s, const char *end)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char c = (unsigned char)*s;
    if (c >= 0x80 || c == 0) {
        size_t size = character((const unsigned char *)s, (size_t)(end - s));
        if (size == 0)
            return (struct spot){ put_replacement(p), s + 1 };
        memcpy(p, s, size);
        return (struct spot){ p + size, s + size };
    }
    *p++ = '\\';
    switch (c) {
    case '\n': *p = 'n'; break;
    case '\r': *p = 'r'; break;
    case '\t': *p = 't'; break;
    default:
        memcpy(p, "u00", 3);
        p[3] = digits[c >> 4];
        p[4] = digits[c & 15];
        return (struct spot){ p + 5, s + 1 };
    }
    return (struct spot){ p + 1, s + 1 };
}

#define BLOCK 16u
#ifdef __SSE2__
typedef __m128i block;
static inline block block_load(const char *s) { return _mm_loadu_si128((const __m128i *)(const void *)s); }
static inline block block_of(uint64_t low, uint64_t high) { return _mm_set_epi64x((int64_t)high, (int64_t)low); }
static inline void block_store(char *p, block v) { _mm_storeu_si128((__m128i *)(void *)p, v); }

/* A bit for each byte that needs a look: a quote, a backslash, a control character, or not ASCII (which is below the blank, too, where numbers are signed). */
static inline unsigned block_special(block v)
{
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')))));
}
#else
typedef struct { char bytes[BLOCK]; } block;
static inline block block_load(const char *s) { block v; memcpy(&v, s, BLOCK); return v; }
static inline block block_of(uint64_t low, uint64_t high) { block v; memcpy(v.bytes, &low, 8); memcpy(v.bytes + 8, &high, 8); return v; }
static inline void block_store(char *p, block v) { memcpy(p, &v, BLOCK); }

static inline unsigned block_special(block v)
{
    unsigned mask = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        mask |= (unsigned)((signed char)v.bytes[i] < 0x20 || v.bytes[i] == '"' || v.bytes[i] == '\\') << i;
    return mask;
}
#endif

/* Fewer than 16 bytes, zeros behind them, by loads that overlap; nothing outside is read. */
static inline block block_load_some(const char *s, size_t size)
{
    if (size > 8)
        return block_of(load8(s), load8(s + size - 8) >> (8 * (BLOCK - size)));
    if (size >= 4)
        return block_of(load4(s) | (uint64_t)load4(s + size - 4) << (8 * (size - 4)), 0);
    if (size == 0)
        return block_of(0, 0);
    return block_of((unsigned char)s[0] | (uint64_t)(unsigned char)s[size / 2] << (8 * (size / 2)) | (uint64_t)(unsigned char)s[size - 1] << (8 * (size - 1)), 0);
}

/* Inlined into what puts many: three of four texts are shorter than 32 bytes, and the calls cost as much as the bytes. */
static inline __attribute__((always_inline)) char *put_escaped_text(char *p, const char *s, size_t size)
{
    const char *end = s + size;
    for (;;) {
        size_t left = (size_t)(end - s);
        block v = left >= BLOCK ? block_load(s) : block_load_some(s, left);
        unsigned special = block_special(v) & (left >= BLOCK ? 0xffffu : (1u << left) - 1);
        block_store(p, v);
        if (!special) {
            if (left < BLOCK)
                return p + left;
            s += BLOCK;
            p += BLOCK;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctz(special);
        p += plain;
        s += plain;
        if (*s == '"' || *s == '\\') {
            p[0] = '\\';
            p[1] = *s++;
            p += 2;
        } else {
            struct spot behind = put_escaped(p, s, end);
            p = behind.p;
            s = behind.s;
        }
    }
}

static inline __attribute__((always_inline)) char *put_string(char *p, const void *text, size_t size)
{
    *p++ = '"';
    p = put_escaped_text(p, text, size);
    *p++ = '"';
    return p;
}

char *json_put_string(char *p, const void *text, size_t size)
{
    return put_string(p, text, size);
}

char *json_put_list(char *p, const struct value *value)
{
    char *start = p;
    struct text text;
    for (uint32_t at = 0; value_next_item(value, &at, &text);) {
        *p++ = ',';
        p = put_string(p, text.data, text.size);
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
        p = put_string(p, name.data, name.size);
        *p++ = ':';
        p = put_string(p, text.data, text.size);
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
