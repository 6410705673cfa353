/* Making a segment whole again after its writer was killed. */
#ifndef CAPFILE_SEGMENT_SALVAGE_H
#define CAPFILE_SEGMENT_SALVAGE_H
#include "capfile/segment_index.h"

/* Cuts a torn, hidden segment after its last whole block (by its index and hashes), adds the end mark, writes ledger (where there is none)
 * and seal record, fdatasyncs both. The caller renames. The ledger of a torn segment counts what is on the disk as offered and written:
 * what the ring held is not known. folder_fd: the tape's segments folder; name: the hidden name (index: + ".idx"). Can be killed and called
 * again. A segment that was sealed already keeps its reason and gets the new ordinal. -ENODATA: no data block in it; -EBADMSG: its index is
 * of another version; -ENOMEM; -errno of the files. */
int segment_salvage(int folder_fd, const char *hidden_name, uint64_t ordinal, struct segment_index **ret);
#endif
