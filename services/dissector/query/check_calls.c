#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/query/check_internal.h"
#include "services/dissector/query/pattern.h"
#include "units/units.h"

#define NAME_MAX_BYTES 64
#define TIME_TEXT_MAX 64        /* longer ones are no times */
#define MACRO_CHILDREN_MAX 4    /* list, name, condition, result */

static const struct { const char *name; enum function function; uint8_t least, most; bool method, call; } functions[] = {
    { "contains", FUNCTION_CONTAINS, 1, 1, true, false },
    { "startsWith", FUNCTION_STARTS_WITH, 1, 1, true, false },
    { "endsWith", FUNCTION_ENDS_WITH, 1, 1, true, false },
    { "matches", FUNCTION_MATCHES, 1, 1, true, false },
    { "matches", FUNCTION_MATCHES, 2, 2, false, true },
    { "size", FUNCTION_SIZE, 0, 0, true, false },
    { "size", FUNCTION_SIZE, 1, 1, false, true },
    { "map_get", FUNCTION_MAP_GET, 3, 3, false, true },
    { "timestamp", FUNCTION_TIMESTAMP, 1, 1, false, true },
    { "duration", FUNCTION_DURATION, 1, 1, false, true },
    { "now", FUNCTION_NOW, 0, 0, false, true },
    { "int", FUNCTION_INT, 1, 1, false, true },
    { "string", FUNCTION_STRING, 1, 1, false, true },
    { "double", FUNCTION_DOUBLE, 1, 1, false, true },
    { "bool", FUNCTION_BOOL, 1, 1, false, true },
    { "getFullYear", FUNCTION_YEAR, 0, 0, true, false },
    { "getMonth", FUNCTION_MONTH, 0, 0, true, false },
    { "getDate", FUNCTION_DATE, 0, 0, true, false },
    { "getDayOfMonth", FUNCTION_DAY_OF_MONTH, 0, 0, true, false },
    { "getDayOfWeek", FUNCTION_DAY_OF_WEEK, 0, 0, true, false },
    { "getDayOfYear", FUNCTION_DAY_OF_YEAR, 0, 0, true, false },
    { "getHours", FUNCTION_HOURS, 0, 0, true, false },
    { "getMinutes", FUNCTION_MINUTES, 0, 0, true, false },
    { "getSeconds", FUNCTION_SECONDS, 0, 0, true, false },
    { "getMilliseconds", FUNCTION_MILLISECONDS, 0, 0, true, false },
    { "has", FUNCTION_HAS, 1, 1, false, true },
    { "exists", FUNCTION_EXISTS, 2, 2, true, false },
    { "all", FUNCTION_ALL, 2, 2, true, false },
    { "exists_one", FUNCTION_EXISTS_ONE, 2, 2, true, false },
    { "filter", FUNCTION_FILTER, 2, 2, true, false },
    { "map", FUNCTION_MAP, 2, 3, true, false },
};
#define FUNCTIONS_COUNT (sizeof functions / sizeof *functions)

static int unknown_function(struct checker *c, const struct node *n, bool method)
{
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++)
        if (strcmp(functions[i].name, n->text) == 0)
            return CHECK_FAIL(c, n->at, method ? "%s is no method: it is written %s(...)" : "%s is a method: it is written value.%s(...)", n->text, n->text);
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++)
        if (strcasecmp(functions[i].name, n->text) == 0)
            return CHECK_FAIL(c, n->at, "there is no function \"%s\": perhaps %s is meant", n->text, functions[i].name);
    if (strcmp(n->text, "uint") == 0 || strcmp(n->text, "dyn") == 0 || strcmp(n->text, "type") == 0 || strcmp(n->text, "bytes") == 0)
        return CHECK_FAIL(c, n->at, "CEL's %s() is not part of this language", n->text);
    return CHECK_FAIL(c, n->at, "there is no function \"%.*s\"", NAME_MAX_BYTES, n->text);
}

