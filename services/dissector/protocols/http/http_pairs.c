/* See http_pairs.h. Little-endian machines only, as all of the dissector. */
#include "services/dissector/protocols/http/http_pairs.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Up to eight bytes, zeros behind them, by loads that overlap; nothing outside is read. */
static inline uint64_t load_some(const char *p, size_t size)
{
    uint64_t word = 0;
    uint32_t low, high;
    if (size >= 8) {
        memcpy(&word, p, 8);
    } else if (size >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + size - 4, 4);
        word = low | (uint64_t)high << (8 * (size - 4));
    } else if (size) {
        word = (uint8_t)p[0] | (uint64_t)(uint8_t)p[size / 2] << (8 * (size / 2)) | (uint64_t)(uint8_t)p[size - 1] << (8 * (size - 1));
    }
    return word;
}

/* Eight characters to lower case at once: the high bit of each byte tells whether it is a capital. */
static inline uint64_t lower_eight(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t low = word & ~high, from_a = low + ones * (0x80 - 'A'), behind_z = low + ones * (0x80 - 'Z' - 1);
    return word | (((from_a & ~behind_z & ~word) & high) >> 2);
}

#define HASH_START UINT64_C(0x9e3779b97f4a7c15)
static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}
/* tail: the last size % 8 bytes, whose high byte is free for the size. */
static inline uint32_t hash_end(uint64_t hash, uint64_t tail, size_t size)
{
    return (uint32_t)hash_word(hash, tail ^ (uint64_t)size << 56);
}

uint32_t http_pairs_hash(const char *name, size_t size)
{
    uint64_t hash = HASH_START;
    size_t left = size;
    for (; left >= 8; name += 8, left -= 8)
        hash = hash_word(hash, load_some(name, 8));
    return hash_end(hash, load_some(name, left), size);
}

uint32_t http_pairs_lower(char *dst, const char *name, size_t size)
{
    uint64_t hash = HASH_START, word;
    size_t left = size;
    for (; left >= 8; name += 8, dst += 8, left -= 8) {
        word = lower_eight(load_some(name, 8));
        memcpy(dst, &word, 8);
        hash = hash_word(hash, word);
    }
    word = lower_eight(load_some(name, left));
    if (left)
        memcpy(dst, &word, 8);
    return hash_end(hash, word, size);
}

/* The high bit of each byte that is zero; bytes behind the first such one may be wrong, the first is right. */
static inline uint64_t zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

static size_t lower_name(char *dst, size_t room, const char *p, const char *end, uint32_t *ret_hash)
{
    const uint64_t colons = UINT64_C(0x3a3a3a3a3a3a3a3a), feeds = UINT64_C(0x0a0a0a0a0a0a0a0a);
    uint64_t hash = HASH_START;
    for (size_t size = 0; room - size >= 8; size += 8, p += 8) {
        size_t left = (size_t)(end - p);
        uint64_t word = load_some(p, left), stops = zero_bytes(word ^ colons) | zero_bytes(word ^ feeds);
        if (!stops) {
            if (left <= 8)
                return 0;
            word = lower_eight(word);
            memcpy(dst + size, &word, 8);
            hash = hash_word(hash, word);
            continue;
        }
        unsigned n = (unsigned)__builtin_ctzll(stops) / 8;
        if (p[n] != ':')
            return 0;
        word = lower_eight(word & ((UINT64_C(1) << (8 * n)) - 1));
        if (n)
            memcpy(dst + size, &word, 8);
        *ret_hash = hash_end(hash, word, size + n);
        return size + n;
    }
    return 0;
}

#ifdef __SSE2__
/* A block of 16, lower case, zeros from `size` on. */
static inline void store_lower(char *dst, __m128i v, unsigned size)
{
    static const uint8_t ones_then_zeros[32] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
    __m128i capital = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
    __m128i kept = _mm_loadu_si128((const __m128i *)(const void *)(ones_then_zeros + 16 - size));
    v = _mm_and_si128(_mm_or_si128(v, _mm_and_si128(capital, _mm_set1_epi8('a' - 'A'))), kept);
    _mm_storeu_si128((__m128i *)(void *)dst, v);
}

static inline unsigned name_ends(__m128i v)
{
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'))));
}

/* Names of up to 31 bytes that do not stand at the very end, as nearly all: no bounds to look at, a third of the instructions of the other way. */
size_t http_pairs_lower_name(char *dst, size_t room, const char *p, const char *end, uint32_t *ret_hash)
{
    if (end - p < 32 || room < 32)
        return lower_name(dst, room, p, end, ret_hash);
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned ends = name_ends(first), n;
    if (ends) {
        n = (unsigned)__builtin_ctz(ends);
        store_lower(dst, first, n);
    } else {
        __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
        if (!(ends = name_ends(second)))
            return lower_name(dst, room, p, end, ret_hash);
        n = 16 + (unsigned)__builtin_ctz(ends);
        store_lower(dst, first, 16);
        store_lower(dst + 16, second, n - 16);
    }
    if (p[n] != ':')
        return 0;
    uint64_t hash = HASH_START, word;
    unsigned at = 0;
    for (; at + 8 <= n; at += 8) {
        memcpy(&word, dst + at, 8);
        hash = hash_word(hash, word);
    }
    memcpy(&word, dst + at, 8);
    *ret_hash = hash_end(hash, n % 8 ? word : 0, n);
    return n;
}
#else
size_t http_pairs_lower_name(char *dst, size_t room, const char *p, const char *end, uint32_t *ret_hash)
{
    return lower_name(dst, room, p, end, ret_hash);
}
#endif

void http_pairs_find_before(struct http_header *at, uint32_t count)
{
    struct http_header *added = &at[count];
    for (uint32_t i = count; i--;)
        if (at[i].hash == added->hash && at[i].name_size == added->name_size && memcmp(at[i].name, added->name, added->name_size) == 0) {
            at[i].next = (uint16_t)(count + 1);
            added->again = true;
            break;
        }
}

/* On the stack, and only where a name is repeated. */
static __attribute__((noinline)) void write_joined(struct message *m, const struct http_header *at, const struct http_header *first, const char *joiner)
{
    char joined[CONVERSATION_HEADERS_MAX];
    size_t size = 0, joiner_size = strlen(joiner);
    for (const struct http_header *p = first;; p = &at[p->next - 1]) {
        size_t between = p == first ? 0 : joiner_size;
        if (sizeof joined - size < between + p->value_size)
            break;
        memcpy(joined + size, joiner, between);
        if (p->value_size)
            memcpy(joined + size + between, p->value, p->value_size);
        size += between + p->value_size;
        if (!p->next)
            break;
    }
    message_pair(m, first->name, first->name_size, joined, size);
}

void http_pairs_write(struct message *m, uint8_t field, const struct http_header *at, uint32_t count, enum http_known without, const char *joiner)
{
    if (count == 0 || !message_wants(m, field))
        return;
    message_open(m, field);
    for (const struct http_header *p = at; p < at + count; p++) {
        if (p->again || (without && p->known == without))
            continue;
        if (!p->next)
            message_pair(m, p->name, p->name_size, p->value, p->value_size);
        else
            write_joined(m, at, p, p->known == HTTP_KNOWN_COOKIE ? "; " : joiner);
    }
    message_close(m);
}
