#include "services/dissector/jobs/workplace.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "files/folders.h"
#include "json/json.h"
#include "mem/cleanup.h"
#include "store/tree.h"

#define PROBE_BYTES 4096 /* a block of most file systems: as much as an item's file takes */
#define REMOVE_TRIES_MAX 5 /* each but the first is for files that were being opened in the microseconds of the one before */

int workplace_find(const struct store *store, const char *snapshot, const char *name, uint64_t sequence, bool make, struct workplace *ret)
{
    if (strlen(snapshot) > STORE_NAME_MAX || strlen(name) > STORE_NAME_MAX)
        return -ENAMETOOLONG;
    ret->sequence = sequence;
    snprintf(ret->snapshot, sizeof ret->snapshot, "%s", snapshot);
    snprintf(ret->name, sizeof ret->name, "%s", name);
    snprintf(ret->key, sizeof ret->key, "%s/%s", snapshot, name);
    if (store->driver->folder(store->state, snapshot, ret->snapshot_folder) < 0)
        ret->snapshot_folder[0] = '\0';
    ret->annex[0] = ret->work[0] = ret->published[0] = '\0';
    int r = store->driver->annex(store->state, snapshot, make, ret->annex);
    if (r < 0)
        return r;
    snprintf(ret->work, sizeof ret->work, "%s/.%s.%" PRIu64, ret->annex, name, sequence);
    snprintf(ret->published, sizeof ret->published, "%s/%s", ret->annex, name);
    return 0;
}

void workplace_path(const struct workplace *place, const char *file, char path[static WORKPLACE_PATH_MAX])
{
    if ((size_t)snprintf(path, WORKPLACE_PATH_MAX, "%s/%s", place->work, file) >= WORKPLACE_PATH_MAX)
        path[0] = '\0'; /* opens nothing: names longer than these cannot be made in the first place */
}

int workplace_make(const struct workplace *place)
{
    char path[WORKPLACE_PATH_MAX];
    workplace_path(place, WORKPLACE_RESULT, path);
    return folders_make(AT_FDCWD, path, 0755);
}

int workplace_probe(const struct workplace *place)
{
    char path[WORKPLACE_PATH_MAX];
    static const char block[PROBE_BYTES];
    workplace_path(place, "probe.json", path);
    int r = json_write_text(path, block, sizeof block, 0644);
    if (r == 0)
        (void)unlink(path);
    return r;
}

bool workplace_is_published(const struct workplace *place)
{
    char path[WORKPLACE_PATH_MAX + sizeof WORKPLACE_MANIFEST + 1];
    if (!place->published[0])
        return false;
    snprintf(path, sizeof path, "%s/" WORKPLACE_MANIFEST, place->published);
    return access(path, F_OK) == 0;
}

/* *ret_folder is the folder's descriptor. */
static int seal_files(const char *path, int *ret_folder)
{
    mem_auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(dup(fd));
    if (!dir)
        return -errno;
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        mem_auto_close int file = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        r = file < 0 || fchmod(file, 0444) < 0 || fsync(file) < 0 ? -errno : 0;
    }
    closedir(dir);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0)
        *ret_folder = mem_take_fd(fd);
    return r;
}

int workplace_publish(const struct workplace *place)
{
    char path[WORKPLACE_PATH_MAX];
    mem_auto_close int fd = -1;
    workplace_path(place, WORKPLACE_RESULT, path);
    int r = seal_files(path, &fd);
    if (r < 0)
        return r;
    r = renameat2(AT_FDCWD, path, AT_FDCWD, place->published, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (r == -EINVAL || r == -ENOSYS) /* a file system without it (NFS): rename refuses to replace a folder that is not empty, and ours never is */
        r = rename(path, place->published) < 0 ? -errno : 0;
    if (r < 0)
        return r == -ENOTEMPTY ? -EEXIST : r;
    mem_auto_close int annex = open(place->annex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return annex < 0 || fsync(annex) < 0 ? -errno : 0;
}

/* Under another name first: at once gone for its readers, and nothing more is written into it by those who still work there. */
static int remove_once(int annex, const struct workplace *place, const char *name)
{
    char hidden[STORE_NAME_MAX + 16];
    snprintf(hidden, sizeof hidden, ".%s.0", place->name); /* as of a request that there never is: swept away if we die now */
    int r = tree_remove(annex, hidden);
    if (r < 0)
        return r;
    return renameat(annex, name, annex, hidden) < 0 ? -errno : tree_remove(annex, hidden);
}

/* Again where a file came between, of one who had just opened it. */
static int remove_from_annex(const struct workplace *place, const char *name)
{
    mem_auto_close int annex = open(place->annex, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (annex < 0)
        return -errno;
    int r = remove_once(annex, place, name);
    for (int tries = 1; tries < REMOVE_TRIES_MAX && (r == -ENOTEMPTY || r == -EEXIST); tries++) {
        r = remove_once(annex, place, name);
        r = r == -ENOENT ? 0 : r; /* it had its other name already */
    }
    return r;
}

int workplace_clear(const struct workplace *place)
{
    char name[STORE_NAME_MAX + 32];
    if (!place->annex[0])
        return 0;
    snprintf(name, sizeof name, ".%s.%" PRIu64, place->name, place->sequence);
    int r = remove_from_annex(place, name);
    return r == -ENOENT ? 0 : r;
}

int workplace_remove(const struct workplace *place)
{
    return remove_from_annex(place, place->name);
}

struct walk {
    const struct store *store;
    int (*found)(void *context, const char *snapshot, const char *name, uint64_t sequence);
    void *context;
};

/* ".<name>.<sequence>" */
static int walk_entry(const struct walk *walk, const char *snapshot, const char *entry)
{
    char name[STORE_NAME_MAX + 1], *end = NULL;
    const char *dot = strrchr(entry, '.');
    if (entry[0] != '.' || dot <= entry + 1 || dot[1] == '\0' || (size_t)(dot - entry - 1) >= sizeof name)
        return 0;
    uint64_t sequence = strtoull(dot + 1, &end, 10);
    if (*end)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)(dot - entry - 1), entry + 1);
    return walk->found(walk->context, snapshot, name, sequence);
}

static int walk_snapshot(void *context, const char *snapshot)
{
    const struct walk *walk = context;
    char annex[STORE_LOCATION_MAX];
    struct dirent **entries = NULL;
    if (walk->store->driver->annex(walk->store->state, snapshot, false, annex) < 0)
        return 0;
    int count = scandir(annex, &entries, NULL, alphasort), r = 0;
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = walk_entry(walk, snapshot, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}

int workplace_each(const struct store *store, int (*found)(void *context, const char *snapshot, const char *name, uint64_t sequence), void *context)
{
    struct walk walk = { .store = store, .found = found, .context = context };
    return store->driver->each(store->state, walk_snapshot, &walk);
}

int workplace_each_published(const struct store *store, const char *snapshot, int (*found)(void *context, const char *snapshot, const char *name), void *context)
{
    char annex[STORE_LOCATION_MAX], path[STORE_LOCATION_MAX + 512];
    struct dirent **entries = NULL;
    if (store->driver->annex(store->state, snapshot, false, annex) < 0)
        return 0;
    int count = scandir(annex, &entries, NULL, alphasort), r = 0;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s/" WORKPLACE_MANIFEST, annex, entries[i]->d_name);
        if (r == 0 && entries[i]->d_name[0] != '.' && access(path, F_OK) == 0)
            r = found(context, snapshot, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}
