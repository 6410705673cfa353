/* The writer thread of a lane: takes closed blocks, decides how each goes to the disk, and ends segments.
 *
 * Compression is what it gives up first. A block is compressed only where filling it took so long that LZ4 costs about 2 % of one core; a segment that begins under pressure is direct (written from the capture
 * thread's own memory), and a packed one into which pressure comes is ended early where enough of it is left for that to pay. */
#ifndef CAPTURER_TAPE_WRITER_H
#define CAPTURER_TAPE_WRITER_H
#include "services/capturer/tape/internal.h"

#define WRITER_COMPRESS_NS_PER_MIB INT64_C(50000000) /* LZ4 takes about 1 ms per MiB */
#define WRITER_QUEUE_CALM (LANE_QUEUE_BLOCKS / 16)   /* more blocks waiting is pressure, whatever their filling took */
#define WRITER_ROLL_AFTER_BYTES (8u * 1024 * 1024)   /* copied under pressure before the segment is ended for a direct one */
#define WRITER_ROLL_LEFT_BYTES (32u * 1024 * 1024)   /* and only when so much of it is left: copying costs a tenth of a second per GB, a seal some milliseconds */
#define WRITER_NAP_MS 5                              /* under load: sleeps by the clock instead of being woken per block */
#define WRITER_IDLE_MS 1000
#define WRITER_ROLL_EVERY_NS INT64_C(1000000000)     /* while the disk is gone: how often a new segment is tried */

int writer_new(struct tape *tape, struct lane *lane, struct writer **ret);
void writer_join(struct writer *writer);         /* waits for its end and frees it */
#endif
