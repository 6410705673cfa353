/* The LZ4 frame around a segment: independent blocks of at most 1 MiB content, no content size, no checksums, no dictionary.
 *
 *   04 22 4d 18 | FLG 60 | BD 60 | HC | block ... | end mark 00 00 00 00
 *   block = le32 size (bit 31: stored, not compressed) | size bytes
 *
 * Source: lz4_Frame_format.md 1.6. (With a content size or checksum a cut file is refused by readers.) */
#ifndef CAPFILE_LZ4FRAME_H
#define CAPFILE_LZ4FRAME_H
#include <stddef.h>
#include <stdint.h>
#define LZ4FRAME_HEADER_BYTES 7
#define LZ4FRAME_BLOCK_WORD_BYTES 4
#define LZ4FRAME_END_BYTES 4
#define LZ4FRAME_STORED 0x80000000u
#define LZ4FRAME_BLOCK_BYTES_MAX (LZ4FRAME_BLOCK_WORD_BYTES + 1024 * 1024)
size_t lz4frame_put_header(uint8_t *dst);
size_t lz4frame_put_end(uint8_t *dst);
/* Compresses content (at most 1 MiB) behind its size word, or stores it where that is not smaller. dst has LZ4FRAME_BLOCK_BYTES_MAX. Returns bytes written. */
size_t lz4frame_put_block(uint8_t *dst, const uint8_t *content, size_t size);
size_t lz4frame_put_stored_word(uint8_t *dst, size_t content_size);
/* Decodes one block (with its size word) into content (1 MiB). Returns content bytes, or -EBADMSG. */
int lz4frame_get_block(const uint8_t *block, size_t size, uint8_t *content);
#endif
