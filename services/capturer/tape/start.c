/* Opening a tape: its identity and lock, what is on it, what a kill left behind. See tape.h.
 *
 * What a kill can leave, and what becomes of it: two hidden files: salvaged and published. A visible index with a hidden segment (killed between the renames): the index is hidden again, then the same. A visible
 * index alone (killed between the removals) or a hidden file alone: removed. A visible segment whose index does not check: removed and said, for nothing can be found or checked in it. What only
 * cannot be read now (an error of the disk, no descriptors, no room) is left as it is for the next start. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capfile/segment_salvage.h"
#include "files/folders.h"
#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "services/capturer/tape/sealer.h"
#include "units/units.h"

#define ERROR_BYTES 256
#define ID_TEXT_BYTES 17u                        /* 16 hex digits and a newline */
#define STAT_BLOCK_BYTES 512u
#define REPORT_AFTER_NS (INT64_C(2) * UNITS_NS_PER_S)

/* A pair of files as found. */
struct found { uint32_t lane; uint64_t sequence; bool segment, index, hidden_segment, hidden_index; };
struct start {
    struct tape *tape;
    struct found *found; size_t count, room, done;
    void (*report)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
    int64_t began_ns;
    char *error;
};

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

static int add_found(struct start *start, const struct found *found)
{
    if (start->count == start->room) {
        size_t room = start->room ? start->room * 2 : 256;
        struct found *grown = realloc(start->found, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        start->found = grown;
        start->room = room;
    }
    start->found[start->count++] = *found;
    return 0;
}

static int note_file(struct start *start, const char *name)
{
    char plain[SEGMENT_FILE_NAME_MAX];
    bool hidden = name[0] == '.';
    size_t size = strlen(name + hidden);
    bool index = size > 4 && strcmp(name + hidden + size - 4, ".idx") == 0;
    uint32_t lane;
    uint64_t sequence;
    if (size >= sizeof plain)
        return 0;
    (void)snprintf(plain, sizeof plain, "%.*s", (int)(index ? size - 4 : size), name + hidden);
    if (segment_file_name_parse(plain, &lane, &sequence) < 0 || lane >= LANES_MAX)
        return 0;                                /* not ours: leave it alone */
    return add_found(start, &(struct found){ .lane = lane, .sequence = sequence, .segment = !hidden && !index, .index = !hidden && index, .hidden_segment = hidden && !index,
                                             .hidden_index = hidden && index });
}

static int found_compare(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->sequence != y->sequence)
        return x->sequence < y->sequence ? -1 : 1;
    return (x->lane > y->lane) - (x->lane < y->lane);
}

/* One entry per segment instead of one per file. */
static void merge_found(struct start *start)
{
    size_t count = 0;
    if (start->count == 0)
        return;
    qsort(start->found, start->count, sizeof *start->found, found_compare);
    for (size_t i = 0; i < start->count; i++) {
        const struct found *from = &start->found[i];
        if (count == 0 || found_compare(&start->found[count - 1], from) != 0) {
            start->found[count++] = *from;
            continue;
        }
        struct found *to = &start->found[count - 1];
        to->segment |= from->segment;
        to->index |= from->index;
        to->hidden_segment |= from->hidden_segment;
        to->hidden_index |= from->hidden_index;
    }
    start->count = count;
}

static int list_files(struct start *start)
{
    int fd = dup(start->tape->segments_fd);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        int rc = -errno;
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    rewinddir(folder);
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(folder));)
        rc = note_file(start, entry->d_name);
    (void)closedir(folder);
    merge_found(start);
    return rc;
}

struct names { char segment[SEGMENT_FILE_NAME_MAX], index[SEGMENT_FILE_NAME_MAX + 8], hidden_segment[SEGMENT_FILE_NAME_MAX + 8], hidden_index[SEGMENT_FILE_NAME_MAX + 8]; };
static void names_of(const struct found *found, struct names *names)
{
    segment_file_name(found->lane, found->sequence, names->segment);
    (void)snprintf(names->index, sizeof names->index, "%s.idx", names->segment);
    (void)snprintf(names->hidden_segment, sizeof names->hidden_segment, ".%s", names->segment);
    (void)snprintf(names->hidden_index, sizeof names->hidden_index, ".%s.idx", names->segment);
}

