/* Folders with what is in them: removing, flushing and walking. Symbolic links are never followed. */
#ifndef STORE_TREE_H
#define STORE_TREE_H
#include <stdint.h>
#include <sys/stat.h>

#define TREE_DEPTH_MAX 16   /* ours are 3 deep */
/* Removes parent/name with all below. 0 also where there is none. */
int tree_remove(int parent_fd, const char *name);
/* fsync of the folder and of each folder below it. */
int tree_flush(int parent_fd, const char *name);
/* Calls found for all that is not a folder, path relative to parent/name. Stops and returns when it gives nonzero. -ELOOP past TREE_DEPTH_MAX. */
int tree_walk(int parent_fd, const char *name, int (*found)(void *context, const char *path, const struct stat *status), void *context);
#endif
