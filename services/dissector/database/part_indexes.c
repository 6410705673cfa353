#include "services/dissector/database/part_indexes.h"
#include <errno.h>
#include <stdlib.h>
#include "mem/cleanup.h"
#include "services/dissector/database/part_slices.h"
#include "services/dissector/database/radix.h"

/* The columns that zones tell the least and greatest of, in their order. */
enum { ZONE_TIMESTAMP, ZONE_STATUS, ZONE_ELAPSED, ZONE_DURATION, ZONE_SRC, ZONE_DST, ZONE_PATH, ZONE_CONNECTION, ZONE_RANGES };
#define ZONE_COLUMNS (3 + 2 * ZONE_RANGES + 1)

static void zone_values(const struct entry_row *row, int64_t values[ZONE_RANGES])
{
    values[ZONE_TIMESTAMP] = row->timestamp;
    values[ZONE_STATUS] = row->status;
    values[ZONE_ELAPSED] = row->elapsed;
    values[ZONE_DURATION] = row->duration;
    values[ZONE_SRC] = row->src;
    values[ZONE_DST] = row->dst;
    values[ZONE_PATH] = row->path;
    values[ZONE_CONNECTION] = (int64_t)row->connection;
}

static int write_zone(struct part_table *table, const struct entries *e, uint64_t first, uint64_t past)
{
    int64_t least[ZONE_RANGES], greatest[ZONE_RANGES];
    uint64_t bits = 0;
    zone_values(entries_row(e, first), least);
    zone_values(entries_row(e, first), greatest);
    for (uint64_t i = first; i < past; i++) {
        int64_t values[ZONE_RANGES];
        const struct entry_row *row = entries_row(e, i);
        zone_values(row, values);
        for (unsigned k = 0; k < ZONE_RANGES; k++) {
            least[k] = values[k] < least[k] ? values[k] : least[k];
            greatest[k] = values[k] > greatest[k] ? values[k] : greatest[k];
        }
        bits |= UINT64_C(1) << (row->protocol < DATABASE_PROTOCOL_BITS ? row->protocol : DATABASE_PROTOCOL_BITS);
    }
    struct column columns[ZONE_COLUMNS] = { ROW_ID(), ROW_NUMBER((int64_t)entries_row(e, first)->id), ROW_NUMBER((int64_t)entries_row(e, past - 1)->id) };
    for (unsigned k = 0; k < ZONE_RANGES; k++) {
        columns[3 + 2 * k] = ROW_NUMBER(least[k]);
        columns[4 + 2 * k] = ROW_NUMBER(greatest[k]);
    }
    columns[ZONE_COLUMNS - 1] = ROW_NUMBER((int64_t)bits);
    return part_table_add(table, (int64_t)(first / DATABASE_ZONE_ROWS) + 1, columns, ZONE_COLUMNS);
}

int part_write_zones(struct part_tables *tables, const struct entries *e)
{
    struct part_table *zones = part_tables_find(tables, "zone"), *slices = part_tables_find(tables, "slice");
    int r = 0;
    for (uint64_t first = 0; first < e->count && r == 0; first += DATABASE_ZONE_ROWS) {
        uint64_t past = first + DATABASE_ZONE_ROWS < e->count ? first + DATABASE_ZONE_ROWS : e->count;
        r = write_zone(zones, e, first, past);
        if (r == 0)
            r = part_write_slices(slices, e, first, past);
    }
    return r;
}

/* What each index is over; false: the row is not in it. */
static bool by_connection(const struct entry_row *row, uint64_t *ret) { *ret = row->connection; return true; }
static bool by_src(const struct entry_row *row, uint64_t *ret) { *ret = row->src; return true; }
static bool by_dst(const struct entry_row *row, uint64_t *ret) { *ret = row->dst; return true; }
static bool by_path(const struct entry_row *row, uint64_t *ret) { *ret = row->path; return true; }
static bool by_error(const struct entry_row *row, uint64_t *ret) { *ret = (uint32_t)row->status; return row->status >= 400; }
static bool by_rare(const struct entry_row *row, uint64_t *ret) { *ret = row->protocol; return row->protocol > 1; }
static const struct { const char *name; bool (*number)(const struct entry_row *row, uint64_t *ret); } indexes[] = {
    { "entry_connection", by_connection }, { "entry_src", by_src }, { "entry_dst", by_dst }, { "entry_path", by_path }, { "entry_error", by_error }, { "entry_rare", by_rare },
};

struct index_room { struct radix_pair *pairs, *scratch; };

static int write_index(struct part_table *table, const struct entries *e, bool (*number)(const struct entry_row *, uint64_t *), const struct index_room *room)
{
    size_t count = 0;
    uint64_t value, all = 0;
    for (uint64_t i = 0; i < e->count; i++)
        if (number(entries_row(e, i), &value)) {
            all |= value;
            room->pairs[count++] = (struct radix_pair){ (uint32_t)value, (uint32_t)i };
        }
    if (all > UINT32_MAX)
        return -EOVERFLOW; /* connections are dense numbers: that many do not fit the parts */
    radix_sort(room->pairs, room->scratch, count);
    /* Ids mostly follow each other: then a row need not be looked at again. */
    uint64_t first = e->count ? entries_row(e, 0)->id : 0;
    bool dense = e->count && entries_row(e, e->count - 1)->id - first == e->count - 1;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        uint64_t id = dense ? first + room->pairs[i].place : entries_row(e, room->pairs[i].place)->id;
        r = tree_add_entry(&table->tree, room->pairs[i].number, (int64_t)id);
    }
    return r;
}

int part_write_indexes(struct part_tables *tables, const struct entries *e)
{
    mem_auto_free struct radix_pair *pairs = malloc((e->count + 1) * sizeof *pairs), *scratch = malloc((e->count + 1) * sizeof *scratch);
    int r = pairs && scratch ? 0 : -ENOMEM;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes && r == 0; i++)
        r = write_index(part_tables_find(tables, indexes[i].name), e, indexes[i].number, &(struct index_room){ pairs, scratch });
    return r;
}
