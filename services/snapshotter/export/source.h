/* What a merge takes entries from: one loaded block, or a stretch of a run. */
#ifndef SNAPSHOTTER_EXPORT_SOURCE_H
#define SNAPSHOTTER_EXPORT_SOURCE_H
#include <stdbool.h>
#include <stdint.h>

/* A packet or event: a whole pcapng block, its interface already that of the output. */
struct entry { int64_t time_ns; uint32_t offset, size; };
struct run_reader;
struct load;
struct source {
    struct entry *entries;        /* by (time, block, position) */
    uint32_t count, at;
    const uint8_t *content;       /* entries' offsets count from here */
    uint32_t ordinal;             /* of the block that all entries are of ... */
    const uint32_t *ordinals;     /* ... or, of a run, one for each; NULL otherwise */
    uint32_t events;              /* how many of the entries are events */
    bool contiguous;              /* entries stand in the content in this order with nothing between */
    uint8_t *memory;              /* owned, with entries; goes back to `spares` where that is set */
    struct load *spares;
    struct run_reader *run;       /* owned; NULL: a block */
};
static inline uint32_t source_ordinal(const struct source *source, uint32_t i)
{
    return source->ordinals ? source->ordinals[i] : source->ordinal;
}
void source_free(struct source *source); /* in merge.c; NULL is fine */

/* The next entries of a merge, all from one source. */
struct span { const struct source *source; uint32_t from, to; };
#endif
