#include "services/dissector/query/plan_slices.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/query/plan_slices_tests.h"

struct slices {
    sqlite3_stmt *read;                 /* of one row of slice */
    struct slices_tests tests;
    /* Of the zone at hand: its numbers, each column's once it is asked for. */
    int64_t zone, least[SLICE_COLUMNS];
    uint32_t rows;
    bool loaded[SLICE_COLUMNS], unknown /* nothing is known of it */, holes /* its ids have some: SLICE_ID says them */;
    uint32_t numbers[SLICE_COLUMNS][DATABASE_ZONE_ROWS];
};
struct mask { uint8_t bytes[DATABASE_ZONE_ROWS]; };

void slices_free(struct slices *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->read);
    free(s);
}

static void slices_free_p(struct slices **s) { slices_free(*s); }

int slices_make(const struct query_plan_context *c, const struct node *root, struct slices **ret)
{
    *ret = NULL;
    if (!root)
        return 0;
    MEM_CLEANUP(slices_free_p) struct slices *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    if (sqlite3_prepare_v2(c->file->db, "SELECT least, width, packed FROM slice WHERE id = ?", -1, &s->read, NULL) != SQLITE_OK)
        return sqlite3_errcode(c->file->db) == SQLITE_ERROR ? 0 : -EIO; /* a file without this table */
    slices_tests_make(c, root, &s->tests);
    if (s->tests.nodes[s->tests.root].kind != SLICES_ALL)
        *ret = mem_take(s);
    return 0;
}

static bool unpack(const uint8_t *packed, int64_t width, uint32_t rows, uint32_t numbers[DATABASE_ZONE_ROWS])
{
    switch (width) {
    case 0: memset(numbers, 0, DATABASE_ZONE_ROWS * sizeof *numbers); return true;
    case 1:
        for (uint32_t i = 0; i < rows; i++)
            numbers[i] = packed[i];
        return true;
    case 2:
        for (uint32_t i = 0; i < rows; i++) {
            uint16_t number;
            memcpy(&number, packed + i * 2, 2);
            numbers[i] = le16toh(number);
        }
        return true;
    case 4:
        for (uint32_t i = 0; i < rows; i++) {
            uint32_t number;
            memcpy(&number, packed + i * 4, 4);
            numbers[i] = le32toh(number);
        }
        return true;
    default: return false;
    }
}

/* False: what cannot be. The file may say anything. */
static bool read_slice(struct slices *s, unsigned column)
{
    int64_t least = sqlite3_column_int64(s->read, 0), width = sqlite3_column_int64(s->read, 1), size;
    const uint8_t *packed = sqlite3_column_blob(s->read, 2);
    size = sqlite3_column_bytes(s->read, 2);
    if (width < 0 || width > 4 || least < INT32_MIN || least > (column == SLICE_ID ? QUERY_FILE_ID_MAX : UINT32_MAX))
        return false;
    if (column == SLICE_ID && width && size / width <= DATABASE_ZONE_ROWS)
        s->rows = (uint32_t)(size / width);
    s->least[column] = least;
    return size == width * s->rows && unpack(packed, width, s->rows, s->numbers[column]);
}

/* *ret_there false: there is no such slice. */
static int load(struct slices *s, unsigned column, bool *ret_there)
{
    sqlite3_bind_int64(s->read, 1, s->zone * DATABASE_SLICE_STEP + column);
    *ret_there = sqlite3_step(s->read) == SQLITE_ROW;
    if (*ret_there)
        s->unknown = !read_slice(s, column);
    return sqlite3_reset(s->read) == SQLITE_OK ? 0 : -EIO;
}

/* The numbers of a column, once. Without them nothing is known of the zone. */
static int need(struct slices *s, unsigned column)
{
    bool there = true;
    int r = s->loaded[column] || s->unknown ? 0 : load(s, column, &there);
    s->unknown = s->unknown || !there;
    s->loaded[column] = true;
    return r;
}

/* Loops go over all of a zone, however many rows it has, so that the compiler can take many at once. */
static void mask_range(const struct slices *s, const struct slices_node *test, struct mask *mask)
{
    const uint32_t *numbers = s->numbers[test->column];
    int64_t first = test->least - s->least[test->column], last = test->greatest - s->least[test->column];
    uint8_t negated = test->negated;
    first = first < 0 ? 0 : first;
    last = last > UINT32_MAX ? UINT32_MAX : last;
    if (first > last) {
        if (!negated)
            memset(mask, 0, sizeof *mask);
        return;
    }
    uint32_t from = (uint32_t)first, span = (uint32_t)(last - first);
    for (uint32_t i = 0; i < DATABASE_ZONE_ROWS; i++)
        mask->bytes[i] &= (uint8_t)((numbers[i] - from <= span) ^ negated);
}

static void mask_table(const struct slices *s, const struct slices_node *test, struct mask *mask)
{
    const uint32_t *numbers = s->numbers[test->column];
    int64_t least = s->least[test->column], size = test->table_size;
    for (uint32_t i = 0; i < s->rows; i++) {
        int64_t number = least + numbers[i];
        mask->bytes[i] &= number >= 0 && number < size ? test->table[number] : 0;
    }
}

