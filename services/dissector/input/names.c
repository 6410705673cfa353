#include "services/dissector/input/names.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_ROOM_LEAST 16u

/* Index of the first that is not less. */
static uint32_t index_of(const struct input_names *n, uint64_t point)
{
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (n->list[middle].point < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int input_names_add(struct input_names *n, uint64_t point, const char *name)
{
    uint32_t i = index_of(n, point);
    if (!name[0] || n->count >= INPUT_NAMES_MAX || (i < n->count && n->list[i].point == point))
        return 0;
    if (n->count == n->room) {
        uint32_t room = n->room ? n->room * 2 : NAMES_ROOM_LEAST;
        struct input_name *list = realloc(n->list, room * sizeof *list);
        if (!list)
            return -ENOMEM;
        n->list = list;
        n->room = room;
    }
    memmove(n->list + i + 1, n->list + i, (n->count - i) * sizeof *n->list);
    n->list[i] = (struct input_name){ .point = point };
    memcpy(n->list[i].name, name, strnlen(name, sizeof n->list[i].name - 1));
    n->count++;
    return 0;
}

int input_names_add_all(struct input_names *n, const struct input_names *more)
{
    int r = 0;
    for (uint32_t i = 0; i < more->count && r == 0; i++)
        r = input_names_add(n, more->list[i].point, more->list[i].name);
    return r;
}

const char *input_names_find(const struct input_names *n, uint64_t point)
{
    uint32_t i = n ? index_of(n, point) : 0;
    return n && i < n->count && n->list[i].point == point ? n->list[i].name : "";
}

void input_names_free(struct input_names *n)
{
    free(n->list);
    *n = (struct input_names){ 0 };
}
