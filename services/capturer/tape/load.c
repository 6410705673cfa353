#include "services/capturer/tape/load.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capfile/segment_salvage.h"
#include "mem/cleanup.h"
#include "services/capturer/tape/box.h"
#include "units/units.h"

#define SENTENCE_BYTES 256
#define STAT_BLOCK_BYTES 512u
#define REPORT_AFTER_NS (INT64_C(2) * UNITS_NS_PER_S)

/* A pair of files as found. */
struct found { uint32_t lane; uint64_t sequence; bool segment, index, hidden_segment, hidden_index; };
struct start { struct tape *tape; const struct load_report *report; struct found *found; size_t count, room, done; };

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

static void tell(const struct start *start, const char *what, bool now)
{
    const struct load_report *to = start->report;
    if (to->report && (now || units_now_mono_ns() - to->began_ns > REPORT_AFTER_NS))
        to->report(to->context, what, start->done, start->count);
}

void load_tell(const struct load_report *report, const char *what)
{
    if (report->report)
        report->report(report->context, what, 0, 0);
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
    char text[SENTENCE_BYTES];
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
    return rc;
}

int load_segments(struct tape *tape, const struct load_report *report)
{
    struct start start = { .tape = tape, .report = report };
    int rc = load(&start);
    free(start.found);
    return rc;
}
