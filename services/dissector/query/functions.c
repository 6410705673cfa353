#include "services/dissector/query/functions.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "services/dissector/query/check.h"
#include "services/dissector/query/pattern.h"
#include "services/dissector/query/types.h"
#include "units/units.h"

#define NUMBER_TEXT_MAX 64

struct slice { const char *data; size_t size; };

static bool any_null(int count, sqlite3_value **values)
{
    for (int i = 0; i < count; i++)
        if (sqlite3_value_type(values[i]) == SQLITE_NULL)
            return true;
    return false;
}

/* Borrowed until the next call on the value. */
static struct slice text_of(sqlite3_value *value)
{
    const char *data = (const char *)sqlite3_value_text(value);
    return (struct slice){ data ? data : "", data ? (size_t)sqlite3_value_bytes(value) : 0 };
}

static void call_contains(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]), part = text_of(values[1]);
    sqlite3_result_int(context, part.size == 0 || memmem(text.data, text.size, part.data, part.size) != NULL);
}

static void call_starts(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]), part = text_of(values[1]);
    sqlite3_result_int(context, part.size <= text.size && memcmp(text.data, part.data, part.size) == 0);
}

static void call_ends(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]), part = text_of(values[1]);
    sqlite3_result_int(context, part.size <= text.size && memcmp(text.data + text.size - part.size, part.data, part.size) == 0);
}

static void call_length(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]);
    sqlite3_int64 characters = 0;
    for (size_t i = 0; i < text.size; i++)
        characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    sqlite3_result_int64(context, characters);
}

/* A pattern that is a constant stays compiled for the whole statement; one that a row makes is compiled anew, and where it is wrong, that row's result is an error. */
static void call_matches(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    struct pattern *pattern = sqlite3_get_auxdata(context, 1), *made = NULL;
    if (!pattern) {
        struct slice text = text_of(values[1]);
        size_t at;
        char why[PATTERN_ERROR_TEXT_MAX];
        int r = pattern_compile(text.data, text.size, &made, &at, why);
        if (r == -ENOMEM)
            sqlite3_result_error_nomem(context);
        if (r < 0)
            return;
        pattern = made;
    }
    struct slice text = text_of(values[0]);
    int found = pattern_match(pattern, text.data, text.size);
    if (found >= 0)
        sqlite3_result_int(context, found);
    else if (found == -ENOMEM)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_error(context, "a pattern of matches() takes too many steps on a text: make it simpler", -1);
    if (made)
        sqlite3_set_auxdata(context, 1, made, pattern_free); /* frees it at once where the pattern is no constant */
}

static void put_double(sqlite3_context *context, double value)
{
    if (!isnan(value))
        sqlite3_result_double(context, value);
}

/* One function per operator, for ints (and times) and doubles; the types of both are equal. */
#define ARITHMETIC(name, overflows, real)                                                          \
    static void call_##name(sqlite3_context *context, int count, sqlite3_value **values)               \
    {                                                                                                  \
        sqlite3_int64 r;                                                                               \
        if (any_null(count, values))                                                                   \
            return;                                                                                    \
        if (sqlite3_value_type(values[0]) == SQLITE_FLOAT || sqlite3_value_type(values[1]) == SQLITE_FLOAT) { \
            double x = sqlite3_value_double(values[0]), y = sqlite3_value_double(values[1]);           \
            put_double(context, real);                                                                 \
            return;                                                                                    \
        }                                                                                              \
        sqlite3_int64 a = sqlite3_value_int64(values[0]), b = sqlite3_value_int64(values[1]);          \
        if (!(overflows))                                                                              \
            sqlite3_result_int64(context, r);                                                          \
    }
ARITHMETIC(add, __builtin_add_overflow(a, b, &r), x + y)
ARITHMETIC(subtract, __builtin_sub_overflow(a, b, &r), x - y)
ARITHMETIC(multiply, __builtin_mul_overflow(a, b, &r), x * y)
ARITHMETIC(divide, b == 0 || (b == -1 && a == INT64_MIN) || ((r = a / b), false), x / y)
ARITHMETIC(modulo, b == 0 || ((r = b == -1 ? 0 : a % b), false), fmod(x, y))

