/* The sealed segments of a tape in memory, in the order of their ordinals. Guarded by the tape's mutex. */
#ifndef CAPTURER_TAPE_CATALOGUE_H
#define CAPTURER_TAPE_CATALOGUE_H
#include "services/capturer/tape/tape.h"

/* 45 days of one segment a minute; above it the oldest is recycled though the box has room. At 256 bytes each 16 MiB. */
#define CATALOGUE_SEGMENTS_MAX 65536u

struct catalogue_entry {
    struct tape_segment segment;
    int64_t closed_ns;                           /* wall time at which the capture thread ended it */
    uint64_t charge;                             /* bytes of the box that its files take */
    uint32_t transfers;                          /* files of it that are open for reading */
};
struct catalogue { struct catalogue_entry *entries; size_t head, count, room; };

void catalogue_free(struct catalogue *catalogue);
static inline struct catalogue_entry *catalogue_at(const struct catalogue *catalogue, size_t index) { return &catalogue->entries[catalogue->head + index]; }
/* Keeps the order; an ordinal that is there already is -EEXIST. -ENOMEM. */
int catalogue_add(struct catalogue *catalogue, const struct catalogue_entry *entry);
void catalogue_remove(struct catalogue *catalogue, size_t index);
/* Index of the first entry with an ordinal above `ordinal`; count when none. */
size_t catalogue_after(const struct catalogue *catalogue, uint64_t ordinal);
struct catalogue_entry *catalogue_find(const struct catalogue *catalogue, uint32_t lane, uint64_t sequence); /* NULL: none */
/* The entry from its index, all but transfers and charge. */
struct segment_index;
void catalogue_entry_fill(struct catalogue_entry *entry, const struct segment_index *index, uint64_t index_size);
/* True when it was recorded in [from_ns, to_ns] or holds packets of it: by wall time, so that a time that occurred twice finds both. */
bool catalogue_entry_overlaps(const struct catalogue_entry *entry, int64_t from_ns, int64_t to_ns);
#endif
