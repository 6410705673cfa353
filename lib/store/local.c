/* The store in a local (or network-mounted) folder. See store.h for its picture. */
#include "store/store.h"
#include "files/folders.h"
#include "mem/cleanup.h"
#include "store/tree.h"
#include "units/units.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define WORK_FOLDER ".work"
#define ANNEX_FOLDER ".dissections"
#define LOCK_SUFFIX ".lock"
#define ID_FILE ".store-id"
#define FLUSH_STRIDE_BYTES (8u * 1024 * 1024) /* write-back starts while we still pull: the fsync at the end is short */
#define LOCK_TRIES 20                         /* 1 s: a probe of another instance may hold our lock for a moment */

struct local {
    int fd, work_fd, lock_fd;
    bool read_only;
    char id[STORE_ID_TEXT_MAX], location[STORE_LOCATION_MAX], instance[STORE_INSTANCE_MAX + 1];
    atomic_uint removals;
};
struct store_work { struct local *local; int fd; char name[STORE_NAME_MAX + 1], folder[NAME_MAX + 1]; };
struct store_object { int fd, work_fd; uint64_t written, flushed; char path[STORE_PATH_MAX]; };

static bool name_is_plain(const char *name, size_t most)
{
    size_t length = strlen(name);
    return length > 0 && length <= most && name[0] != '.' && !strchr(name, '/');
}

