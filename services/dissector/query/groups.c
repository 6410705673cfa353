#include "services/dissector/query/groups.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "mem/cleanup.h"
#include "services/dissector/query/json_scan.h"

#define SLOTS (QUERY_GROUPS_MAX * 2)    /* of the hash table: half are free */
#define KEY_HEAD 12u                    /* of a value in a key: number and size */
#define KEY_TEXT_LEAST 2u               /* what every value's text has room for: "[]" */

struct group {
    uint8_t *key;                       /* per value: number 8 bytes, size 4 bytes, text */
    uint32_t key_size;
    uint64_t hash, count, errors;
    int64_t *elapsed;
    size_t elapsed_count, elapsed_room;
};
struct groups { struct group *groups; uint32_t count; uint32_t slots[SLOTS]; /* number of the group + 1 */ uint64_t left_out; };

int groups_make(struct groups **ret)
{
    struct groups *g = calloc(1, sizeof *g);
    if (!g || !(g->groups = calloc(QUERY_GROUPS_MAX, sizeof *g->groups))) {
        free(g);
        return -ENOMEM;
    }
    *ret = g;
    return 0;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    for (uint32_t i = 0; i < g->count; i++) {
        free(g->groups[i].key);
        free(g->groups[i].elapsed);
    }
    free(g->groups);
    free(g);
}

uint64_t groups_left_out(const struct groups *g) { return g->left_out; }

/* The elements of a list or map that fit, closed as it was opened. */
static uint32_t put_elements(struct json_scan scan, uint32_t left, uint8_t *dst)
{
    const char *open = scan.at - 1;
    char close = scan.map ? '}' : ']';
    struct json_piece key, piece;
    size_t size = 1;
    while (json_scan_next(&scan, &key, &piece) && (size_t)(piece.data + piece.size - open) < left)
        size = (size_t)(piece.data + piece.size - open);
    memcpy(dst, open, size);
    dst[size] = (uint8_t)close;
    return (uint32_t)size + 1;
}

/* A text as far as it fits into `left` bytes, KEY_TEXT_LEAST or more, and is still one of its type. */
static uint32_t put_text(const struct query_value *value, uint32_t left, uint8_t *dst)
{
    struct json_scan scan;
    bool nested = type_kind(value->type) == TYPE_LIST || type_kind(value->type) == TYPE_MAP;
    if (value->size > left && nested && json_scan_open(value->text, value->size, &scan))
        return put_elements(scan, left, dst);
    uint32_t size = value->size > left ? left : (uint32_t)value->size;
    while (size && size < value->size && ((uint8_t)value->text[size] & 0xc0) == 0x80)
        size--; /* not within a character */
    if (size)
        memcpy(dst, value->text, size);
    return size;
}

/* Doubles are grouped by nothing: no variable is one. */
static uint32_t write_key(const struct query_value *values, uint32_t count, uint8_t key[GROUPS_KEY_BYTES_MAX])
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t behind = (count - i - 1) * (KEY_HEAD + KEY_TEXT_LEAST), text = put_text(&values[i], GROUPS_KEY_BYTES_MAX - size - behind - KEY_HEAD, key + size + KEY_HEAD);
        memcpy(key + size, &values[i].number, 8);
        memcpy(key + size + 8, &text, 4);
        size += KEY_HEAD + text;
    }
    return size;
}

/* FNV-1a: the keys are names and numbers of one dissection, and a slot is found within SLOTS steps whatever they are. */
static uint64_t hash_key(const uint8_t *key, uint32_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* NULL without memory, or (*ret_full) when there are as many groups as may be. */
static struct group *find_group(struct groups *g, const uint8_t *key, uint32_t size, bool *ret_full)
{
    uint64_t hash = hash_key(key, size);
    uint32_t slot = (uint32_t)(hash % SLOTS);
    *ret_full = false;
    for (; g->slots[slot]; slot = (slot + 1) % SLOTS) {
        struct group *found = &g->groups[g->slots[slot] - 1];
        if (found->hash == hash && found->key_size == size && memcmp(found->key, key, size) == 0)
            return found;
    }
    if (g->count == QUERY_GROUPS_MAX) {
        *ret_full = true;
        return NULL;
    }
    struct group *made = &g->groups[g->count];
    made->key = malloc(size ? size : 1);
    if (!made->key)
        return NULL;
    memcpy(made->key, key, size);
    made->key_size = size;
    made->hash = hash;
    g->slots[slot] = ++g->count;
    return made;
}

int groups_add(struct groups *g, const struct query_value *values, uint32_t count, int64_t elapsed_us, bool error)
{
    uint8_t key[GROUPS_KEY_BYTES_MAX];
    bool full;
    struct group *group = find_group(g, key, write_key(values, count, key), &full);
    if (!group) {
        g->left_out += full;
        return full ? 0 : -ENOMEM;
    }
    if (elapsed_us > 0 && group->elapsed_count == group->elapsed_room) {
        size_t room = group->elapsed_room * 2 + 16;
        int64_t *grown = realloc(group->elapsed, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        group->elapsed = grown;
        group->elapsed_room = room;
    }
    if (elapsed_us > 0)
        group->elapsed[group->elapsed_count++] = elapsed_us;
    group->count++;
    group->errors += error;
    return 0;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    uint32_t size = x->key_size < y->key_size ? x->key_size : y->key_size;
    int order = memcmp(x->key, y->key, size);
    return order ? order : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Sorted before. 0 where no entry has a response. */
static int64_t percentile(const struct group *group, unsigned hundredths)
{
    size_t rank = (group->elapsed_count * hundredths + 99) / 100;
    return group->elapsed_count ? group->elapsed[rank - 1] : 0;
}

static bool give_group(struct group *group, const struct query_value *names, uint32_t count, query_row *row, void *context)
{
    struct query_value values[QUERY_GROUP_BY_MAX + GROUPS_COLUMNS];
    const uint8_t *key = group->key;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size;
        values[i] = names[i];
        memcpy(&values[i].number, key, 8);
        memcpy(&size, key + 8, 4);
        values[i].text = (const char *)key + KEY_HEAD;
        values[i].size = size;
        key += KEY_HEAD + size;
    }
    if (group->elapsed_count)
        qsort(group->elapsed, group->elapsed_count, sizeof *group->elapsed, compare_numbers);
    const struct query_value sums[GROUPS_COLUMNS] = {
        { .name = "count", .type = TYPE_INT, .number = (int64_t)group->count },
        { .name = "errors", .type = TYPE_INT, .number = (int64_t)group->errors },
        { .name = "elapsed_p50", .type = TYPE_INT, .number = percentile(group, 50) },
        { .name = "elapsed_p90", .type = TYPE_INT, .number = percentile(group, 90) },
        { .name = "elapsed_p99", .type = TYPE_INT, .number = percentile(group, 99) },
    };
    memcpy(values + count, sums, sizeof sums);
    return row(context, values, count + GROUPS_COLUMNS);
}

int64_t groups_give(struct groups *g, const struct query_value *names, uint32_t count, uint32_t limit, query_row *row, void *context)
{
    mem_auto_free struct group **order = malloc((g->count + 1) * sizeof *order);
    uint32_t given = 0;
    if (!order)
        return -ENOMEM;
    for (uint32_t i = 0; i < g->count; i++)
        order[i] = &g->groups[i];
    qsort(order, g->count, sizeof *order, compare_groups);
    while (given < g->count && given < limit)
        if (!give_group(order[given++], names, count, row, context))
            break;
    for (uint32_t i = given; i < g->count; i++)
        g->left_out += order[i]->count;
    return given;
}
