/* Log lines in logfmt on standard error. See log.h. */
#include "log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "units/units.h"

/* One write of at most PIPE_BUF bytes is atomic on a pipe, so lines of several threads and processes never mix. */
#define LINE_BYTES_MAX 4096
#define QUOTES_AT_ONCE 8

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const char *log_service = "-";
static enum log_level log_least = LOG_LEVEL_INFO;

void log_init(const char *service, enum log_level least)
{
    log_service = service;
    log_least = least;
}

int log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* How one byte stands inside quotes; at most 6 bytes. */
static size_t escape(unsigned char c, char *dst)
{
    static const char hex[] = "0123456789abcdef";
    const char *shorts = "\"\"\\\\\nn\tt\rr";
    for (; *shorts; shorts += 2) {
        if (c == (unsigned char)shorts[0]) {
            dst[0] = '\\';
            dst[1] = shorts[1];
            return 2;
        }
    }
    if (c >= ' ' && c != 0x7f) {
        dst[0] = (char)c;
        return 1;
    }
    memcpy(dst, "\\u00", 4);
    dst[4] = hex[c >> 4];
    dst[5] = hex[c & 15];
    return 6;
}

const char *log_quote(const char *text)
{
    static _Thread_local char buffers[QUOTES_AT_ONCE][LOG_QUOTE_MAX];
    static _Thread_local unsigned next;
    char *out = buffers[next++ % QUOTES_AT_ONCE];
    if (!text)
        text = "";
    size_t n = 0;
    out[n++] = '"';
    for (const char *p = text; *p; p++) {
        char piece[6];
        size_t size = escape((unsigned char)*p, piece);
        if (n + size > LOG_QUOTE_MAX - sizeof "...\"") {
            memcpy(out + n, "...", 3);
            n += 3;
            break;
        }
        memcpy(out + n, piece, size);
        n += size;
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

void log_write(enum log_level level, const char *message, const char *pairs, ...)
{
    if (level < log_least)
        return;
    int saved = errno; /* so that a caller may log before it returns -errno */
    char line[LINE_BYTES_MAX], when[UNITS_TIME_TEXT_MAX];
    int head = snprintf(line, sizeof line, "time=%s level=%s service=%s msg=%s%s", units_format_time(units_now_wall_ns(), when, sizeof when),
                        level_names[level], log_service, log_quote(message), *pairs ? " " : "");
    size_t n = (size_t)head;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    va_list arguments;
    va_start(arguments, pairs);
    int tail = vsnprintf(line + n, sizeof line - 1 - n, pairs, arguments);
    va_end(arguments);
    if (tail > 0)
        n = n + (size_t)tail > sizeof line - 2 ? sizeof line - 2 : n + (size_t)tail;
    for (size_t i = 0; i < n; i++) {
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' '; /* one line per call, whatever a value held */
    }
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) {
        /* nowhere left to say it */
    }
    errno = saved;
}
