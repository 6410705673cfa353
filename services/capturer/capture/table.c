#include "services/capturer/capture/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int table_new(uint32_t lanes, struct table **ret)
{
    assert(lanes >= 1 && lanes <= LANES_MAX);
    struct table *table = calloc(1, sizeof *table);
    struct table_list *none = calloc(1, sizeof *none);
    if (!table || !none) {
        free(table);
        free(none);
        return -ENOMEM;
    }
    table->lanes = lanes;
    none->generation = 1;
    atomic_store(&table->current, none);
    for (uint32_t i = 0; i < lanes; i++) {
        table->lane[i] = aligned_alloc(_Alignof(struct table_lane), sizeof *table->lane[i]);
        if (!table->lane[i]) {
            table_free(table);
            return -ENOMEM;
        }
        memset(table->lane[i], 0, sizeof *table->lane[i]);
        atomic_store(&table->lane[i]->held_generation, none->generation);
    }
    *ret = table;
    return 0;
}

static void free_lists(struct table_list *list)
{
    while (list) {
        struct table_list *older = list->older;
        free(list);
        list = older;
    }
}

void table_free(struct table *table)
{
    if (!table)
        return;
    free_lists(atomic_load(&table->current));
    for (uint32_t i = 0; i < table->lanes; i++)
        free(table->lane[i]);
    free(table);
}

void table_publish(struct table *table, struct table_list *list)
{
    struct table_list *before = atomic_load(&table->current);
    list->generation = before->generation + 1;
    list->older = before;
    atomic_store(&table->current, list);
    /* A thread that said generation g may hold g or, between its load and its word, something newer: never something older. */
    uint64_t least = list->generation;
    for (uint32_t i = 0; i < table->lanes; i++) {
        uint64_t held = atomic_load(&table->lane[i]->held_generation);
        least = held < least ? held : least;
    }
    for (struct table_list *keep = list; keep; keep = keep->older)
        if (keep->generation <= least) {
            free_lists(keep->older);
            keep->older = NULL;
        }
}

const struct table_list *table_take(struct table *table, uint32_t lane)
{
    const struct table_list *list = atomic_load_explicit(&table->current, memory_order_acquire);
    struct table_lane *own = table->lane[lane];
    if (atomic_load_explicit(&own->held_generation, memory_order_relaxed) != list->generation)
        atomic_store_explicit(&own->held_generation, list->generation, memory_order_release);
    return list;
}
