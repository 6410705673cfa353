#include "services/dissector/input/names.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_ROOM_LEAST 16u
#define NAMES_LATE_MAX 128u /* added since the list was last put in order: moving these, and all others once for so many, is what a name costs */

/* Two runs in order: list[0 .. sorted) and those that came late. Index of the first from low on, below high, that is not less. */
static uint32_t index_of(const struct input_names *n, uint32_t low, uint32_t high, uint64_t point)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (n->list[middle].point < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct input_name *find(const struct input_names *n, uint64_t point)
{
    uint32_t i = index_of(n, 0, n->sorted, point), k = index_of(n, n->sorted, n->count, point);
    if (i < n->sorted && n->list[i].point == point)
        return &n->list[i];
    return k < n->count && n->list[k].point == point ? &n->list[k] : NULL;
}

/* Of a list that is not empty. */
static uint32_t greatest(const struct input_names *n)
{
    uint32_t last = n->count - 1;
    return n->sorted > 0 && n->list[n->sorted - 1].point > n->list[last].point ? n->sorted - 1 : last;
}

static void drop(struct input_names *n, uint32_t i)
{
    n->count--;
    n->sorted -= i < n->sorted;
    memmove(n->list + i, n->list + i + 1, (n->count - i) * sizeof *n->list);
}

/* Both runs become one, from the end. */
static void put_in_order(struct input_names *n)
{
    struct input_name late[NAMES_LATE_MAX];
    uint32_t left = n->count - n->sorted, to = n->count, from = n->sorted;
    memcpy(late, n->list + n->sorted, left * sizeof *late);
    while (left > 0)
        n->list[--to] = from > 0 && n->list[from - 1].point > late[left - 1].point ? n->list[--from] : late[--left];
    n->sorted = n->count;
}

static int make_room(struct input_names *n)
{
    if (n->count < n->room)
        return 0;
    uint32_t room = n->room ? n->room * 2 : NAMES_ROOM_LEAST;
    struct input_name *list = realloc(n->list, room * sizeof *list);
    if (!list)
        return -ENOMEM;
    n->list = list;
    n->room = room;
    return 0;
}

int input_names_add(struct input_names *n, uint64_t point, const char *name)
{
    if (!name[0] || find(n, point))
        return 0;
    if (n->count == INPUT_NAMES_MAX) {
        uint32_t most = greatest(n);
        if (n->list[most].point < point)
            return 0;
        drop(n, most);
    }
    int r = make_room(n);
    if (r < 0)
        return r;
    uint32_t i = index_of(n, n->sorted, n->count, point);
    memmove(n->list + i + 1, n->list + i, (n->count - i) * sizeof *n->list);
    n->list[i] = (struct input_name){ .point = point };
    memcpy(n->list[i].name, name, strnlen(name, sizeof n->list[i].name - 1));
    n->count++;
    if (n->count - n->sorted == NAMES_LATE_MAX)
        put_in_order(n);
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
    const struct input_name *name = n ? find(n, point) : NULL;
    return name ? name->name : "";
}

void input_names_free(struct input_names *n)
{
    free(n->list);
    *n = (struct input_names){ 0 };
}
