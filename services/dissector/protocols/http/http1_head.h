/* The head of an HTTP/1 message: start line and headers, and where its body ends.
 *
 *   request-line = method SP target SP HTTP/1.x CRLF        status-line = HTTP/1.x SP 3DIGIT SP reason CRLF        then: *( name ":" value CRLF ) CRLF
 *
 * Lines may end with a bare LF; empty lines before the start line belong to it; a line that begins with a blank continues the one before it (obs-fold). Source: RFC 9112 sections 2 to 6. Pure; borrows the data. */
#ifndef DISSECTOR_PROTOCOLS_HTTP1_HEAD_H
#define DISSECTOR_PROTOCOLS_HTTP1_HEAD_H
#include "services/dissector/protocols/http/http_message.h"

#define HTTP1_HEAD_BYTES_MAX (256u * 1024)  /* a head's end is looked for this far; of its headers CONVERSATION_HEADERS_MAX are kept */
#define HTTP1_LINE_BYTES_MAX (64u * 1024)   /* of a start line: targets of 8 to 32 KiB are what servers take */
#define HTTP1_METHOD_BYTES_MAX 32u

enum http1_start { HTTP1_START_NO, HTTP1_START_MORE, HTTP1_START_YES };
/* Whether a message begins here. strict: nothing else says so (the beginning of an unknown stream, or of a packet after a
 * gap): then MORE needs a method that is known, and YES a faultless line; otherwise a known method alone is enough. */
enum http1_start http1_is_request(const uint8_t *data, size_t size, bool strict);
enum http1_start http1_is_response(const uint8_t *data, size_t size);

/* Bytes of empty lines at the front, which a message may have before it; more than 16 of them: SIZE_MAX. */
size_t http1_empty_lines(const uint8_t *data, size_t size);

#define HTTP1_NO_VERSION 255u
struct http1_head {
    struct http_text method, target;    /* of a request */
    int32_t status;                     /* of a response */
    uint8_t version;                    /* 1.version, or HTTP1_NO_VERSION of a request that says none that is known */
    bool cut;                           /* the end was not found within HTTP1_HEAD_BYTES_MAX: this is its beginning */
};
/* Bytes of the head, behind which the body begins; 0: it is not whole yet. *scanned is 0 for a new head and belongs to this function until it is whole: it keeps the work linear. -EBADMSG: not one. */
int64_t http1_read_head(const uint8_t *data, size_t size, bool response, uint32_t *scanned, struct http1_head *ret, struct http_headers *ret_headers);

/* RFC 9112 section 6.3. */
enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE, HTTP1_UNKNOWN /* a conflict: its end cannot be told */ };
/* By the headers alone: what HEAD, CONNECT and the status have to say comes before. */
enum http1_framing http1_body_framing(const struct http_headers *h, bool response, uint64_t *ret_length);
/* The trailers behind the last chunk, to their empty line (RFC 9112 section 7.1.2): bytes of them, 0: not whole yet, -EBADMSG: longer than CONVERSATION_HEADERS_MAX. *scanned as above; *ret borrows the data. */
int64_t http1_read_trailers(const uint8_t *data, size_t size, uint32_t *scanned, struct http_headers *ret);
/* A chunk's first line ("1a;name=value"): bytes of it with its line end, 0: not whole yet, -EBADMSG. */
int64_t http1_read_chunk_size(const uint8_t *data, size_t size, uint64_t *ret);
#endif
