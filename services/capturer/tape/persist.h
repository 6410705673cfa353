/* A tape's small files (leases, cursor): JSON objects, replaced as a whole. Their most bytes are charged to the box from the start, twice each for the file that is being written.
 * Called under the tape's mutex. */
#ifndef CAPTURER_TAPE_PERSIST_H
#define CAPTURER_TAPE_PERSIST_H
#include <stdbool.h>
#include "json/json.h"

#define PERSIST_BYTES_MAX (256u * 1024)
/* Reads folder/name. -ENOENT; -EBADMSG: not ours (a power failure, or a hand). */
int persist_read(int folder_fd, const char *name, json_t **ret);
/* flush: also survives a loss of power. -EFBIG over PERSIST_BYTES_MAX; on failure what was there stays. */
int persist_write(int folder_fd, const char *name, const json_t *json, bool flush);
#endif
