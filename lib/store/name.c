#include "store/name.h"
#include "store/store.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, STORE_NAME_ERROR_TEXT_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

int store_name_check(const char *name, char *error)
{
    size_t length = strlen(name);
    if (length == 0)
        return refuse(error, "the request has no name: give the snapshot one, such as \"name\": \"checkout-outage\"");
    if (length > STORE_NAME_MAX)
        return refuse(error, "the name is %zu bytes long and may have %d: choose a shorter one", length, STORE_NAME_MAX);
    if (strchr(name, '/') || strstr(name, ".."))
        return refuse(error, "a name must not hold '/' or '..': it becomes one folder of the store");
    bool fits = is_alphanumeric(name[0]) && is_alphanumeric(name[length - 1]);
    for (size_t i = 0; fits && i < length; i++)
        fits = is_alphanumeric(name[i]) || strchr("-._", name[i]);
    if (!fits)
        return refuse(error, "a name is made of a-z, 0-9, '-', '.' and '_', and begins and ends with a letter or digit");
    return 0;
}
