#include "services/dissector/live/shelf.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "files/folders.h"

#define NAME "calls-%07u.sqlite"
#define HIDDEN ".writing-" /* before the name, of all files that belong to it */

struct shelf {
    pthread_mutex_t lock;
    char folder[SHELF_PATH_MAX - 512];
    uint64_t size;
    struct shelf_status status;
    uint64_t *bytes; uint32_t bytes_room; /* of each number from status.first on; 0: it is not there */
};

/* 0: none of ours. Part files have the same beginning. */
static uint32_t number_of(const char *name)
{
    unsigned number = 0;
    return sscanf(name, "calls-%7u.sqlite", &number) == 1 && strstr(name, ".sqlite") && number <= SHELF_NUMBER_MAX ? number : 0;
}

/* Lock held. */
static int note(struct shelf *s, uint32_t number, uint64_t bytes)
{
    uint32_t at = number - s->status.first;
    if (at >= s->bytes_room) {
        uint32_t room = at + 64;
        uint64_t *grown = realloc(s->bytes, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        memset(grown + s->bytes_room, 0, (room - s->bytes_room) * sizeof *grown);
        s->bytes = grown;
        s->bytes_room = room;
    }
    s->status.files += s->bytes[at] == 0;
    s->bytes[at] += bytes ? bytes : 1;
    s->status.bytes += bytes;
    if (number > s->status.last)
        s->status.last = number;
    return 0;
}

static int each(struct shelf *s, int (*found)(struct shelf *s, const char *name, uint64_t bytes, uint32_t argument), uint32_t argument)
{
    DIR *dir = opendir(s->folder);
    if (!dir)
        return -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        struct stat status;
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            r = found(s, entry->d_name, (uint64_t)status.st_size, argument);
    }
    closedir(dir);
    return r;
}

static int drop(struct shelf *s, const char *name)
{
    char path[SHELF_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%.400s", s->folder, name);
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int find_first(struct shelf *s, const char *name, uint64_t bytes, uint32_t argument)
{
    (void)bytes, (void)argument;
    if (strncmp(name, HIDDEN, sizeof HIDDEN - 1) == 0 || strncmp(name, "." HIDDEN, sizeof HIDDEN) == 0) /* the second: while the output wrote it (output/publish.h) */
        return drop(s, name);
    uint32_t number = number_of(name);
    if (number && (s->status.first == 0 || number < s->status.first))
        s->status.first = number;
    return 0;
}

static int count_in(struct shelf *s, const char *name, uint64_t bytes, uint32_t argument)
{
    (void)argument;
    uint32_t number = number_of(name);
    return number ? note(s, number, bytes) : 0;
}

static int drop_numbered(struct shelf *s, const char *name, uint64_t bytes, uint32_t argument)
{
    (void)bytes;
    return number_of(name) == argument ? drop(s, name) : 0;
}

/* Lock held. The newest stays, however large. */
static int make_room(struct shelf *s)
{
    int r = 0;
    while (r == 0 && s->status.files > 1 && (s->status.bytes > s->size || s->status.files > SHELF_FILES_MAX)) {
        if (s->bytes[0]) {
            r = each(s, drop_numbered, s->status.first);
            s->status.bytes -= s->bytes[0] < s->status.bytes ? s->bytes[0] : s->status.bytes;
            s->status.files--;
        }
        s->status.first++;
        memmove(s->bytes, s->bytes + 1, (--s->bytes_room) * sizeof *s->bytes);
    }
    return r;
}

int shelf_open(const char *folder, uint64_t size, struct shelf **ret)
{
    struct shelf *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->size = size;
    int r = (size_t)snprintf(s->folder, sizeof s->folder, "%s", folder) < sizeof s->folder ? folders_make(AT_FDCWD, folder, 0750) : -ENAMETOOLONG;
    if (r == 0)
        r = each(s, find_first, 0);
    if (r == 0 && s->status.first)
        r = each(s, count_in, 0);
    if (r == 0)
        r = make_room(s);
    if (r < 0) {
        shelf_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void shelf_close(struct shelf *s)
{
    if (!s)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    free(s->bytes);
    free(s);
}

const char *shelf_folder(const struct shelf *s) { return s->folder; }

void shelf_next(const struct shelf *s, char path[static SHELF_PATH_MAX])
{
    (void)snprintf(path, SHELF_PATH_MAX, "%s/" HIDDEN NAME, s->folder, s->status.last + 1);
}

/* Part files first: whoever finds the first file finds them all. */
static int show_parts(struct shelf *s, const char *name, uint64_t bytes, uint32_t argument)
{
    char from[SHELF_PATH_MAX], to[SHELF_PATH_MAX], first[64];
    (void)snprintf(first, sizeof first, HIDDEN NAME, argument);
    if (strncmp(name, first, strlen(first)) != 0 || strcmp(name, first) == 0)
        return 0;
    (void)snprintf(from, sizeof from, "%s/%.400s", s->folder, name);
    (void)snprintf(to, sizeof to, "%s/%.400s", s->folder, name + sizeof HIDDEN - 1);
    return rename(from, to) < 0 ? -errno : note(s, argument, bytes);
}

int shelf_add(struct shelf *s)
{
    char from[SHELF_PATH_MAX], to[SHELF_PATH_MAX];
    struct stat status;
    (void)pthread_mutex_lock(&s->lock);
    uint32_t number = s->status.last + 1;
    if (s->status.first == 0)
        s->status.first = number;
    shelf_next(s, from);
    (void)snprintf(to, sizeof to, "%s/" NAME, s->folder, number);
    int r = number > SHELF_NUMBER_MAX ? -EOVERFLOW : stat(from, &status) < 0 ? -errno : 0;
    if (r == 0)
        r = each(s, show_parts, number);
    if (r == 0 && rename(from, to) < 0)
        r = -errno;
    if (r == 0)
        r = note(s, number, (uint64_t)status.st_size);
    if (r == 0)
        r = make_room(s);
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

bool shelf_find(struct shelf *s, uint32_t from, uint32_t *ret_number, char path[static SHELF_PATH_MAX])
{
    bool found = false;
    (void)pthread_mutex_lock(&s->lock);
    uint32_t number = from > s->status.first ? from : s->status.first;
    for (; number && number <= s->status.last && !found; number++)
        if (s->bytes[number - s->status.first]) {
            found = true;
            *ret_number = number;
            (void)snprintf(path, SHELF_PATH_MAX, "%s/" NAME, s->folder, number);
        }
    (void)pthread_mutex_unlock(&s->lock);
    return found;
}

void shelf_status(struct shelf *s, struct shelf_status *ret)
{
    (void)pthread_mutex_lock(&s->lock);
    *ret = s->status;
    (void)pthread_mutex_unlock(&s->lock);
}
