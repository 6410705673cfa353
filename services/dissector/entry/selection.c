#include "services/dissector/entry/selection.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "services/dissector/protocols/protocol.h"

#define NAME_SHOWN_MAX 60
_Static_assert(SELECT_COUNT <= 64, "one word");

static const char *const end_names[END_FIELDS] = {
    [END_IP] = "ip", [END_PORT] = "port", [END_NAME] = "name", [END_NAMESPACE] = "namespace", [END_POD_NAME] = "pod.name", [END_POD_NAMESPACE] = "pod.namespace",
    [END_SERVICE_NAME] = "service.name", [END_SERVICE_NAMESPACE] = "service.namespace", [END_DNS] = "dns", [END_PROCESS] = "process",
};
static const char *const own_names[SELECT_COUNT] = {
    [SELECT_ID] = "id", [SELECT_PROTOCOL] = "protocol", [SELECT_TIMESTAMP] = "timestamp", [SELECT_ELAPSED_TIME] = "elapsed_time", [SELECT_DURATION] = "duration", [SELECT_NODE_NAME] = "node_name",
    [SELECT_CONN_ID] = "conn_id", [SELECT_STATUS_CODE] = "status_code", [SELECT_SUMMARY] = "summary", [SELECT_ONE_WAY] = "one_way", [SELECT_MAYBE_COPY] = "maybe_copy", [SELECT_INCOMPLETE] = "incomplete",
    [SELECT_REQUEST_AT] = "request_at", [SELECT_RESPONSE_AT] = "response_at",
};

/* `wanted` is the name, or that of an object around it. */
static bool is_in(const char *name, const char *wanted, size_t size)
{
    return strncmp(name, wanted, size) == 0 && (name[size] == '\0' || name[size] == '.');
}

static uint64_t find_always(const char *wanted, size_t size)
{
    uint64_t found = 0;
    for (unsigned i = SELECT_ID; i < SELECT_COUNT; i++)
        found |= is_in(own_names[i], wanted, size) ? UINT64_C(1) << i : 0;
    for (unsigned i = 0; i < 2 * END_FIELDS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%s", i < END_FIELDS ? "src" : "dst", end_names[i % END_FIELDS]);
        found |= is_in(name, wanted, size) ? UINT64_C(1) << (SELECT_SRC + i) : 0;
    }
    return found;
}

static bool find_fields(const char *wanted, size_t size, struct selection *s)
{
    bool found = false;
    for (size_t p = 0; p < protocols_count; p++)
        for (uint32_t i = 0; i < protocols[p]->detail->count; i++)
            if (is_in(protocols[p]->detail->fields[i].name, wanted, size)) {
                s->fields[p] |= UINT64_C(1) << i;
                found = true;
            }
    return found;
}

static int add(struct selection *s, const char *name, size_t size, char *error, size_t room)
{
    uint64_t always = find_always(name, size);
    s->always |= always;
    if (find_fields(name, size, s) || always)
        return 0;
    snprintf(error, room, "entries have no field %.*s; dissector --generate-vocabulary prints all names", size > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : (int)size, name);
    return -EINVAL;
}

int selection_parse(const char *const *names, size_t count, struct selection *ret, char *error, size_t room)
{
    struct selection s = { 0 };
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        for (const char *name = names[i], *end; r == 0 && *name; name = *end ? end + 1 : end) {
            end = strchrnul(name, ',');
            if (end > name)
                r = add(&s, name, (size_t)(end - name), error, room);
        }
    if (r == 0)
        *ret = s;
    return r;
}

uint64_t selection_skipped(const struct selection *s, int protocol)
{
    if (!s || protocol < 0 || (size_t)protocol >= protocols_count)
        return 0;
    const struct detail *detail = protocols[protocol]->detail;
    uint64_t keep = s->fields[protocol];
    for (uint32_t i = 0; i < detail->count; i++)
        keep |= detail->fields[i].read_back ? UINT64_C(1) << i : 0;
    return ~keep;
}

bool selection_needs_names(const struct selection *s)
{
    for (unsigned end = SELECT_SRC; end <= SELECT_DST; end += END_FIELDS)
        if (selection_has(s, end + END_NAME) || selection_has(s, end + END_DNS))
            return true;
    return false;
}
