/* Opening a tape: its identity and lock, its options, its small files; what is on it: load.h. See tape.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/folders.h"
#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "services/capturer/tape/load.h"
#include "services/capturer/tape/sealer.h"
#include "units/units.h"

#define ERROR_BYTES 256
#define ID_TEXT_BYTES 17u                        /* 16 hex digits and a newline */

static int fail(char *error, int rc, const char *what, const char *name)
{
    (void)snprintf(error, ERROR_BYTES, "%.60s %.120s: %s", what, name, strerror(-rc));
    return rc;
}

static int open_folder(int parent, const char *name)
{
    if (mkdirat(parent, name, 0750) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* tape.id: 16 hex digits, made with the folder. Its lock makes this process the tape's only one. */
static int take_identity(struct tape *tape, char *error)
{
    tape->id_fd = openat(tape->folder_fd, "tape.id", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (tape->id_fd < 0)
        return fail(error, -errno, "cannot open tape.id in", tape->folder);
    if (flock(tape->id_fd, LOCK_EX | LOCK_NB) < 0) {
        int rc = -errno;
        (void)snprintf(error, ERROR_BYTES, "the tape %.150s belongs to another process that is running", tape->folder);
        return rc;
    }
    char text[ID_TEXT_BYTES + 1] = "";
    ssize_t n = pread(tape->id_fd, text, sizeof text, 0);
    if (n < 0)
        return fail(error, -errno, "cannot read tape.id in", tape->folder);
    if (n == 0) {
        if (getrandom(&tape->id, sizeof tape->id, 0) != (ssize_t)sizeof tape->id)
            return fail(error, -EIO, "no random bytes for", tape->folder);
        (void)snprintf(text, sizeof text, "%016llx\n", (unsigned long long)tape->id);
        int rc = disk_write_all(tape->id_fd, text, ID_TEXT_BYTES, 0);
        if (rc == 0 && (fsync(tape->id_fd) < 0 || fsync(tape->folder_fd) < 0))
            rc = -errno;
        return rc < 0 ? fail(error, rc, "cannot write tape.id in", tape->folder) : 0;
    }
    char *end;
    tape->id = strtoull(text, &end, 16);
    if (n != ID_TEXT_BYTES || end != text + ID_TEXT_BYTES - 1)
        return fail(error, -EBADMSG, "tape.id does not hold 16 hex digits in", tape->folder);
    return 0;
}

/* What the cursor and the leases know. An unreadable cursor starts anew: what is on the tape is then owed again, and the stream refuses what it has. */
static int load_small(struct tape *tape, char *error)
{
    int rc = cursor_load(tape->folder_fd, &tape->cursor);
    if (rc < 0 && rc != -ENOENT && rc != -EBADMSG)
        return fail(error, rc, "cannot read the cursor in", tape->folder);
    rc = leases_load(tape->folder_fd, &tape->leases);
    if (rc < 0 && rc != -ENOENT && rc != -EBADMSG)
        return fail(error, rc, "cannot read the leases in", tape->folder);
    tape->next_ordinal = tape->cursor.next_ordinal > 0 ? tape->cursor.next_ordinal : 1;
    if (tape->next_ordinal <= tape->cursor.published_ordinal)
        tape->next_ordinal = tape->cursor.published_ordinal + 1;
    for (size_t i = 0; i < LANES_MAX; i++)
        tape->next_sequence[i] = tape->cursor.next_sequence[i];
    return 0;
}

/* A box that was made smaller than what is held in it: the storage size wins, and the leases that end first are given up. */
static void give_up_leases(struct tape *tape, const struct load_report *report)
{
    struct tape_events events = { .count = 0 };
    size_t before = tape->leases.count;
    while (tape->leases.count > 0 && (box_pinned(tape, tape->started_ns) > tape->box_size / 2 || box_make_room(tape, box_segment_charge(tape) * tape->lanes, &events) < 0)) {
        struct lease *soonest = tape->leases.items[0];
        for (size_t i = 1; i < tape->leases.count; i++)
            if (tape->leases.items[i]->until_ns < soonest->until_ns)
                soonest = tape->leases.items[i];
        leases_remove(&tape->leases, soonest);
        leases_apply(&tape->leases, &tape->catalogue);
    }
    if (tape->leases.count == before)
        return;
    (void)leases_save(tape->folder_fd, &tape->leases); /* where it fails they are given up again at the next start */
    load_tell(report, "leases were given up, because the storage size is smaller than what they hold");
}

static int fit(struct tape *tape, const struct load_report *report, char *error)
{
    struct tape_events events = { .count = 0 };  /* nobody listens yet: the low-water mark tells it */
    leases_expire(&tape->leases, tape->started_ns);
    leases_apply(&tape->leases, &tape->catalogue);
    give_up_leases(tape, report);
    int rc = box_make_room(tape, box_segment_charge(tape) * tape->lanes, &events);
    if (rc < 0)
        return fail(error, rc, "cannot remove old segments in", tape->folder);
    if (tape->cursor.recorded_ns != 0 && tape->cursor.recorded_ns < tape->started_ns)
        cursor_add_gap(&tape->cursor, tape->cursor.recorded_ns, tape->started_ns);
    rc = cursor_save(tape->folder_fd, &tape->cursor);
    return rc < 0 ? fail(error, rc, "cannot write in", tape->folder) : 0;
}

static int check_options(const struct tape_options *options, struct tape *tape, char *error)
{
    char size[UNITS_SIZE_TEXT_MAX], least[UNITS_SIZE_TEXT_MAX];
    uint64_t minimum = BOX_SEGMENTS_MIN * options->lanes * (uint64_t)BOX_SEGMENT_BYTES_MIN;
    if (options->lanes == 0 || options->lanes > LANES_MAX || strlen(options->folder) >= TAPE_PATH_BYTES_MAX || strlen(options->node) > SEGMENT_NODE_NAME_MAX) {
        (void)snprintf(error, ERROR_BYTES, "1 to %u lanes, a folder of at most %u bytes and a node name of at most %u", LANES_MAX, TAPE_PATH_BYTES_MAX - 1, SEGMENT_NODE_NAME_MAX);
        return -EINVAL;
    }
    if (options->storage_size < minimum) {
        (void)snprintf(error, ERROR_BYTES, "a storage size of %s is too small: %u lanes need at least %s", units_format_size(options->storage_size, size, sizeof size), options->lanes,
                       units_format_size(minimum, least, sizeof least));
        return -ENOSPC;
    }
    uint64_t most = options->storage_size / (BOX_SEGMENTS_MIN / 2) / options->lanes;
    uint64_t wanted = options->segment_size / DISK_ALIGN * DISK_ALIGN;
    if (options->segment_size != 0 && (wanted < BOX_SEGMENT_BYTES_MIN || wanted > most)) {
        (void)snprintf(error, ERROR_BYTES, "a segment size must lie between %s and an eighth of the lane's share, %s", units_format_size(BOX_SEGMENT_BYTES_MIN, size, sizeof size),
                       units_format_size(most, least, sizeof least));
        return -EINVAL;
    }
    tape->segment_size = options->segment_size ? wanted : box_segment_size(options->storage_size, options->lanes);
    return 0;
}

static int begin(struct tape *tape, const struct tape_options *options, char *error)
{
    int made = folders_make(AT_FDCWD, options->folder, 0750); /* its parents too: the default lies below a folder that may not be there */
    if (made < 0)
        return fail(error, made, "cannot make the tape's folder", options->folder);
    tape->folder_fd = open_folder(AT_FDCWD, options->folder);
    if (tape->folder_fd < 0)
        return fail(error, tape->folder_fd, "cannot open the folder", options->folder);
    int rc = take_identity(tape, error);
    if (rc < 0)
        return rc;
    tape->segments_fd = open_folder(tape->folder_fd, "segments");
    if (tape->segments_fd < 0)
        return fail(error, tape->segments_fd, "cannot open segments in", options->folder);
    (void)unlinkat(tape->folder_fd, ".cursor.tmp", 0);
    (void)unlinkat(tape->folder_fd, ".leases.tmp", 0);
    return load_small(tape, error);
}

static struct tape *tape_new(const struct tape_options *options)
{
    struct tape *tape = calloc(1, sizeof *tape);
    if (!tape)
        return NULL;
    tape->folder_fd = tape->segments_fd = tape->id_fd = -1;
    tape->lanes = options->lanes;
    tape->compress = options->compress;
    tape->sync = options->sync;
    tape->box_size = options->storage_size;
    tape->box_used = BOX_SMALL_FILES_BYTES;
    tape->started_ns = units_now_wall_ns();
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&tape->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&tape->lock, NULL);
    return tape;
}

int tape_open(const struct tape_options *options, void (*report)(void *context, const char *what, uint64_t done, uint64_t total), void *context, struct tape **ret, char *error)
{
    struct tape *tape = tape_new(options);
    if (!tape)
        return fail(error, -ENOMEM, "no memory for", options->folder);
    const struct load_report to = { .report = report, .context = context, .began_ns = units_now_mono_ns() };
    int rc = check_options(options, tape, error);
    if (rc == 0) {
        (void)snprintf(tape->folder, sizeof tape->folder, "%s", options->folder);
        (void)snprintf(tape->node, sizeof tape->node, "%s", options->node);
        tape->segment_blocks = box_segment_blocks(tape->segment_size);
        tape->index_size = box_index_size(tape->segment_blocks);
        rc = begin(tape, options, error);
    }
    if (rc == 0) {
        rc = load_segments(tape, &to);
        if (rc < 0)
            rc = fail(error, rc, "cannot read the segments in", options->folder);
    }
    if (rc == 0)
        rc = fit(tape, &to, error);
    if (rc == 0) {
        rc = disk_kind_try(tape->segments_fd, !options->force_writer_thread, &tape->disk_kind);
        if (rc < 0)
            rc = fail(error, rc, "cannot write in", options->folder);
    }
    if (rc == 0) {
        rc = sealer_start(tape);
        if (rc < 0)
            rc = fail(error, rc, "no thread for", options->folder);
    }
    if (rc < 0) {
        tape_close(tape);
        return rc;
    }
    *ret = tape;
    return 0;
}

void tape_close(struct tape *tape)
{
    if (!tape)
        return;
    bool was_open = tape->sealer_started;
    sealer_stop(tape);
    if (was_open) {
        for (size_t i = 0; i < tape->catalogue.count; i++)
            if (tape->cursor.recorded_ns < catalogue_at(&tape->catalogue, i)->closed_ns)
                tape->cursor.recorded_ns = catalogue_at(&tape->catalogue, i)->closed_ns;
        (void)cursor_save(tape->folder_fd, &tape->cursor);
    }
    catalogue_free(&tape->catalogue);
    leases_free(&tape->leases);
    (void)pthread_cond_destroy(&tape->changed);
    (void)pthread_mutex_destroy(&tape->lock);
    int *const fds[] = { &tape->segments_fd, &tape->id_fd, &tape->folder_fd };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
    free(tape);
}
