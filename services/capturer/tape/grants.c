/* Leases and transfers: what may not be recycled yet. See tape.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "units/units.h"

struct segments { struct tape_segment *items; size_t count; };
static void segments_free(struct segments *segments) { free(segments->items); }
#define segments_auto MEM_CLEANUP(segments_free)

/* Fills the lease with what overlaps, oldest first, up to half of the box. Both lists have room for all segments. */
static int grant(struct tape *tape, struct lease *lease, int64_t from_ns, int64_t to_ns, struct segments *granted, struct segments *refused)
{
    int64_t now = units_now_wall_ns();
    uint64_t pinned = box_pinned(tape, now);
    for (size_t i = 0; i < tape->catalogue.count; i++) {
        struct catalogue_entry *entry = catalogue_at(&tape->catalogue, i);
        if (!catalogue_entry_overlaps(entry, from_ns, to_ns))
            continue;
        struct tape_segment segment = entry->segment;
        segment.published = segment.ordinal <= tape->cursor.published_ordinal;
        bool held = segment.leased_until_ns > now;
        if (!held && pinned + entry->charge > tape->box_size / 2) {
            refused->items[refused->count++] = segment;
            continue;
        }
        int rc = lease_add(lease, segment.ordinal);
        if (rc < 0)
            return rc;
        if (!held)
            pinned += entry->charge;
        if (segment.leased_until_ns < lease->until_ns)
            segment.leased_until_ns = lease->until_ns;
        granted->items[granted->count++] = segment;
    }
    return 0;
}

/* Makes the new lease the valid one, on the disk first; undone where that fails. */
static int replace(struct tape *tape, struct lease *lease)
{
    struct leases before = tape->leases;
    struct lease *old = leases_find(&tape->leases, lease->id);
    size_t place = 0;
    while (place < tape->leases.count && tape->leases.items[place] != old)
        place++;
    if (place == LEASES_MAX)
        return -EMFILE;
    tape->leases.items[place] = lease;
    if (!old)
        tape->leases.count++;
    int rc = leases_save(tape->folder_fd, &tape->leases);
    struct tape_events events = { .count = 0 };
    if (rc == -ENOSPC && box_recycle_oldest(tape, &events) == 0)
        rc = leases_save(tape->folder_fd, &tape->leases);
    if (rc < 0) {
        tape->leases = before;
        return rc;
    }
    lease_free(old);
    return 0;
}

static int new_lease(struct tape *tape, const char *id, int64_t until_ns, struct lease **ret)
{
    const struct lease *old = leases_find(&tape->leases, id);
    struct leases alone = { .count = 0 };
    int rc = old ? lease_copy(old, ret) : leases_add(&alone, id, ret);
    if (rc == 0 && (*ret)->until_ns < until_ns)
        (*ret)->until_ns = until_ns;
    return rc;
}

int tape_lease(struct tape *tape, const char *id, int64_t from_ns, int64_t to_ns, int64_t until_ns, struct tape_segment **ret_granted, size_t *ret_granted_count,
               struct tape_segment **ret_refused, size_t *ret_refused_count)
{
    struct lease *lease = NULL;
    segments_auto struct segments granted = { 0 }, refused = { 0 };
    tape_lock(tape);
    leases_expire(&tape->leases, units_now_wall_ns());
    leases_apply(&tape->leases, &tape->catalogue);
    granted.items = calloc(tape->catalogue.count + 1, sizeof *granted.items);
    refused.items = calloc(tape->catalogue.count + 1, sizeof *refused.items);
    int rc = granted.items && refused.items ? new_lease(tape, id, until_ns, &lease) : -ENOMEM;
    if (rc == 0)
        rc = grant(tape, lease, from_ns, to_ns, &granted, &refused);
    if (rc == 0)
        rc = replace(tape, lease);
    if (rc < 0)
        lease_free(lease);
    leases_apply(&tape->leases, &tape->catalogue);
    tape_unlock(tape);
    if (rc < 0)
        return rc;
    *ret_granted_count = granted.count;
    *ret_refused_count = refused.count;
    *ret_granted = mem_take(granted.items);
    *ret_refused = mem_take(refused.items);
    return 0;
}

int tape_release(struct tape *tape, const char *id, const struct tape_segment *segments, size_t count)
{
    int released = 0;
    tape_lock(tape);
    struct lease *lease = leases_find(&tape->leases, id);
    if (lease && !segments) {
        released = (int)lease->count;
        leases_remove(&tape->leases, lease);
    } else if (lease) {
        for (size_t i = 0; i < count; i++) {
            const struct catalogue_entry *entry = catalogue_find(&tape->catalogue, segments[i].lane, segments[i].sequence);
            released += entry && lease_drop(lease, entry->segment.ordinal);
        }
        if (lease->count == 0)
            leases_remove(&tape->leases, lease);
    }
    /* Not saved in time it only holds its segments a little longer after a restart. */
    int rc = lease ? leases_save(tape->folder_fd, &tape->leases) : 0;
    leases_apply(&tape->leases, &tape->catalogue);
    tape_unlock(tape);
    return rc < 0 ? rc : released;
}

static int open_file(const struct tape *tape, uint32_t lane, uint64_t sequence, bool index, int *ret_fd)
{
    char name[SEGMENT_FILE_NAME_MAX], path[SEGMENT_FILE_NAME_MAX + 8];
    segment_file_name(lane, sequence, name);
    (void)snprintf(path, sizeof path, "%s%s", name, index ? ".idx" : "");
    int fd = openat(tape->segments_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int tape_transfer_begin(struct tape *tape, uint32_t lane, uint64_t sequence, bool index, int *ret_fd, uint64_t *ret_size)
{
    int rc = -ENOENT;
    tape_lock(tape);
    struct catalogue_entry *entry = catalogue_find(&tape->catalogue, lane, sequence);
    if (entry)
        rc = tape->transfers < TAPE_TRANSFERS_MAX ? open_file(tape, lane, sequence, index, ret_fd) : -EMFILE;
    if (rc == 0) {
        entry->transfers++;
        tape->transfers++;
        *ret_size = index ? entry->segment.index_size : entry->segment.size;
    }
    tape_unlock(tape);
    return rc;
}

void tape_transfer_end(struct tape *tape, uint32_t lane, uint64_t sequence)
{
    tape_lock(tape);
    struct catalogue_entry *entry = catalogue_find(&tape->catalogue, lane, sequence);
    assert(entry && entry->transfers > 0 && tape->transfers > 0);
    entry->transfers--;
    tape->transfers--;
    (void)pthread_cond_broadcast(&tape->changed);
    tape_unlock(tape);
}

int tape_load_index(struct tape *tape, uint32_t lane, uint64_t sequence, struct segment_index **ret)
{
    int fd = -1;
    uint64_t size;
    int rc = tape_transfer_begin(tape, lane, sequence, true, &fd, &size);
    if (rc < 0)
        return rc;
    mem_auto_free uint8_t *data = malloc(size);
    size_t at = 0;
    rc = data ? 0 : -ENOMEM;
    while (rc == 0 && at < size) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            rc = n == 0 ? -EBADMSG : -errno;
    }
    (void)close(fd);
    tape_transfer_end(tape, lane, sequence);
    return rc < 0 ? rc : segment_index_parse(data, size, ret);
}
