#include "services/dissector/input/plan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "capfile/segment_index.h"
#include "mem/cleanup.h"
#include "services/dissector/input/plan_build.h"

bool input_plan_is_segments(const struct input_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (!plan->inputs[i].segment_id[0])
            return false;
    return true;
}

bool input_plan_is_files(const struct input_plan *plan)
{
    struct stat st;
    for (uint32_t i = 0; i < plan->count; i++)
        if (strcmp(plan->inputs[i].path, "-") == 0 || (stat(plan->inputs[i].path, &st) == 0 && !S_ISREG(st.st_mode)))
            return false;
    return true;
}

void input_plan_free(struct input_plan *plan)
{
    if (!plan)
        return;
    for (uint32_t i = 0; i < plan->count; i++) {
        free((char *)plan->inputs[i].path);
        free((char *)plan->inputs[i].segment_id);
    }
    for (uint32_t i = 0; i < plan->nodes_count; i++)
        free((char *)plan->nodes[i]);
    free(plan->inputs);
    free(plan->nodes);
    free(plan);
}

int plan_fail(struct plan_build *build, int r, const char *name, const char *problem)
{
    snprintf(build->error, INPUT_ERROR_TEXT_MAX, "%.300s: %.180s", name, problem);
    return r;
}

struct planned *plan_add(struct plan_build *build, const char *path)
{
    if (build->count == build->room) {
        uint32_t room = build->room ? build->room * 2 : 16;
        struct planned *grown = reallocarray(build->list, room, sizeof *grown);
        if (!grown)
            return NULL;
        build->list = grown;
        build->room = room;
    }
    struct planned *planned = &build->list[build->count];
    *planned = (struct planned){ .input = { .path = strdup(path), .previous = INPUT_NONE, .first_ns = INT64_MIN, .last_ns = INT64_MAX }, .given = build->given };
    if (!planned->input.path)
        return NULL;
    build->count++;
    return planned;
}

int plan_identify(struct planned *planned, const struct segment_identity *identity)
{
    char text[SEGMENT_ID_TEXT_MAX];
    segment_id_format(identity, text);
    planned->identity = *identity;
    planned->is_segment = true;
    free((char *)planned->input.segment_id);
    planned->input.segment_id = strdup(text);
    return planned->input.segment_id ? 0 : -ENOMEM;
}

/* A file of its own: who it is, its index says, where it has one. A damaged index is the reader's to tell. */
static int add_file(struct plan_build *build, const char *name, const struct stat *st)
{
    struct planned *planned = plan_add(build, name);
    if (!planned)
        return -ENOMEM;
    if (!S_ISREG(st->st_mode))
        return 0;
    planned->input.bytes = (uint64_t)st->st_size;
    int r = plan_read_index(planned);
    return r == -ENOMEM ? r : 0;
}

static int add_name(struct plan_build *build, const char *name)
{
    struct stat st;
    build->given++;
    if (strcmp(name, "-") == 0) {
        if (build->standard_input)
            return plan_fail(build, -EINVAL, name, "standard input can be read once");
        build->standard_input = true;
        return plan_add(build, name) ? 0 : -ENOMEM;
    }
    if (stat(name, &st) < 0)
        return plan_fail(build, -errno, name, strerror(errno));
    return S_ISDIR(st.st_mode) ? plan_add_folder(build, name) : add_file(build, name, &st);
}

/* Files as they were given, before or behind a folder's segments as that was. */
static int compare_planned(const void *left, const void *right)
{
    const struct planned *a = left, *b = right;
    const struct segment_identity *x = &a->identity, *y = &b->identity;
    if (a->is_segment != b->is_segment)
        return a->is_segment ? 1 : -1; /* files before segments */
    if (!a->is_segment && a->given != b->given)
        return a->given < b->given ? -1 : 1;
    int order = strcmp(x->node, y->node);
    if (order != 0)
        return order;
    if (x->tape_id != y->tape_id)
        return x->tape_id < y->tape_id ? -1 : 1;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    order = strcmp(a->input.path, b->input.path);
    return order != 0 ? order : (a->given < b->given ? -1 : a->given > b->given);
}

