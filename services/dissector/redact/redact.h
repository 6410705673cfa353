/* Secrets out of values: names and schemes stay, values become "[redacted]" ("Bearer [redacted]"). Sizes that entries tell are those of the original. Pure functions; they write into the caller's buffer and return its bytes,
 * or REDACT_SAME where the value has nothing to hide (the usual case, decided without copying). What does not fit the buffer is left out at its end. */
#ifndef DISSECTOR_REDACT_REDACT_H
#define DISSECTOR_REDACT_REDACT_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define REDACT_SAME (-1)
#define REDACT_TEXT "[redacted]"
/* Room that is always enough for `size` bytes of value, whatever is found. */
#define REDACT_ROOM(size) ((size) * 12 + 64)
/* A URL, a Referer, a Location, or the bare query of one: user info and secret query values. */
ssize_t redact_url(const char *text, size_t size, char *dst, size_t room);
/* The name of a query, form or JSON value whose value is secret (token, password, x-amz-*...), without case. */
bool redact_is_secret_name(const char *name, size_t size);
/* A header's value by its name (lower case). */
ssize_t redact_header(const char *name, size_t name_size, const char *text, size_t size, char *dst, size_t room);
/* Whether redact_header would give REDACT_SAME for every value. */
bool redact_is_plain_header(const char *name, size_t size);
/* A body by its content type: forms and JSON. strict: dropped whole where there is one. */
ssize_t redact_body(const char *content_type, size_t content_type_size, const char *text, size_t size, bool strict, char *dst, size_t room);
/* SQL: what follows PASSWORD, IDENTIFIED BY or AS; strict: every literal. */
ssize_t redact_sql(const char *text, size_t size, bool strict, char *dst, size_t room);
/* One argument of a Redis command: `arguments` are all of them, `which` the one asked about. True: its value is secret. */
struct redact_argument { const char *data; size_t size; };
bool redact_redis_argument(const struct redact_argument *arguments, size_t count, size_t which);
#endif
