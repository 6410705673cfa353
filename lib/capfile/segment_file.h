/* A segment with its index: reading blocks, verifying, cutting, salvaging. Used by the capturer (salvage), the snapshotter (cut, verify, export) and the
 * command line. Not shared between threads. */
#ifndef CAPFILE_SEGMENT_FILE_H
#define CAPFILE_SEGMENT_FILE_H
#include "capfile/segment_index.h"

struct segment_damage { int64_t offset; char problem[160]; };
/* Checks the segment at path (index at path + ".idx") byte for byte: frame header, every block's place, length and hash, that each block decodes to whole pcapng blocks and that its
 * packet counts and time span are true, nothing between, before or behind, end mark, seal record. Calls found() for each damage. Returns the number of damages, or -errno when it cannot read. */
int segment_file_verify(const char *path, void (*found)(void *context, const struct segment_damage *damage), void *context);

/* Which blocks a cut to [from_ns, to_ns] takes: every header block that lies before its last data block, and each data block that overlaps. keep has index->blocks_count entries.
 * Returns how many data blocks (0: the window is not in this segment). Statistics blocks are left out. */
size_t segment_cut_plan(const struct segment_index *index, int64_t from_ns, int64_t to_ns, bool *keep);
/* Writes the index of the cut: identity, interfaces, clocks, gaps inside the window, blocks at their new offsets, seal (reason CUT). Heap bytes. */
int segment_cut_index(const struct segment_index *index, const bool *keep, int64_t from_ns, int64_t to_ns, void **ret_data, size_t *ret_size, uint64_t *ret_segment_size);

/* Cuts a torn, hidden segment after its last whole block (by its index and hashes), adds the end mark, writes the seal record, fdatasyncs both. The caller renames. -ENODATA: no data block in it.
 * folder_fd: the tape's segments folder; name: the hidden name. */
int segment_salvage(int folder_fd, const char *hidden_name, uint64_t ordinal, struct segment_index **ret);
#endif
