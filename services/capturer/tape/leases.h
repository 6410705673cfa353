/* Who holds which segments until when. Kept in the file "leases", flushed before a grant is answered, so that a lease outlives a restart. Guarded by the tape's mutex. */
#ifndef CAPTURER_TAPE_LEASES_H
#define CAPTURER_TAPE_LEASES_H
#include "services/capturer/tape/catalogue.h"

#define LEASES_MAX 128u                          /* snapshots under way at once, three times over */
#define LEASE_ID_BYTES_MAX 255u

struct lease {
    char id[LEASE_ID_BYTES_MAX + 1];
    int64_t until_ns;                            /* wall */
    uint64_t *ordinals;                          /* ascending */
    size_t count, room;
};
struct leases { struct lease *items[LEASES_MAX]; size_t count; };

void leases_free(struct leases *leases);
int leases_load(int folder_fd, struct leases *ret); /* -ENOENT, -EBADMSG */
int leases_save(int folder_fd, const struct leases *leases); /* -EFBIG: more than the file may hold */
struct lease *leases_find(const struct leases *leases, const char *id);
/* -EMFILE: LEASES_MAX; -EINVAL: id empty or too long. */
int leases_add(struct leases *leases, const char *id, struct lease **ret);
void leases_remove(struct leases *leases, struct lease *lease);
void leases_expire(struct leases *leases, int64_t now_ns);
int lease_copy(const struct lease *lease, struct lease **ret);
int lease_add(struct lease *lease, uint64_t ordinal); /* -ENOMEM */
bool lease_drop(struct lease *lease, uint64_t ordinal); /* false: it was not in it */
void lease_free(struct lease *lease);
/* Writes into every entry until when it is held. */
void leases_apply(const struct leases *leases, struct catalogue *catalogue);
#endif