/* Which function it is; the number of arguments is right then. */
static int find_function(struct checker *c, const struct node *n, bool method, enum function *ret)
{
    unsigned arguments = 0;
    for (const struct node *child = method ? n->first->next : n->first; child; child = child->next)
        arguments++;
    for (size_t i = 0; i < FUNCTIONS_COUNT; i++)
        if ((method ? functions[i].method : functions[i].call) && strcmp(functions[i].name, n->text) == 0) {
            if (arguments < functions[i].least || arguments > functions[i].most)
                return CHECK_FAIL(c, n->at, "%s takes %u argument%s, not %u", n->text, functions[i].least, functions[i].least == 1 ? "" : "s", arguments);
            *ret = functions[i].function;
            return 0;
        }
    return unknown_function(c, n, method);
}

static void make_literal(struct node *n, query_type type, int64_t number)
{
    n->kind = NODE_LITERAL;
    n->type = type;
    n->number = number;
    n->first = NULL;
}

int duration_parse(const char *text, size_t size, int64_t *ret_ns)
{
    char buf[TIME_TEXT_MAX];
    bool minus = size && text[0] == '-';
    size_t from = minus || (size && text[0] == '+');
    int64_t ns;
    if (size - from >= sizeof buf || size == from || memchr(text, '\0', size) || memchr(text, 'd', size))
        return -EINVAL;
    memcpy(buf, text + from, size - from);
    buf[size - from] = '\0';
    int r = units_parse_duration(buf, &ns);
    if (r == 0)
        *ret_ns = minus ? -ns : ns;
    return r;
}

int timestamp_parse(const char *text, size_t size, int64_t *ret_ns)
{
    char buf[TIME_TEXT_MAX];
    if (size >= sizeof buf || memchr(text, '\0', size) || memchr(text, ' ', size))
        return -EINVAL;
    memcpy(buf, text, size);
    buf[size] = '\0';
    return units_parse_time(buf, ret_ns);
}

static int check_time(struct checker *c, struct node *n, bool duration)
{
    struct node *a = n->first;
    query_type type = duration ? TYPE_DURATION : TYPE_TIMESTAMP;
    int64_t ns = 0;
    char got[TYPE_NAME_MAX];
    n->type = type;
    if (a->type == type) {
        if (a->kind == NODE_LITERAL)
            make_literal(n, type, a->number);
        return 0;
    }
    if (a->type == TYPE_INT && !duration)
        return 0;
    if (a->type != TYPE_STRING)
        return CHECK_FAIL(c, a->start, "%s() reads a string, and this is %s", n->text, type_name(a->type, got, sizeof got));
    if (a->kind != NODE_LITERAL)
        return 0;
    int r = duration ? duration_parse(a->text, a->size, &ns) : timestamp_parse(a->text, a->size, &ns);
    if (r < 0)
        return CHECK_FAIL(c, a->start, "%s%s", duration ? "this is no duration such as \"1h30m\" or \"250ms\"" : "this is no time such as \"2026-03-14T22:00:00Z\"", r == -ERANGE ? ": it is too long or too far" : "");
    make_literal(n, type, ns);
    return 0;
}

static int check_conversion(struct checker *c, struct node *n, enum function function)
{
    /* What each takes, as bits of kinds. */
    static const uint32_t takes[] = {
        [FUNCTION_INT] = 1u << TYPE_INT | 1u << TYPE_DOUBLE | 1u << TYPE_STRING | 1u << TYPE_TIMESTAMP,
        [FUNCTION_STRING] = 1u << TYPE_STRING | 1u << TYPE_INT | 1u << TYPE_DOUBLE | 1u << TYPE_BOOL | 1u << TYPE_TIMESTAMP | 1u << TYPE_DURATION,
        [FUNCTION_DOUBLE] = 1u << TYPE_DOUBLE | 1u << TYPE_INT | 1u << TYPE_STRING,
        [FUNCTION_BOOL] = 1u << TYPE_BOOL | 1u << TYPE_STRING,
    };
    char got[TYPE_NAME_MAX];
    if (!(takes[function] >> type_kind(n->first->type) & 1))
        return CHECK_FAIL(c, n->first->start, "%s() cannot be made of %s", n->text, type_name(n->first->type, got, sizeof got));
    n->type = function == FUNCTION_INT ? TYPE_INT : function == FUNCTION_STRING ? TYPE_STRING : function == FUNCTION_DOUBLE ? TYPE_DOUBLE : TYPE_BOOL;
    return 0;
}

