#include "services/dissector/database/tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum page_type { INDEX_INTERIOR = 2, TABLE_INTERIOR = 5, INDEX_LEAF = 10, TABLE_LEAF = 13 };
#define LEAF_HEADER 8u
#define INTERIOR_HEADER 12u
#define POINTER_BYTES 2u /* a cell's, in the array behind the header */

/* How much of a row stays in its leaf, with U usable bytes: section 1.6, "Cell payload". */
#define USABLE ((size_t)DATABASE_PAGE_BYTES)
#define LOCAL_MAX (USABLE - 35)
#define LOCAL_MIN ((USABLE - 12) * 32 / 255 - 23)
#define OVERFLOW_BYTES (USABLE - 4)

static void put_be16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static void put_be32(uint8_t *p, uint32_t v) { v = __builtin_bswap32(v); memcpy(p, &v, 4); }
static uint32_t get_be32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return __builtin_bswap32(v); }

void tree_open(struct tree *tree, struct pages *pages, uint32_t root, bool index)
{
    *tree = (struct tree){ .pages = pages, .root = root, .index = index, .last_id = INT64_MIN };
}

void tree_close(struct tree *tree)
{
    for (uint32_t i = 0; i < TREE_LEVELS_MAX; i++)
        free(tree->levels[i].page);
    free(tree->large);
    *tree = (struct tree){ 0 };
}

static int level_ready(struct tree *tree, uint32_t level)
{
    if (level < tree->levels_count)
        return 0;
    if (level == TREE_LEVELS_MAX)
        return -EFBIG;
    struct tree_level *l = &tree->levels[level];
    *l = (struct tree_level){ .page = calloc(1, DATABASE_PAGE_BYTES), .top = DATABASE_PAGE_BYTES };
    if (!l->page)
        return -ENOMEM;
    tree->levels_count = level + 1;
    return 0;
}

static bool level_has_room(const struct tree_level *l, uint32_t header, size_t size)
{
    return header + (l->cells + 1) * POINTER_BYTES + size <= l->top;
}

/* Where the next cell of that size goes; there must be room. */
static uint8_t *level_add(struct tree_level *l, uint32_t header, uint32_t size)
{
    l->top -= size;
    put_be16(l->page + header + l->cells * POINTER_BYTES, l->top);
    l->cells++;
    l->last_size = size;
    return l->page + l->top;
}

/* Takes the cell added last off the page again; its bytes stay readable at *ret until they are written over. */
static const uint8_t *level_pop(struct tree_level *l)
{
    const uint8_t *cell = l->page + l->top;
    l->top += l->last_size;
    l->cells--;
    return cell;
}

static void page_header(struct tree *tree, uint32_t level, uint32_t right)
{
    struct tree_level *l = &tree->levels[level];
    l->page[0] = tree->index ? (level ? INDEX_INTERIOR : INDEX_LEAF) : level ? TABLE_INTERIOR : TABLE_LEAF;
    put_be16(l->page + 1, 0);
    put_be16(l->page + 3, l->cells);
    put_be16(l->page + 5, l->top);
    l->page[7] = 0;
    if (level)
        put_be32(l->page + 8, right);
}

static void level_clear(struct tree_level *l)
{
    memset(l->page, 0, DATABASE_PAGE_BYTES); /* free space is zeros, not what lay there before */
    l->cells = 0;
    l->top = DATABASE_PAGE_BYTES;
}

static int add_child(struct tree *tree, uint32_t level, uint32_t child, const uint8_t *key, uint32_t key_size);

/* A full interior page: its last cell's child becomes the right-most one, that cell's key goes up with the page. So the next page of this level begins with a cell, and none is ever empty. */
static int close_interior(struct tree *tree, uint32_t level)
{
    struct tree_level *l = &tree->levels[level];
    const uint8_t *cell = level_pop(l);
    uint8_t key[TREE_KEY_MAX];
    uint32_t key_size = l->last_size - 4, right = get_be32(cell), page;
    memcpy(key, cell + 4, key_size);
    memset(l->page + (cell - l->page), 0, l->last_size);
    page_header(tree, level, right);
    int r = pages_write(tree->pages, l->page, &page);
    if (r < 0)
        return r;
    level_clear(l);
    return add_child(tree, level + 1, page, key, key_size);
}

/* The child that waits becomes a cell: another one follows. */
static int settle_child(struct tree *tree, uint32_t level)
{
    struct tree_level *l = &tree->levels[level];
    if (!level_has_room(l, INTERIOR_HEADER, 4 + l->key_size)) {
        int r = close_interior(tree, level);
        if (r < 0)
            return r;
    }
    uint8_t *cell = level_add(l, INTERIOR_HEADER, 4 + l->key_size);
    put_be32(cell, l->child);
    memcpy(cell + 4, l->key, l->key_size);
    l->key_size = 0;
    return 0;
}

/* A finished page of the level below. The depth is bounded by TREE_LEVELS_MAX. */
static int add_child(struct tree *tree, uint32_t level, uint32_t child, const uint8_t *key, uint32_t key_size)
{
    int r = level_ready(tree, level);
    if (r < 0)
        return r;
    struct tree_level *l = &tree->levels[level];
    r = l->key_size ? settle_child(tree, level) : 0;
    if (r < 0)
        return r;
    l->child = child;
    l->key_size = key_size;
    memcpy(l->key, key, key_size);
    return 0;
}

