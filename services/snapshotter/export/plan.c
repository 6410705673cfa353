#include "services/snapshotter/export/plan.h"
#include <errno.h>
#include <stdlib.h>
#include "capfile/lz4frame.h"
#include "services/snapshotter/export/load.h"
#include "services/snapshotter/export/runs.h"
#include "services/snapshotter/export/source.h"

uint64_t plan_block_cost(const struct segment_block *block)
{
    bool large = block->content_size >= LOAD_SPARE_CONTENT_MIN;
    uint64_t content = large ? LZ4FRAME_BLOCK_BYTES_MAX : block->content_size + LZ4FRAME_BLOCK_WORD_BYTES;
    return content + ((uint64_t)block->packets + block->events) * sizeof(struct entry) + sizeof(struct source) + 64;
}

static bool in_window(const struct segment_block *block, int64_t from_ns, int64_t to_ns)
{
    return block->kind == SEGMENT_BLOCK_DATA && (block->packets || block->events) && block->first_ns <= to_ns && block->last_ns >= from_ns;
}

static int list_blocks(const struct inputs *inputs, int64_t from_ns, int64_t to_ns, struct plan *plan)
{
    uint64_t count = 0;
    for (size_t i = 0; i < inputs->count; i++)
        for (size_t k = 0; k < inputs->list[i].index->blocks_count; k++)
            count += in_window(&inputs->list[i].index->blocks[k], from_ns, to_ns);
    if (count >= UINT32_MAX)
        return -E2BIG;
    plan->blocks = calloc(count + 1, sizeof *plan->blocks);
    plan->order = calloc(count + 1, sizeof *plan->order);
    if (!plan->blocks || !plan->order)
        return -ENOMEM;
    for (size_t i = 0; i < inputs->count; i++)
        for (size_t k = 0; k < inputs->list[i].index->blocks_count; k++) {
            if (!in_window(&inputs->list[i].index->blocks[k], from_ns, to_ns))
                continue;
            plan->order[plan->blocks_count] = plan->blocks_count;
            plan->blocks[plan->blocks_count++] = (struct plan_block){ .input = (uint32_t)i, .number = (uint32_t)k };
        }
    return 0;
}

struct ordering { const struct plan *plan; const struct inputs *inputs; };

static int compare_first(const void *left, const void *right, void *context)
{
    const struct ordering *o = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int64_t x = plan_segment_block(o->plan, o->inputs, a)->first_ns, y = plan_segment_block(o->plan, o->inputs, b)->first_ns;
    if (x != y)
        return x < y ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* One group while blocks are given to groups: those that the merge would hold now, as a heap by the time at which it lets them go. */
struct held { int64_t last_ns; uint64_t cost; };
struct group { struct held *heap; size_t count, room; uint64_t used; };

static void sift_down(struct group *group, size_t i)
{
    struct held moving = group->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= group->count)
            break;
        if (child + 1 < group->count && group->heap[child + 1].last_ns < group->heap[child].last_ns)
            child++;
        if (group->heap[child].last_ns >= moving.last_ns)
            break;
        group->heap[i] = group->heap[child];
        i = child;
    }
    group->heap[i] = moving;
}

static void let_go(struct group *group, int64_t before_ns)
{
    while (group->count > 0 && group->heap[0].last_ns < before_ns) {
        group->used -= group->heap[0].cost;
        group->heap[0] = group->heap[--group->count];
        if (group->count > 0)
            sift_down(group, 0);
    }
}

static int hold(struct group *group, struct held held)
{
    if (group->count == group->room) {
        size_t room = group->room ? group->room * 2 : 16;
        struct held *grown = reallocarray(group->heap, room, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        group->heap = grown;
        group->room = room;
    }
    size_t i = group->count++;
    for (; i > 0 && group->heap[(i - 1) / 2].last_ns > held.last_ns; i = (i - 1) / 2)
        group->heap[i] = group->heap[(i - 1) / 2];
    group->heap[i] = held;
    group->used += held.cost;
    return 0;
}

/* The first group with room; a new one when none has (a block always fits an empty one). */
static int choose_group(struct group **groups, uint32_t *groups_count, const struct segment_block *block, uint64_t memory_bytes,
                        uint32_t *ret)
{
    uint64_t cost = plan_block_cost(block);
    uint32_t g = 0;
    for (; g < *groups_count; g++) {
        let_go(&(*groups)[g], block->first_ns);
        if ((*groups)[g].used + cost <= memory_bytes)
            break;
    }
    if (g == *groups_count) {
        struct group *grown = reallocarray(*groups, g + 1, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        *groups = grown;
        grown[g] = (struct group){ 0 };
        (*groups_count)++;
    }
    *ret = g;
    return hold(&(*groups)[g], (struct held){ .last_ns = block->last_ns, .cost = cost });
}

static int make_groups(const struct inputs *inputs, uint64_t memory_bytes, struct plan *plan)
{
    struct group *groups = NULL;
    int r = 0;
    for (uint32_t i = 0; i < plan->blocks_count && r == 0; i++) {
        const struct segment_block *block = plan_segment_block(plan, inputs, plan->order[i]);
        r = choose_group(&groups, &plan->groups, block, memory_bytes, &plan->blocks[plan->order[i]].group);
        uint64_t records = (uint64_t)block->packets + block->events;
        plan->run_bytes += block->content_size + records * RUN_RECORD_BYTES + block->content_size / RUN_CHUNK_BYTES * 16 + 16;
    }
    for (uint32_t g = 0; g < plan->groups; g++)
        free(groups[g].heap);
    free(groups);
    return r;
}

int plan_make(const struct inputs *inputs, int64_t from_ns, int64_t to_ns, uint64_t memory_bytes, struct plan *ret)
{
    struct plan plan = { 0 };
    int r = list_blocks(inputs, from_ns, to_ns, &plan);
    if (r == 0) {
        qsort_r(plan.order, plan.blocks_count, sizeof *plan.order, compare_first, &(struct ordering){ .plan = &plan, .inputs = inputs });
        r = make_groups(inputs, memory_bytes, &plan);
    }
    if (r < 0) {
        plan_free(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}

void plan_free(struct plan *plan)
{
    free(plan->blocks);
    free(plan->order);
    *plan = (struct plan){ 0 };
}
