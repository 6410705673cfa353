/* JSON and clean UTF-8 out of any bytes, at memory speed. Every writer puts its bytes at p, where the caller has made room, and returns the place behind them; it may scribble up to JSON_SLACK bytes past that place, which is
 * why the macros of room count it in. Bytes that are not UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF) become U+FFFD, one for each bad byte; so does NUL, at which SQLite's functions and C programs
 * would end a text. Pure functions. Source: RFC 8259. */
#ifndef DISSECTOR_OUTPUT_JSON_TEXT_H
#define DISSECTOR_OUTPUT_JSON_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "services/dissector/entry/record.h"

#define JSON_SLACK 16u
#define JSON_STRING_ROOM(size) ((size) * 6 + 2 + JSON_SLACK) /* a control character takes six */
#define JSON_VALUES_ROOM(size) ((size) * 6 + 2 + JSON_SLACK) /* a LIST or MAP of that many bytes: an item's four bytes of length pay for its quotes and comma */
#define JSON_NUMBER_ROOM (20u + JSON_SLACK)
#define JSON_TIME_ROOM (30u + JSON_SLACK)
#define UTF8_CLEAN_ROOM(size) ((size) * 3 + JSON_SLACK)

/* With its quotes. */
char *json_put_string(char *p, const void *text, size_t size);
char *json_put_list(char *p, const struct value *value);
char *json_put_map(char *p, const struct value *value);
char *json_put_unsigned(char *p, uint64_t value);
char *json_put_signed(char *p, int64_t value);
/* RFC 3339 in UTC with nine digits, without quotes. The clock remembers the text of its last second: times mostly come in order. Zeroed, it is ready. */
struct json_clock { int64_t second; char text[20]; bool known; };
char *json_put_time(char *p, struct json_clock *clock, int64_t ns);

/* Whether the bytes may stand as they are. */
bool utf8_is_clean(const void *text, size_t size);
char *utf8_put_clean(char *p, const void *text, size_t size);
#endif
