/* Any bytes as a block: decoding stays in its room, and any bytes as content come back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capfile/lz4frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t content[LZ4FRAME_CONTENT_BYTES_MAX], block[LZ4FRAME_BLOCK_BYTES_MAX];
    if (size == 0 || size > LZ4FRAME_CONTENT_BYTES_MAX)
        return 0;
    int got = lz4frame_get_block(data, size, content);
    if (got == 0 || got > (int)sizeof content)
        abort();
    size_t room = size % 5000 + 1;
    uint8_t *small = malloc(room);
    if (small && lz4frame_get_block_into(data, size, small, room) > (int)room)
        abort();
    free(small);
    size_t written = lz4frame_put_block(block, data, size);
    if (written > size + 4 || lz4frame_get_block(block, written, content) != (int)size || memcmp(content, data, size) != 0)
        abort();
    return 0;
}
