#include "store/object.h"
#include <errno.h>
#include <string.h>

int object_begin(const struct store *store, struct store_work *work, const char *path, struct object *ret)
{
    struct object object = { .store = store, .digest = digest_new() };
    if (!object.digest)
        return -ENOMEM;
    int r = store->driver->create(work, path, &object.stored);
    if (r < 0) {
        digest_free(object.digest);
        return r;
    }
    *ret = object;
    return 0;
}

int object_add(struct object *object, const void *data, size_t size)
{
    int r = object->store->driver->write(object->stored, data, size);
    if (r < 0)
        return r;
    digest_add(object->digest, data, size);
    object->bytes += size;
    return 0;
}

int object_end(struct object *object, char sha256[static DIGEST_TEXT_MAX])
{
    int r = object->store->driver->finish(object->stored);
    if (r == 0)
        digest_text(object->digest, sha256);
    digest_free(object->digest);
    memset(object, 0, sizeof *object);
    return r;
}

void object_abandon(struct object *object)
{
    if (!object->stored)
        return;
    object->store->driver->abandon(object->stored);
    digest_free(object->digest);
    memset(object, 0, sizeof *object);
}

int object_put(const struct store *store, struct store_work *work, const char *path, const void *data, size_t size, char sha256[static DIGEST_TEXT_MAX])
{
    struct object object = { 0 };
    int r = object_begin(store, work, path, &object);
    if (r < 0)
        return r;
    r = object_add(&object, data, size);
    if (r < 0) {
        object_abandon(&object);
        return r;
    }
    return object_end(&object, sha256);
}
