/* LZ4 frames of other kinds than ours, for tests. */
#ifndef TESTS_FRAME_BUILDER_H
#define TESTS_FRAME_BUILDER_H
#include <lz4frame.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* linked: each block needs those before it, blocks of 4 MiB; else independent ones of 64 KiB. With a checksum of the content. In place: data has room for as much as comes out. */
static inline size_t frame_pack(uint8_t *data, size_t size, size_t room, bool linked)
{
    LZ4F_preferences_t preferences = { .frameInfo = { .blockMode = linked ? LZ4F_blockLinked : LZ4F_blockIndependent, .blockSizeID = linked ? LZ4F_max4MB : LZ4F_max64KB,
                                                      .contentChecksumFlag = LZ4F_contentChecksumEnabled } };
    size_t most = LZ4F_compressFrameBound(size, &preferences);
    uint8_t *packed = malloc(most);
    size_t n = packed ? LZ4F_compressFrame(packed, most, data, size, &preferences) : 0;
    if (n == 0 || LZ4F_isError(n) || n > room)
        abort();
    memcpy(data, packed, n);
    free(packed);
    return n;
}
#endif