/* A full leaf. A table's key is the last row's id; an index's is its last entry, which moves up. */
static int close_leaf(struct tree *tree)
{
    struct tree_level *l = &tree->levels[0];
    uint8_t key[TREE_KEY_MAX];
    uint32_t key_size, page;
    if (tree->index) {
        const uint8_t *cell = level_pop(l);
        key_size = l->last_size;
        memcpy(key, cell, key_size);
        memset(l->page + (cell - l->page), 0, key_size);
    } else {
        key_size = (uint32_t)(varint_put(key, (uint64_t)tree->last_id) - key);
    }
    page_header(tree, 0, 0);
    int r = pages_write(tree->pages, l->page, &page);
    if (r < 0)
        return r;
    level_clear(l);
    return add_child(tree, 1, page, key, key_size);
}

static int leaf_cell(struct tree *tree, size_t size, uint8_t **ret)
{
    int r = level_ready(tree, 0);
    if (r == 0 && !level_has_room(&tree->levels[0], LEAF_HEADER, size))
        r = close_leaf(tree);
    if (r < 0)
        return r;
    *ret = level_add(&tree->levels[0], LEAF_HEADER, (uint32_t)size);
    tree->rows++;
    return 0;
}

/* The rest of a row that its leaf does not hold, in pages that follow each other; *ret is the first one's number. */
static int write_overflow(struct tree *tree, const uint8_t *data, size_t size, uint32_t *ret)
{
    uint8_t page[DATABASE_PAGE_BYTES];
    for (bool first = true; size > 0; first = false) {
        size_t part = size < OVERFLOW_BYTES ? size : OVERFLOW_BYTES;
        uint32_t number;
        /* The page's own number is one that pages_write will choose in the same way. */
        uint32_t own = pages_after(tree->pages->next - 1);
        put_be32(page, part < size ? pages_after(own) : 0);
        memcpy(page + 4, data, part);
        memset(page + 4 + part, 0, OVERFLOW_BYTES - part);
        int r = pages_write(tree->pages, page, &number);
        if (r < 0)
            return r;
        if (first)
            *ret = number;
        data += part;
        size -= part;
    }
    return 0;
}

static int add_large_row(struct tree *tree, int64_t id, const struct column *columns, uint32_t count, size_t payload, size_t header, const uint8_t **ret_cell, size_t *ret_size)
{
    size_t front = varint_size(payload) + varint_size((uint64_t)id);
    if (front + payload > tree->large_room) {
        uint8_t *large = realloc(tree->large, front + payload);
        if (!large)
            return -ENOMEM;
        tree->large = large;
        tree->large_room = front + payload;
    }
    row_put_payload(varint_put(varint_put(tree->large, payload), (uint64_t)id), columns, count, header);
    size_t local = LOCAL_MIN + (payload - LOCAL_MIN) % OVERFLOW_BYTES;
    if (local > LOCAL_MAX)
        local = LOCAL_MIN;
    uint32_t overflow;
    int r = write_overflow(tree, tree->large + front + local, payload - local, &overflow);
    uint8_t *cell;
    if (r == 0)
        r = leaf_cell(tree, front + local + 4, &cell);
    if (r < 0)
        return r;
    memcpy(cell, tree->large, front + local);
    put_be32(cell + front + local, overflow);
    *ret_cell = tree->large;
    *ret_size = front + payload;
    return 0;
}

int tree_add_row(struct tree *tree, int64_t id, const struct column *columns, uint32_t count, const uint8_t **ret_cell, size_t *ret_size)
{
    if (tree->rows && id <= tree->last_id)
        return -EINVAL;
    size_t header, payload = row_payload_size(columns, count, &header);
    int r = 0;
    if (payload > LOCAL_MAX) {
        r = add_large_row(tree, id, columns, count, payload, header, ret_cell, ret_size);
    } else {
        uint8_t *cell;
        size_t size = varint_size(payload) + varint_size((uint64_t)id) + payload;
        r = leaf_cell(tree, size, &cell);
        if (r == 0) {
            row_put_payload(varint_put(varint_put(cell, payload), (uint64_t)id), columns, count, header);
            *ret_cell = cell;
            *ret_size = size;
        }
    }
    if (r == 0)
        tree->last_id = id;
    return r;
}

int tree_add_entry(struct tree *tree, int64_t number, int64_t id)
{
    const struct column columns[] = { ROW_NUMBER(number), ROW_NUMBER(id) };
    size_t header, payload = row_payload_size(columns, 2, &header);
    uint8_t *cell;
    int r = leaf_cell(tree, varint_size(payload) + payload, &cell);
    if (r < 0)
        return r;
    row_put_payload(varint_put(cell, payload), columns, 2, header);
    return 0;
}

/* The last page of each level becomes the right-most child of the one above; the topmost is the root. */
int tree_finish(struct tree *tree)
{
    uint32_t child = 0;
    int r = 0;
    for (uint32_t level = 0; level < tree->levels_count; level++) {
        if (level)
            r = settle_child(tree, level);
        if (r < 0)
            return r;
        page_header(tree, level, child);
        if (level + 1 == tree->levels_count)
            return pages_write_at(tree->pages, tree->root, tree->levels[level].page);
        r = pages_write(tree->pages, tree->levels[level].page, &child);
        if (r < 0)
            return r;
    }
    return 0;
}
