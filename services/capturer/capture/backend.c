#include "services/capturer/capture/backend.h"

#include <string.h>

/* In order of preference: "best" takes the first. */
static const struct capture_backend *const backends[] = { &capture_backend_af_packet };

static const char *missing_slot(const struct capture_backend *backend)
{
    const struct { const char *name; bool there; } slots[] = {
        { "name", backend->name != NULL },     { "open", backend->open != NULL },     { "close", backend->close != NULL },
        { "fd", backend->fd != NULL },         { "ready", backend->ready != NULL },   { "walk", backend->walk != NULL },
        { "finish", backend->finish != NULL }, { "mend", backend->mend != NULL },     { "settle_ns", backend->settle_ns != NULL },
    };
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++)
        if (!slots[i].there)
            return slots[i].name;
    return NULL;
}

const struct capture_backend *backend_find(const char *name, const char **ret_missing)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        const char *missing = missing_slot(backends[i]);
        if (missing) {
            *ret_missing = missing;
            return NULL;
        }
        if (!name || strcmp(name, "best") == 0 || strcmp(name, backends[i]->name) == 0)
            return backends[i];
    }
    return NULL;
}
