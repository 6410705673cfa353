/* What HTTP/1 and HTTP/2 share: a header list, and how method, target, headers and body become the fields of http_fields.h.
 *
 * A parser fills one struct http_headers per header block (on its stack: 80 KiB, of which only what is used is touched), hands it to http_write_request() or http_write_response(), which copy into the message, and
 * then collects the body in a struct http_body of its state until http_body_write(). Nothing here keeps a pointer to its caller's bytes after it returns, except the headers' values until they are written.
 * One thread per conversation. Sources: RFC 9110, 9112 section 3.2, 9113 section 8.2, 6265 section 4, 3986. */
#ifndef DISSECTOR_PROTOCOLS_HTTP_MESSAGE_H
#define DISSECTOR_PROTOCOLS_HTTP_MESSAGE_H
#include "services/dissector/engine/conversation.h"
#include "services/dissector/entry/message.h"
#include "services/dissector/protocols/http/http_fields.h"

struct http_text { const char *data; size_t size; };    /* data may be NULL where size is 0 */

/* Headers whose values somebody here or a parser acts on; the others are HTTP_OTHER. */
enum http_known {
    HTTP_OTHER, HTTP_KNOWN_HOST, HTTP_KNOWN_COOKIE, HTTP_KNOWN_SET_COOKIE, HTTP_KNOWN_CONTENT_LENGTH, HTTP_KNOWN_CONTENT_TYPE, HTTP_KNOWN_CONTENT_ENCODING, HTTP_KNOWN_TRANSFER_ENCODING,
    HTTP_KNOWN_CONNECTION, HTTP_KNOWN_UPGRADE, HTTP_KNOWN_WEBSOCKET_EXTENSIONS, HTTP_KNOWN_GRPC_STATUS, HTTP_KNOWN_GRPC_MESSAGE, HTTP_KNOWN_COUNT
};

#define HTTP_HEADERS_MAX 512u       /* lines; stock servers take 100 to 1,000 */
struct http_header {
    const char *name, *value;       /* name: lower case, in the list's store */
    uint32_t value_size;
    uint32_t hash;                  /* of the name */
    uint16_t name_size;
    uint16_t next;                  /* the next header with the same name, as index + 1; 0: none */
    uint8_t known;                  /* enum http_known */
    bool again;                     /* there is an earlier one of the same name */
};
struct http_headers {
    uint32_t count, used;
    bool full;                      /* something did not fit: the message is TRUNCATED */
    uint64_t names;                 /* which hashes may have been seen */
    uint16_t first[HTTP_KNOWN_COUNT]; /* index + 1; 0: none */
    struct http_header at[HTTP_HEADERS_MAX];
    char store[CONVERSATION_HEADERS_MAX];
};
void http_headers_begin(struct http_headers *h);
/* The name is copied in lower case; the value is borrowed until the headers have been written. Pseudo-headers (":path") do not belong here. */
void http_headers_add(struct http_headers *h, const char *name, size_t name_size, const char *value, size_t value_size);
/* The same for a value that goes away: copied as well. */
void http_headers_add_copy(struct http_headers *h, const char *name, size_t name_size, const char *value, size_t value_size);
/* HTTP/1's usual line at p, "Name: value", on one line, with the beginning of the next before end: added, and the next line returned. NULL: it is not one of these, or does not fit; nothing was added. */
const char *http_headers_add_line(struct http_headers *h, const char *p, const char *end);
/* The first of its kind, or NULL. */
static inline const struct http_header *http_headers_get(const struct http_headers *h, enum http_known known) { return h->first[known] ? &h->at[h->first[known] - 1] : NULL; }
/* Whether any of the headers of this kind has the token (lower case) in its comma-separated list, compared without case. */
bool http_headers_has_token(const struct http_headers *h, enum http_known known, const char *token);

/* method, url, path, query, path_segments, query_string, host, http_version, request.headers, request.cookies, request_headers_size, and the summary ("GET /path?query", redacted). target: HTTP/1's request target, or
 * :path; authority: HTTP/2's :authority, empty in HTTP/1 (host is then the Host header's, else the target's authority). headers_size: bytes of start line and headers as they were sent. */
void http_write_request(struct message *m, struct http_text method, struct http_text target, struct http_text authority, const char *version, const struct http_headers *h, uint64_t headers_size);
/* response.headers (without Set-Cookie), response.cookies, response.set_cookies, response_headers_size and, where version is not NULL, http_version. The status is message->status, which the parser sets. */
void http_write_response(struct message *m, const char *version, const struct http_headers *h, uint64_t headers_size);

/* request.trailers or response.trailers: the fields behind a body. Written once for a message. */
void http_write_trailers(struct message *m, bool response, const struct http_headers *h);

#define HTTP_CODINGS_MAX 4u         /* more on one body are an attack */
#define HTTP_CONTENT_TYPE_MAX 128u  /* of it is kept; longer ones have long parameters that nothing here reads */
/* A body on its way: its first CONVERSATION_BODY_MAX bytes and the size of all of it. All zeros is an empty one. */
struct http_body {
    uint64_t size;                  /* bytes as they were sent, without chunk headers or frames */
    uint8_t *data;
    uint32_t kept, room;
    bool response;
    bool failed;                    /* out of memory: nothing more is kept */
    bool holes;                     /* bytes are missing: nothing behind them is kept */
    uint8_t codings[HTTP_CODINGS_MAX], codings_count; /* in the order in which they were applied */
    uint8_t content_type_size;
    char content_type[HTTP_CONTENT_TYPE_MAX];
};
/* From Content-Type, Content-Encoding and Transfer-Encoding; what was there before is forgotten. */
void http_body_begin(struct http_body *b, const struct http_headers *h, bool response);
void http_body_take(struct http_body *b, const uint8_t *data, size_t size);
/* Bytes of the body that the capture lost; they count in the size. */
void http_body_lost(struct http_body *b, uint64_t size);
/* request.body or response.body (decoded; as it was sent where that is not possible), its encoding, and its size. Then the body is empty again, its memory, unless it is much, kept for the next. A body of no bytes writes nothing (all defaults). */
void http_body_write(struct http_body *b, struct message *m);
/* The same where data is the whole body (what http_body_take would have been given), without copying it first. */
void http_body_write_whole(struct http_body *b, struct message *m, const uint8_t *data, size_t size);
void http_body_free(struct http_body *b);
#endif
