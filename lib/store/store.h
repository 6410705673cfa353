/* Where snapshots are kept, and what is made of them: one table of operations per kind of store, behind it a local directory today.
 *
 *   <store>/<name>/manifest.json segments/<node>/<lane>-<sequence>.pcapng.lz4[.idx]     published: never changed again
 *   <store>/.work/<name>.<sequence>.<instance>/...                                      being made
 *   <store>/.work/<instance>.lock                                                       held (flock) while the instance lives
 *   <store>/.dissections/<name>/...                                                     what is made of the snapshot <name> later; goes with it
 *   <store>/.store-id                                                                   proves that two snapshotters mount one store
 *
 * All operations are thread-safe on a store; a work or an object belongs to one thread at a time, objects of one work to as many as there are objects.
 * They return 0 or -errno; -ENOSPC, -EDQUOT and -EROFS reach the user as such. */
#ifndef STORE_STORE_H
#define STORE_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STORE_NAME_MAX 128            /* a snapshot's name (proto: SnapshotRequest.name) */
#define STORE_INSTANCE_MAX 100        /* with the name and a sequence still one file name (255) */
#define STORE_PATH_MAX 1024           /* of an object inside its snapshot: segments/<node up to 253>/<file> fits */
#define STORE_ID_TEXT_MAX 33          /* 32 hex digits */
#define STORE_LOCATION_MAX 4096
#define STORE_ERROR_TEXT_MAX 512

struct store_work;
struct store_object;
typedef int store_found(void *context, const char *name);
typedef int store_file(void *context, const char *path, uint64_t bytes);

/* Every slot must be filled: store_driver_check names the one that is not. */
struct store_driver {
    const char *kind;
    /* Opens or makes the store and takes the instance's lock; a store that is read-only opens too, if it has an id. A sentence in error on failure; -EBUSY: another process runs under this instance. */
    int (*open)(const char *location, const char *instance, void **ret_state, char *error);
    void (*close)(void *state);
    /* The store's id, STORE_ID_TEXT_MAX. */
    void (*id)(void *state, char *id);
    /* Bytes that may still be written. */
    int (*room)(void *state, uint64_t *ret_bytes);
    /* Whether an instance of this store still lives; true where that cannot be told. */
    bool (*alive)(void *state, const char *instance);
    /* A place to make <name> in. An earlier one of the same instance and sequence is emptied. */
    int (*begin)(void *state, const char *name, uint64_t sequence, struct store_work **ret);
    /* An object of a work. Parent folders are made. -EEXIST: there is one. */
    int (*create)(struct store_work *work, const char *path, struct store_object **ret);
    int (*write)(struct store_object *object, const void *data, size_t size);
    /* Makes the object durable and read-only, and frees it, also on failure. */
    int (*finish)(struct store_object *object);
    /* Removes the object; NULL is fine. */
    void (*abandon)(struct store_object *object);
    /* Removes a finished object of a work. */
    int (*drop)(struct store_work *work, const char *path);
    /* A local path at which an object of a work can be read. */
    int (*reach)(struct store_work *work, const char *path, char *ret_path /* STORE_LOCATION_MAX */);
    /* The work becomes the snapshot <name>, at once and whole: -EEXIST when there is one already. The work must be freed in either case. */
    int (*publish)(struct store_work *work);
    /* Removes what was not published and frees the work; NULL is fine. */
    void (*free)(struct store_work *work);
    /* Calls found for each snapshot, in the order of names; stops and returns when it gives nonzero. */
    int (*each)(void *state, store_found *found, void *context);
    /* Calls file for each file of a snapshot, paths relative to it. */
    int (*files)(void *state, const char *name, store_file *file, void *context);
    /* A local path at which the snapshot's objects can be read. -ENOENT: no such snapshot. */
    int (*folder)(void *state, const char *name, char *ret_path /* STORE_LOCATION_MAX */);
    /* The snapshot is gone for every reader when this returns. -ENOENT. */
    int (*remove)(void *state, const char *name);
    /* Removes what dead instances left, if it was untouched for retention_ns. ret_removed counts. */
    int (*sweep)(void *state, int64_t retention_ns, unsigned *ret_removed);
    /* A local folder, outside the snapshot that never changes, for what is made of the snapshot <name>; remove takes it away too. make: it is made where it is missing; else -ENOENT. */
    int (*annex)(void *state, const char *name, bool make, char *ret_path /* STORE_LOCATION_MAX */);
    /* A folder for temporary files without a name (exports), which go with the process. */
    int (*scratch)(void *state, char *ret_path /* STORE_LOCATION_MAX */);
};

extern const struct store_driver store_local;

struct store { const struct store_driver *driver; void *state; char location[STORE_LOCATION_MAX]; };
/* The first empty slot's name, or NULL when the table is whole. */
const char *store_driver_check(const struct store_driver *driver);
/* location: a folder. Refuses a half-filled driver. error: STORE_ERROR_TEXT_MAX. */
int store_open(const char *location, const char *instance, struct store **ret, char *error);
void store_close(struct store *store);
#endif
