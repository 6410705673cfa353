/* The box: every byte of the tape's files is charged before it exists, and their sum never exceeds storage_size. What is charged: the open segment of each lane at its planned size with the bound of its index, sealed
 * segments at what they take on the disk, files under transfer until they are given back, the small files at their most.
 * Functions named box_ need the tape's mutex, those named tape_segment_ and tape_disk_ take it; none is called on a capture thread. */
#ifndef CAPTURER_TAPE_BOX_H
#define CAPTURER_TAPE_BOX_H
#include "services/capturer/tape/internal.h"

/* leases and cursor, each with its successor beside it while that is written, tape.id, token keys with theirs, the disk probe, the folders themselves. */
#define BOX_SMALL_FILES_BYTES (2u * 1024 * 1024)
#define BOX_SEGMENT_BYTES_MIN (4u * 1024 * 1024)
#define BOX_SEGMENT_BYTES_MAX (256u * 1024 * 1024)
#define BOX_SEGMENTS_MIN 16u                     /* per lane: a smaller box would be full of open segments and pins */
#define BOX_SEGMENTS 32u                         /* per lane, where the box is neither small nor large */
#define BOX_SLACK_BYTES (128u * 1024)            /* per segment: the filesystem's own blocks for a scattered file, rounding to pages */

uint64_t box_segment_size(uint64_t storage_size, uint32_t lanes); /* RULES 8's clamp */
uint64_t box_segment_blocks(uint64_t segment_size);
uint64_t box_index_size(uint64_t segment_blocks); /* most bytes of an index with so many blocks */
uint64_t box_segment_charge(const struct tape *tape);
/* What a file takes: the greater of its length and its blocks. */
int box_file_bytes(int fd, uint64_t *ret);
/* Removes the oldest segment that nobody holds. -ENOENT: none; -errno. */
int box_recycle_oldest(struct tape *tape, struct tape_events *events);
/* Recycles until `bytes` more fit. -ENOSPC: they do not, and nothing can be recycled. */
int box_make_room(struct tape *tape, uint64_t bytes, struct tape_events *events);
uint64_t box_pinned(const struct tape *tape, int64_t now_ns);

/* Charges a segment and notes it as open; recycles for it, and waits a little for seals under way where that is all that is missing. -ENOSPC. */
int tape_segment_begin(struct tape *tape, uint32_t lane, uint64_t sequence, int64_t opened_ns);
void tape_segment_files(struct tape *tape, uint32_t lane, int fd, int index_fd); /* for the flush of every second */
/* Nothing of it is on the disk: gives the charge back. */
void tape_segment_abandon(struct tape *tape, uint32_t lane);
/* The disk refused: says so once, makes room at the own expense where it is full. 0: try again; -errno: it is no use. */
int tape_disk_refused(struct tape *tape, uint32_t lane, int error);
void tape_disk_well(struct tape *tape, uint32_t lane);
#endif
