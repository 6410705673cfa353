/* Any bytes as a segment's index: what is read is written again as the same bytes, and cut plans stay in their bounds. A record's check is
 * put right first, or nothing would be looked at behind it. */
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capfile/segment_cut.h"
#include "capfile/segment_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_checks(uint8_t *data, size_t size)
{
    for (size_t at = SEGMENT_INDEX_HEADER_BYTES; at + 8 <= size;) {
        uint16_t bytes;
        memcpy(&bytes, data + at + 2, sizeof bytes);
        bytes = le16toh(bytes);
        if (bytes < 8 || bytes % 8 != 0 || bytes > SEGMENT_INDEX_RECORD_BYTES_MAX || bytes > size - at)
            return;
        memset(data + at + 4, 0, 4);
        uint32_t check = htole32((uint32_t)segment_block_hash(data + at, bytes));
        memcpy(data + at + 4, &check, sizeof check);
        at += bytes;
    }
}

static void check_records(const uint8_t *data, size_t size)
{
    for (size_t at = SEGMENT_INDEX_HEADER_BYTES; at < size;) {
        struct segment_record record;
        uint8_t again[SEGMENT_INDEX_RECORD_BYTES_MAX];
        int n = segment_index_get(data + at, size - at, &record);
        if (n <= 0)
            return;
        if (record.type >= SEGMENT_RECORD_IDENTITY && record.type <= SEGMENT_RECORD_SEAL &&
            (segment_index_put(again, &record) != (size_t)n || memcmp(again, data + at, (size_t)n) != 0))
            abort();
        at += (size_t)n;
    }
}

static void cut(const struct segment_index *index)
{
    bool *keep = calloc(index->blocks_count + 1, sizeof *keep);
    void *data = NULL;
    size_t size = 0;
    uint64_t segment_size = 0;
    if (keep && segment_cut_plan(index, 1000, INT64_MAX / 2, keep) > 0 && segment_cut_index(index, keep, 1000, INT64_MAX / 2, &data, &size,
                                                                                            &segment_size) == 0) {
        struct segment_index *again = NULL;
        if (segment_index_parse(data, size, &again) < 0 || again->valid_size != size || !again->sealed)
            abort();
        segment_index_free(again);
    }
    free(data);
    free(keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    struct segment_index *index = NULL;
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    mend_checks(copy, size);
    if (segment_index_parse(copy, size, &index) == 0) {
        check_records(copy, index->valid_size);
        cut(index);
    }
    segment_index_free(index);
    free(copy);
    return 0;
}
