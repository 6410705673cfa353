/* The LZ4 frame around a segment: independent blocks of at most 1 MiB content, no content size, no checksums, no dictionary.
 *
 *   04 22 4d 18 | FLG 60 | BD 60 | HC 51 | block ... | end mark 00 00 00 00
 *   block = le32 size (bit 31: stored, not compressed) | size bytes
 *
 * Source: lz4_Frame_format.md 1.6. (With a content size or checksum a cut file is refused by readers.) Thread-safe. */
#ifndef CAPFILE_LZ4FRAME_H
#define CAPFILE_LZ4FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#define LZ4FRAME_HEADER_BYTES 7
#define LZ4FRAME_BLOCK_WORD_BYTES 4
#define LZ4FRAME_END_BYTES 4
#define LZ4FRAME_STORED 0x80000000u
#define LZ4FRAME_CONTENT_BYTES_MAX (1024 * 1024) /* what BD 60 promises */
#define LZ4FRAME_BLOCK_BYTES_MAX (LZ4FRAME_BLOCK_WORD_BYTES + LZ4FRAME_CONTENT_BYTES_MAX)

/* Each writes at dst and returns the bytes written. Empty content is a programmer's error: a block of size 0 is the end mark. */
size_t lz4frame_put_header(uint8_t *dst);
size_t lz4frame_put_end(uint8_t *dst);
/* Compresses content (1 byte to 1 MiB) behind its size word, or stores it where that is not smaller. dst has LZ4FRAME_BLOCK_BYTES_MAX. */
size_t lz4frame_put_block(uint8_t *dst, const uint8_t *content, size_t size);
/* The size word of a stored block, to stand before content that is in its place already. */
size_t lz4frame_put_stored_word(uint8_t *dst, size_t content_size);

/* bytes: LZ4FRAME_HEADER_BYTES. */
bool lz4frame_is_header(const uint8_t *bytes);
/* Reads the size word of a block of `size` bytes (with the word). Returns the bytes behind the word, or -EBADMSG where the word does not
 * say so. */
int lz4frame_block_word(const uint8_t *block, size_t size, bool *ret_stored);
/* Decodes one block (with its size word) into content, which has room for `room` bytes, at most 1 MiB. Returns content bytes, or -EBADMSG
 * (also when the content is longer). */
int lz4frame_get_block_into(const uint8_t *block, size_t size, uint8_t *content, size_t room);
/* The same with 1 MiB of room. */
int lz4frame_get_block(const uint8_t *block, size_t size, uint8_t *content);
#endif