static void call_negate(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    if (sqlite3_value_type(values[0]) == SQLITE_FLOAT)
        put_double(context, -sqlite3_value_double(values[0]));
    else if (sqlite3_value_int64(values[0]) != INT64_MIN)
        sqlite3_result_int64(context, -sqlite3_value_int64(values[0]));
}

/* Text of digits with a NUL; false: too long for a number, or with a NUL inside. */
static bool number_text(sqlite3_value *value, char buf[NUMBER_TEXT_MAX])
{
    struct slice text = text_of(value);
    if (text.size == 0 || text.size >= NUMBER_TEXT_MAX || memchr(text.data, '\0', text.size) || strchr(" \t\n\v\f\r", text.data[0]))
        return false;
    memcpy(buf, text.data, text.size);
    buf[text.size] = '\0';
    return true;
}

static void call_int(sqlite3_context *context, int count, sqlite3_value **values)
{
    char buf[NUMBER_TEXT_MAX], *end;
    if (any_null(count, values))
        return;
    if (sqlite3_value_type(values[0]) == SQLITE_FLOAT) {
        double real = sqlite3_value_double(values[0]);
        if (real > -9223372036854775808.0 && real < 9223372036854775808.0)
            sqlite3_result_int64(context, (sqlite3_int64)real);
        return;
    }
    if (!number_text(values[0], buf))
        return;
    errno = 0;
    long long number = strtoll(buf, &end, 10);
    if (errno == 0 && *end == '\0' && buf[0] != '+')
        sqlite3_result_int64(context, number);
}

static void call_double(sqlite3_context *context, int count, sqlite3_value **values)
{
    char buf[NUMBER_TEXT_MAX], *end;
    if (any_null(count, values))
        return;
    if (sqlite3_value_type(values[0]) != SQLITE_TEXT) {
        put_double(context, sqlite3_value_double(values[0]));
        return;
    }
    if (!number_text(values[0], buf) || strchr(buf, 'x') || strchr(buf, 'X'))
        return;
    double real = strtod(buf, &end);
    if (*end == '\0')
        put_double(context, real);
}

static void call_bool(sqlite3_context *context, int count, sqlite3_value **values)
{
    static const char *const yes[] = { "1", "t", "true", "TRUE", "True" }, *const no[] = { "0", "f", "false", "FALSE", "False" };
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(text.data, yes[i]) == 0)
            sqlite3_result_int(context, 1);
        if (strcmp(text.data, no[i]) == 0)
            sqlite3_result_int(context, 0);
    }
}

/* Floor, also before 1970. */
static void call_seconds(sqlite3_context *context, int count, sqlite3_value **values)
{
    if (any_null(count, values))
        return;
    sqlite3_int64 ns = sqlite3_value_int64(values[0]), seconds = ns / UNITS_NS_PER_S;
    sqlite3_result_int64(context, seconds - (ns % UNITS_NS_PER_S < 0));
}

static void call_timestamp(sqlite3_context *context, int count, sqlite3_value **values)
{
    int64_t ns;
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]);
    if (timestamp_parse(text.data, text.size, &ns) == 0)
        sqlite3_result_int64(context, ns);
}

static void call_duration(sqlite3_context *context, int count, sqlite3_value **values)
{
    int64_t ns;
    if (any_null(count, values))
        return;
    struct slice text = text_of(values[0]);
    if (duration_parse(text.data, text.size, &ns) == 0)
        sqlite3_result_int64(context, ns);
}

/* The shortest digits that read back as the same number. */
static void write_double(char *buf, size_t cap, double real)
{
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(buf, cap, "%.*g", digits, real);
        if (strtod(buf, NULL) == real)
            return;
    }
}

/* Seconds with what fraction there is: "90s", "-0.25s". */
static void write_seconds(char *buf, size_t cap, int64_t ns)
{
    uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    char fraction[16] = "";
    if (size % 1000000000) {
        (void)snprintf(fraction, sizeof fraction, ".%09" PRIu64, size % 1000000000);
        for (size_t end = strlen(fraction); fraction[end - 1] == '0';)
            fraction[--end] = '\0';
    }
    (void)snprintf(buf, cap, "%s%" PRIu64 "%ss", ns < 0 ? "-" : "", size / 1000000000, fraction);
}

