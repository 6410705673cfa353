/* Texts as numbers: the same text, the same number, from 1 in the order of arrival; 0 is the empty text. One thread. */
#ifndef DISSECTOR_DATABASE_DICTIONARY_H
#define DISSECTOR_DATABASE_DICTIONARY_H
#include <stddef.h>
#include <stdint.h>

struct dictionary_item { uint64_t at; uint32_t size, hash; };
struct dictionary_slot { uint32_t id, hash; }; /* the hash here, too: a text that is new mostly meets others, and their items lie elsewhere in memory */
struct dictionary {
    char *texts;                        /* one behind the other */
    uint64_t texts_size, texts_room;
    struct dictionary_item *items;      /* items[id - 1] */
    uint32_t count, items_room;
    struct dictionary_slot *slots; uint32_t slots_count; /* open addressing; a power of two, at most half full */
    uint64_t seed;                      /* random, so that nobody can choose texts that collide */
};
/* Zeroed, it is ready. -ENOMEM; -EOVERFLOW: 2^31 texts. The text is copied. */
int dictionary_add(struct dictionary *dictionary, const char *text, size_t size, uint32_t *ret_id);
/* Borrowed until the next add. id from 0 to count. */
const char *dictionary_text(const struct dictionary *dictionary, uint32_t id, uint32_t *ret_size);
/* The ids in the byte order of their texts: order[0..count-1]; and ranks[id], from 1, with ranks[0] = 0: count + 1 of them. Both have been made by the caller. -ENOMEM. */
int dictionary_sort(const struct dictionary *dictionary, uint32_t *order, uint32_t *ranks);
/* Forgets the texts and keeps the memory. */
void dictionary_clear(struct dictionary *dictionary);
void dictionary_close(struct dictionary *dictionary);
#endif
