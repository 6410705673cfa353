/* A reader of Redis replies (RESP2 and RESP3) that keeps nothing but a short text: replies of any size pass through it in pieces.
 *
 *   line      = + text | - error | : integer | , double | # t/f | ( big number | _ null            each ends with CRLF
 *   blob      = $ string | ! error | = verbatim "txt:..."      length CRLF, bytes, CRLF; length -1: null; length ?: chunks of ";length CRLF bytes CRLF" up to ";0"
 *   aggregate = * array | ~ set | > push | % map | | attributes     count CRLF, elements (a map's are pairs); count -1: null; count ?: up to a lone "."
 *
 * Attributes stand before a reply or an element, and belong to it. Reference: redis.io/docs/reference/protocol-spec, RESP3 specification.
 * The reader is part of a conversation's state; all zero is its beginning. No allocation. */
#ifndef DISSECTOR_PROTOCOLS_REDIS_REPLY_H
#define DISSECTOR_PROTOCOLS_REDIS_REPLY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_DEPTH_MAX 32              /* aggregates in each other: Redis' own go to 6, scripts to 7 or so */
#define REDIS_REPLY_TEXT_MAX 256        /* bytes of redis_response: enough to know it by */
#define REDIS_REPLY_LINE_MAX (64u * 1024) /* Redis' own limit of a line */
#define REDIS_BLOB_MAX (INT64_C(1) << 32) /* eight times Redis' default limit of a string; more is no length */

struct redis_frame { int64_t left; bool streamed, attribute, map; uint8_t close; };
struct redis_reply {
    uint64_t size;                      /* bytes of the reply so far */
    uint64_t skip;                      /* bytes of the blob that are still to come, with its CRLF */
    uint64_t keep;                      /* of them, those that are text */
    uint64_t passed;                    /* of the blob, bytes that were before those: a verbatim string's "txt:" */
    int64_t number;                     /* the last integer */
    uint32_t depth, attributes;         /* open frames, and how many of them are attributes */
    struct redis_frame frames[REDIS_DEPTH_MAX];
    char type;                          /* of the reply itself: its first byte behind its attributes; 0: not yet there */
    bool chunked, comma;
    uint32_t text_size;
    char text[REDIS_REPLY_TEXT_MAX];    /* scalars as they are, aggregates as [a, b] and {a: b} */
};

/* Returns the bytes taken, of which those of the reply are counted; 0 (with *ret_done false): a line is not all there. *ret_done: the reply ends with them.
 * -EBADMSG: not RESP. */
int64_t redis_reply_read(struct redis_reply *reply, const uint8_t *data, size_t size, bool *ret_done);
static inline bool redis_reply_is_error(const struct redis_reply *reply) { return reply->type == '-' || reply->type == '!'; }
/* Of an array or push: whether its first element is this word. */
bool redis_reply_begins(const struct redis_reply *reply, const char *word);
/* A length or count: digits, perhaps with a sign, up to CRLF. Bytes with the CRLF; 0: not all there; -EBADMSG. */
int64_t redis_read_number(const uint8_t *data, size_t size, int64_t *ret_number);
#endif
