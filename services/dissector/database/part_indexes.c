#include "services/dissector/database/part_indexes.h"
#include <errno.h>
#include <stdlib.h>
#include "mem/cleanup.h"
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
    struct part_table *table = part_tables_find(tables, "zone");
    int r = 0;
    for (uint64_t first = 0; first < e->count && r == 0; first += DATABASE_ZONE_ROWS)
        r = write_zone(table, e, first, first + DATABASE_ZONE_ROWS < e->count ? first + DATABASE_ZONE_ROWS : e->count);
    return r;
}

/* What each index is over: false, the row is not in it. `base` makes the number fit 32 bits. */
static bool by_connection(const struct entry_row *row, int64_t *ret) { *ret = (int64_t)row->connection; return true; }
static bool by_src(const struct entry_row *row, int64_t *ret) { *ret = row->src; return true; }
static bool by_dst(const struct entry_row *row, int64_t *ret) { *ret = row->dst; return true; }
static bool by_path(const struct entry_row *row, int64_t *ret) { *ret = row->path; return true; }
static bool by_error(const struct entry_row *row, int64_t *ret) { *ret = row->status; return row->status >= 400; }
static bool by_rare(const struct entry_row *row, int64_t *ret) { *ret = row->protocol; return row->protocol > 1; }
static const struct { const char *name; bool (*number)(const struct entry_row *row, int64_t *ret); } indexes[] = {
    { "entry_connection", by_connection }, { "entry_src", by_src }, { "entry_dst", by_dst }, { "entry_path", by_path }, { "entry_error", by_error }, { "entry_rare", by_rare },
};

static int write_index(struct part_table *table, const struct entries *e, bool (*number)(const struct entry_row *, int64_t *), struct radix_pair *pairs, struct radix_pair *scratch)
{
    size_t count = 0;
    int64_t least = INT64_MAX, greatest = INT64_MIN, value;
    for (uint64_t i = 0; i < e->count; i++)
        if (number(entries_row(e, i), &value)) {
            least = value < least ? value : least;
            greatest = value > greatest ? value : greatest;
        }
    if (least <= greatest && (uint64_t)greatest - (uint64_t)least > UINT32_MAX)
        return -EOVERFLOW; /* connections are dense numbers */
    for (uint64_t i = 0; i < e->count; i++)
        if (number(entries_row(e, i), &value))
            pairs[count++] = (struct radix_pair){ (uint32_t)((uint64_t)value - (uint64_t)least), (uint32_t)i };
    radix_sort(pairs, scratch, count);
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = tree_add_entry(&table->tree, least + pairs[i].number, (int64_t)entries_row(e, pairs[i].place)->id);
    return r;
}

int part_write_indexes(struct part_tables *tables, const struct entries *e)
{
    mem_auto_free struct radix_pair *pairs = malloc((e->count + 1) * sizeof *pairs), *scratch = malloc((e->count + 1) * sizeof *scratch);
    int r = pairs && scratch ? 0 : -ENOMEM;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes && r == 0; i++)
        r = write_index(part_tables_find(tables, indexes[i].name), e, indexes[i].number, pairs, scratch);
    return r;
}
