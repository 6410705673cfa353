#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *store_driver_check(const struct store_driver *driver)
{
    const struct { const char *name; bool filled; } slots[] = {
        { "kind", driver->kind != NULL },       { "open", driver->open != NULL },       { "close", driver->close != NULL },
        { "id", driver->id != NULL },           { "room", driver->room != NULL },       { "alive", driver->alive != NULL },
        { "begin", driver->begin != NULL },     { "create", driver->create != NULL },   { "write", driver->write != NULL },
        { "finish", driver->finish != NULL },   { "abandon", driver->abandon != NULL }, { "drop", driver->drop != NULL },
        { "reach", driver->reach != NULL },     { "publish", driver->publish != NULL }, { "free", driver->free != NULL },
        { "each", driver->each != NULL },       { "files", driver->files != NULL },     { "folder", driver->folder != NULL },
        { "remove", driver->remove != NULL },   { "sweep", driver->sweep != NULL },     { "scratch", driver->scratch != NULL },
        { "annex", driver->annex != NULL },
    };
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (!slots[i].filled)
            return slots[i].name;
    return NULL;
}

int store_open(const char *location, const char *instance, struct store **ret, char *error)
{
    static const struct store_driver *const drivers[] = { &store_local };
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        const char *missing = store_driver_check(drivers[i]);
        if (missing) {
            snprintf(error, STORE_ERROR_TEXT_MAX, "the store driver number %zu lacks its operation %s", i, missing);
            return -ENOSYS;
        }
    }
    struct store *store = calloc(1, sizeof *store);
    if (!store) {
        snprintf(error, STORE_ERROR_TEXT_MAX, "out of memory");
        return -ENOMEM;
    }
    store->driver = drivers[0];
    snprintf(store->location, sizeof store->location, "%s", location);
    int r = store->driver->open(location, instance, &store->state, error);
    if (r < 0) {
        free(store);
        return r;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store->driver->close(store->state);
    free(store);
}
