#include "services/dissector/engine/strip.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_ROOM_LEAST 8u

static uint64_t end_of(const struct piece *piece) { return piece->offset + piece->size; }
static uint64_t cost_of(const struct piece *piece) { return sizeof *piece + piece->size + sizeof piece; }

/* Index of the first piece that ends behind offset; first + count: none. */
static uint32_t index_of(const struct strip *s, uint64_t offset)
{
    uint32_t low = s->first, high = s->first + s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (end_of(s->at[middle]) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct piece *strip_find(const struct strip *s, uint64_t offset)
{
    uint32_t i = index_of(s, offset);
    return i < s->first + s->count ? s->at[i] : NULL;
}

bool strip_differs(const struct strip *s, uint64_t offset, const uint8_t *data, uint32_t size, uint64_t *ret_equal)
{
    uint64_t end = offset + size, equal = 0;
    for (uint32_t i = index_of(s, offset); i < s->first + s->count && s->at[i]->offset < end; i++) {
        const struct piece *piece = s->at[i];
        uint64_t from = piece->offset > offset ? piece->offset : offset, to = end_of(piece) < end ? end_of(piece) : end;
        if (memcmp(piece->data + (from - piece->offset), data + (from - offset), to - from) != 0)
            return true;
        equal += piece->source == 0 ? to - from : 0;
    }
    if (ret_equal)
        *ret_equal += equal;
    return false;
}

static int make_room(struct strip *s)
{
    if (s->first + s->count < s->room)
        return 0;
    if (s->first > s->room / 2) { /* more than half of it is behind us */
        memmove(s->at, s->at + s->first, s->count * sizeof(struct piece *));
        s->first = 0;
        return 0;
    }
    uint32_t room = s->room ? s->room * 2 : PIECES_ROOM_LEAST;
    struct piece **at = realloc(s->at, room * sizeof(struct piece *));
    if (!at)
        return -ENOMEM;
    s->at = at;
    s->room = room;
    return 0;
}

static int insert(struct strip *s, const struct piece *head, uint64_t from, uint64_t to, const uint8_t *data)
{
    uint32_t size = (uint32_t)(to - from);
    struct piece *piece = make_room(s) == 0 ? malloc(sizeof *piece + size) : NULL;
    if (!piece)
        return -ENOMEM;
    *piece = *head;
    piece->offset = from;
    piece->size = size;
    memcpy(piece->data, data + (from - head->offset), size);
    uint32_t i = index_of(s, from);
    memmove(s->at + i + 1, s->at + i, (s->first + s->count - i) * sizeof(struct piece *));
    s->at[i] = piece;
    s->count++;
    s->bytes += cost_of(piece);
    return 0;
}

int strip_add(struct strip *s, const struct piece *head, const uint8_t *data)
{
    uint64_t at = head->offset, end = head->offset + head->size;
    while (at < end) {
        const struct piece *next = strip_find(s, at);
        if (next && next->offset <= at) {
            at = end_of(next);
            continue;
        }
        uint64_t to = next && next->offset < end ? next->offset : end;
        int r = insert(s, head, at, to, data);
        if (r < 0)
            return r;
        at = to;
    }
    return 0;
}

void strip_forget(struct strip *s, uint8_t source)
{
    uint32_t kept = 0;
    for (uint32_t i = s->first; i < s->first + s->count; i++) {
        struct piece *piece = s->at[i];
        if (piece->source != source) {
            s->at[s->first + kept++] = piece;
            continue;
        }
        s->bytes -= cost_of(piece);
        free(piece);
    }
    s->count = kept;
}

static void drop_first(struct strip *s)
{
    struct piece *piece = s->at[s->first++];
    s->count--;
    s->bytes -= cost_of(piece);
    free(piece);
    if (s->count == 0)
        s->first = 0;
}

void strip_drop(struct strip *s, uint64_t until)
{
    while (s->count > 0 && end_of(s->at[s->first]) <= until)
        drop_first(s);
}

void strip_shrink(struct strip *s, uint64_t bytes)
{
    while (s->bytes > bytes)
        drop_first(s);
}

uint64_t strip_end(const struct strip *s) { return s->count ? end_of(s->at[s->first + s->count - 1]) : 0; }

void strip_free(struct strip *s)
{
    strip_shrink(s, 0);
    free(s->at);
    *s = (struct strip){ 0 };
}