static int check_size(struct checker *c, struct node *n)
{
    enum type_kind kind = type_kind(n->first->type);
    char got[TYPE_NAME_MAX];
    if (kind != TYPE_STRING && kind != TYPE_BYTES && kind != TYPE_LIST && kind != TYPE_MAP)
        return CHECK_FAIL(c, n->first->start, "%s has no size", type_name(n->first->type, got, sizeof got));
    n->type = TYPE_INT;
    return 0;
}

static int check_part(struct checker *c, struct node *n, enum function function)
{
    char got[TYPE_NAME_MAX];
    query_type type = n->first->type;
    if (type != TYPE_TIMESTAMP && (type != TYPE_DURATION || function < FUNCTION_HOURS))
        return CHECK_FAIL(c, n->at, "%s() goes with times, and this is %s", n->text, type_name(type, got, sizeof got));
    n->type = TYPE_INT;
    return 0;
}

static int check_pattern(struct checker *c, const struct node *n)
{
    struct pattern *pattern;
    char why[PATTERN_ERROR_TEXT_MAX];
    size_t at, character = 1;
    if (n->kind != NODE_LITERAL)
        return 0;
    int r = pattern_compile(n->text, n->size, &pattern, &at, why);
    for (size_t i = 0; r == -EINVAL && i < at && i < n->size; i++)
        character += (n->text[i] & 0xc0) != 0x80;
    if (r == -EINVAL)
        return CHECK_FAIL(c, n->start, "this pattern is wrong at its character %zu: %s", character, why);
    if (r == 0)
        pattern_free(pattern);
    return r;
}

static int check_text_function(struct checker *c, struct node *n, enum function function)
{
    struct node *a = n->first, *b = a->next;
    char got[TYPE_NAME_MAX];
    n->type = TYPE_BOOL;
    if (type_kind(a->type) == TYPE_LIST && function == FUNCTION_CONTAINS)
        return CHECK_FAIL(c, n->at, "contains() goes with strings: an element of a list is asked for with in");
    if (a->type != TYPE_STRING)
        return CHECK_FAIL(c, n->kind == NODE_METHOD ? n->at : a->start, "%s() goes with strings, and this is %s", n->text, type_name(a->type, got, sizeof got));
    int r = check_wants(c, b, TYPE_STRING, "what this looks for");
    return r < 0 || function != FUNCTION_MATCHES ? r : check_pattern(c, b);
}

static int check_map_get(struct checker *c, struct node *n)
{
    struct node *map = n->first, *key = map->next, *otherwise = key->next;
    query_type both;
    char got[TYPE_NAME_MAX];
    if (type_kind(map->type) != TYPE_MAP)
        return CHECK_FAIL(c, map->start, "map_get() reads a map, and this is %s", type_name(map->type, got, sizeof got));
    if (!type_unify(key->type, type_key(map->type), &both))
        return check_wants(c, key, type_key(map->type), "the key of this map");
    if (!type_unify(otherwise->type, type_value(map->type), &n->type))
        return check_wants(c, otherwise, type_value(map->type), "what map_get() gives otherwise");
    return 0;
}

/* has(a.b): a's map has the key b, or the variable a.b is not its default. */
static int check_has(struct checker *c, struct node *n)
{
    struct node *a = n->first;
    if (a->kind != NODE_SELECT)
        return CHECK_FAIL(c, a->start, "has() asks for a field, such as has(request.headers.accept)");
    int r = check_node(c, a);
    if (r < 0)
        return r;
    n->kind = NODE_HAS;
    n->type = TYPE_BOOL;
    return 0;
}

