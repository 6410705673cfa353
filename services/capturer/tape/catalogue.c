#include "services/capturer/tape/catalogue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 256u

void catalogue_free(struct catalogue *catalogue)
{
    free(catalogue->entries);
    *catalogue = (struct catalogue){ 0 };
}

size_t catalogue_after(const struct catalogue *catalogue, uint64_t ordinal)
{
    size_t low = 0, high = catalogue->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (catalogue_at(catalogue, middle)->segment.ordinal > ordinal)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Room for one more behind the last: first by moving to the front what recycling left in the middle, then by growing. */
static int make_room(struct catalogue *catalogue)
{
    if (catalogue->head + catalogue->count < catalogue->room)
        return 0;
    if (catalogue->head > catalogue->room / 2) {
        memmove(catalogue->entries, catalogue->entries + catalogue->head, catalogue->count * sizeof *catalogue->entries);
        catalogue->head = 0;
        return 0;
    }
    size_t room = catalogue->room ? catalogue->room * 2 : ROOM_LEAST;
    struct catalogue_entry *entries = realloc(catalogue->entries, room * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    catalogue->entries = entries;
    catalogue->room = room;
    return 0;
}

int catalogue_add(struct catalogue *catalogue, const struct catalogue_entry *entry)
{
    size_t index = catalogue_after(catalogue, entry->segment.ordinal);
    if (index > 0 && catalogue_at(catalogue, index - 1)->segment.ordinal == entry->segment.ordinal)
        return -EEXIST;
    int rc = make_room(catalogue);
    if (rc < 0)
        return rc;
    struct catalogue_entry *place = catalogue->entries + catalogue->head + index;
    memmove(place + 1, place, (catalogue->count - index) * sizeof *place);
    *place = *entry;
    catalogue->count++;
    return 0;
}

void catalogue_remove(struct catalogue *catalogue, size_t index)
{
    assert(index < catalogue->count);
    /* Nearly always the first: then nothing moves. Before it stand only the pinned. */
    struct catalogue_entry *first = catalogue->entries + catalogue->head;
    memmove(first + 1, first, index * sizeof *first);
    catalogue->head++;
    catalogue->count--;
}

struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint32_t lane, uint64_t sequence)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        struct catalogue_entry *entry = catalogue_at(catalogue, i);
        if (entry->segment.lane == lane && entry->segment.sequence == sequence)
            return entry;
    }
    return NULL;
}

void catalogue_entry_fill(struct catalogue_entry *entry, const struct segment_index *index, uint64_t index_size)
{
    entry->segment = (struct tape_segment){
        .lane = index->identity.lane,
        .sequence = index->identity.sequence,
        .ordinal = index->seal.ordinal,
        .size = index->seal.size,
        .index_size = index_size,
        .blocks = index->seal.blocks,
        .first_ns = index->seal.first_ns,
        .last_ns = index->seal.last_ns,
        .opened_ns = index->identity.opened_ns,
        .sealed_ns = index->seal.sealed_ns,
        .reason = index->seal.reason,
        .ledger = index->ledger,
    };
    entry->closed_ns = index->clocks_count > 0 ? index->clocks[index->clocks_count - 1].wall_ns : index->seal.last_ns;
    if (entry->closed_ns < index->seal.last_ns)
        entry->closed_ns = index->seal.last_ns;
    if (entry->closed_ns < index->identity.opened_ns)
        entry->closed_ns = index->identity.opened_ns;
}

bool catalogue_entry_overlaps(const struct catalogue_entry *entry, int64_t from_ns, int64_t to_ns)
{
    int64_t first = entry->segment.opened_ns, last = entry->closed_ns;
    if (entry->segment.first_ns != 0 && entry->segment.first_ns < first)
        first = entry->segment.first_ns;         /* packets waited in the ring while the segment before was ended */
    return first <= to_ns && last >= from_ns;
}
