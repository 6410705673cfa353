/* A SnapshotRequest checked and resolved: the window as moments, and a digest by which two requests are compared. Pure: no clock, no bus. Thread-safe. */
#ifndef SNAPSHOTTER_JOBS_REQUEST_H
#define SNAPSHOTTER_JOBS_REQUEST_H
#include "store/name.h"
#include "wire/wire.h"
#include <stdint.h>

#define REQUEST_DIGEST_TEXT_MAX 65      /* SHA-256 as hex */
#define REQUEST_ERROR_TEXT_MAX 512
#define REQUEST_NODES_MAX 10000         /* twice the largest cluster that is planned for */

struct request_window { int64_t from_ns, to_ns; };

/* Resolves `last` and open ends against the moment of asking. A `to` further than wait_limit_ns behind it is refused. 0 or -EINVAL with a sentence. */
int request_resolve(const Tapeloop__V1__SnapshotRequest *request, int64_t asked_ns, int64_t wait_limit_ns, struct request_window *ret, char *error);
/* Equal for requests that ask for the same: window, nodes and labels (in any order), completeness. */
void request_digest(const Tapeloop__V1__SnapshotRequest *request, const struct request_window *window, char digest[static REQUEST_DIGEST_TEXT_MAX]);
/* The name in a body that does not decode as a whole, so that the failure can be addressed; "" where there is none. JSON only. */
void request_guess_name(const void *data, size_t size, char *name, size_t cap);
#endif
