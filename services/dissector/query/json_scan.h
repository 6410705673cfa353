/* Reads the JSON of list and map values where it lies, without a tree: lists of any depth, maps, texts, numbers. One pass forward, bounded by the text; never recurses on it except to compare, as deep as a type can be.
 * Writes the same. Pure functions over borrowed bytes. */
#ifndef DISSECTOR_QUERY_JSON_SCAN_H
#define DISSECTOR_QUERY_JSON_SCAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value as it stands in the text: a string with its quotes, a number, a list with its brackets ... */
struct json_piece { const char *data; size_t size; };
struct json_scan { const char *at, *end; bool map, bad; };

/* False: it is neither list nor map. */
bool json_scan_open(const char *text, size_t size, struct json_scan *ret);
/* The next element; *ret_key only for maps. False at the end, and where the text is broken (then scan->bad). */
bool json_scan_next(struct json_scan *scan, struct json_piece *ret_key, struct json_piece *ret);
/* Whether a string piece means this text. */
bool json_is_text(struct json_piece piece, const char *text, size_t size);
/* What a string piece means, into dst, which has piece.size bytes of room; returns bytes written. */
size_t json_unescape(struct json_piece piece, char *dst);
static inline bool json_is_string(struct json_piece piece) { return piece.size && piece.data[0] == '"'; }
static inline bool json_is_nested(struct json_piece piece) { return piece.size && (piece.data[0] == '[' || piece.data[0] == '{'); }
/* Lists element by element, maps without regard to order, numbers by value. `depth` more levels may follow. */
bool json_same(struct json_piece a, struct json_piece b, unsigned depth);

/* A growing text. Failed: no memory, or past JSON_TEXT_BYTES_MAX. */
#define JSON_TEXT_BYTES_MAX (8u * 1024 * 1024)   /* of one value that an expression makes */
struct json_made { char *data; size_t size, room; bool failed; };
void json_append(struct json_made *text, const void *data, size_t size);
void json_append_string(struct json_made *text, const char *data, size_t size);
#endif
