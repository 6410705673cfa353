#include "capfile/lz4stream.h"
#include <endian.h>
#include <errno.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x184d2204u
#define MAGIC_SKIPPABLE 0x184d2a50u    /* to 5f */
#define MAGIC_SKIPPABLE_BITS 0xfffffff0u

struct lz4_stream { LZ4F_dctx *context; bool inside; const char *error; };

int lz4_stream_new(struct lz4_stream **ret)
{
    struct lz4_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return -ENOMEM;
    stream->error = "";
    if (LZ4F_isError(LZ4F_createDecompressionContext(&stream->context, LZ4F_VERSION))) {
        free(stream);
        return -ENOMEM;
    }
    *ret = stream;
    return 0;
}

void lz4_stream_free(struct lz4_stream *stream)
{
    if (!stream)
        return;
    LZ4F_freeDecompressionContext(stream->context);
    free(stream);
}

bool lz4_stream_is_magic(const uint8_t *bytes)
{
    uint32_t magic;
    memcpy(&magic, bytes, sizeof magic);
    magic = le32toh(magic);
    return magic == MAGIC || (magic & MAGIC_SKIPPABLE_BITS) == MAGIC_SKIPPABLE;
}

int lz4_stream_decode(struct lz4_stream *stream, const uint8_t *src, size_t src_size, size_t *ret_read, uint8_t *dst, size_t dst_size, size_t *ret_written)
{
    size_t read = src_size, written = dst_size;
    size_t hint = LZ4F_decompress(stream->context, dst, &written, src, &read, NULL);
    if (LZ4F_isError(hint)) {
        stream->error = LZ4F_getErrorName(hint);
        return -EBADMSG;
    }
    if (hint == 0)
        stream->inside = false;
    else if (read > 0 || written > 0)
        stream->inside = true;
    *ret_read = read;
    *ret_written = written;
    return 0;
}

bool lz4_stream_at_end(const struct lz4_stream *stream)
{
    return !stream->inside;
}

const char *lz4_stream_error(const struct lz4_stream *stream)
{
    return stream->error;
}
