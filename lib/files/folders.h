/* Folders with those that they lie in. Thread-safe. */
#ifndef FILES_FOLDERS_H
#define FILES_FOLDERS_H
#include <sys/types.h>
/* Makes the folders that path (relative to fd, or AT_FDCWD) lies in, mode 0755, as mkdir -p does; not path itself. Existing ones stay as they are. -errno, -ENAMETOOLONG. */
int folders_make_parents(int fd, const char *path);
/* Path itself too, with `mode`; 0 where it is there already. A trailing slash is fine. */
int folders_make(int fd, const char *path, mode_t mode);
#endif
