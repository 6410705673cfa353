#include "services/dissector/query/vocabulary.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "services/dissector/query/entry_variables.h"
#include "services/dissector/query/reserved.h"

#define NEAREST_NAME_MAX 64             /* longer names are not compared */

static int compare_names(const void *a, const void *b) { return strcmp(((const struct variable *)a)->name, ((const struct variable *)b)->name); }

static struct variable *find_unsorted(const struct vocabulary *v, const char *name)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->variables[i].name, name) == 0)
            return &v->variables[i];
    return NULL;
}

static void add_flags(struct vocabulary *v, size_t number)
{
    const struct protocol *p = v->protocols[number];
    for (unsigned i = 0; i < PROTOCOL_FLAGS_MAX && p->flags[i]; i++) {
        struct variable *flag = find_unsorted(v, p->flags[i]);
        if (!flag) {
            flag = &v->variables[v->count++];
            *flag = (struct variable){ .name = p->flags[i], .type = TYPE_BOOL, .place = VARIABLE_FLAG };
        }
        flag->protocols |= UINT64_C(1) << number;
    }
}

static int add_source(struct variable *variable, const struct detail *detail, const struct field *field)
{
    if (variable->type != type_of_field(field->type))
        return -EINVAL;
    for (uint32_t i = 0; i < variable->sources_count; i++)
        if (variable->sources[i].detail == detail)
            return 0;
    if (variable->sources_count == VARIABLE_SOURCES_MAX)
        return -E2BIG;
    variable->sources[variable->sources_count++] = (struct variable_source){ detail, field->column };
    return 0;
}

static int add_fields(struct vocabulary *v, const struct detail *detail)
{
    for (uint32_t i = 0; i < detail->count; i++) {
        const struct field *field = &detail->fields[i];
        struct variable *variable = find_unsorted(v, field->name);
        if (!variable) {
            variable = &v->variables[v->count++];
            *variable = (struct variable){ .name = field->name, .help = field->help, .type = type_of_field(field->type), .place = VARIABLE_DETAIL, .fallback = field->fallback };
            if (field->type == FIELD_TEXT && strcmp(field->name, "path") == 0) {
                variable->place = VARIABLE_PATH;
                variable->zone = "path";
                variable->sql = "COALESCE(path.name, '')";
            }
        }
        if (variable->place != VARIABLE_DETAIL && variable->place != VARIABLE_PATH)
            return -EINVAL;
        int r = add_source(variable, detail, field);
        if (r < 0)
            return r;
    }
    return 0;
}

static void add_reserved(struct vocabulary *v)
{
    for (size_t i = 0; i < reserved_names_count; i++)
        if (!find_unsorted(v, reserved_names[i].name))
            v->variables[v->count++] = (struct variable){ .name = reserved_names[i].name, .type = reserved_names[i].type, .place = VARIABLE_RESERVED, .fallback = reserved_names[i].fallback };
}

int vocabulary_make(const struct protocol *const *list, size_t count, struct vocabulary *ret)
{
    if (count > 64)
        return -E2BIG;
    size_t most = entry_variables_count + reserved_names_count;
    for (size_t i = 0; i < count; i++)
        most += list[i]->detail->count + PROTOCOL_FLAGS_MAX;
    struct vocabulary v = { .protocols = list, .protocols_count = count, .variables = calloc(most, sizeof *v.variables) };
    if (!v.variables)
        return -ENOMEM;
    memcpy(v.variables, entry_variables, entry_variables_count * sizeof *v.variables);
    v.count = entry_variables_count;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        add_flags(&v, i);
        r = add_fields(&v, list[i]->detail);
    }
    if (r < 0) {
        free(v.variables);
        return r;
    }
    add_reserved(&v);
    qsort(v.variables, v.count, sizeof *v.variables, compare_names);
    *ret = v;
    return 0;
}

void vocabulary_free(struct vocabulary *v)
{
    free(v->variables);
    *v = (struct vocabulary){ 0 };
}

static struct vocabulary registry;
static bool registry_made;
static void make_registry(void) { registry_made = vocabulary_make(protocols, protocols_count, &registry) == 0; }

const struct vocabulary *vocabulary_of_registry(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_registry);
    return registry_made ? &registry : NULL;
}

/* The order of a slice against a name, as strcmp. */
static int compare_slice(const char *name, size_t size, const char *other)
{
    int order = strncmp(name, other, size);
    return order ? order : other[size] ? -1 : 0;
}

const struct variable *vocabulary_find(const struct vocabulary *v, const char *name, size_t size)
{
    size_t low = 0, high = v->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_slice(name, size, v->variables[middle].name);
        if (order == 0)
            return &v->variables[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool vocabulary_is_prefix(const struct vocabulary *v, const char *name, size_t size)
{
    for (size_t i = 0; i < v->count; i++)
        if (strncmp(v->variables[i].name, name, size) == 0 && v->variables[i].name[size] == '.')
            return true;
    return false;
}

/* How many letters must be put in, taken out or changed; two that changed places count one. */
static unsigned edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    unsigned rows[3][NEAREST_NAME_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);
            best = before[j] + 1 < best ? before[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < best)
                best = earlier[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

const struct variable *vocabulary_nearest(const struct vocabulary *v, const char *name, size_t size)
{
    const struct variable *nearest = NULL;
    unsigned least = size <= 3 ? 2 : size <= 8 ? 3 : 4; /* one, two or three changes */
    if (size > NEAREST_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < v->count; i++) {
        size_t other = strlen(v->variables[i].name);
        if (other > NEAREST_NAME_MAX || other + least <= size || size + least <= other)
            continue;
        unsigned distance = edit_distance(name, size, v->variables[i].name, other);
        if (distance < least) {
            least = distance;
            nearest = &v->variables[i];
        }
    }
    return nearest;
}