/* string(): the first argument is the type. */
static void call_text(sqlite3_context *context, int count, sqlite3_value **values)
{
    char buf[UNITS_TIME_TEXT_MAX + NUMBER_TEXT_MAX] = "";
    if (any_null(count, values))
        return;
    int64_t number = sqlite3_value_int64(values[1]);
    switch (sqlite3_value_int(values[0])) {
    case TYPE_BOOL: (void)snprintf(buf, sizeof buf, "%s", number ? "true" : "false"); break;
    case TYPE_DOUBLE: write_double(buf, sizeof buf, sqlite3_value_double(values[1])); break;
    case TYPE_TIMESTAMP: units_format_time(number, buf, sizeof buf); break;
    case TYPE_DURATION: write_seconds(buf, sizeof buf, number); break;
    default: (void)snprintf(buf, sizeof buf, "%" PRId64, number);
    }
    sqlite3_result_text(context, buf, -1, SQLITE_TRANSIENT);
}

static int64_t part_of_duration(enum function function, int64_t ns)
{
    return function == FUNCTION_HOURS     ? ns / (3600 * UNITS_NS_PER_S)
           : function == FUNCTION_MINUTES ? ns / (60 * UNITS_NS_PER_S)
           : function == FUNCTION_SECONDS ? ns / UNITS_NS_PER_S
                                          : ns / UNITS_NS_PER_MS % 1000;
}

static int64_t part_of_time(enum function function, const struct tm *tm, int64_t ns)
{
    switch (function) {
    case FUNCTION_YEAR: return tm->tm_year + 1900;
    case FUNCTION_MONTH: return tm->tm_mon;
    case FUNCTION_DATE: return tm->tm_mday;
    case FUNCTION_DAY_OF_MONTH: return tm->tm_mday - 1;
    case FUNCTION_DAY_OF_WEEK: return tm->tm_wday;
    case FUNCTION_DAY_OF_YEAR: return tm->tm_yday;
    case FUNCTION_HOURS: return tm->tm_hour;
    case FUNCTION_MINUTES: return tm->tm_min;
    case FUNCTION_SECONDS: return tm->tm_sec;
    default: return ns / UNITS_NS_PER_MS;
    }
}

/* Which part (enum function), whether it is a duration, and the time. */
static void call_part(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct tm tm;
    if (any_null(count, values))
        return;
    enum function function = (enum function)sqlite3_value_int(values[0]);
    int64_t ns = sqlite3_value_int64(values[2]), rest = ns % UNITS_NS_PER_S;
    time_t seconds = ns / UNITS_NS_PER_S - (rest < 0);
    if (sqlite3_value_int(values[1]))
        sqlite3_result_int64(context, part_of_duration(function, ns));
    else if (gmtime_r(&seconds, &tm))
        sqlite3_result_int64(context, part_of_time(function, &tm, rest < 0 ? rest + UNITS_NS_PER_S : rest));
}

int functions_register_rows(sqlite3 *db, const struct function_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sqlite3_create_function_v2(db, rows[i].name, rows[i].arguments, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, rows[i].call, NULL, NULL, NULL) != SQLITE_OK)
            return -ENOMEM;
    return 0;
}

int functions_register(sqlite3 *db)
{
    static const struct function_row rows[] = {
        { "cel_contains", 2, call_contains }, { "cel_starts", 2, call_starts }, { "cel_ends", 2, call_ends }, { "cel_length", 1, call_length }, { "cel_matches", 2, call_matches },
        { "cel_add", 2, call_add }, { "cel_subtract", 2, call_subtract }, { "cel_multiply", 2, call_multiply }, { "cel_divide", 2, call_divide }, { "cel_modulo", 2, call_modulo },
        { "cel_negate", 1, call_negate }, { "cel_int", 1, call_int }, { "cel_double", 1, call_double }, { "cel_bool", 1, call_bool }, { "cel_seconds", 1, call_seconds },
        { "cel_timestamp", 1, call_timestamp }, { "cel_duration", 1, call_duration }, { "cel_text", 2, call_text }, { "cel_part", 3, call_part },
    };
    int r = functions_register_rows(db, rows, sizeof rows / sizeof *rows);
    return r < 0 ? r : functions_register_json(db);
}
