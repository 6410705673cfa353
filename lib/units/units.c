/* Sizes, durations and times as people write them. See units.h.
 *
 *   size      = number [ "k" | "M" | "G" | "T" | "P" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" ]
 *   duration  = 1*( number ( "ns" | "us" | "ms" | "s" | "m" | "h" | "d" ) ) | "0"
 *   number    = digits [ "." digits ]
 *   time      = RFC 3339 date-time
 *
 * Everything is computed in 128 bits and checked once at the end, so no intermediate result can overflow. */
#include "units/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef __int128 wide;

#define FRACTION_DIGITS_MAX 9

struct unit { const char *name; int64_t factor; };

static const struct unit size_units[] = {
    { "Ki", INT64_C(1) << 10 }, { "Mi", INT64_C(1) << 20 }, { "Gi", INT64_C(1) << 30 }, { "Ti", INT64_C(1) << 40 }, { "Pi", INT64_C(1) << 50 },
    { "k", 1000 }, { "K", 1000 }, { "M", 1000000 }, { "G", 1000000000 }, { "T", INT64_C(1000000000000) }, { "P", INT64_C(1000000000000000) },
};
static const struct unit duration_units[] = {
    { "ns", 1 }, { "us", 1000 }, { "ms", UNITS_NS_PER_MS }, { "s", UNITS_NS_PER_S },
    { "m", 60 * UNITS_NS_PER_S }, { "h", 3600 * UNITS_NS_PER_S }, { "d", 86400 * UNITS_NS_PER_S },
};

/* A decimal number: whole + fraction / scale. */
struct number { int64_t whole, fraction, scale; bool huge; };

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Returns what follows the number, or NULL where there is none. */
static const char *parse_number(const char *text, struct number *number)
{
    *number = (struct number){ .scale = 1 };
    const char *p = text;
    for (; is_digit(*p); p++) {
        if (__builtin_mul_overflow(number->whole, 10, &number->whole) || __builtin_add_overflow(number->whole, *p - '0', &number->whole))
            number->huge = true;
    }
    if (p == text)
        return NULL;
    if (*p != '.')
        return p;
    const char *start = ++p;
    for (; is_digit(*p); p++) {
        if (p - start >= FRACTION_DIGITS_MAX)
            return NULL;
        number->fraction = number->fraction * 10 + (*p - '0');
        number->scale *= 10;
    }
    return p == start ? NULL : p;
}

/* Rounded up, as Kubernetes does with parts of a byte. */
static wide multiply(const struct number *number, int64_t factor)
{
    return (wide)number->whole * factor + ((wide)number->fraction * factor + number->scale - 1) / number->scale;
}

/* The longest unit name that text begins with; NULL when none does. */
static const struct unit *match_unit(const struct unit *units, size_t count, const char *text)
{
    const struct unit *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(text, units[i].name, length) == 0 && (!best || length > strlen(best->name)))
            best = &units[i];
    }
    return best;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
    struct number number;
    const char *rest = parse_number(text, &number);
    if (!rest)
        return -EINVAL;
    int64_t factor = 1;
    if (*rest) {
        const struct unit *unit = match_unit(size_units, sizeof size_units / sizeof *size_units, rest);
        if (!unit || rest[strlen(unit->name)])
            return -EINVAL;
        factor = unit->factor;
    } else if (number.fraction) {
        return -EINVAL; /* half a byte */
    }
    wide bytes = multiply(&number, factor);
    if (number.huge || bytes > INT64_MAX)
        return -ERANGE;
    *ret_bytes = (uint64_t)bytes;
    return 0;
}

int units_parse_duration(const char *text, int64_t *ret_ns)
{
    if (strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    wide total = 0;
    bool huge = false;
    const char *p = text;
    do {
        struct number number;
        p = parse_number(p, &number);
        const struct unit *unit = p ? match_unit(duration_units, sizeof duration_units / sizeof *duration_units, p) : NULL;
        if (!unit)
            return -EINVAL;
        p += strlen(unit->name);
        total += multiply(&number, unit->factor);
        huge = huge || number.huge || total > INT64_MAX;
        if (huge)
            total = 0; /* stays small whatever follows; huge decides */
    } while (*p);
    if (huge)
        return -ERANGE;
    *ret_ns = (int64_t)total;
    return 0;
}

/* Exactly `digits` digits, within bounds. Returns what follows or NULL. */
static const char *parse_field(const char *p, int digits, int least, int most, int *ret)
{
    int value = 0;
    for (int i = 0; i < digits; i++, p++) {
        if (!is_digit(*p))
            return NULL;
        value = value * 10 + (*p - '0');
    }
    if (value < least || value > most)
        return NULL;
    *ret = value;
    return p;
}

static const char *parse_char(const char *p, const char *any_of) { return p && *p && strchr(any_of, *p) ? p + 1 : NULL; }

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar; years are counted from March so that the leap day comes last. */
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t months_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * months_from_march + 2) / 5 + day - 1;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    return 365 * y + leap_days + day_of_year - 719468;
}

/* "Z" or "+hh:mm" to the end of the text; seconds east of UTC. */
static int parse_offset(const char *p, int *ret_seconds)
{
    if ((*p == 'Z' || *p == 'z') && !p[1]) {
        *ret_seconds = 0;
        return 0;
    }
    if (*p != '+' && *p != '-')
        return -EINVAL;
    int sign = *p++ == '-' ? -1 : 1, hours, minutes;
    p = parse_field(p, 2, 0, 23, &hours);
    p = parse_char(p, ":");
    if (!p || !(p = parse_field(p, 2, 0, 59, &minutes)) || *p)
        return -EINVAL;
    *ret_seconds = sign * (hours * 3600 + minutes * 60);
    return 0;
}

