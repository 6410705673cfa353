/* The end of a dissection: the sums of its items, the manifest beside the database, and the rename that makes it visible. Coordinator's thread; reading is anybody's. */
#ifndef DISSECTOR_JOBS_PUBLISH_H
#define DISSECTOR_JOBS_PUBLISH_H
#include "services/dissector/jobs/dissection.h"

#define PUBLISH_MANIFEST_VERSION 1
#define PUBLISH_MANIFEST_BYTES_MAX (1024u * 1024)   /* counters and some file names */
#define PUBLISH_COUNTERS_MAX (3 * STAGE_COUNTERS_MAX)
#define PUBLISH_REASON_MAX 800                      /* the first few segments that were not whole, then "..." */
#define PUBLISH_READ_BYTES (1024u * 1024)           /* of a file at once, when it is hashed */

struct publish_sums {
    uint64_t packets, bytes, reduced_entries, entries, connections;
    char digest[STAGE_DIGEST_TEXT_MAX];
    char reason[PUBLISH_REASON_MAX];        /* what of the inputs was not whole */
    struct { char *name; uint64_t value; } counters[PUBLISH_COUNTERS_MAX];
    size_t counters_count;
};
/* Adds a done item. input: of a map item, its segment's id. -ENOMEM. */
int publish_add(struct publish_sums *sums, enum plan_stage stage, const char *input, const Tapeloop__V1__DissectItem *item);
void publish_sums_free(struct publish_sums *sums);
/* Hashes the result, writes its manifest, renews the claim, renames. 0 with the verdict; or -errno of the store. */
int publish(struct dissection *dissection, const struct publish_sums *sums, enum dissection_verdict *ret_verdict);
/* What lies under this name already: of this very request (READY), or of another one (FAILED). */
enum dissection_verdict publish_adopt(struct dissection *dissection);
/* The manifest of a published dissection. -ENOENT: there is none; -EBADMSG: it is damaged. sha256 may be NULL. */
int publish_read(const struct workplace *place, Tapeloop__V1__DissectManifest **ret, char *sha256);
/* The database of a published dissection. */
void publish_database_path(const struct workplace *place, char path[static WORKPLACE_PATH_MAX]);
#endif
