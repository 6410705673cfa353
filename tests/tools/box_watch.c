/* Sums the files below folders every 10 ms and says the most they ever held: by length (st_size) and by disk blocks (st_blocks).
 *
 * Each look takes the list twice and counts, per inode, the lesser of both sizes of those that were there both times: between the two all of them existed together and were at least so large, so
 * a file that goes while another comes is never counted as both. Files that are unlinked but still open in a watched process count too, for they still hold their blocks.
 * Ends on SIGTERM or SIGINT with one line of JSON; exit code 1 when --most was ever exceeded. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 65536
#define DEPTH_MAX 8
#define WATCHED_MAX 16

struct entry { dev_t device; ino_t inode; int64_t length, blocks; };
struct list { struct entry entries[FILES_MAX]; size_t count; };

static volatile sig_atomic_t stopping;
static void stop(int number) { (void)number; stopping = 1; }

static void list_add(struct list *list, const struct stat *status)
{
    if (list->count == FILES_MAX) {
        fputs("box_watch: more files than it can hold\n", stderr);
        exit(2);
    }
    list->entries[list->count++] = (struct entry){ status->st_dev, status->st_ino, status->st_size, status->st_blocks * 512 };
}

static void list_folder(struct list *list, int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return; /* gone meanwhile */
    }
    for (struct dirent *d; (d = readdir(folder));) {
        struct stat status;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || fstatat(fd, d->d_name, &status, AT_SYMLINK_NOFOLLOW))
            continue;
        if (S_ISREG(status.st_mode))
            list_add(list, &status);
        else if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX)
            list_folder(list, fd, d->d_name, depth + 1);
    }
    closedir(folder);
}

/* Files below one of the folders that a process holds open though their name is gone. */
static void list_unlinked(struct list *list, int pid, char *const *folders, int count)
{
    char path[64], target[4096];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *open_files = opendir(path);
    if (!open_files)
        return;
    for (struct dirent *d; (d = readdir(open_files));) {
        ssize_t n = readlinkat(dirfd(open_files), d->d_name, target, sizeof target - 1);
        struct stat status;
        if (n <= 10 || fstatat(dirfd(open_files), d->d_name, &status, 0) || !S_ISREG(status.st_mode) || status.st_nlink != 0)
            continue;
        target[n] = 0;
        for (int i = 0; i < count; i++)
            if (strncmp(target, folders[i], strlen(folders[i])) == 0) {
                list_add(list, &status);
                break;
            }
    }
    closedir(open_files);
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void list_take(struct list *list, char *const *folders, int count, const int *pids, int pids_count)
{
    list->count = 0;
    for (int i = 0; i < count; i++)
        list_folder(list, AT_FDCWD, folders[i], 0);
    for (int i = 0; i < pids_count; i++)
        list_unlinked(list, pids[i], folders, count);
    qsort(list->entries, list->count, sizeof list->entries[0], entry_compare);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || entry_compare(&list->entries[kept - 1], &list->entries[i]) != 0)
            list->entries[kept++] = list->entries[i];
    list->count = kept;
}

static void lists_sum(const struct list *a, const struct list *b, int64_t *ret_length, int64_t *ret_blocks)
{
    int64_t length = 0, blocks = 0;
    for (size_t i = 0, j = 0; i < a->count && j < b->count;) {
        int order = entry_compare(&a->entries[i], &b->entries[j]);
        if (order == 0) {
            length += a->entries[i].length < b->entries[j].length ? a->entries[i].length : b->entries[j].length;
            blocks += a->entries[i].blocks < b->entries[j].blocks ? a->entries[i].blocks : b->entries[j].blocks;
        }
        i += order <= 0;
        j += order >= 0;
    }
    *ret_length = length;
    *ret_blocks = blocks;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void usage(FILE *out)
{
    fputs("usage: box_watch [--most BYTES] [--every MS] [--pid PID]... FOLDER...\n", out);
}

struct watch { int64_t most, every_ms; int pids[WATCHED_MAX], pids_count; };

static void options_read(struct watch *watch, int argc, char **argv)
{
    static const struct option options[] = { { "most", 1, NULL, 'm' }, { "every", 1, NULL, 'e' }, { "pid", 1, NULL, 'p' }, { "help", 0, NULL, 'h' }, { 0 } };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (letter == 'm') {
            watch->most = strtoll(optarg, NULL, 10);
        } else if (letter == 'e') {
            watch->every_ms = strtoll(optarg, NULL, 10);
        } else if (letter == 'p' && watch->pids_count < WATCHED_MAX) {
            watch->pids[watch->pids_count++] = (int)strtol(optarg, NULL, 10);
        } else {
            usage(letter == 'h' ? stdout : stderr);
            exit(letter == 'h' ? 0 : 2);
        }
    }
    if (optind == argc) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct list first, second;
    struct watch watch = { .most = INT64_MAX, .every_ms = 10 };
    options_read(&watch, argc, argv);
    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int64_t most_length = 0, most_blocks = 0, looks = 0, over = 0, longest_ns = 0, last_ns = now_ns();
    while (!stopping) {
        list_take(&first, argv + optind, argc - optind, watch.pids, watch.pids_count);
        list_take(&second, argv + optind, argc - optind, watch.pids, watch.pids_count);
        int64_t length = 0, blocks = 0;
        lists_sum(&first, &second, &length, &blocks);
        most_length = length > most_length ? length : most_length;
        most_blocks = blocks > most_blocks ? blocks : most_blocks;
        over += length > watch.most || blocks > watch.most;
        looks++;
        int64_t now = now_ns();
        longest_ns = now - last_ns > longest_ns ? now - last_ns : longest_ns;
        int64_t left = watch.every_ms * 1000000 - (now - last_ns) % (watch.every_ms * 1000000);
        struct timespec pause = { left / 1000000000, left % 1000000000 };
        nanosleep(&pause, NULL);
        last_ns = now;
    }
    printf("{\"most_length\":%lld,\"most_blocks\":%lld,\"looks\":%lld,\"over\":%lld,\"longest_ms\":%lld,\"files\":%zu}\n", (long long)most_length, (long long)most_blocks,
           (long long)looks, (long long)over, (long long)(longest_ns / 1000000), second.count);
    return over ? 1 : 0;
}
