#include "services/snapshotter/export/inputs.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capfile/segment_file.h"

#define READ_AHEAD_BYTES (2 * 1024 * 1024)

static int fail(int r, char *error, const struct export_part *part)
{
    if (r == -EBADMSG || r == -E2BIG)
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "%s.idx is damaged: it is not the index of a segment", part->object);
    else
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "%s.idx cannot be read: %s", part->object, strerror(-r));
    return r;
}

static bool reaches_window(const struct segment_index *index, int64_t from_ns, int64_t to_ns)
{
    for (size_t i = 0; i < index->blocks_count; i++) {
        const struct segment_block *block = &index->blocks[i];
        if (block->kind == SEGMENT_BLOCK_DATA && (block->packets || block->events) && block->first_ns <= to_ns && block->last_ns >= from_ns)
            return true;
    }
    return false;
}

/* A snapshot's index ends with a seal; one that does not lost its tail, and blocks with it. */
static int load_one(struct inputs *inputs, const struct export_part *part, const struct export_options *options, char *error)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s.idx", part->path) >= sizeof path)
        return fail(-ENAMETOOLONG, error, part);
    struct input input = { .fd = -1 };
    int r = segment_index_load(path, &input.index);
    if (r == 0 && !input.index->sealed)
        r = -EBADMSG;
    if (r < 0) {
        segment_index_free(input.index);
        return fail(r, error, part);
    }
    if (!reaches_window(input.index, options->from_ns, options->to_ns)) {
        segment_index_free(input.index);
        return 0;
    }
    input.object = strdup(part->object);
    input.node = strdup(part->node);
    input.path = strdup(part->path);
    inputs->list[inputs->count++] = input; /* freed with the others, whatever is missing in it */
    return input.object && input.node && input.path ? 0 : -ENOMEM;
}

static int compare_inputs(const void *left, const void *right)
{
    const struct input *a = left, *b = right;
    const struct segment_identity *x = &a->index->identity, *y = &b->index->identity;
    int order = strcmp(a->node, b->node);
    if (order != 0)
        return order;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    if (x->tape_id != y->tape_id)
        return x->tape_id < y->tape_id ? -1 : 1;
    return strcmp(a->object, b->object);
}

int inputs_load(struct inputs *inputs, const struct export_options *options, char *error)
{
    if (options->parts_count > EXPORT_PARTS_MAX) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "more than %d segments: choose nodes or a shorter window", EXPORT_PARTS_MAX);
        return -E2BIG;
    }
    inputs->list = calloc(options->parts_count + 1, sizeof *inputs->list);
    if (!inputs->list)
        return -ENOMEM;
    for (size_t i = 0; i < options->parts_count; i++) {
        int r = load_one(inputs, &options->parts[i], options, error);
        if (r < 0)
            return r;
    }
    qsort(inputs->list, inputs->count, sizeof *inputs->list, compare_inputs);
    return 0;
}

static int compare_interfaces(const void *left, const void *right)
{
    const struct output_interface *a = left, *b = right;
    int order = strcmp(a->node, b->node);
    if (order == 0)
        order = strcmp(a->name, b->name);
    if (order == 0 && a->link_type != b->link_type)
        order = a->link_type < b->link_type ? -1 : 1;
    return order;
}

static struct output_interface output_of(const struct input *input, const struct segment_interface *interface)
{
    struct output_interface out = { .node = input->node, .link_type = interface->link_type };
    memcpy(out.name, interface->name, sizeof out.name);
    return out;
}

static bool is_wanted(const struct segment_interface *interface, int64_t only_link_type)
{
    return !interface->canary && (only_link_type < 0 || interface->link_type == only_link_type);
}

static int collect_interfaces(struct inputs *inputs, int64_t only_link_type)
{
    size_t total = 0, unique = 0;
    for (size_t i = 0; i < inputs->count; i++)
        total += inputs->list[i].index->interfaces_count;
    inputs->interfaces = calloc(total + 1, sizeof *inputs->interfaces);
    if (!inputs->interfaces)
        return -ENOMEM;
    struct output_interface *list = inputs->interfaces;
    size_t filled = 0;
    for (size_t i = 0; i < inputs->count; i++) {
        const struct segment_index *index = inputs->list[i].index;
        for (size_t k = 0; k < index->interfaces_count; k++)
            if (is_wanted(&index->interfaces[k], only_link_type))
                list[filled++] = output_of(&inputs->list[i], &index->interfaces[k]);
    }
    qsort(list, filled, sizeof *list, compare_interfaces);
    for (size_t i = 0; i < filled; i++)
        if (unique == 0 || compare_interfaces(&list[unique - 1], &list[i]) != 0)
            list[unique++] = list[i];
    inputs->interfaces_count = unique;
    return 0;
}

