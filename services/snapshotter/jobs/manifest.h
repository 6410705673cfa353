/* manifest.json: made from a finished plan, written last, read back by everything that looks at a snapshot. Thread-safe. */
#ifndef SNAPSHOTTER_JOBS_MANIFEST_H
#define SNAPSHOTTER_JOBS_MANIFEST_H
#include "digest/digest.h"
#include "services/snapshotter/jobs/plan.h"

#define MANIFEST_FILE "manifest.json"
#define MANIFEST_VERSION 1
#define MANIFEST_BYTES_MAX (256u * 1024 * 1024) /* some 400 bytes for each object: 600,000 of them */
#define MANIFEST_ERROR_TEXT_MAX 256
#define MANIFEST_STALL_NS (INT64_C(5) * 1000000000) /* a capturer that records proves it at least so often */

/* Sums up what the nodes gave. The plan's objects move into the manifest. JOB_READY, or JOB_FAILED for an empty window and for a partial one that was asked to be complete. */
enum job_verdict manifest_make(struct job_plan *plan, struct job *job, Tapeloop__V1__Manifest **ret);
/* Writes it into work as the last object. -errno of the store. */
int manifest_write(const Tapeloop__V1__Manifest *manifest, const struct store *store, struct store_work *work, char sha256[static DIGEST_TEXT_MAX]);
/* Reads text that somebody may have changed: -EBADMSG with a sentence. */
int manifest_parse(const char *text, size_t size, Tapeloop__V1__Manifest **ret, char *error);
/* -ENOENT: no such snapshot. sha256 may be NULL. */
int manifest_read(const struct store *store, const char *name, Tapeloop__V1__Manifest **ret, char *sha256, char *error);
/* The snapshot.ready that belongs to it. NULL: no memory. */
Tapeloop__V1__SnapshotEvent *manifest_event(const Tapeloop__V1__Manifest *manifest, const char *sha256, const struct store *store, uint32_t attempts);
#endif
