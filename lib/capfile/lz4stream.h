/* Any LZ4 frame, piece by piece: linked or independent blocks of any size, checksums, several frames behind each other, skippable frames. Segments with an index are read by segment_file.h instead.
 *
 * A stream belongs to one thread. Source: lz4_Frame_format.md 1.6; liblz4's LZ4F. */
#ifndef CAPFILE_LZ4STREAM_H
#define CAPFILE_LZ4STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lz4_stream;
int lz4_stream_new(struct lz4_stream **ret); /* -ENOMEM */
void lz4_stream_free(struct lz4_stream *stream);
static inline void lz4_stream_free_p(struct lz4_stream **stream) { lz4_stream_free(*stream); }
/* Whether a file that begins with these four bytes is one (or has a skippable frame first). */
bool lz4_stream_is_magic(const uint8_t *bytes);
/* Decodes from src to dst; says how much of each was used. Nothing used of either: src is needed. -EBADMSG: not LZ4, or a checksum is false (lz4_stream_error); the stream is of no more use then. */
int lz4_stream_decode(struct lz4_stream *stream, const uint8_t *src, size_t src_size, size_t *ret_read, uint8_t *dst, size_t dst_size, size_t *ret_written);
/* Between two frames: a file may end here. (A frame without its end mark, cut or still being written, leaves this false.) */
bool lz4_stream_at_end(const struct lz4_stream *stream);
const char *lz4_stream_error(const struct lz4_stream *stream); /* static text; "" */
#endif
