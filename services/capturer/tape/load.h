/* Reading what is on a tape when it is opened, and mending what a kill left behind.
 *
 * What a kill can leave, and what becomes of it: two hidden files: salvaged and published. A visible index with a hidden segment (killed between the renames): the index is hidden again, then the same. A visible
 * index alone (killed between the removals) or a hidden file alone: removed. A visible segment whose index does not check: removed and said, for nothing can be found or checked in it. What only
 * cannot be read now (an error of the disk, no descriptors, no room) is left as it is for the next start. */
#ifndef CAPTURER_TAPE_LOAD_H
#define CAPTURER_TAPE_LOAD_H
#include "services/capturer/tape/internal.h"

/* Who is told, and since when the start takes. */
struct load_report { void (*report)(void *context, const char *what, uint64_t done, uint64_t total); void *context; int64_t began_ns; };
/* Fills the catalogue, the box's charge, next ordinal and next sequences; cursor and leases have been loaded. -ENOMEM, -errno of the folder. */
int load_segments(struct tape *tape, const struct load_report *report);
/* Says something that cannot wait. */
void load_tell(const struct load_report *report, const char *what);
#endif