static bool same_lane(const struct planned *a, const struct planned *b)
{
    return a->is_segment && b->is_segment && a->identity.tape_id == b->identity.tape_id && a->identity.lane == b->identity.lane &&
           strcmp(a->identity.node, b->identity.node) == 0 && a->identity.sequence < b->identity.sequence;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int collect_nodes(const struct plan_build *build, struct input_plan *plan)
{
    mem_auto_free const char **names = calloc(build->count + 1, sizeof *names);
    plan->nodes = calloc(build->count + 1, sizeof *plan->nodes);
    if (!names || !plan->nodes)
        return -ENOMEM;
    for (uint32_t i = 0; i < build->count; i++)
        names[i] = build->list[i].identity.node;
    qsort(names, build->count, sizeof *names, compare_texts);
    for (uint32_t i = 0; i < build->count; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        plan->nodes[plan->nodes_count] = strdup(names[i]);
        if (!plan->nodes[plan->nodes_count++])
            return -ENOMEM;
    }
    return 0;
}

static void set_window(struct input_plan *plan)
{
    for (uint32_t i = 1; i < plan->count; i++)
        if (plan->inputs[i].from_ns != plan->inputs[0].from_ns || plan->inputs[i].to_ns != plan->inputs[0].to_ns)
            return;
    if (plan->count > 0) {
        plan->from_ns = plan->inputs[0].from_ns;
        plan->to_ns = plan->inputs[0].to_ns;
    }
}

static int fill_plan(struct plan_build *build, struct input_plan *plan)
{
    if (build->count > 0)
        qsort(build->list, build->count, sizeof *build->list, compare_planned);
    plan->inputs = calloc(build->count + 1, sizeof *plan->inputs);
    if (!plan->inputs || collect_nodes(build, plan) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < build->count; i++) {
        struct planned *planned = &build->list[i];
        if (!planned->input.segment_id && !(planned->input.segment_id = strdup("")))
            return -ENOMEM;
        const char *key = planned->identity.node;
        const char **node = bsearch(&key, plan->nodes, plan->nodes_count, sizeof *plan->nodes, compare_texts);
        planned->input.node = (uint32_t)(node - plan->nodes);
        planned->input.node_name = *node;
        planned->input.previous = i > 0 && same_lane(planned - 1, planned) ? i - 1 : INPUT_NONE;
        planned->input.lane = planned->input.previous != INPUT_NONE ? (planned - 1)->input.lane : planned->is_segment ? i : 0;
        plan->inputs[plan->count++] = planned->input;
        planned->input.path = planned->input.segment_id = NULL;
    }
    set_window(plan);
    return 0;
}

static void build_free(struct plan_build *build)
{
    for (uint32_t i = 0; i < build->count; i++) {
        free((char *)build->list[i].input.path);
        free((char *)build->list[i].input.segment_id);
    }
    free(build->list);
}

int input_plan_new(const char *const *names, size_t count, struct input_plan **ret, char *error)
{
    __attribute__((cleanup(build_free))) struct plan_build build = { .error = error };
    *error = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = add_name(&build, names[i]);
    if (r == 0 && (count == 0 || build.count > INPUT_PLAN_MAX))
        r = plan_fail(&build, -EINVAL, "inputs", count == 0 ? "there is nothing to read" : "there are more than 60000: choose fewer files");
    struct input_plan *plan = r == 0 ? calloc(1, sizeof *plan) : NULL;
    if (r == 0)
        r = plan ? fill_plan(&build, plan) : -ENOMEM;
    if (r < 0) {
        if (!*error)
            snprintf(error, INPUT_ERROR_TEXT_MAX, "%s", strerror(-r));
        input_plan_free(plan);
        return r;
    }
    *ret = plan;
    return 0;
}
