/* An input of the fuzz targets over segments: le32 size of the index | index | segment. Whatever the bytes are, the index's checks and
 * hashes are made true, so that the code behind them is reached. */
#ifndef TESTS_FUZZ_SEGMENT_PAIR_H
#define TESTS_FUZZ_SEGMENT_PAIR_H
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>
#include "capfile/segment_cut.h"
#include "capfile/segment_file.h"
#include "capfile/segment_salvage.h"
#include "capfile/segment_verify.h"

struct segment_pair { uint8_t *index, *segment; size_t index_size, segment_size; };

/* The hash of a block that lies in the file is made true where bit 0 of its wrong hash is 1; the others stay wrong. */
static inline void segment_pair_mend_block(struct segment_pair *pair, struct segment_record *record)
{
    struct segment_block *block = &record->block;
    if ((block->hash & 1) && block->offset <= pair->segment_size && block->size <= pair->segment_size - block->offset)
        block->hash = segment_block_hash(pair->segment + block->offset, block->size);
}

static inline void segment_pair_mend(struct segment_pair *pair)
{
    for (size_t at = SEGMENT_INDEX_HEADER_BYTES; at + 8 <= pair->index_size;) {
        uint16_t bytes;
        uint8_t *p = pair->index + at;
        memcpy(&bytes, p + 2, sizeof bytes);
        bytes = le16toh(bytes);
        if (bytes < 8 || bytes % 8 != 0 || bytes > SEGMENT_INDEX_RECORD_BYTES_MAX || bytes > pair->index_size - at)
            return;
        memset(p + 4, 0, 4);
        uint32_t check = htole32((uint32_t)segment_block_hash(p, bytes));
        memcpy(p + 4, &check, sizeof check);
        struct segment_record record;
        if (segment_index_get(p, bytes, &record) == bytes && record.type == SEGMENT_RECORD_BLOCK) {
            segment_pair_mend_block(pair, &record);
            segment_index_put(p, &record);
        }
        at += bytes;
    }
}

/* False: too short, or no memory. */
static inline bool segment_pair_take(const uint8_t *data, size_t size, struct segment_pair *ret)
{
    uint32_t index_size;
    if (size < sizeof index_size)
        return false;
    memcpy(&index_size, data, sizeof index_size);
    index_size = le32toh(index_size);
    if (index_size > size - 4)
        return false;
    struct segment_pair pair = { .index_size = index_size, .segment_size = size - 4 - index_size, .index = malloc(size),
                                 .segment = malloc(size) };
    if (!pair.index || !pair.segment) {
        free(pair.index);
        free(pair.segment);
        return false;
    }
    memcpy(pair.index, data + 4, pair.index_size);
    memcpy(pair.segment, data + 4 + index_size, pair.segment_size);
    segment_pair_mend(&pair);
    *ret = pair;
    return true;
}

static inline void segment_pair_free(struct segment_pair *pair)
{
    free(pair->index);
    free(pair->segment);
}

static inline bool segment_pair_put(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(data, 1, size, file) == size;
    if (file)
        fclose(file);
    return good;
}

/* A folder in memory where there is one, for this process. */
static inline const char *segment_pair_folder(void)
{
    static char folder[64];
    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/fuzz_segment.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(folder))
            abort();
    }
    return folder;
}

static inline bool segment_pair_write(const struct segment_pair *pair, const char *path)
{
    char index_path[200];
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    return segment_pair_put(path, pair->segment, pair->segment_size) && segment_pair_put(index_path, pair->index, pair->index_size);
}

static inline void segment_pair_remove(const char *path)
{
    char index_path[200];
    snprintf(index_path, sizeof index_path, "%s.idx", path);
    unlink(path);
    unlink(index_path);
}
#endif
