#include "services/dissector/database/dictionary.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "mem/cleanup.h"

#define SLOTS_LEAST 1024u
#define COUNT_MAX (1u << 31)

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time, each multiplied into the rest, starting from a secret. */
static uint32_t hash_of(uint64_t seed, const char *text, size_t size)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = seed ^ size, word;
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&word, text, 8);
        hash = fold(hash ^ word, odd ^ (seed << 1 | 1));
    }
    word = 0;
    if (size)
        memcpy(&word, text, size);
    hash = fold(hash ^ word, odd);
    return (uint32_t)(hash ^ hash >> 32);
}

static bool is_at(const struct dictionary *d, const struct dictionary_slot *slot, uint32_t hash, const char *text, size_t size)
{
    if (slot->hash != hash)
        return false;
    const struct dictionary_item *item = &d->items[slot->id - 1];
    return item->size == size && memcmp(d->texts + item->at, text, size) == 0;
}

static int slots_grow(struct dictionary *d)
{
    uint32_t count = d->slots_count ? d->slots_count * 2 : SLOTS_LEAST;
    struct dictionary_slot *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (uint32_t id = 1; id <= d->count; id++) {
        uint32_t at = d->items[id - 1].hash & (count - 1);
        while (slots[at].id)
            at = (at + 1) & (count - 1);
        slots[at] = (struct dictionary_slot){ id, d->items[id - 1].hash };
    }
    free(d->slots);
    d->slots = slots;
    d->slots_count = count;
    return 0;
}

static int make_room(struct dictionary *d, size_t size)
{
    if (d->count == COUNT_MAX || size > UINT32_MAX)
        return -EOVERFLOW;
    if (d->seed == 0 && getrandom(&d->seed, sizeof d->seed, 0) != sizeof d->seed)
        d->seed = 1;
    if ((uint64_t)(d->count + 1) * 2 > d->slots_count && slots_grow(d) < 0)
        return -ENOMEM;
    if (d->count == d->items_room) {
        uint32_t room = d->items_room ? d->items_room * 2 : SLOTS_LEAST;
        struct dictionary_item *items = realloc(d->items, room * sizeof *items);
        if (!items)
            return -ENOMEM;
        d->items = items;
        d->items_room = room;
    }
    if (d->texts_room - d->texts_size < size) {
        uint64_t room = (d->texts_size + size) * 2;
        char *texts = realloc(d->texts, room);
        if (!texts)
            return -ENOMEM;
        d->texts = texts;
        d->texts_room = room;
    }
    return 0;
}

int dictionary_add(struct dictionary *d, const char *text, size_t size, uint32_t *ret_id)
{
    if (size == 0) {
        *ret_id = 0;
        return 0;
    }
    int r = make_room(d, size);
    if (r < 0)
        return r;
    uint32_t hash = hash_of(d->seed, text, size), at = hash & (d->slots_count - 1);
    for (; d->slots[at].id; at = (at + 1) & (d->slots_count - 1))
        if (is_at(d, &d->slots[at], hash, text, size)) {
            *ret_id = d->slots[at].id;
            return 0;
        }
    memcpy(d->texts + d->texts_size, text, size);
    d->items[d->count] = (struct dictionary_item){ .at = d->texts_size, .size = (uint32_t)size, .hash = hash };
    d->texts_size += size;
    d->slots[at] = (struct dictionary_slot){ ++d->count, hash };
    *ret_id = d->count;
    return 0;
}

const char *dictionary_text(const struct dictionary *d, uint32_t id, uint32_t *ret_size)
{
    if (id == 0) {
        *ret_size = 0;
        return "";
    }
    *ret_size = d->items[id - 1].size;
    return d->texts + d->items[id - 1].at;
}

/* The first eight bytes as a number decide most comparisons without touching the text. */
struct sort_item { uint64_t front; const char *text; uint32_t size, id; };

static int compare(const void *va, const void *vb)
{
    const struct sort_item *a = va, *b = vb;
    if (a->front != b->front)
        return a->front < b->front ? -1 : 1;
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

int dictionary_sort(const struct dictionary *d, uint32_t *order, uint32_t *ranks)
{
    mem_auto_free struct sort_item *items = malloc((d->count + 1) * sizeof *items);
    if (!items)
        return -ENOMEM;
    for (uint32_t id = 1; id <= d->count; id++) {
        struct sort_item *item = &items[id - 1];
        item->id = id;
        item->text = dictionary_text(d, id, &item->size);
        item->front = 0;
        memcpy(&item->front, item->text, item->size < 8 ? item->size : 8);
        item->front = __builtin_bswap64(item->front);
    }
    qsort(items, d->count, sizeof *items, compare);
    ranks[0] = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        order[i] = items[i].id;
        ranks[items[i].id] = i + 1;
    }
    return 0;
}

void dictionary_clear(struct dictionary *d)
{
    d->count = 0;
    d->texts_size = 0;
    if (d->slots)
        memset(d->slots, 0, d->slots_count * sizeof *d->slots);
}

void dictionary_close(struct dictionary *d)
{
    free(d->texts);
    free(d->items);
    free(d->slots);
    *d = (struct dictionary){ 0 };
}
