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
struct tape_folder_file { char name[80]; uint64_t length, blocks; }; /* name: without the dot that hides it; inodes are used again at once */
#define TAPE_FOLDER_FILES_MAX 1024
static inline size_t tape_folder_list(const char *folder, struct tape_folder_file *files)
{
    size_t count = 0;
    const char *const parts[] = { "/segments", "" };
    for (size_t i = 0; i < 2; i++) {
        char path[TAPE_FOLDER_MAX + 16];
        snprintf(path, sizeof path, "%s%s", folder, parts[i]);
        DIR *d = opendir(path);
        struct stat s;
        for (struct dirent *e; d && (e = readdir(d));)
            if (e->d_type == DT_REG && count < TAPE_FOLDER_FILES_MAX && fstatat(dirfd(d), e->d_name, &s, 0) == 0) {
                struct tape_folder_file *file = &files[count++];
                snprintf(file->name, sizeof file->name, "%.79s", e->d_name + (e->d_name[0] == '.'));
                file->length = (uint64_t)s.st_size;
                file->blocks = (uint64_t)s.st_blocks * 512;
            }
        if (d)
            closedir(d);
    }
    return count;
}
/* What all files take, by length or by blocks, whichever is more: at one instant at least, which is what the box is about. So it looks twice and counts the lesser of both sizes of those that were there both times: a file
 * that goes while another comes is not counted with it. */
static inline uint64_t tape_folder_bytes(const char *folder)
{
    static struct tape_folder_file first[TAPE_FOLDER_FILES_MAX], second[TAPE_FOLDER_FILES_MAX];
    size_t first_count = tape_folder_list(folder, first), second_count = tape_folder_list(folder, second);
    uint64_t length = 0, blocks = 0;
    for (size_t i = 0; i < first_count; i++)
        for (size_t k = 0; k < second_count; k++)
            if (strcmp(first[i].name, second[k].name) == 0) {
                length += first[i].length < second[k].length ? first[i].length : second[k].length;
                blocks += first[i].blocks < second[k].blocks ? first[i].blocks : second[k].blocks;
                break;
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
