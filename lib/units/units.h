/* Sizes, durations and times as people write them.
 *
 * All functions are pure and thread-safe. Times are nanoseconds since the Unix epoch (UTC), durations nanoseconds,
 * sizes bytes. Sources: RFC 3339; Kubernetes resource quantities (Ki Mi Gi Ti, k M G T). */
#ifndef UNITS_UNITS_H
#define UNITS_UNITS_H
#include <stddef.h>
#include <stdint.h>

#define UNITS_NS_PER_S INT64_C(1000000000)
#define UNITS_NS_PER_MS INT64_C(1000000)
#define UNITS_TIME_TEXT_MAX 40   /* "2026-01-02T03:04:05.123456789Z" and its NUL fit */
#define UNITS_SIZE_TEXT_MAX 24
#define UNITS_DURATION_TEXT_MAX 32

/* "1Gi", "500M", "4096". 0, or -EINVAL (not a size), -ERANGE (over 2^63-1). ret untouched on failure. */
int units_parse_size(const char *text, uint64_t *ret_bytes);
/* "30s", "1h30m", "250ms", "1.5h", "2d". A bare number is refused (-EINVAL), except "0". -ERANGE past 292 years. */
int units_parse_duration(const char *text, int64_t *ret_ns);
/* RFC 3339 with any offset and up to nine fraction digits; "T" may be a space. -EINVAL, -ERANGE. */
int units_parse_time(const char *text, int64_t *ret_ns);
/* Each writes at most cap bytes with a NUL and returns buf, so that it can stand in an argument list. */
char *units_format_size(uint64_t bytes, char *buf, size_t cap);       /* "1.5Gi", "512" */
char *units_format_duration(int64_t ns, char *buf, size_t cap);       /* "1h30m", "250ms" */
char *units_format_time(int64_t ns, char *buf, size_t cap);           /* RFC 3339, UTC, nanoseconds, trailing Z */
/* The clocks, in nanoseconds. */
int64_t units_now_wall_ns(void);
int64_t units_now_mono_ns(void);
#endif
