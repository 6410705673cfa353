#include "services/dissector/live/numbers.h"
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 64u

/* A slot is number + 1 in the upper half (0: free), what it became in the lower. */
static uint32_t place_of(const struct numbers *n, uint32_t number)
{
    uint32_t at = (number * UINT32_C(2654435761)) & (n->room - 1);
    while (n->slots[at] && (uint32_t)(n->slots[at] >> 32) != number + 1)
        at = (at + 1) & (n->room - 1);
    return at;
}

uint32_t numbers_find(const struct numbers *n, uint32_t number)
{
    if (n->room == 0)
        return NUMBERS_NONE;
    uint64_t slot = n->slots[place_of(n, number)];
    return slot ? (uint32_t)slot : NUMBERS_NONE;
}

static bool grow(struct numbers *n)
{
    struct numbers grown = { .room = n->room ? n->room * 2 : ROOM_LEAST, .count = n->count };
    grown.slots = calloc(grown.room, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    for (uint32_t i = 0; i < n->room; i++)
        if (n->slots[i])
            grown.slots[place_of(&grown, (uint32_t)(n->slots[i] >> 32) - 1)] = n->slots[i];
    free(n->slots);
    *n = grown;
    return true;
}

uint32_t numbers_take(struct numbers *n, uint32_t number)
{
    uint32_t found = numbers_find(n, number);
    if (found != NUMBERS_NONE)
        return found;
    if ((n->count + 1) * 2 > n->room && !grow(n))
        return NUMBERS_NONE;
    n->slots[place_of(n, number)] = (uint64_t)(number + 1) << 32 | n->count;
    return n->count++;
}

void numbers_clear(struct numbers *n)
{
    free(n->slots);
    memset(n, 0, sizeof *n);
}
