/* JSON texts in memory and in files (jansson's only home: include this, not jansson.h).
 *
 * Readers see whole files only: a text is written to a hidden file beside its place, flushed and renamed. Thread-safe. */
#ifndef JSON_JSON_H
#define JSON_JSON_H
#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#define JSON_ERROR_TEXT_MAX 256

static inline void json_decref_p(json_t **json) { json_decref(*json); }
#define json_auto __attribute__((cleanup(json_decref_p)))

/* Reads a whole file of at most `most` bytes; *ret_text is the caller's to free and has a NUL behind its *ret_size bytes.
 * -errno of open or read, -EFBIG. */
int json_read_text(const char *path, size_t most, char **ret_text, size_t *ret_size);
/* The same, parsed; the file must hold one JSON value and nothing else, without a name twice in an object. -EBADMSG with place and reason in error[JSON_ERROR_TEXT_MAX]. */
int json_read_file(const char *path, size_t most, json_t **ret, char *error);
/* Puts text at path with the mode, replacing what was there, and flushes file and folder. -errno; then what was there is untouched. */
int json_write_text(const char *path, const char *text, size_t size, mode_t mode);
#endif
