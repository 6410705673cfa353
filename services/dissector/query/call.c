/* One entry whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/query/query.h"
#include "services/dissector/query/query_fields.h"

#define EXPRESSION_TEXT_MAX 64
#define PROTOCOL_NAME_MAX 64

struct found { char protocol[PROTOCOL_NAME_MAX]; bool there; };

static bool take_protocol(void *context, const struct query_value *values, size_t count)
{
    struct found *found = context;
    found->there = true;
    if (count)
        (void)snprintf(found->protocol, sizeof found->protocol, "%.*s", (int)values[0].size, values[0].text);
    return true;
}

static const struct detail *detail_of(const struct vocabulary *v, const char *protocol)
{
    for (size_t i = 0; i < v->protocols_count; i++)
        if (strcmp(v->protocols[i]->name, protocol) == 0)
            return v->protocols[i]->detail;
    return NULL;
}

static const char *const protocol_field[] = { "protocol" };

int query_call(const struct vocabulary *vocabulary, const char *path, uint64_t id, query_row *row, void *context, struct query_error *error)
{
    char expression[EXPRESSION_TEXT_MAX];
    struct found found = { 0 };
    struct query_result result;
    const struct vocabulary *v = vocabulary ? vocabulary : vocabulary_of_registry();
    (void)snprintf(expression, sizeof expression, "id == %" PRIu64, id);
    struct query_request request = { .vocabulary = v, .path = path, .expression = expression, .after = id - 1, .limit = 1, .budget = 1, .fields = protocol_field, .fields_count = 1 };
    if (!v || id == 0 || id > INT64_MAX) {
        error->column = 0;
        (void)snprintf(error->text, sizeof error->text, v ? "there is no such entry" : "no memory");
        return v ? -ENOENT : -ENOMEM;
    }
    int r = query_run(&request, take_protocol, &found, &result, error);
    if (r < 0)
        return r;
    if (!found.there) {
        error->column = 0;
        (void)snprintf(error->text, sizeof error->text, "there is no such entry");
        return -ENOENT;
    }
    const char *names[SELECT_FIELDS_MAX];
    struct query_fields fields;
    query_fields_of_protocol(v, detail_of(v, found.protocol), &fields);
    for (uint32_t i = 0; i < fields.count; i++)
        names[i] = fields.variables[i]->name;
    request.fields = names;
    request.fields_count = fields.count;
    return query_run(&request, row, context, &result, error);
}
