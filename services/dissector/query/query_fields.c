#include "services/dissector/query/query_fields.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/query/entry_variables.h"

static const char *const usual[] = { "id", "timestamp", "protocol", "src.ip", "src.port", "src.name", "src.namespace", "dst.ip", "dst.port", "dst.name", "dst.namespace", "status_code", "elapsed_time", "incomplete", "summary" };

static int fail_with(struct query_error *error, const char *format, const char *name, const char *near)
{
    error->column = 0;
    (void)snprintf(error->text, sizeof error->text, format, name, near);
    return -EINVAL;
}

static bool has(const struct query_fields *f, const struct variable *variable)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->variables[i] == variable)
            return true;
    return false;
}

static bool add(struct query_fields *f, const struct variable *variable)
{
    if (f->count == SELECT_FIELDS_MAX)
        return false;
    f->variables[f->count++] = variable;
    return true;
}

static void find_named(const struct vocabulary *v, const char *name, struct query_fields *ret)
{
    const struct variable *variable = vocabulary_find(v, name, strlen(name));
    if (variable && !has(ret, variable))
        (void)add(ret, variable);
}

/* Those of every entry first, in their table's order, then by name. */
static void find_all(const struct vocabulary *v, struct query_fields *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < entry_variables_count; i++)
        find_named(v, entry_variables[i].name, ret);
    for (size_t i = 0; i < v->count; i++)
        if (v->variables[i].place == VARIABLE_DETAIL || v->variables[i].place == VARIABLE_PATH)
            (void)add(ret, &v->variables[i]);
}

int query_fields_find(const struct vocabulary *v, const char *const *names, uint32_t count, struct query_fields *ret, struct query_error *error)
{
    ret->count = 0;
    for (size_t i = 0; count == 0 && i < sizeof usual / sizeof *usual; i++)
        find_named(v, usual[i], ret);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i], "*") == 0) {
            find_all(v, ret);
            return 0;
        }
        size_t size = strlen(names[i]);
        const struct variable *variable = vocabulary_find(v, names[i], size), *near = vocabulary_nearest(v, names[i], size);
        if (!variable)
            return fail_with(error, near ? "there is no name \"%.100s\": perhaps %s is meant" : "there is no name \"%.100s\"", names[i], near ? near->name : "");
        if (has(ret, variable))
            return fail_with(error, "\"%.100s\" is asked for twice%s", names[i], "");
        if (!add(ret, variable))
            return fail_with(error, "too many fields%s%s", "", "");
    }
    return 0;
}

void query_fields_of_protocol(const struct vocabulary *v, const struct detail *detail, struct query_fields *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < entry_variables_count; i++)
        find_named(v, entry_variables[i].name, ret);
    for (uint32_t i = 0; detail && i < detail->count; i++)
        find_named(v, detail->fields[i].name, ret);
}
