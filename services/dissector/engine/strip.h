/* Bytes of one direction of a connection by their place in its stream: pieces that do not overlap, in order. Several views may bring the same bytes; the first copy stays, later ones are compared with it. One thread.
 * Offsets are far from 0 and from the greatest, so that sums do not wrap (filling.c gives them). */
#ifndef DISSECTOR_ENGINE_STRIP_H
#define DISSECTOR_ENGINE_STRIP_H
#include <stdbool.h>
#include <stdint.h>
#include "services/dissector/entry/message.h"

struct piece {
    uint64_t offset;
    uint32_t size, ack;             /* ack: the number that its packet acknowledged, where it did */
    bool has_ack;
    uint8_t source;                 /* which view brought it */
    int64_t time_ns;
    struct place place;
    uint8_t data[];
};
/* Zeroed is empty. bytes: of memory. */
struct strip { struct piece **at; uint32_t first, count, room; uint64_t bytes; };

/* The piece that holds the byte at offset, or else the next one behind it; NULL: there is none. */
const struct piece *strip_find(const struct strip *strip, uint64_t offset);
/* Whether a byte that both have is another. *ret_equal, which may be NULL, grows by how many of those that source 0 brought are the same, where none differs. */
bool strip_differs(const struct strip *strip, uint64_t offset, const uint8_t *data, uint32_t size, uint64_t *ret_equal);
/* Adds the bytes that are not there yet; head: everything but them, head->size of them. -ENOMEM: some of them may have been added. */
int strip_add(struct strip *strip, const struct piece *head, const uint8_t *data);
/* Forgets what a view brought. */
void strip_forget(struct strip *strip, uint8_t source);
/* Forgets the pieces that end at `until` or before. */
void strip_drop(struct strip *strip, uint64_t until);
/* Forgets the first ones, until no more than `bytes` are left. */
void strip_shrink(struct strip *strip, uint64_t bytes);
/* Behind its last byte; 0: it is empty. */
uint64_t strip_end(const struct strip *strip);
void strip_free(struct strip *strip);
#endif
