/* A tape's folder in a test: making, summing, verifying and removing it. */
#ifndef TESTS_SUPPORT_TAPE_FOLDER_H
#define TESTS_SUPPORT_TAPE_FOLDER_H
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "capfile/segment_index.h"
#include "capfile/segment_verify.h"

#define TAPE_FOLDER_MAX 64
static inline void tape_folder_make_in(const char *parent, char *folder)
{
    snprintf(folder, TAPE_FOLDER_MAX, "%.40s/tape-XXXXXX", parent);
    if (!mkdtemp(folder))
        abort();
}
static inline void tape_folder_make(char *folder)
{
    const char *parent = getenv("TMPDIR");
    tape_folder_make_in(parent ? parent : "/var/tmp", folder);
}
static inline void tape_folder_remove(const char *folder)
{
    const char *const parts[] = { "/segments", "" };
    for (size_t i = 0; i < 2; i++) {
        char path[TAPE_FOLDER_MAX + 300];
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));) {
            snprintf(path, sizeof path, "%s%s/%s", folder, parts[i], e->d_name);
            if (e->d_type == DT_REG)
                unlink(path);
        }
        if (d)
            closedir(d);
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        rmdir(path);
    }
}
/* The greater of lengths and blocks of all files: what the box is about. A file that goes while this looks is counted or not. */
static inline uint64_t tape_folder_bytes(const char *folder)
{
    uint64_t length = 0, blocks = 0;
    const char *const parts[] = { "/segments", "" };
    for (size_t i = 0; i < 2; i++) {
        char path[TAPE_FOLDER_MAX + 16];
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        DIR *d = opendir(path);
        struct stat s;
        for (struct dirent *e; d && (e = readdir(d));)
            if (e->d_type == DT_REG && fstatat(dirfd(d), e->d_name, &s, 0) == 0) {
                length += (uint64_t)s.st_size;
                blocks += (uint64_t)s.st_blocks * 512;
            }
        if (d)
            closedir(d);
    }
    return length > blocks ? length : blocks;
}
struct tape_folder_sum { uint64_t segments, packets, canaries, hidden, orphans, dropped_disk, offered, bytes; int damages; };
static inline void tape_folder_damage(void *context, const struct segment_damage *damage)
{
    fprintf(stderr, "%s: at %lld: %s\n", (const char *)context, (long long)damage->offset, damage->problem);
}
static inline struct tape_folder_sum tape_folder_verify(const char *folder)
{
    struct tape_folder_sum sum = { 0 };
    char path[TAPE_FOLDER_MAX + 300];
    snprintf(path, sizeof path, "%s/segments", folder);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t size = strlen(e->d_name);
        if (e->d_name[0] == '.') {
            sum.hidden += e->d_type == DT_REG;
            continue;
        }
        struct stat s;
        if (size > 4 && strcmp(e->d_name + size - 4, ".idx") == 0) {
            snprintf(path, sizeof path, "%s/segments/%.*s", folder, (int)size - 4, e->d_name);
            sum.orphans += stat(path, &s) != 0;
            continue;
        }
        snprintf(path, sizeof path, "%s/segments/%s", folder, e->d_name);
        int damages = segment_file_verify(path, tape_folder_damage, path);
        sum.damages += damages < 0 ? 1 : damages;
        sum.bytes += stat(path, &s) == 0 ? (uint64_t)s.st_size : 0;
        snprintf(path, sizeof path, "%s/segments/%s.idx", folder, e->d_name);
        struct segment_index *index = NULL;
        if (segment_index_load(path, &index) < 0) {
            sum.orphans++;
            continue;
        }
        sum.segments++;
        for (size_t i = 0; i < index->blocks_count; i++) {
            sum.packets += index->blocks[i].packets;
            sum.canaries += index->blocks[i].canaries;
        }
        sum.dropped_disk += index->ledger.dropped_disk_packets;
        sum.offered += index->ledger.offered_packets;
        segment_index_free(index);
    }
    if (d)
        closedir(d);
    return sum;
}
#endif
