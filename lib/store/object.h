/* An object of a snapshot while it is written: its SHA-256 is taken over the bytes as they pass, so that they are read once. One thread at a time. */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H
#include "digest/digest.h"
#include "store/store.h"

struct object { const struct store *store; struct store_object *stored; struct digest *digest; uint64_t bytes; };
int object_begin(const struct store *store, struct store_work *work, const char *path, struct object *ret);
int object_add(struct object *object, const void *data, size_t size);
/* Durable and read-only afterwards. Ends the object, also on failure. */
int object_end(struct object *object, char sha256[static DIGEST_TEXT_MAX]);
/* Removes it; fine on one that was ended or never begun (all zero). */
void object_abandon(struct object *object);
/* A whole object from memory. */
int object_put(const struct store *store, struct store_work *work, const char *path, const void *data, size_t size, char sha256[static DIGEST_TEXT_MAX]);
#endif
