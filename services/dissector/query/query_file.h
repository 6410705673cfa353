/* One file of a dissection, open for reading, with the functions of expressions. It never changes once it is published, so it is opened as immutable: without locks, also from a folder that cannot be written. */
#ifndef DISSECTOR_QUERY_QUERY_FILE_H
#define DISSECTOR_QUERY_QUERY_FILE_H
#include <sqlite3.h>
#include "services/dissector/query/error.h"
#include "services/dissector/query/vocabulary.h"

#define QUERY_FILE_PROTOCOLS_MAX 256u
#define QUERY_FILE_PROTOCOL_NAME_MAX 32u
#define QUERY_FILE_VALUE_BYTES_MAX (64 * 1024 * 1024)  /* no value of an entry is larger than a message, 1 MiB */
#define QUERY_FILE_CACHE_KIB 4096                       /* of pages: endpoints and upper levels of trees stay; to take memory for more costs more than to ask the kernel for a page again */
#define QUERY_FILE_OPS_PER_LOOK 20000                   /* SQLite's steps between two looks at the clock: some tenths of a millisecond */

#define QUERY_FILE_ID_MAX (INT64_C(1) << 53)             /* more entries than can be, and arithmetic on them never overflows */

struct query_file {
    sqlite3 *db;
    int64_t first, last;                    /* ids; none: first > last */
    uint32_t protocols_count;
    struct { int64_t id; char name[QUERY_FILE_PROTOCOL_NAME_MAX]; } protocols[QUERY_FILE_PROTOCOLS_MAX];
    int64_t deadline_ns;                    /* of the monotonic clock; 0: none. Past it statements end with SQLITE_INTERRUPT */
};
/* ret must stay where it is until it is closed. -ENOENT: no such file; -EINVAL: no dissection of this version; -EIO, -ENOMEM, -ETIMEDOUT. */
int query_file_open(const char *path, int64_t deadline_ns, struct query_file *ret, struct query_error *error);
void query_file_close(struct query_file *file);
/* Puts what went wrong into error; r is what sql_prepare or a step said. Returns it, or -ETIMEDOUT where the deadline was the reason. */
int query_file_failed(const struct query_file *file, int r, struct query_error *error);
/* The timestamp of the last entry up to this id. -EIO: there is none. */
int query_file_timestamp(const struct query_file *file, int64_t id, int64_t *ret_ns);
/* The least id such that no entry before it has a timestamp from ns on, and all from it on have; last + 1: none has. By bisection: timestamps grow with ids, which may have holes. */
int query_file_find_time(const struct query_file *file, int64_t ns, int64_t *ret_id);
#endif
