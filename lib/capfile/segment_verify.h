/* Checks a segment against its index, byte for byte. */
#ifndef CAPFILE_SEGMENT_VERIFY_H
#define CAPFILE_SEGMENT_VERIFY_H
#include <stdint.h>

/* a problem that begins with "index: " is in the index, and so is its offset */
struct segment_damage { int64_t offset; char problem[160]; };
#define SEGMENT_DAMAGES_MAX 1000 /* told; further ones are counted */
/* Checks the segment at path (index at path + ".idx"): frame header, every block's place, length and hash, that each block decodes to whole
 * pcapng blocks and that its packet counts and time span are true, nothing between, before or behind, end mark, seal record. Calls found()
 * for each damage, which may be NULL. Returns the number of damages, or -errno when it cannot read. Memory: the index and 2 MiB. */
int segment_file_verify(const char *path, void (*found)(void *context, const struct segment_damage *damage), void *context);
#endif