int units_parse_time(const char *text, int64_t *ret_ns)
{
    int year, month, day, hour, minute, second, offset;
    int64_t fraction = 0;
    const char *p = parse_field(text, 4, 0, 9999, &year);
    p = parse_char(p, "-");
    p = p ? parse_field(p, 2, 1, 12, &month) : NULL;
    p = parse_char(p, "-");
    p = p ? parse_field(p, 2, 1, days_in_month(year, month), &day) : NULL;
    p = parse_char(p, "Tt ");
    p = p ? parse_field(p, 2, 0, 23, &hour) : NULL;
    p = parse_char(p, ":");
    p = p ? parse_field(p, 2, 0, 59, &minute) : NULL;
    p = parse_char(p, ":");
    p = p ? parse_field(p, 2, 0, 60, &second) : NULL; /* 60: a leap second is the next second, as POSIX counts */
    if (!p)
        return -EINVAL;
    if (*p == '.') {
        int digits = 0;
        for (p++; is_digit(*p); p++, digits++) {
            if (digits == FRACTION_DIGITS_MAX)
                return -EINVAL;
            fraction = fraction * 10 + (*p - '0');
        }
        if (digits == 0)
            return -EINVAL;
        for (; digits < FRACTION_DIGITS_MAX; digits++)
            fraction *= 10;
    }
    if (parse_offset(p, &offset) < 0)
        return -EINVAL;
    wide seconds = (wide)days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    wide ns = seconds * UNITS_NS_PER_S + fraction;
    if (ns > INT64_MAX || ns < INT64_MIN)
        return -ERANGE;
    *ret_ns = (int64_t)ns;
    return 0;
}

char *units_format_size(uint64_t bytes, char *buf, size_t cap)
{
    static const char *const names[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    size_t unit = 0;
    uint64_t tenths;
    for (;; unit++) {
        unsigned __int128 scaled = (unsigned __int128)bytes * 10, half = ((unsigned __int128)1 << (10 * unit)) >> 1;
        scaled = (scaled + half) >> (10 * unit);
        tenths = (uint64_t)scaled;
        if (scaled < 10240 || unit + 1 == sizeof names / sizeof *names)
            break;
    }
    if (tenths % 10 == 0)
        (void)snprintf(buf, cap, "%" PRIu64 "%s", tenths / 10, names[unit]);
    else
        (void)snprintf(buf, cap, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, names[unit]);
    return buf;
}

/* "1.5s" from 1500000000 and 1000000000: the fraction without trailing zeros. Returns bytes written. */
static size_t format_decimal(char *dst, size_t cap, uint64_t value, uint64_t unit, const char *name)
{
    uint64_t fraction = value % unit;
    if (fraction == 0)
        return (size_t)snprintf(dst, cap, "%" PRIu64 "%s", value / unit, name);
    int digits = 0;
    for (uint64_t u = unit; u > 1; u /= 10)
        digits++;
    for (; fraction % 10 == 0; digits--)
        fraction /= 10;
    return (size_t)snprintf(dst, cap, "%" PRIu64 ".%0*" PRIu64 "%s", value / unit, digits, fraction, name);
}

char *units_format_duration(int64_t ns, char *buf, size_t cap)
{
    char text[64]; /* "-106751d23h59m59.999999999s" is the longest */
    size_t n = 0;
    uint64_t left = ns < 0 ? (uint64_t)0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        text[n++] = '-';
    if (left == 0) {
        n += (size_t)snprintf(text + n, sizeof text - n, "0s");
    } else if (left < (uint64_t)UNITS_NS_PER_S) {
        uint64_t unit = left >= 1000000 ? 1000000 : left >= 1000 ? 1000 : 1;
        n += format_decimal(text + n, sizeof text - n, left, unit, unit == 1000000 ? "ms" : unit == 1000 ? "us" : "ns");
    } else {
        static const struct unit large[] = { { "d", 86400 * UNITS_NS_PER_S }, { "h", 3600 * UNITS_NS_PER_S }, { "m", 60 * UNITS_NS_PER_S } };
        for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
            uint64_t count = left / (uint64_t)large[i].factor;
            left %= (uint64_t)large[i].factor;
            if (count)
                n += (size_t)snprintf(text + n, sizeof text - n, "%" PRIu64 "%s", count, large[i].name);
        }
        if (left)
            n += format_decimal(text + n, sizeof text - n, left, (uint64_t)UNITS_NS_PER_S, "s");
    }
    (void)snprintf(buf, cap, "%s", text);
    return buf;
}

char *units_format_time(int64_t ns, char *buf, size_t cap)
{
    int64_t seconds = ns / UNITS_NS_PER_S, fraction = ns % UNITS_NS_PER_S;
    if (fraction < 0) {
        fraction += UNITS_NS_PER_S;
        seconds--;
    }
    time_t when = seconds;
    struct tm tm;
    (void)gmtime_r(&when, &tm); /* cannot fail: 64 bits of nanoseconds end in 2262 */
    (void)snprintf(buf, cap, "%04d-%02d-%02dT%02d:%02d:%02d.%09" PRId64 "Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
    return buf;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * UNITS_NS_PER_S + now.tv_nsec;
}

int64_t units_now_wall_ns(void) { return clock_ns(CLOCK_REALTIME); }

int64_t units_now_mono_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