/* The lock file at path, locked, and still the one that the name leads to. -EBUSY: somebody holds it. */
static int lock_take(int folder_fd, const char *name, int flags, int *ret_fd)
{
    mem_auto_close int fd = openat(folder_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    struct stat held, named;
    if (fstat(fd, &held) < 0 || fstatat(folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (held.st_ino != named.st_ino)
        return -EAGAIN; /* removed by a sweep between open and lock */
    *ret_fd = mem_take_fd(fd);
    return 0;
}

static int id_make(struct local *local)
{
    uint8_t random[16];
    char text[STORE_ID_TEXT_MAX + 1], temporary[STORE_INSTANCE_MAX + 32];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return -EIO;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(text + 2 * i, 3, "%02x", random[i]);
    snprintf(text + 32, 2, "\n");
    snprintf(temporary, sizeof temporary, ID_FILE ".%s", local->instance);
    mem_auto_close int fd = openat(local->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);
    if (fd < 0)
        return -errno;
    int r = 0;
    if (write(fd, text, 33) != 33 || fsync(fd) < 0)
        r = errno ? -errno : -EIO;
    else if (linkat(local->fd, temporary, local->fd, ID_FILE, 0) < 0 && errno != EEXIST)
        r = -errno; /* -EEXIST: another snapshotter made it in the same moment, and that one counts */
    (void)unlinkat(local->fd, temporary, 0);
    return r < 0 ? r : fsync(local->fd) < 0 ? -errno : 0;
}

static int id_read(struct local *local)
{
    char text[64] = "";
    mem_auto_close int fd = openat(local->fd, ID_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    ssize_t got = read(fd, text, sizeof text - 1);
    if (got < 0)
        return -errno;
    if (got != 33 || strspn(text, "0123456789abcdef") != 32)
        return -EBADMSG;
    memcpy(local->id, text, 32);
    return 0;
}

static void local_close(void *state)
{
    struct local *local = state;
    if (!local)
        return;
    if (local->lock_fd >= 0) {
        char name[STORE_INSTANCE_MAX + 16];
        snprintf(name, sizeof name, "%s" LOCK_SUFFIX, local->instance);
        (void)unlinkat(local->work_fd, name, 0);
        close(local->lock_fd);
    }
    if (local->work_fd >= 0)
        close(local->work_fd);
    if (local->fd >= 0)
        close(local->fd);
    free(local);
}
static void local_close_p(struct local **local)
{
    local_close(*local);
}

/* What our own instance name left behind when it was killed: we hold its lock, so nobody works there. */
static int own_debris_remove(struct local *local)
{
    int fd = openat(local->work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return -errno;
    char suffix[STORE_INSTANCE_MAX + 2];
    snprintf(suffix, sizeof suffix, ".%s", local->instance);
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name), tail = strlen(suffix);
        if (length > tail && strcmp(entry->d_name + length - tail, suffix) == 0)
            (void)tree_remove(local->work_fd, entry->d_name);
    }
    closedir(dir);
    return 0;
}

/* Folder for work, and the instance's lock in it. */
static int work_folder_open(struct local *local, char *error)
{
    char name[STORE_INSTANCE_MAX + 16];
    snprintf(name, sizeof name, "%s" LOCK_SUFFIX, local->instance);
    if (mkdirat(local->fd, WORK_FOLDER, 0755) < 0 && errno != EEXIST)
        goto failed;
    local->work_fd = openat(local->fd, WORK_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local->work_fd < 0)
        goto failed;
    int r = -EBUSY;
    for (int i = 0; i < LOCK_TRIES && (r == -EBUSY || r == -EAGAIN); i++) {
        if (i > 0)
            usleep(50 * 1000);
        r = lock_take(local->work_fd, name, O_CREAT, &local->lock_fd);
    }
    if (r == -EBUSY) {
        snprintf(error, STORE_ERROR_TEXT_MAX, "another program runs on %.300s as instance %s; give each its own --instance", local->location, local->instance);
        return r;
    }
    if (r == 0)
        return own_debris_remove(local);
    errno = -r;
failed:
    r = -errno;
    if (r == -EROFS)
        return r;
    snprintf(error, STORE_ERROR_TEXT_MAX, "cannot work in %.300s/%s: %s", local->location, WORK_FOLDER, strerror(-r));
    return r;
}

static int local_open(const char *location, const char *instance, void **ret_state, char *error)
{
    if (!name_is_plain(instance, STORE_INSTANCE_MAX)) {
        snprintf(error, STORE_ERROR_TEXT_MAX, "the instance name '%s' must have 1 to %d bytes, no slash, and not begin with a dot", instance, STORE_INSTANCE_MAX);
        return -EINVAL;
    }
    MEM_CLEANUP(local_close_p) struct local *local = calloc(1, sizeof *local);
    if (!local)
        return -ENOMEM;
    local->fd = local->work_fd = local->lock_fd = -1;
    snprintf(local->instance, sizeof local->instance, "%s", instance);
    snprintf(local->location, sizeof local->location, "%s", location);
    int r = folders_make(AT_FDCWD, location, 0755);
    local->fd = open(location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local->fd < 0) {
        r = r < 0 ? r : -errno;
        snprintf(error, STORE_ERROR_TEXT_MAX, "cannot open the store %.300s: %s", location, strerror(-r));
        return r;
    }
    r = work_folder_open(local, error);
    if (r < 0 && r != -EROFS)
        return r;
    local->read_only = r == -EROFS;
    r = id_read(local);
    if (r == -ENOENT && !local->read_only && (r = id_make(local)) == 0)
        r = id_read(local);
    if (r < 0) {
        snprintf(error, STORE_ERROR_TEXT_MAX, "cannot %s the id of the store in %.300s/" ID_FILE ": %s", local->read_only ? "read" : "make", location, strerror(-r));
        return r;
    }
    *ret_state = mem_take(local);
    return 0;
}

static void local_id(void *state, char *id)
{
    const struct local *local = state;
    memcpy(id, local->id, STORE_ID_TEXT_MAX);
}

static int local_room(void *state, uint64_t *ret_bytes)
{
    const struct local *local = state;
    struct statvfs status;
    if (fstatvfs(local->fd, &status) < 0)
        return -errno;
    if (status.f_flag & ST_RDONLY)
        return -EROFS;
    *ret_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static bool local_alive(void *state, const char *instance)
{
    struct local *local = state;
    char name[STORE_INSTANCE_MAX + 16];
    if (strcmp(instance, local->instance) == 0)
        return true;
    if (!name_is_plain(instance, STORE_INSTANCE_MAX) || local->work_fd < 0)
        return true;
    snprintf(name, sizeof name, "%s" LOCK_SUFFIX, instance);
    mem_auto_close int fd = -1;
    int r = lock_take(local->work_fd, name, 0, &fd);
    return r != 0 && r != -ENOENT;
}

static void local_work_free(struct store_work *work)
{
    if (!work)
        return;
    if (work->fd >= 0)
        close(work->fd);
    if (work->folder[0])
        (void)tree_remove(work->local->work_fd, work->folder);
    free(work);
}
static void work_free_p(struct store_work **work)
{
    local_work_free(*work);
}

static int local_begin(void *state, const char *name, uint64_t sequence, struct store_work **ret)
{
    struct local *local = state;
    if (!name_is_plain(name, STORE_NAME_MAX))
        return -EINVAL;
    if (local->read_only)
        return -EROFS;
    MEM_CLEANUP(work_free_p) struct store_work *work = calloc(1, sizeof *work);
    if (!work)
        return -ENOMEM;
    work->local = local;
    work->fd = -1;
    snprintf(work->name, sizeof work->name, "%s", name);
    char folder[NAME_MAX + 1];
    if ((size_t)snprintf(folder, sizeof folder, "%s.%" PRIu64 ".%s", name, sequence, local->instance) >= sizeof folder)
        return -ENAMETOOLONG;
    int r = tree_remove(local->work_fd, folder);
    if (r < 0)
        return r;
    if (mkdirat(local->work_fd, folder, 0755) < 0)
        return -errno;
    memcpy(work->folder, folder, sizeof folder);
    work->fd = openat(local->work_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (work->fd < 0)
        return -errno;
    *ret = mem_take(work);
    return 0;
}

static void local_abandon(struct store_object *object)
{
    if (!object)
        return;
    close(object->fd);
    (void)unlinkat(object->work_fd, object->path, 0);
    free(object);
}

static int local_create(struct store_work *work, const char *path, struct store_object **ret)
{
    if (strlen(path) >= STORE_PATH_MAX)
        return -ENAMETOOLONG;
    int r = folders_make_parents(work->fd, path);
    if (r < 0)
        return r;
    mem_auto_free struct store_object *object = calloc(1, sizeof *object);
    if (!object)
        return -ENOMEM;
    object->work_fd = work->fd;
    snprintf(object->path, sizeof object->path, "%s", path);
    object->fd = openat(work->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (object->fd < 0)
        return -errno;
    *ret = mem_take(object);
    return 0;
}

static int local_write(struct store_object *object, const void *data, size_t size)
{
    for (const uint8_t *p = data; size > 0;) {
        ssize_t put = write(object->fd, p, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        p += put;
        size -= (size_t)put;
        object->written += (uint64_t)put;
    }
    if (object->written - object->flushed >= FLUSH_STRIDE_BYTES) {
        (void)sync_file_range(object->fd, (off_t)object->flushed, (off_t)(object->written - object->flushed), SYNC_FILE_RANGE_WRITE);
        object->flushed = object->written;
    }
    return 0;
}

static int local_finish(struct store_object *object)
{
    int r = 0;
    if (fchmod(object->fd, 0444) < 0 || fsync(object->fd) < 0)
        r = -errno;
    if (close(object->fd) < 0 && r == 0)
        r = -errno;
    free(object);
    return r;
}

static int local_drop(struct store_work *work, const char *path)
{
    return unlinkat(work->fd, path, 0) < 0 ? -errno : 0;
}

static int local_reach(struct store_work *work, const char *path, char *ret_path)
{
    const struct local *local = work->local;
    if ((size_t)snprintf(ret_path, STORE_LOCATION_MAX, "%s/" WORK_FOLDER "/%s/%s", local->location, work->folder, path) >= STORE_LOCATION_MAX)
        return -ENAMETOOLONG;
    return 0;
}

static int local_publish(struct store_work *work)
{
    struct local *local = work->local;
    int r = tree_flush(local->work_fd, work->folder);
    if (r < 0)
        return r;
    r = renameat2(local->work_fd, work->folder, local->fd, work->name, RENAME_NOREPLACE) < 0 ? -errno : 0;
    if (r == -EINVAL || r == -ENOSYS) /* a file system without it (NFS): rename refuses to replace a folder that is not empty, and ours never is */
        r = renameat(local->work_fd, work->folder, local->fd, work->name) < 0 ? -errno : 0;
    if (r == -ENOTEMPTY)
        r = -EEXIST;
    if (r < 0)
        return r;
    work->folder[0] = '\0';
    return fsync(local->fd) < 0 ? -errno : 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names { char **all; size_t count, room; };
static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->all[i]);
    free(names->all);
}
static int names_add(struct names *names, const char *name)
{
    if (names->count == names->room) {
        size_t room = names->room ? names->room * 2 : 64;
        char **all = reallocarray(names->all, room, sizeof *all);
        if (!all)
            return -ENOMEM;
        names->all = all;
        names->room = room;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    names->all[names->count++] = copy;
    return 0;
}

/* All names of a folder. */
static int names_of(int folder_fd, struct names *names)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = names_add(names, entry->d_name);
    closedir(dir);
    qsort(names->all, names->count, sizeof *names->all, compare_names);
    return r;
}

static int local_each(void *state, store_found *found, void *context)
{
    const struct local *local = state;
    MEM_CLEANUP(names_free) struct names names = { 0 };
    int r = names_of(local->fd, &names);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        struct stat status;
        if (name_is_plain(names.all[i], STORE_NAME_MAX) && fstatat(local->fd, names.all[i], &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
            r = found(context, names.all[i]);
    }
    return r;
}

struct files_walk { store_file *file; void *context; };
static int files_found(void *context, const char *path, const struct stat *status)
{
    const struct files_walk *walk = context;
    return walk->file(walk->context, path, (uint64_t)status->st_size);
}

static int local_files(void *state, const char *name, store_file *file, void *context)
{
    const struct local *local = state;
    struct files_walk walk = { .file = file, .context = context };
    return name_is_plain(name, STORE_NAME_MAX) ? tree_walk(local->fd, name, files_found, &walk) : -ENOENT;
}

static int local_folder(void *state, const char *name, char *ret_path)
{
    const struct local *local = state;
    struct stat status;
    if (!name_is_plain(name, STORE_NAME_MAX) || fstatat(local->fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode))
        return -ENOENT;
    if ((size_t)snprintf(ret_path, STORE_LOCATION_MAX, "%s/%s", local->location, name) >= STORE_LOCATION_MAX)
        return -ENAMETOOLONG;
    return 0;
}

/* Out of sight at once, then gone. path is relative to the store. */
static int take_away(struct local *local, const char *path, const char *name)
{
    char folder[NAME_MAX + 1];
    unsigned number = atomic_fetch_add(&local->removals, 1);
    if ((size_t)snprintf(folder, sizeof folder, "%s.deleted%u.%s", name, number, local->instance) >= sizeof folder)
        return -ENAMETOOLONG;
    (void)tree_remove(local->work_fd, folder);
    if (renameat(local->fd, path, local->work_fd, folder) < 0)
        return -errno;
    if (fsync(local->fd) < 0)
        return -errno;
    return tree_remove(local->work_fd, folder);
}

static int local_remove(void *state, const char *name)
{
    struct local *local = state;
    char annex[sizeof ANNEX_FOLDER + STORE_NAME_MAX + 2];
    if (!name_is_plain(name, STORE_NAME_MAX))
        return -ENOENT;
    if (local->read_only)
        return -EROFS;
    int r = take_away(local, name, name);
    if (r < 0 && r != -ENOENT)
        return r;
    snprintf(annex, sizeof annex, ANNEX_FOLDER "/%s", name);
    int also = take_away(local, annex, name);
    return also < 0 && also != -ENOENT ? also : r;
}

static int local_annex(void *state, const char *name, bool make, char *ret_path)
{
    const struct local *local = state;
    char path[sizeof ANNEX_FOLDER + STORE_NAME_MAX + 2];
    struct stat status;
    if (!name_is_plain(name, STORE_NAME_MAX))
        return -ENOENT;
    if (make && local->read_only)
        return -EROFS;
    snprintf(path, sizeof path, ANNEX_FOLDER "/%s", name);
    int r = make ? folders_make(local->fd, path, 0755) : fstatat(local->fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    if (r == 0 && (size_t)snprintf(ret_path, STORE_LOCATION_MAX, "%s/%s", local->location, path) >= STORE_LOCATION_MAX)
        r = -ENAMETOOLONG;
    return r;
}

/* Whether the work folder belongs to one of the instances that live; names may hold dots, so it is matched from its end. */
static bool folder_is_alive(const struct names *alive, const char *folder)
{
    size_t length = strlen(folder);
    for (size_t i = 0; i < alive->count; i++) {
        size_t tail = strlen(alive->all[i]);
        if (length > tail && folder[length - tail - 1] == '.' && strcmp(folder + length - tail, alive->all[i]) == 0)
            return true;
    }
    return false;
}

/* The instances that live now. Locks that nobody holds are removed. */
static int instances_alive(struct local *local, struct names *alive)
{
    MEM_CLEANUP(names_free) struct names names = { 0 };
    int r = names_of(local->work_fd, &names);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        size_t length = strlen(names.all[i]), tail = strlen(LOCK_SUFFIX);
        if (length <= tail || strcmp(names.all[i] + length - tail, LOCK_SUFFIX) != 0)
            continue;
        char instance[NAME_MAX + 1];
        snprintf(instance, sizeof instance, "%.*s", (int)(length - tail), names.all[i]);
        mem_auto_close int fd = -1;
        if (strcmp(instance, local->instance) != 0 && lock_take(local->work_fd, names.all[i], 0, &fd) == 0)
            (void)unlinkat(local->work_fd, names.all[i], 0);
        else
            r = names_add(alive, instance);
    }
    return r;
}

static int local_sweep(void *state, int64_t retention_ns, unsigned *ret_removed)
{
    struct local *local = state;
    *ret_removed = 0;
    if (local->read_only)
        return 0;
    /* First what there is, then who lives: an instance that starts in between has no folder in the first list. */
    MEM_CLEANUP(names_free) struct names folders = { 0 };
    MEM_CLEANUP(names_free) struct names alive = { 0 };
    int r = names_of(local->work_fd, &folders);
    if (r == 0)
        r = instances_alive(local, &alive);
    for (size_t i = 0; r == 0 && i < folders.count; i++) {
        struct stat status;
        if (fstatat(local->work_fd, folders.all[i], &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode) || folder_is_alive(&alive, folders.all[i]))
            continue;
        if (units_now_wall_ns() - (int64_t)status.st_mtim.tv_sec * UNITS_NS_PER_S < retention_ns)
            continue;
        r = tree_remove(local->work_fd, folders.all[i]);
        *ret_removed += r == 0;
    }
    return r;
}

static int local_scratch(void *state, char *ret_path)
{
    struct local *local = state;
    if (local->read_only)
        return -EROFS;
    if ((size_t)snprintf(ret_path, STORE_LOCATION_MAX, "%s/" WORK_FOLDER, local->location) >= STORE_LOCATION_MAX)
        return -ENAMETOOLONG;
    return 0;
}

const struct store_driver store_local = {
    .kind = "local",
    .open = local_open,
    .close = local_close,
    .id = local_id,
    .room = local_room,
    .alive = local_alive,
    .begin = local_begin,
    .create = local_create,
    .write = local_write,
    .finish = local_finish,
    .abandon = local_abandon,
    .drop = local_drop,
    .reach = local_reach,
    .publish = local_publish,
    .free = local_work_free,
    .each = local_each,
    .files = local_files,
    .folder = local_folder,
    .remove = local_remove,
    .sweep = local_sweep,
    .scratch = local_scratch,
    .annex = local_annex,
};