static int open_loop(struct checker *c, struct node *n, const struct node *list, const struct node *name)
{
    char got[TYPE_NAME_MAX];
    enum type_kind kind = type_kind(list->type);
    if (kind != TYPE_LIST && kind != TYPE_MAP)
        return CHECK_FAIL(c, n->at, "%s() goes with lists and maps, and this is %s", n->text, type_name(list->type, got, sizeof got));
    if (name->kind != NODE_NAME)
        return CHECK_FAIL(c, name->start, "%s() begins with a name for the element", n->text);
    if (c->e->loops == EXPRESSION_LOOPS_MAX)
        return CHECK_FAIL(c, n->at, "too many macros: more than %u", EXPRESSION_LOOPS_MAX);
    n->loop = (uint8_t)c->e->loops++;
    c->loops[c->loops_count++] = (struct loop_name){ name->text, name->size, kind == TYPE_LIST ? type_element(list->type) : type_key(list->type), n->loop };
    return 0;
}

/* list.macro(name, condition) or list.map(name, condition, result): the children become list, condition or NULL, result. */
static int check_macro(struct checker *c, struct node *n, enum function function)
{
    struct node *list = n->first, *name = list->next, *body = name->next, *result = body->next;
    int r = check_node(c, list);
    if (r < 0 || (r = open_loop(c, n, list, name)) < 0)
        return r;
    if ((r = check_node(c, body)) == 0 && result)
        r = check_node(c, result);
    c->loops_count--;
    bool condition = function != FUNCTION_MAP || result;
    if (r < 0 || (condition && (r = check_wants(c, body, TYPE_BOOL, "the condition of a macro")) < 0))
        return r;
    n->kind = NODE_MACRO;
    list->next = body;
    query_type element = type_kind(list->type) == TYPE_LIST ? type_element(list->type) : type_key(list->type);
    if (function == FUNCTION_MAP)
        element = (result ? result : body)->type;
    n->type = TYPE_BOOL;
    if ((function == FUNCTION_MAP || function == FUNCTION_FILTER) && (element == TYPE_BYTES || !type_list(element, &n->type)))
        return CHECK_FAIL(c, n->at, "such a list is not possible here");
    return 0;
}

static int check_function(struct checker *c, struct node *n, enum function function)
{
    n->function = (uint16_t)function;
    if (function >= FUNCTION_EXISTS)
        return check_macro(c, n, function);
    if (function == FUNCTION_HAS)
        return check_has(c, n);
    for (struct node *child = n->first; child; child = child->next) {
        int r = check_node(c, child);
        if (r < 0)
            return r;
    }
    switch (function) {
    case FUNCTION_NOW: make_literal(n, TYPE_TIMESTAMP, c->now_ns); return 0;
    case FUNCTION_TIMESTAMP: return check_time(c, n, false);
    case FUNCTION_DURATION: return check_time(c, n, true);
    case FUNCTION_SIZE: return check_size(c, n);
    case FUNCTION_MAP_GET: return check_map_get(c, n);
    case FUNCTION_CONTAINS: case FUNCTION_STARTS_WITH: case FUNCTION_ENDS_WITH: case FUNCTION_MATCHES: return check_text_function(c, n, function);
    case FUNCTION_INT: case FUNCTION_STRING: case FUNCTION_DOUBLE: case FUNCTION_BOOL: return check_conversion(c, n, function);
    default: return check_part(c, n, function);
    }
}

int check_call(struct checker *c, struct node *n)
{
    enum function function = FUNCTION_NONE;
    int r = find_function(c, n, false, &function);
    return r < 0 ? r : check_function(c, n, function);
}

int check_method(struct checker *c, struct node *n)
{
    enum function function = FUNCTION_NONE;
    int r = find_function(c, n, true, &function);
    return r < 0 ? r : check_function(c, n, function);
}