static void remove_name(struct tape *tape, const char *name)
{
    (void)unlinkat(tape->segments_fd, name, 0);
}

static void tell(struct start *start, const char *what, bool now)
{
    if (start->report && (now || units_now_mono_ns() - start->began_ns > REPORT_AFTER_NS))
        start->report(start->context, what, start->done, start->count);
}

/* A sealed pair into the catalogue. -errno: its index does not do. */
static int enter(struct tape *tape, const struct names *names, const struct segment_index *index)
{
    mem_auto_close int fd = openat(tape->segments_fd, names->segment, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    mem_auto_close int index_fd = openat(tape->segments_fd, names->index, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status, index_status;
    if (fd < 0 || index_fd < 0 || fstat(fd, &status) < 0 || fstat(index_fd, &index_status) < 0)
        return -errno;
    if (!index->sealed || index->seal.size != (uint64_t)status.st_size)
        return -EBADMSG;
    struct catalogue_entry entry = { 0 };
    catalogue_entry_fill(&entry, index, (uint64_t)index_status.st_size);
    uint64_t segment_bytes, index_bytes;
    int rc = box_file_bytes(fd, &segment_bytes);
    if (rc == 0)
        rc = box_file_bytes(index_fd, &index_bytes);
    if (rc < 0)
        return rc;
    entry.charge = segment_bytes + index_bytes;
    rc = catalogue_add(&tape->catalogue, &entry);
    if (rc < 0)
        return rc;
    tape->box_used += entry.charge;
    if (tape->next_ordinal <= entry.segment.ordinal)
        tape->next_ordinal = entry.segment.ordinal + 1;
    if (tape->cursor.recorded_ns < entry.closed_ns)
        tape->cursor.recorded_ns = entry.closed_ns;
    return 0;
}

static void tell_of(struct start *start, const struct names *names, const char *what, int rc)
{
    char text[ERROR_BYTES];
    (void)snprintf(text, sizeof text, "segment %s %s: %s", names->segment, what, strerror(-rc));
    tell(start, text, true);
}

/* The disk or this process failed, not the files: they stay as they are for the next start, and keep their room in the box. */
static void keep_for_later(struct start *start, const struct names *names, int rc)
{
    const char *const each[] = { names->segment, names->index, names->hidden_segment, names->hidden_index };
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        struct stat status;
        if (fstatat(start->tape->segments_fd, each[i], &status, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        uint64_t blocks = (uint64_t)status.st_blocks * STAT_BLOCK_BYTES, length = (uint64_t)status.st_size;
        start->tape->box_used += blocks > length ? blocks : length;
    }
    tell_of(start, names, "cannot be read or mended now and is left for the next start", rc);
}

static int load_sealed(struct start *start, const struct found *found)
{
    struct tape *tape = start->tape;
    struct names names;
    names_of(found, &names);
    char path[TAPE_PATH_BYTES_MAX + sizeof names.index + 16];
    (void)snprintf(path, sizeof path, "%s/segments/%s", tape->folder, names.index);
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int rc = segment_index_load(path, &index);
    if (rc == 0)
        rc = enter(tape, &names, index);
    if (rc == -EBADMSG || rc == -E2BIG || rc == -EEXIST) {
        tell_of(start, &names, "is damaged and was removed", rc);
        remove_name(tape, names.segment);
        remove_name(tape, names.index);
        return 0;
    }
    if (rc < 0 && rc != -ENOMEM) {
        keep_for_later(start, &names, rc);
        return 0;
    }
    return rc;
}

static int publish(struct tape *tape, const struct names *names)
{
    if (renameat(tape->segments_fd, names->hidden_index, tape->segments_fd, names->index) < 0 || renameat(tape->segments_fd, names->hidden_segment, tape->segments_fd, names->segment) < 0 ||
        fsync(tape->segments_fd) < 0)
        return -errno;
    return 0;
}

static int salvage(struct start *start, const struct found *found)
{
    struct tape *tape = start->tape;
    struct tape_events events = { .count = 0 };
    struct names names;
    names_of(found, &names);
    MEM_CLEANUP(segment_index_free_p) struct segment_index *index = NULL;
    int rc;
    do                                           /* somebody else has filled the disk: a seal record needs a little room */
        rc = segment_salvage(tape->segments_fd, names.hidden_segment, tape->next_ordinal, &index);
    while ((rc == -ENOSPC || rc == -EDQUOT) && box_recycle_oldest(tape, &events) == 0);
    if (rc == -ENODATA || rc == -EBADMSG) {      /* no packet of it had come to the disk; or nobody can tell what did */
        if (rc == -EBADMSG)
            tell_of(start, &names, "is damaged and was removed", rc);
        remove_name(tape, names.hidden_segment);
        remove_name(tape, names.hidden_index);
        return 0;
    }
    if (rc == 0)
        rc = publish(tape, &names);
    if (rc == 0)
        rc = enter(tape, &names, index);
    if (rc < 0 && rc != -ENOMEM) {
        keep_for_later(start, &names, rc);
        return 0;
    }
    return rc;
}

/* Half pairs first, so that what is left is whole or torn. */
static int mend(struct tape *tape, struct found *found)
{
    struct names names;
    names_of(found, &names);
    if (found->index && !found->segment && found->hidden_segment) {
        if (renameat(tape->segments_fd, names.index, tape->segments_fd, names.hidden_index) < 0)
            return -errno;
        found->index = false;
        found->hidden_index = true;
    }
    if (found->hidden_segment != found->hidden_index || found->segment) {
        remove_name(tape, names.hidden_segment);
        remove_name(tape, names.hidden_index);
        found->hidden_segment = found->hidden_index = false;
    }
    if (found->index != found->segment) {
        remove_name(tape, names.segment);
        remove_name(tape, names.index);
        found->index = found->segment = false;
    }
    if (tape->next_sequence[found->lane] <= found->sequence)
        tape->next_sequence[found->lane] = found->sequence + 1;
    return 0;
}

static int load(struct start *start)
{
    struct tape *tape = start->tape;
    int rc = list_files(start);
    for (size_t i = 0; i < start->count && rc == 0; i++)
        rc = mend(tape, &start->found[i]);
    for (size_t i = 0; i < start->count && rc == 0; i++, start->done++) {
        tell(start, "reading the catalogue", false);
        if (start->found[i].segment)
            rc = load_sealed(start, &start->found[i]);
    }
    leases_apply(&tape->leases, &tape->catalogue); /* salvage may have to recycle */
    start->done = 0;
    for (size_t i = 0; i < start->count && rc == 0; i++, start->done++) {
        tell(start, "salvaging torn segments", false);
        if (start->found[i].hidden_segment)
            rc = salvage(start, &start->found[i]);
    }
    return rc < 0 ? fail(start->error, rc, "cannot read the segments in", tape->folder) : 0;
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
static void give_up_leases(struct start *start)
{
    struct tape *tape = start->tape;
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
    tell(start, "leases were given up, because the storage size is smaller than what they hold", true);
}

static int fit(struct start *start)
{
    struct tape *tape = start->tape;
    struct tape_events events = { .count = 0 };  /* nobody listens yet: the low-water mark tells it */
    leases_expire(&tape->leases, tape->started_ns);
    leases_apply(&tape->leases, &tape->catalogue);
    give_up_leases(start);
    int rc = box_make_room(tape, box_segment_charge(tape) * tape->lanes, &events);
    if (rc < 0)
        return fail(start->error, rc, "cannot remove old segments in", tape->folder);
    if (tape->cursor.recorded_ns != 0 && tape->cursor.recorded_ns < tape->started_ns)
        cursor_add_gap(&tape->cursor, tape->cursor.recorded_ns, tape->started_ns);
    rc = cursor_save(tape->folder_fd, &tape->cursor);
    return rc < 0 ? fail(start->error, rc, "cannot write in", tape->folder) : 0;
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
    struct start start = { .tape = tape, .report = report, .context = context, .began_ns = units_now_mono_ns(), .error = error };
    int rc = check_options(options, tape, error);
    if (rc == 0) {
        (void)snprintf(tape->folder, sizeof tape->folder, "%s", options->folder);
        (void)snprintf(tape->node, sizeof tape->node, "%s", options->node);
        tape->segment_blocks = box_segment_blocks(tape->segment_size);
        tape->index_size = box_index_size(tape->segment_blocks);
        rc = begin(tape, options, error);
    }
    if (rc == 0)
        rc = load(&start);
    if (rc == 0)
        rc = fit(&start);
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
    free(start.found);
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
