#include "services/dissector/database/part_slices.h"
#include <endian.h>
#include <string.h>

struct slices { int64_t values[SLICE_COLUMNS][DATABASE_ZONE_ROWS]; };

static void collect(const struct entries *e, uint64_t first, uint64_t past, struct slices *ret)
{
    for (uint64_t i = first; i < past; i++) {
        const struct entry_row *row = entries_row(e, i);
        ret->values[SLICE_PROTOCOL][i - first] = row->protocol;
        ret->values[SLICE_STATUS][i - first] = row->status;
        ret->values[SLICE_SRC][i - first] = row->src;
        ret->values[SLICE_DST][i - first] = row->dst;
        ret->values[SLICE_PATH][i - first] = row->path;
        ret->values[SLICE_ID][i - first] = (int64_t)row->id;
    }
}

/* The span fits four bytes. */
static uint32_t pack(const int64_t *values, size_t count, int64_t least, uint64_t span, uint8_t *ret)
{
    if (span == 0)
        return 0;
    if (span <= UINT8_MAX) {
        for (size_t i = 0; i < count; i++)
            ret[i] = (uint8_t)(values[i] - least);
        return 1;
    }
    if (span <= UINT16_MAX) {
        for (size_t i = 0; i < count; i++) {
            uint16_t number = htole16((uint16_t)(values[i] - least));
            memcpy(ret + i * 2, &number, 2);
        }
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t number = htole32((uint32_t)(values[i] - least));
        memcpy(ret + i * 4, &number, 4);
    }
    return 4;
}

int part_write_slices(struct part_table *table, const struct entries *e, uint64_t first, uint64_t past)
{
    struct slices slices;
    uint8_t packed[DATABASE_ZONE_ROWS * 4];
    size_t count = past - first;
    int64_t zone = (int64_t)(first / DATABASE_ZONE_ROWS) + 1;
    uint64_t span = entries_row(e, past - 1)->id - entries_row(e, first)->id;
    int r = 0, columns_count = span == count - 1 ? SLICE_ID : SLICE_COLUMNS; /* with holes the place does not tell the id */
    if (span > UINT32_MAX)
        return 0; /* no file has such holes; the other columns are 32-bit numbers */
    collect(e, first, past, &slices);
    for (int column = 0; column < columns_count && r == 0; column++) {
        const int64_t *values = slices.values[column];
        int64_t least = values[0], greatest = values[0];
        for (size_t i = 1; i < count; i++) {
            least = values[i] < least ? values[i] : least;
            greatest = values[i] > greatest ? values[i] : greatest;
        }
        uint32_t width = pack(values, count, least, (uint64_t)(greatest - least), packed);
        const struct column columns[] = { ROW_ID(), ROW_NUMBER(least), ROW_NUMBER(width), ROW_BYTES((const char *)packed, (uint32_t)(width * count)) };
        r = part_table_add(table, zone * DATABASE_SLICE_STEP + column, columns, sizeof columns / sizeof *columns);
    }
    return r;
}
