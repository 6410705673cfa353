#include "jobs/store_proof.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

int store_prove(struct bus *bus, const char *store_id, const char *location, bool adopt, char *error)
{
    struct bus_value value = { 0 };
    uint64_t revision;
    size_t size = strlen(store_id);
    int r = bus_kv_create(bus, STORE_PROOF_BUCKET, STORE_PROOF_KEY, store_id, size, &revision);
    if (r == 0)
        return 0;
    if (r == -EEXIST)
        r = bus_kv_get(bus, STORE_PROOF_BUCKET, STORE_PROOF_KEY, &value);
    if (r < 0) {
        snprintf(error, STORE_PROOF_ERROR_TEXT_MAX, "cannot compare the store with the one that the bus remembers: %s", strerror(-r));
        return r;
    }
    bool same = value.size == size && memcmp(value.data, store_id, size) == 0;
    if (!same && adopt)
        r = bus_kv_put(bus, STORE_PROOF_BUCKET, STORE_PROOF_KEY, store_id, size, &revision);
    else if (!same)
        r = -EXDEV;
    if (r == -EXDEV)
        snprintf(error, STORE_PROOF_ERROR_TEXT_MAX,
                 "%.300s is store %s, and the snapshots of this bus lie in store %.*s: mount that folder here, or start once with --adopt-store to go on with this one",
                 location, store_id, (int)(value.size < 64 ? value.size : 64), (const char *)value.data);
    else if (r < 0)
        snprintf(error, STORE_PROOF_ERROR_TEXT_MAX, "cannot write the store's id to the bus: %s", strerror(-r));
    bus_value_free(&value);
    return r;
}
