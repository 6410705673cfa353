#include "services/dissector/live/tape_feed.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "mem/cleanup.h"
#include "units/units.h"

#define ID_BYTES 16u                    /* hex digits of tape.id */

struct place { uint32_t lane; bool known; uint64_t next; };     /* next: the sequence that comes now */
struct tape_feed { char folder[TAPE_FEED_PATH_MAX - 256]; struct place lanes[TAPE_FEED_LANES_MAX]; uint32_t lanes_count; uint64_t recycled; bool began; char id[ID_BYTES]; /* of the tape; zeros: not known yet */ };

int tape_feed_new(const char *tape, struct tape_feed **ret)
{
    struct tape_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return -ENOMEM;
    if ((size_t)snprintf(feed->folder, sizeof feed->folder, "%s/segments", tape) >= sizeof feed->folder) {
        free(feed);
        return -ENAMETOOLONG;
    }
    *ret = feed;
    return 0;
}

void tape_feed_free(struct tape_feed *feed) { free(feed); }
uint64_t tape_feed_recycled(const struct tape_feed *feed) { return feed->recycled; }
void tape_feed_missed(struct tape_feed *feed) { feed->recycled++; }

static struct place *place_of(struct tape_feed *feed, uint32_t lane)
{
    for (uint32_t i = 0; i < feed->lanes_count; i++)
        if (feed->lanes[i].lane == lane)
            return &feed->lanes[i];
    if (feed->lanes_count == TAPE_FEED_LANES_MAX)
        return NULL;
    feed->lanes[feed->lanes_count] = (struct place){ .lane = lane };
    return &feed->lanes[feed->lanes_count++];
}

/* Sequences begin anew with a tape, as where somebody emptied its folder: all of the new one is read. */
static void follow_tape(struct tape_feed *feed)
{
    char path[TAPE_FEED_PATH_MAX], id[ID_BYTES];
    (void)snprintf(path, sizeof path, "%s/../tape.id", feed->folder);
    mem_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, id, sizeof id) != (ssize_t)sizeof id || memcmp(id, feed->id, sizeof id) == 0)
        return;
    if (feed->id[0])
        feed->lanes_count = 0;
    memcpy(feed->id, id, sizeof id);
}

/* Every lane's least sequence that is not behind its place, or (skip) the places behind all there is. */
struct look { uint32_t lane; uint64_t sequence; bool found; char name[SEGMENT_FILE_NAME_MAX]; };

static int look_around(struct tape_feed *feed, struct look looks[static TAPE_FEED_LANES_MAX])
{
    DIR *dir = opendir(feed->folder);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    for (struct dirent *entry; (entry = readdir(dir));) {
        uint32_t lane;
        uint64_t sequence;
        struct place *place = segment_file_name_parse(entry->d_name, &lane, &sequence) == 0 ? place_of(feed, lane) : NULL;
        if (!place)
            continue;
        struct look *look = &looks[place - feed->lanes];
        if (!feed->began && sequence >= place->next) {
            place->next = sequence + 1;
            place->known = true;
        } else if (feed->began && (!place->known || sequence >= place->next) && (!look->found || sequence < look->sequence)) {
            *look = (struct look){ .lane = lane, .sequence = sequence, .found = true };
            (void)snprintf(look->name, sizeof look->name, "%.63s", entry->d_name);
        }
    }
    closedir(dir);
    return 0;
}

/* -ENOENT: recycled in this moment, or its index is. */
static int fill(const struct tape_feed *feed, const struct look *look, struct tape_segment *ret)
{
    char index_path[TAPE_FEED_PATH_MAX + 8];
    uint8_t head[SEGMENT_INDEX_HEADER_BYTES + SEGMENT_INDEX_RECORD_BYTES_MAX];
    struct stat status;
    struct segment_record record;
    (void)snprintf(ret->path, sizeof ret->path, "%s/%s", feed->folder, look->name);
    (void)snprintf(index_path, sizeof index_path, "%s.idx", ret->path);
    mem_auto_close int fd = open(index_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || stat(ret->path, &status) < 0)
        return -errno;
    ssize_t got = read(fd, head, sizeof head);
    if (got <= SEGMENT_INDEX_HEADER_BYTES || !segment_index_is_header(head) || segment_index_get(head + SEGMENT_INDEX_HEADER_BYTES, (size_t)got - SEGMENT_INDEX_HEADER_BYTES, &record) <= 0 ||
        record.type != SEGMENT_RECORD_IDENTITY)
        return -EBADMSG;
    segment_id_format(&record.identity, ret->id);
    ret->lane = look->lane;
    ret->sequence = look->sequence;
    ret->bytes = (uint64_t)status.st_size;
    ret->sealed_ns = (int64_t)status.st_mtim.tv_sec * UNITS_NS_PER_S + status.st_mtim.tv_nsec;
    return 0;
}

int tape_feed_next(struct tape_feed *feed, struct tape_segment *ret)
{
    struct look looks[TAPE_FEED_LANES_MAX] = { 0 };
    struct tape_segment segment;
    bool found = false;
    follow_tape(feed);
    int r = look_around(feed, looks);
    bool first_look = !feed->began;
    feed->began = true;
    if (r < 0 || first_look)
        return r;
    for (uint32_t i = 0; i < feed->lanes_count; i++) {
        struct place *place = &feed->lanes[i];
        if (!looks[i].found)
            continue;
        if (place->known && looks[i].sequence > place->next) {
            feed->recycled += looks[i].sequence - place->next;
            place->next = looks[i].sequence;
        }
        if (fill(feed, &looks[i], &segment) < 0) { /* gone, or no segment at all: not looked at again */
            feed->recycled++;
            place->next = looks[i].sequence + 1;
            place->known = true;
        } else if (!found || segment.sealed_ns < ret->sealed_ns) {
            *ret = segment;
            found = true;
        }
    }
    if (found) {
        struct place *place = place_of(feed, ret->lane);
        place->next = ret->sequence + 1;
        place->known = true;
    }
    return found;
}
