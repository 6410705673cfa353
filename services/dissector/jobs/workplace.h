/* Where a dissection is made and kept, beside the snapshots:
 *
 *   <store>/.dissections/<snapshot>/<name>/manifest.json calls.sqlite ...      published: not changed again
 *   <store>/.dissections/<snapshot>/.<name>.<sequence>/plan.json               being made, for the request of that stream sequence
 *                                                      map-<n>.json ...        how far each item is (item.h)
 *                                                      result/                 what will be published
 *                                                      and what the stages leave for each other
 * Thread-safe. */
#ifndef DISSECTOR_JOBS_WORKPLACE_H
#define DISSECTOR_JOBS_WORKPLACE_H
#include "services/dissector/jobs/lease.h"
#include "store/store.h"

#define WORKPLACE_PATH_MAX (STORE_LOCATION_MAX + 512)
#define WORKPLACE_PLAN "plan.json"
#define WORKPLACE_RESULT "result"
#define WORKPLACE_MANIFEST "manifest.json"
#define WORKPLACE_DATABASE "calls.sqlite"

struct workplace {
    char snapshot[STORE_NAME_MAX + 1], name[STORE_NAME_MAX + 1], key[LEASE_KEY_MAX];
    uint64_t sequence;
    char snapshot_folder[STORE_LOCATION_MAX];   /* "": there is no such snapshot (any more) */
    char annex[STORE_LOCATION_MAX];
    char work[WORKPLACE_PATH_MAX], published[WORKPLACE_PATH_MAX];
};
/* Checks nothing of the names but that they fit; makes no folder but the annex, and that only with make. -ENOENT without make: nothing was ever made of this snapshot. */
int workplace_find(const struct store *store, const char *snapshot, const char *name, uint64_t sequence, bool make, struct workplace *ret);
/* The work folder, and result/ in it, if they are not there. */
int workplace_make(const struct workplace *place);
/* Whether a small file can be written in the work folder now: -ENOSPC, -EROFS and others. */
int workplace_probe(const struct workplace *place);
/* A path in the work folder. */
void workplace_path(const struct workplace *place, const char *file, char path[static WORKPLACE_PATH_MAX]);
bool workplace_is_published(const struct workplace *place);
/* Files of the result become read-only and durable, and the result becomes <name> at once and whole. -EEXIST: there is one. */
int workplace_publish(const struct workplace *place);
/* Removes the work folder, also under the hands of those who still work in it: what they write then meets -ENOENT, and items that still come find no plan and are dropped. */
int workplace_clear(const struct workplace *place);
/* Removes what was published; gone for every reader when this returns. -ENOENT. */
int workplace_remove(const struct workplace *place);
/* Calls found for every work folder of the store: whose it is, and its sequence. Stops and returns when it gives nonzero. */
int workplace_each(const struct store *store, int (*found)(void *context, const char *snapshot, const char *name, uint64_t sequence), void *context);
/* Calls found for every published dissection of a snapshot, in the order of names. */
int workplace_each_published(const struct store *store, const char *snapshot, int (*found)(void *context, const char *snapshot, const char *name), void *context);
#endif
