/* See http_pairs.h. Little-endian machines only, as all of the dissector. */
#include "services/dissector/protocols/http_pairs.h"

#include <string.h>

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

#define HASH_START(size) ((size) * UINT64_C(0x9e3779b97f4a7c15))
static inline uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}

uint32_t http_pairs_hash(const char *name, size_t size)
{
    uint64_t hash = HASH_START(size);
    for (; size > 8; name += 8, size -= 8)
        hash = hash_word(hash, load_some(name, 8));
    return (uint32_t)hash_word(hash, load_some(name, size));
}

uint32_t http_pairs_lower(char *dst, const char *name, size_t size)
{
    uint64_t hash = HASH_START(size), word;
    for (; size > 8; name += 8, dst += 8, size -= 8) {
        word = lower_eight(load_some(name, 8));
        memcpy(dst, &word, 8);
        hash = hash_word(hash, word);
    }
    word = lower_eight(load_some(name, size));
    if (size)
        memcpy(dst, &word, 8);
    return (uint32_t)hash_word(hash, word);
}

void http_pairs_link(struct http_header *at, uint32_t count, uint64_t *names)
{
    struct http_header *added = &at[count];
    uint64_t bit = UINT64_C(1) << (added->hash >> 26);
    added->next = 0;
    added->again = false;
    if (*names & bit)
        for (uint32_t i = count; i--;)
            if (at[i].hash == added->hash && at[i].name_size == added->name_size && memcmp(at[i].name, added->name, added->name_size) == 0) {
                at[i].next = (uint16_t)(count + 1);
                added->again = true;
                break;
            }
    *names |= bit;
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
    if (count == 0)
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
