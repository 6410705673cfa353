/* Log lines of a service: key=value (logfmt) on standard error, one line per call, atomic per line.
 *
 * Libraries stay silent and return errors; a service logs each failure once, with context. Never call it on a capture
 * thread. Thread-safe. Example: log_info("segment sealed", "id=%s bytes=%" PRIu64, id, bytes);
 * gives: time=2026-... level=info service=capturer msg="segment sealed" id=... bytes=... */
#ifndef LOG_LOG_H
#define LOG_LOG_H
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
/* service must stay valid. Call once before other threads start. */
void log_init(const char *service, enum log_level least);
/* "debug", "info", "warning", "error"; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *ret);
/* The pairs are formatted as given: quote values that may hold spaces with log_quote. pairs may be "". */
void log_write(enum log_level level, const char *message, const char *pairs, ...) __attribute__((format(printf, 3, 4)));
/* Quotes and escapes text for a pair into a thread-local buffer of LOG_QUOTE_MAX; eight results stay valid at once. */
#define LOG_QUOTE_MAX 512
const char *log_quote(const char *text);
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#endif
