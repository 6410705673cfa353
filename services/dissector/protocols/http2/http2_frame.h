/* HTTP/2 frames, as far as their nine bytes of header go, and finding them again in the middle of a stream.
 *
 *    0               1               2               3               4
 *   +-----------------------------------------------+---------------+
 *   | length (24)                                   | type (8)      |
 *   +---------------+-+-----------------------------+---------------+
 *   | flags (8)     |R| stream identifier (31)                      |
 *   +---------------+-+---------------------------------------------+
 *   | payload: `length` bytes                                       |
 *   +---------------------------------------------------------------+
 *
 * Source: RFC 9113 sections 3.4, 4 and 6. Pure functions over borrowed bytes. */
#ifndef DISSECTOR_PROTOCOLS_HTTP2_FRAME_H
#define DISSECTOR_PROTOCOLS_HTTP2_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define HTTP2_PREFACE_SIZE (sizeof HTTP2_PREFACE - 1)
#define HTTP2_FRAME_HEADER 9u
#define HTTP2_FRAME_LENGTH_LEAST 16384u /* every peer takes frames as long as this, and hardly any asks for longer ones */

enum http2_type {
    HTTP2_DATA, HTTP2_HEADERS, HTTP2_PRIORITY, HTTP2_RST_STREAM, HTTP2_SETTINGS, HTTP2_PUSH_PROMISE, HTTP2_PING, HTTP2_GOAWAY, HTTP2_WINDOW_UPDATE, HTTP2_CONTINUATION,
    HTTP2_TYPES /* other types are extensions, which a receiver passes over */
};
#define HTTP2_END_STREAM 0x1u
#define HTTP2_ACK 0x1u
#define HTTP2_END_HEADERS 0x4u
#define HTTP2_PADDED 0x8u
#define HTTP2_WITH_PRIORITY 0x20u

struct http2_frame { uint32_t length, stream; uint8_t type, flags; };

/* data holds at least HTTP2_FRAME_HEADER bytes. The reserved bit is left out. */
void http2_frame_read(const uint8_t *data, struct http2_frame *ret);
/* What RFC 9113 makes a connection error of: a length or a stream that the type cannot have. */
bool http2_frame_valid(const struct http2_frame *frame);
/* Whether a stock sender would send these nine bytes: valid, of a known type, no undefined flag, no reserved bit, not longer than length_max. */
bool http2_frame_plausible(const uint8_t *data, uint32_t length_max);

#define HTTP2_SEARCH_LENGTH_MAX 65535u /* longer frames are no landmarks: three of them might never be held together, and any three bytes would be a length */
/* Looks for the first place from which on three plausible frame headers follow each other. True: it is *ret_at. False: there is none yet; the bytes before *ret_at can be dropped, more may show that it is there. */
bool http2_frame_search(const uint8_t *data, size_t size, uint32_t length_max, size_t *ret_at);

/* Whose header block this is, by its first field (pseudo-headers come first): 1 a request's, 2 a response's, 0 it does not say. */
enum http2_block_of { HTTP2_BLOCK_UNKNOWN, HTTP2_BLOCK_REQUEST, HTTP2_BLOCK_RESPONSE };
enum http2_block_of http2_block_kind(const uint8_t *block, size_t size);

/* Takes padding, and the priority of HEADERS, off a whole payload: *payload and *size become what is left. False: it is malformed. */
bool http2_frame_strip(const struct http2_frame *frame, const uint8_t **payload, uint32_t *size);
#endif
