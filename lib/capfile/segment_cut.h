/* Cutting a segment to a window: whole blocks, copied as they are. Windows hold both their ends. Thread-safe. */
#ifndef CAPFILE_SEGMENT_CUT_H
#define CAPFILE_SEGMENT_CUT_H
#include "capfile/segment_index.h"

/* Which blocks a cut to [from_ns, to_ns] takes: every header block that lies before its last data block, and each data block that overlaps.
 * keep has index->blocks_count entries. Returns how many data blocks (0: the window is not in this segment). Statistics blocks are left
 * out. */
size_t segment_cut_plan(const struct segment_index *index, int64_t from_ns, int64_t to_ns, bool *keep);
/* Writes the index of the cut: identity, interfaces, clocks, gaps inside the window, blocks at their new offsets, the ledgers where no
 * packet or event is left out, seal (reason CUT). Heap bytes. -EINVAL: nothing is kept; -ENOMEM. */
int segment_cut_index(const struct segment_index *index, const bool *keep, int64_t from_ns, int64_t to_ns, void **ret_data,
                      size_t *ret_size, uint64_t *ret_segment_size);

/* Packets of the segment at path (index at path + ".idx") exactly inside the window, without canaries. Decodes only the blocks that reach
 * over an edge of the window. -EBADMSG: a block is not what its index says; -errno of the files; -ENOMEM. */
int segment_window_count(const char *path, int64_t from_ns, int64_t to_ns, uint64_t *ret_packets);
#endif
