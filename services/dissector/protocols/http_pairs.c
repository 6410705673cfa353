/* See http_pairs.h. */
#include "services/dissector/protocols/http_pairs.h"

#include <string.h>

uint32_t http_pairs_hash(const char *name, size_t size)
{
    uint64_t hash = size * UINT64_C(0x9e3779b97f4a7c15), word = 0;
    for (; size > 8; name += 8, size -= 8) {
        memcpy(&word, name, 8);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 32;
    }
    word = 0;
    if (size)
        memcpy(&word, name, size);
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return (uint32_t)(hash >> 32);
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
