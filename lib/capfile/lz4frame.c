#include "capfile/lz4frame.h"
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <lz4.h>
#include <string.h>

/* Magic, FLG (version 01, independent blocks), BD (1 MiB), and the header's check: the second byte of XXH32 over FLG and BD. */
static const uint8_t frame_header[LZ4FRAME_HEADER_BYTES] = { 0x04, 0x22, 0x4d, 0x18, 0x60, 0x60, 0x51 };

static void put_word(uint8_t *dst, uint32_t word)
{
    word = htole32(word);
    memcpy(dst, &word, sizeof word);
}

size_t lz4frame_put_header(uint8_t *dst)
{
    memcpy(dst, frame_header, sizeof frame_header);
    return sizeof frame_header;
}

size_t lz4frame_put_end(uint8_t *dst)
{
    put_word(dst, 0);
    return LZ4FRAME_END_BYTES;
}

size_t lz4frame_put_stored_word(uint8_t *dst, size_t content_size)
{
    assert(content_size > 0 && content_size <= LZ4FRAME_CONTENT_BYTES_MAX);
    put_word(dst, (uint32_t)content_size | LZ4FRAME_STORED);
    return LZ4FRAME_BLOCK_WORD_BYTES;
}

size_t lz4frame_put_block(uint8_t *dst, const uint8_t *content, size_t size)
{
    assert(size > 0 && size <= LZ4FRAME_CONTENT_BYTES_MAX);
    /* One byte less than stored, or it is not worth the reader's work: LZ4 gives up (0) when it does not fit. */
    int packed = LZ4_compress_default((const char *)content, (char *)dst + LZ4FRAME_BLOCK_WORD_BYTES, (int)size, (int)size - 1);
    if (packed > 0) {
        put_word(dst, (uint32_t)packed);
        return LZ4FRAME_BLOCK_WORD_BYTES + (size_t)packed;
    }
    (void)lz4frame_put_stored_word(dst, size);
    memcpy(dst + LZ4FRAME_BLOCK_WORD_BYTES, content, size);
    return LZ4FRAME_BLOCK_WORD_BYTES + size;
}

bool lz4frame_is_header(const uint8_t *bytes)
{
    return memcmp(bytes, frame_header, sizeof frame_header) == 0;
}

int lz4frame_block_word(const uint8_t *block, size_t size, bool *ret_stored)
{
    uint32_t word;
    if (size < sizeof word)
        return -EBADMSG;
    memcpy(&word, block, sizeof word);
    word = le32toh(word);
    uint32_t bytes = word & ~LZ4FRAME_STORED;
    if (bytes == 0 || bytes > LZ4FRAME_CONTENT_BYTES_MAX || bytes != size - LZ4FRAME_BLOCK_WORD_BYTES)
        return -EBADMSG;
    *ret_stored = (word & LZ4FRAME_STORED) != 0;
    return (int)bytes;
}

int lz4frame_get_block_into(const uint8_t *block, size_t size, uint8_t *content, size_t room)
{
    assert(room <= LZ4FRAME_CONTENT_BYTES_MAX);
    bool stored = false;
    int bytes = lz4frame_block_word(block, size, &stored);
    if (bytes < 0)
        return bytes;
    if (stored) {
        if ((size_t)bytes > room)
            return -EBADMSG;
        memcpy(content, block + LZ4FRAME_BLOCK_WORD_BYTES, (size_t)bytes);
        return bytes;
    }
    int got = LZ4_decompress_safe((const char *)block + LZ4FRAME_BLOCK_WORD_BYTES, (char *)content, bytes, (int)room);
    return got > 0 ? got : -EBADMSG;
}

int lz4frame_get_block(const uint8_t *block, size_t size, uint8_t *content)
{
    return lz4frame_get_block_into(block, size, content, LZ4FRAME_CONTENT_BYTES_MAX);
}
