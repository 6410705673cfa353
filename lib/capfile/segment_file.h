/* Blocks of a segment file: read, checked against their index record, decoded, walked. The parts that work on whole segments stand beside:
 * segment_verify.h, segment_cut.h, segment_salvage.h. Not shared between threads. */
#ifndef CAPFILE_SEGMENT_FILE_H
#define CAPFILE_SEGMENT_FILE_H
#include <sys/types.h>
#include "capfile/lz4frame.h"
#include "capfile/pcapng.h"
#include "capfile/segment_index.h"

/* Room for one block as it is on the disk and for its content. Mapped, not from the heap, so that a service that looks at a segment now and
 * then gives it back to the system. -ENOMEM. */
struct segment_buffers { uint8_t *raw /* LZ4FRAME_BLOCK_BYTES_MAX */, *content /* LZ4FRAME_CONTENT_BYTES_MAX */; };
int segment_buffers_take(struct segment_buffers *ret);
void segment_buffers_free(struct segment_buffers *buffers); /* also where take failed, if it was zeroed */

/* All of size bytes at offset. -ENODATA: the file ends before; -errno. */
int segment_pread(int fd, void *dst, size_t size, uint64_t offset);
/* Checks raw (block->size bytes from the disk) against its record and decodes it. content has block->content_size; *ret_content points into
 * it or, where the block is stored, into raw. -EBADMSG, with what is wrong in *ret_problem (static text). */
int segment_block_decode(const struct segment_block *block, const uint8_t *raw, uint8_t *content, const uint8_t **ret_content,
                         const char **ret_problem);

/* What a block really holds: kind, packets, events, canaries, first_ns, last_ns and disorder_ns as an index record has them. Disorder is
 * the greatest distance by which a timestamp lies under the greatest one before it; canaries count in canaries alone. */
struct segment_visit {
    void (*block)(void *context, const struct pcapng_block *block, const struct pcapng_interface *interface /* of a packet; or NULL */);
    void *context;
};
/* reader knows the segment's header blocks so far. visit may be NULL. -EBADMSG: not whole pcapng blocks (pcapng_reader_error); -ENOMEM. */
int segment_block_walk(struct pcapng_reader *reader, const uint8_t *content, size_t size, const struct segment_visit *visit,
                       struct segment_block *ret_truth);

/* The seal's hash: XXH3-64 over the hashes of all blocks in order. -ENOMEM. */
int segment_blocks_hash(const struct segment_block *blocks, size_t count, uint64_t *ret_hash);
#endif
