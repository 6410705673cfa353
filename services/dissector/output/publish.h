/* A file that readers see whole or not at all: written under a hidden name in its own folder, then renamed. What is renamed may still be in the page cache: who must survive a loss of power syncs it himself.
 * One thread. Errors: -errno, and a sentence in error (OUTPUT_ERROR_TEXT_MAX). */
#ifndef DISSECTOR_OUTPUT_PUBLISH_H
#define DISSECTOR_OUTPUT_PUBLISH_H
#include <limits.h>
#include <stddef.h>
#include "services/dissector/output/output.h"

struct publish { char path[PATH_MAX], hidden[PATH_MAX]; int fd; };
/* Makes the hidden file, ".NAME.xxxxxxxx" with random digits, so that two writers of one name do not meet; open for reading and writing. -ENAMETOOLONG.
 * What is there and no regular file (/dev/null, a pipe) is written as it is: nothing is hidden, renamed or removed. */
int publish_open(struct publish *publish, const char *path, char *error);
/* All has been written: closes the file, which stays hidden. */
int publish_written(struct publish *publish);
/* Renames it over whatever has the name, and closes it. On failure it is removed. */
int publish_commit(struct publish *publish, char *error);
/* Removes it. Fine after a commit, and after a failed open. */
void publish_abandon(struct publish *publish);

/* "PATH: DOING: Reason" in error; returns code. */
int output_failure(char *error, int code, const char *doing, const char *path);
/* All bytes, or -errno. A pipe without a reader is -EPIPE, not the death of the process. offset < 0: at the file's own position. */
int output_write(int fd, const void *data, size_t size, int64_t offset);
#endif