static void mask_same(const struct slices *s, const struct slices_node *test, struct mask *mask)
{
    const struct plan_classes *c = test->classes;
    for (uint32_t i = 0; i < s->rows; i++) {
        int64_t src = s->least[SLICE_SRC] + s->numbers[SLICE_SRC][i], dst = s->least[SLICE_DST] + s->numbers[SLICE_DST][i];
        bool known = src >= 0 && src < c->size && dst >= 0 && dst < c->size && c->src[src] && c->dst[dst];
        mask->bytes[i] &= known && (c->src[src] == c->dst[dst]) != test->negated;
    }
}

static bool mask_is_empty(const struct mask *mask)
{
    uint8_t any = 0;
    for (uint32_t i = 0; i < DATABASE_ZONE_ROWS; i++)
        any |= mask->bytes[i];
    return any == 0;
}

static int apply(struct slices *s, const struct slices_node *n, struct mask *mask);

/* Those for which some child may be true. */
static int apply_or(struct slices *s, const struct slices_node *n, struct mask *mask)
{
    struct mask any = { 0 }, one;
    for (uint16_t child = n->first; child; child = s->tests.nodes[child].next) {
        one = *mask;
        int r = apply(s, &s->tests.nodes[child], &one);
        if (r < 0)
            return r;
        for (uint32_t i = 0; i < DATABASE_ZONE_ROWS; i++)
            any.bytes[i] |= one.bytes[i];
    }
    *mask = any;
    return 0;
}

static int apply_and(struct slices *s, const struct slices_node *n, struct mask *mask)
{
    int r = 0;
    for (uint16_t child = n->first; child && r == 0; child = s->tests.nodes[child].next) {
        if (child != n->first && mask_is_empty(mask))
            break;
        r = apply(s, &s->tests.nodes[child], mask);
    }
    return r;
}

/* Takes out of mask what cannot satisfy n. As deep as slices_tests_make lets the tree be. */
static int apply(struct slices *s, const struct slices_node *n, struct mask *mask)
{
    int r = 0;
    switch (n->kind) {
    case SLICES_ALL: break;
    case SLICES_AND: return apply_and(s, n, mask);
    case SLICES_OR: return apply_or(s, n, mask);
    case SLICES_RANGE: case SLICES_TABLE:
        r = need(s, n->column);
        if (r == 0 && !s->unknown)
            n->kind == SLICES_RANGE ? mask_range(s, n, mask) : mask_table(s, n, mask);
        break;
    case SLICES_SAME:
        r = need(s, SLICE_SRC);
        if (r == 0)
            r = need(s, SLICE_DST);
        if (r == 0 && !s->unknown)
            mask_same(s, n, mask);
    }
    return r;
}

/* Which entries the zone has: as many as its ids are, or, where these have holes, those that a slice names. */
static int begin_zone(struct slices *s, const struct query_plan_range *range, struct mask *ret)
{
    int r = 0;
    s->zone = range->zone;
    s->unknown = range->zone <= 0 || range->zone > INT64_MAX / (2 * DATABASE_SLICE_STEP) || range->zone_rows < 1;
    s->holes = false;
    s->rows = range->zone_rows < DATABASE_ZONE_ROWS ? (uint32_t)range->zone_rows : DATABASE_ZONE_ROWS;
    memset(s->loaded, 0, sizeof s->loaded);
    memset(ret, 0, sizeof *ret);
    if (!s->unknown && range->zone_rows != DATABASE_ZONE_ROWS)
        r = load(s, SLICE_ID, &s->holes);
    s->unknown = s->unknown || (!s->holes && range->zone_rows > DATABASE_ZONE_ROWS);
    if (r < 0 || s->unknown)
        return r;
    if (!s->holes)
        memset(ret->bytes + (range->first - range->zone_first), 1, (size_t)(range->last - range->first + 1));
    for (uint32_t i = 0; s->holes && i < s->rows; i++) {
        int64_t id = s->least[SLICE_ID] + s->numbers[SLICE_ID][i];
        ret->bytes[i] = id >= range->first && id <= range->last;
    }
    return 0;
}

static uint32_t collect(const struct slices *s, const struct mask *mask, int64_t zone_first, int64_t ret_ids[DATABASE_ZONE_ROWS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < DATABASE_ZONE_ROWS; i += 8) {
        uint64_t eight;
        memcpy(&eight, mask->bytes + i, 8);
        for (uint32_t k = i; eight && k < i + 8; k++)
            if (mask->bytes[k])
                ret_ids[count++] = s->holes ? s->least[SLICE_ID] + s->numbers[SLICE_ID][k] : zone_first + k;
    }
    return count;
}

int slices_candidates(struct slices *s, const struct query_plan_range *range, int64_t ret_ids[DATABASE_ZONE_ROWS], uint32_t *ret_count, bool *ret_known)
{
    struct mask mask;
    *ret_known = false;
    int r = begin_zone(s, range, &mask);
    if (r == 0 && !s->unknown)
        r = apply(s, &s->tests.nodes[s->tests.root], &mask);
    if (r < 0 || s->unknown)
        return r;
    *ret_known = true;
    *ret_count = collect(s, &mask, range->zone_first, ret_ids);
    return 0;
}