static struct output_interface *find_interface(const struct inputs *inputs, const struct input *input,
                                               const struct segment_interface *interface)
{
    struct output_interface key = output_of(input, interface);
    return bsearch(&key, inputs->interfaces, inputs->interfaces_count, sizeof key, compare_interfaces);
}

static int map_input(struct inputs *inputs, struct input *input, int64_t only_link_type)
{
    const struct segment_index *index = input->index;
    for (size_t k = 0; k < index->interfaces_count; k++) {
        if (index->interfaces[k].id >= INPUT_INTERFACES_MAX)
            return -EBADMSG;
        if (index->interfaces[k].id >= input->interfaces_count)
            input->interfaces_count = index->interfaces[k].id + 1;
    }
    input->interfaces = calloc(input->interfaces_count + 1, sizeof *input->interfaces);
    if (!input->interfaces)
        return -ENOMEM;
    for (uint32_t id = 0; id < input->interfaces_count; id++)
        input->interfaces[id] = INPUT_UNKNOWN;
    for (size_t k = 0; k < index->interfaces_count; k++) {
        const struct segment_interface *interface = &index->interfaces[k];
        int32_t number = interface->canary ? INPUT_CANARY : INPUT_OTHER_LINK_TYPE;
        if (is_wanted(interface, only_link_type))
            number = (int32_t)(find_interface(inputs, input, interface) - inputs->interfaces);
        input->interfaces[interface->id] = number;
    }
    for (size_t k = 0; k < index->interface_ledgers_count; k++) {
        const struct segment_interface_ledger *ledger = &index->interface_ledgers[k];
        int32_t number = ledger->id < input->interfaces_count ? input->interfaces[ledger->id] : INPUT_UNKNOWN;
        if (number < 0)
            continue;
        struct output_interface *out = &inputs->interfaces[number];
        out->ledger = true;
        out->offered += ledger->offered_packets;
        out->dropped += ledger->dropped_packets;
        out->filtered += ledger->filtered_packets;
        out->written += ledger->written_packets;
    }
    return 0;
}

int inputs_map(struct inputs *inputs, int64_t only_link_type, char *error)
{
    int r = collect_interfaces(inputs, only_link_type);
    if (r < 0)
        return r;
    if (inputs->interfaces_count > EXPORT_INTERFACES_MAX) {
        snprintf(error, EXPORT_ERROR_TEXT_MAX, "more than %d interfaces in one file: choose nodes", EXPORT_INTERFACES_MAX);
        return -E2BIG;
    }
    for (size_t i = 0; i < inputs->count; i++) {
        r = map_input(inputs, &inputs->list[i], only_link_type);
        if (r == -EBADMSG)
            snprintf(error, EXPORT_ERROR_TEXT_MAX, "%s.idx is damaged: an interface with an impossible number", inputs->list[i].object);
        if (r < 0)
            return r;
    }
    return 0;
}

static int input_open(struct inputs *inputs, struct input *input)
{
    struct input **slot = &inputs->opened[inputs->opened_next];
    if (*slot) {
        close((*slot)->fd);
        (*slot)->fd = -1;
        *slot = NULL;
    }
    input->fd = open(input->path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return -errno;
    *slot = input;
    inputs->opened_next = (inputs->opened_next + 1) % INPUTS_OPEN_MAX;
    return 0;
}

int inputs_read(struct inputs *inputs, struct input *input, const struct segment_block *block, uint8_t *raw)
{
    int r = input->fd < 0 ? input_open(inputs, input) : 0;
    if (r < 0)
        return r;
    r = segment_pread(input->fd, raw, block->size, block->offset);
    /* The disk works on what comes next while this block is decoded and sent. A hint: whether it is taken does not matter. */
    (void)posix_fadvise(input->fd, (off_t)(block->offset + block->size), READ_AHEAD_BYTES, POSIX_FADV_WILLNEED);
    return r;
}

void inputs_free(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++) {
        struct input *input = &inputs->list[i];
        if (input->fd >= 0)
            close(input->fd);
        free(input->object);
        free(input->node);
        free(input->path);
        free(input->interfaces);
        segment_index_free(input->index);
    }
    free(inputs->list);
    free(inputs->interfaces);
    *inputs = (struct inputs){ 0 };
}
